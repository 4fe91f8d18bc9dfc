"""
Version ceilings: which app versions a license covers (R-02, R-40).

The rule is that of contracts/licenseseat.md §6.4, so that native and compatible clients judge alike.
"""

from __future__ import annotations

_MAX_PARTS = 3
_MAX_LENGTH = 255


def parse_core(version: str) -> tuple[int, int, int] | None:
    """
    The comparable core of *version*, or None where it has none (contracts/licenseseat.md §6.4).

    Blanks around it and everything from the first ``-`` or ``+`` are dropped; then one to three decimal parts, missing
    ones being 0. More than 255 characters have no core.
    """
    if len(version) > _MAX_LENGTH:
        return None
    parts = version.strip().partition("-")[0].partition("+")[0].split(".")
    if len(parts) > _MAX_PARTS or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    numbers = [int(part) for part in parts] + [0, 0]
    return numbers[0], numbers[1], numbers[2]


def covers(version: str, below: str) -> bool:
    """
    Whether the exclusive ceiling *below* covers *version*: ``3.0.0`` covers 2.99.9, not 3.0 and not 3.0.0-beta.1.

    Fails open, as the contract says: if either text has no comparable core, the version is covered.
    """
    core, ceiling = parse_core(version), parse_core(below)
    return core is None or ceiling is None or core < ceiling
