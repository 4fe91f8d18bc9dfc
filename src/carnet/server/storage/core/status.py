"""
Status lists in SQLAlchemy Core: what they are made of, and those that are published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from carnet.core.instant import Instant
from carnet.server.ports.status import ListedLicense, PublishedList, ShardRows, StatusFacts
from carnet.server.storage.core.unit import CoreUnits
from carnet.server.storage.tables import activations, installation, licenses, status_lists

# As the indexes have it: a bound value would keep the database from using them.
_NOT_ACTIVE: Final = licenses.c.status != sa.literal_column("'active'")
_ENDED: Final = activations.c.deactivated_at.is_not(None)
# One step down the index for each shard, however many positions are in it, and however wide the gaps.
_SHARDS: Final = sa.text("""
WITH RECURSIVE found(shard) AS (
    SELECT min(position) / :size FROM status_indices
    UNION ALL
    SELECT (SELECT min(position) / :size FROM status_indices WHERE position >= (found.shard + 1) * :size)
    FROM found WHERE found.shard IS NOT NULL
)
SELECT shard FROM found WHERE shard IS NOT NULL
""")
_SEEN: Final = (
    status_lists.c.shard,
    status_lists.c.epoch,
    status_lists.c.number,
    status_lists.c.mark,
    status_lists.c.issued_at,
    status_lists.c.expires_at,
)


def facts_queries(shard_size: int) -> dict[str, sa.Select[Any]]:
    """Licenses that are not active; revisions of the suspended; how many activations of each shard have ended."""
    shard = activations.c.status_index // shard_size
    ended = sa.select(shard, sa.func.count()).where(_ENDED).group_by(shard)
    return {"licenses": _licenses(), "suspended": _suspended(), "ended": ended}


def rows_queries(begin: int, end: int) -> dict[str, sa.Select[Any]]:
    """What stands at the positions from *begin* to before *end*."""
    place, listed = activations.c.status_index, licenses.c.status_index
    ended = sa.select(place).where(_ENDED, place >= begin, place < end).order_by(place)
    is_there = (listed >= begin, listed < end)
    return {
        "licenses of a shard": _licenses(*is_there),
        "suspended of a shard": _suspended(*is_there),
        "ended of a shard": ended,
    }


class StatusPart(CoreUnits):
    """`ports.StatusStore`."""

    async def status_facts(self, *, shard_size: int) -> StatusFacts:
        """See `ports.StatusStore`."""
        queries = facts_queries(shard_size)

        def work(connection: sa.Connection) -> StatusFacts:
            return StatusFacts(
                epoch=connection.scalar(sa.select(installation.c.epoch)) or 0,
                shards=tuple(connection.scalars(_SHARDS, {"size": shard_size})),
                licenses=_listed(connection, queries["licenses"], queries["suspended"]),
                ended={int(row[0]): row[1] for row in connection.execute(queries["ended"])},
                published=tuple(_list_of(row, "") for row in connection.execute(sa.select(*_SEEN))),
            )

        return await self._read(work)

    async def status_rows(self, *, begin: int, end: int) -> ShardRows:
        """See `ports.StatusStore`."""
        queries = rows_queries(begin, end)

        def work(connection: sa.Connection) -> ShardRows:
            ended = tuple(connection.scalars(queries["ended of a shard"]))
            listed = _listed(connection, queries["licenses of a shard"], queries["suspended of a shard"])
            return ShardRows(licenses=listed, ended=ended)

        return await self._read(work)

    async def publish_list(self, made: PublishedList, *, over: tuple[int, int] | None) -> bool:
        """See `ports.StatusStore`."""
        if over is not None and made.version <= over:
            return False
        values: dict[str, Any] = {
            "epoch": made.version[0],
            "number": made.version[1],
            "mark": made.mark,
            "token": made.token,
            "issued_at": int(made.issued_at),
            "expires_at": int(made.expires_at),
        }
        is_ours = status_lists.c.shard == made.shard

        def work(connection: sa.Connection) -> bool:
            # The installation's row takes turns of two that publish at once; a shard has no row yet the first time.
            connection.execute(sa.select(installation.c.issuer).with_for_update(key_share=True))
            if over is None:
                if connection.execute(sa.select(status_lists.c.shard).where(is_ours)).first() is not None:
                    return False
                connection.execute(sa.insert(status_lists), {"shard": made.shard, **values})
                return True
            is_as_seen = sa.and_(is_ours, status_lists.c.epoch == over[0], status_lists.c.number == over[1])
            return connection.execute(sa.update(status_lists).where(is_as_seen).values(values)).rowcount == 1

        return await self._write(work)

    async def published_lists(self, known: Mapping[int, tuple[int, int]]) -> tuple[PublishedList, ...]:
        """See `ports.StatusStore`."""

        def work(connection: sa.Connection) -> tuple[PublishedList, ...]:
            found = [_list_of(row, "") for row in connection.execute(sa.select(*_SEEN))]
            changed = [each for each in found if known.get(each.shard) != each.version]
            made = []
            for each in changed:
                query = sa.select(*_SEEN, status_lists.c.token).where(status_lists.c.shard == each.shard)
                made += [_list_of(row, row[6]) for row in connection.execute(query)]
            return tuple(made)

        return await self._read(work)


def _licenses(*where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    place = licenses.c.status_index
    return sa.select(place, licenses.c.status).where(_NOT_ACTIVE, *where).order_by(place)


def _suspended(*where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Found by the same index; only for these few are rows of the table read."""
    place, is_suspended = licenses.c.status_index, licenses.c.status == "suspended"
    return sa.select(place, licenses.c.revision).where(_NOT_ACTIVE, is_suspended, *where)


def _listed(connection: sa.Connection, query: sa.Select[Any], suspended: sa.Select[Any]) -> tuple[ListedLicense, ...]:
    found = connection.execute(query).all()
    revisions: dict[int, int] = {}
    if any(row[1] == "suspended" for row in found):
        revisions = {row[0]: row[1] for row in connection.execute(suspended)}
    return tuple(
        ListedLicense(position=row[0], is_revoked=row[1] == "revoked", revision=revisions.get(row[0], 0))
        for row in found
    )


def _list_of(row: Sequence[Any], token: str) -> PublishedList:
    return PublishedList(
        shard=row[0],
        version=(row[1], row[2]),
        mark=row[3],
        token=token,
        issued_at=Instant(row[4]),
        expires_at=Instant(row[5]),
    )
