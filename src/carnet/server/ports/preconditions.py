"""
The revision that a change expects to find: set by the edge for a request, compared by the storage under the row's lock.
"""

from __future__ import annotations

from contextvars import ContextVar

from carnet.core.errors import CarnetError

EXPECTED: ContextVar[frozenset[int] | None] = ContextVar("carnet_expected", default=None)
"""The revisions that the present request may change; None: whatever there is."""


def require_revision(revision: int) -> None:
    """
    Refuse to change what somebody else has changed in the meantime.

    Args:
        revision: That of the row, read under its lock.

    Raises:
        CarnetError: ``precondition_failed``: nothing is written.
    """
    expected = EXPECTED.get()
    if expected is not None and revision not in expected:
        raise CarnetError(
            "precondition_failed",
            "It was changed in the meantime; nothing was done.",
            "Read it again, and repeat the change if it still makes sense.",
        )
