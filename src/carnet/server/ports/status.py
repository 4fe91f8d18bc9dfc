"""
What status lists are made of, and the lists that are published (SEC-26, SEC-27).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from carnet.core._base import Struct
from carnet.core.instant import Instant


class ListedLicense(Struct):
    """
    A license that is not active.

    Attributes:
        position: Where it stands.
        is_revoked: Whether it is revoked; else it is suspended.
        revision: Of a suspended license: one that was reinstated and suspended again has another. 0 where it is
            revoked, which is final.
    """

    position: int
    is_revoked: bool
    revision: int = 0


class PublishedList(Struct):
    """
    A list as it is served.

    Attributes:
        shard: Which.
        version: Epoch and number.
        mark: Of the rows that it was made of, as `StatusFacts` and `ShardRows` tell them.
        token: The signed list; empty where it was not asked for.
        issued_at: Of the token.
        expires_at: Of the token.
    """

    shard: int
    version: tuple[int, int]
    mark: str
    token: str
    issued_at: Instant
    expires_at: Instant


class StatusFacts(Struct):
    """
    All that tells which lists are to be made anew, at one moment.

    Attributes:
        epoch: The life of the database (REL-11); versions begin with it.
        shards: Every shard that positions were given out of; each life of the database begins far behind the last.
        licenses: Those that are not active, by position.
        ended: How many activations of each shard have ended; none that has, begins again.
        published: Every list, without its token.
    """

    epoch: int
    shards: tuple[int, ...]
    licenses: tuple[ListedLicense, ...]
    ended: Mapping[int, int]
    published: tuple[PublishedList, ...]


class ShardRows(Struct):
    """What one list is made of, at one moment: licenses that are not active, and positions of ended activations."""

    licenses: tuple[ListedLicense, ...]
    ended: tuple[int, ...]


class StatusStore(Protocol):
    """Status lists. What devices and vendors change writes nothing here: the job reads what they wrote."""

    async def status_facts(self, *, shard_size: int) -> StatusFacts:
        """What tells which lists are to be made anew: read from indexes that hold nothing else."""
        ...

    async def status_rows(self, *, begin: int, end: int) -> ShardRows:
        """What the list of the positions from *begin* to before *end* is made of."""
        ...

    async def publish_list(self, made: PublishedList, *, over: tuple[int, int] | None) -> bool:
        """
        Serve *made* from now on in place of the list of version *over*; None where there is none yet.

        Returns:
            False where another is served by now, or *made* is not greater: nothing has changed then.
        """
        ...

    async def published_lists(self, known: Mapping[int, tuple[int, int]]) -> tuple[PublishedList, ...]:
        """The lists whose version is not the *known* one of their shard, with their tokens."""
        ...
