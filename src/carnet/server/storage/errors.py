"""
What a database's trouble is called, whichever database it is.
"""

from __future__ import annotations

from carnet.core.errors import StateError


class StorageError(StateError):
    """The database did not take it this time; repeating the same call is safe and may succeed."""

    retryable = True


def storage_closed() -> StateError:
    """The error of work that is asked for after the end."""
    return StateError("storage_closed", "This installation was closed.", "Open it again.")


def seat_guard(what: str) -> StateError:
    """The error of a decision that the database knows is wrong; see `ports.Storage.change_seat`."""
    return StateError(
        "seat_guard",
        f"The database refused a decision that {what}; nothing was written.",
        "This is a fault in Carnet: please report it with the request id.",
    )
