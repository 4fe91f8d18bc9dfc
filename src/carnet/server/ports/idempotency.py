"""
What is remembered of a request that carried an ``Idempotency-Key``, and how it reaches the transaction of its change.

A request's `Once` stands in `ONCE` while it is answered. The service that changes something says by `note` what the
same answer can be made of again: ids, never secrets. The storage writes them in the transaction of the change itself,
so that there is no moment at which one is durable and the other is not (REL-02).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Protocol, TypeVar

from carnet.core._base import Struct
from carnet.core.errors import CarnetError
from carnet.core.instant import Instant
from carnet.server.ports.preconditions import EXPECTED

_C = TypeVar("_C")
_T = TypeVar("_T")


class Remembered(Struct):
    """
    A change that was made for a request, by who asked and how.

    Attributes:
        scope: Keyed hash of the caller and the key it chose; one change each.
        request: Hash of the operation and the exact body.
        ids: What the change made, enough to make the same answer again; never a secret.
        at: When it was made.
        until: When it is forgotten.
    """

    scope: bytes
    request: bytes
    ids: Mapping[str, str]
    at: Instant
    until: Instant


class Once:
    """A request under way that must take effect once. Members as in `Remembered`; `ids` is filled by `note`."""

    __slots__ = ("at", "ids", "is_begun", "is_written", "request", "scope", "until")

    def __init__(self, *, scope: bytes, request: bytes, at: Instant, until: Instant) -> None:
        self.scope = scope
        self.request = request
        self.at = at
        self.until = until
        self.ids: dict[str, str] = {}
        self.is_begun = False
        self.is_written = False

    def remembered(self) -> Remembered:
        """What the storage writes."""
        return Remembered(scope=self.scope, request=self.request, ids=dict(self.ids), at=self.at, until=self.until)


ONCE: ContextVar[Once | None] = ContextVar("carnet_once", default=None)
"""The request being answered, where it carried an Idempotency-Key that was not used before."""


def note(**ids: str) -> None:
    """
    Say, inside the transaction of a change, what its answer can be made of again. Without a key, it does nothing.

    A change that notes nothing is not remembered: a refusal is decided anew when it is asked again.
    """
    once = ONCE.get()
    if once is not None:
        once.ids.update(ids)


def remembering(work: Callable[[_C], _T], write: Callable[[_C, Remembered], None]) -> Callable[[_C], _T]:
    """
    *work*, a unit of the storage, with what belongs to the present request taken along: the revision that it expects,
    and its memory, which is written behind the change.

    Args:
        work: Runs inside a transaction, perhaps in another thread, given its connection.
        write: Stores the memory on that connection; raises `request_in_flight` if there is one already.
    """
    once, expected = ONCE.get(), EXPECTED.get()
    if once is not None and once.is_written:
        once = None
    if once is None and expected is None:
        return work

    def unit(connection: _C) -> _T:
        asked, revisions = ONCE.set(once), EXPECTED.set(expected)
        try:
            result = work(connection)
        finally:
            ONCE.reset(asked)
            EXPECTED.reset(revisions)
        if once is not None and once.ids:
            write(connection, once.remembered())
            once.is_written = True
        return result

    return unit


def request_in_flight() -> CarnetError:
    """The error for a key whose first request is not answered yet, here or in another process."""
    return CarnetError(
        "request_in_flight",
        "A request with this Idempotency-Key is being answered.",
        "Repeat it in a moment; it will have the same outcome.",
    )


class IdempotencyStore(Protocol):
    """Remembered requests. Writing them is not here: see `remembering`."""

    async def remembered(self, scope: bytes) -> Remembered | None:
        """What is remembered of a caller's key, also after its time."""
        ...

    async def forget_remembered(self, now: Instant) -> None:
        """Forget what is over."""
        ...
