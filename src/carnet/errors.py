"""
The errors an app may meet, in one place; the tree and its branches are drawn in `carnet.core.errors`.

Ordinary outcomes (expired, no seats, unreachable) are a `Decision`, not an exception.
"""

from __future__ import annotations

from carnet.core.errors import (
    CarnetError,
    DoesNotOpenError,
    MalformedError,
    NotGenuineError,
    RefusedError,
    StateError,
    TransportError,
    UsageError,
)

__all__ = [
    "CarnetError",
    "DoesNotOpenError",
    "MalformedError",
    "NotGenuineError",
    "RefusedError",
    "StateError",
    "TransportError",
    "UsageError",
]
