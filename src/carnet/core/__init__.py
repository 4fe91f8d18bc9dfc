"""The vocabulary and the rules: pure, standard library only, nothing of ours imported from outside."""
