"""A number before its unit, as people write it."""

from __future__ import annotations


def how_many(count: int, unit: str, units: str | None = None) -> str:
    """
    *count* with its unit: ``1 second``, ``0 seconds``, ``1,200 entries``.

    Args:
        count: At least 0.
        unit: The word for one, in English.
        units: For any other number; None: *unit* with an s.
    """
    return f"{count:,} {unit if count == 1 else units or f'{unit}s'}"
