"""
Makes `specs/vectors/token-profiles/` (specs/token-profiles.md §10), from the contracts' test keys and fixed seeds.

`python tools/vectors_token_profiles.py` writes them; `tests/unit/formats/test_profile_vectors.py` makes them again,
compares, and runs them. The inputs are written by hand in `tests/support/`; the outcomes are what `carnet.formats`
says, and are reviewed as text and by tools/check_vectors.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from support.host_scenarios import hosts  # noqa: E402 - found on the path that is set above
from support.keyforge_issuing import issued, not_issued  # noqa: E402
from support.keyforge_scenarios import keyforge  # noqa: E402
from support.orchestrator_scenarios import orchestrator  # noqa: E402
from support.sealed_vectors import write  # noqa: E402

PARTS = (keyforge, issued, not_issued, orchestrator, hosts)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of token profiles")
