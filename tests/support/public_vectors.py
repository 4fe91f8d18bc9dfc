"""
Test vectors of public projects (Wycheproof, C2SP CCTV), read from the folder named by `CARNET_VECTORS`.

They are not part of this repository. Where the folder is missing, tests that need it are skipped and say which file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_PROJECT = Path(__file__).resolve().parents[2]


def public_vectors(name: str) -> Any:
    """The parsed file *name* of the vectors folder; skips the test by name where it is not there."""
    path = Path(os.environ.get("CARNET_VECTORS") or _PROJECT.parent / "shared" / "vectors") / name
    if not path.is_file():
        pytest.skip(f"public test vectors {name} are not in the folder named by CARNET_VECTORS")
    return json.loads(path.read_text("utf-8"))
