"""`make bench`: speed as ratios, both sides measured in the same run, interleaved, medians."""
