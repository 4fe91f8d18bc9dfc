"""
What PostgreSQL's and its driver's errors mean to a caller.

Nothing that the server or the driver says is repeated but the SQLSTATE or the exception's name: their texts may quote
values (design.md §2 rule 10).
"""

from __future__ import annotations

from typing import Final

from asyncpg import DataError, InterfaceError, InternalClientError, PostgresError  # type: ignore[import-untyped]
from sqlalchemy.exc import DBAPIError

from carnet.core.errors import CarnetError, UsageError
from carnet.server.storage.errors import StorageError

DRIVER_ERRORS: Final = (PostgresError, InterfaceError, InternalClientError, OSError, TimeoutError)
"""Everything that talking to PostgreSQL raises for reasons that are not ours."""

_NOT_SENT: Final = (InterfaceError, InternalClientError)

UNIQUE_VIOLATION: Final = "23505"
_SERIALIZATION_FAILURE: Final = "40001"
_DEADLOCK: Final = "40P01"

_BUSY: Final = {
    _SERIALIZATION_FAILURE: "another change was in the way",
    _DEADLOCK: "another change was in the way",
    "55P03": "a lock was not free in time",
    "57014": "it took too long",
    "53300": "it takes no more connections",
}
_NOT_FOR_US: Final = {
    "28000": "refused to let us in",
    "28P01": "refused the password",
    "3D000": "has no database of that name",
    "42501": "does not allow this user to do that",
}
_BAD_TEXT: Final = frozenset(("22021", "22P05"))


def sqlstate_of(error: BaseException) -> str | None:
    """The five characters that name a server's error; None if it is not the server's."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_conflict(error: BaseException) -> bool:
    """Whether the transaction was undone because of others, and doing it again is right."""
    return sqlstate_of(error) in {_SERIALIZATION_FAILURE, _DEADLOCK}


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, and with it the knowledge of what became of the last statement."""
    state = sqlstate_of(error)
    if state is not None:
        return state.startswith("08") or state in {"57P01", "57P02", "57P03"}
    return isinstance(error, (*_NOT_SENT, OSError, TimeoutError)) and not isinstance(error, DataError)


def was_not_sent(error: BaseException) -> bool:
    """
    Whether the statement never left: the driver found the connection closed, or closing, before it wrote to it.

    That is what a connection looks like that the server ended while nobody used it.
    """
    return isinstance(error, _NOT_SENT) and is_lost(error)


def storage_error(error: BaseException, *, was_sent: bool = False) -> CarnetError:
    """
    What *error* is to a caller.

    Args:
        error: One of `DRIVER_ERRORS`.
        was_sent: A change had been sent: if the connection is lost, nobody knows whether it was committed.

    Returns:
        ``storage_busy`` or ``storage_unavailable``, both retryable; ``invalid_argument`` for a value that no row can
        hold (a NUL character, a number beyond 64 bits).
    """
    state = sqlstate_of(error)
    if isinstance(error, DataError) or state in _BAD_TEXT:
        return UsageError("invalid_argument", "A value is not valid.", "It must be text or a number as usual.")
    if state in _BUSY:
        return StorageError("storage_busy", f"The database is busy: {_BUSY[state]}.", "Try again in a moment.")
    if state in _NOT_FOR_US:
        return StorageError(
            "storage_unavailable",
            f"The database server {_NOT_FOR_US[state]} ({state}).",
            "Check CARNET_DATABASE_URL: user, password, database, and what that user is allowed to do.",
        )
    if is_lost(error):
        doubt = " It is not known whether the change was made; repeating it is safe." if was_sent else ""
        return StorageError(
            "storage_unavailable",
            f"The database server cannot be reached ({state or type(error).__name__}).{doubt}",
            "Check that it runs and that CARNET_DATABASE_URL is right, then try again.",
        )
    return StorageError(
        "storage_unavailable",
        f"The database could not be read or written ({state or type(error).__name__}).",
        "Look into the database server's log, then try again.",
    )


def driver_error(error: DBAPIError) -> BaseException:
    """The driver's own error inside SQLAlchemy's."""
    original = error.orig
    cause = None if original is None else original.__cause__
    if cause is not None and isinstance(cause, DRIVER_ERRORS):
        return cause
    return error if original is None else original
