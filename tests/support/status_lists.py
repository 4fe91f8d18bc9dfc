"""Status lists of real installations: published as the job does it, read as a device does, compared with the rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from carnet.formats.status_list import StatusList, verify_status_list
from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.server.installation import Installation
from carnet.server.settings import Settings
from support.installations import execute


async def publish(installation: Installation) -> dict[int, StatusList]:
    """Do the job once, to its end; every list then, verified, by shard."""
    while await installation.publisher.publish():
        pass
    return served(installation)


def served(installation: Installation) -> dict[int, StatusList]:
    """What an installation serves now, verified under its root, by shard."""
    base = installation.settings.base_url
    return {
        each.shard: verify_status_list(each.token, installation.ring, uri=f"{base}/v1/status/{each.shard}")
        for each in installation.lists.all()
    }


def status_at(lists: dict[int, StatusList], position: int) -> int:
    """The status at *position* of all lists together."""
    shard, index = divmod(position, SHARD_SIZE)
    return lists[shard].status(index)


def not_valid(lists: dict[int, StatusList]) -> dict[int, int]:
    """Every position that is not 0, with its status."""
    found: dict[int, int] = {}
    for shard, listed in lists.items():
        per_byte = 8 // listed.bits
        for place, byte in enumerate(listed.statuses):
            if byte:
                for index in range(place * per_byte, (place + 1) * per_byte):
                    if status := listed.status(index):
                        found[shard * SHARD_SIZE + index] = status
    return found


def position_of(settings: Settings, subject_id: str) -> int:
    """The position of a license or an activation."""
    ((position,),) = execute(
        settings,
        f"SELECT position FROM status_indices WHERE subject_id = '{subject_id}'",  # noqa: S608 - an id of ours
    )
    return int(position)


def begin_shard(settings: Settings, shard: int, position: int) -> None:
    """Let the next number be the first of *shard*: the one before it is taken by nobody, at *position*."""
    last = shard * SHARD_SIZE
    values = f"({last}, {position}, 'license', 'nobody')"
    statements = [f"INSERT INTO status_indices (sequence, position, subject, subject_id) VALUES {values}"]  # noqa: S608
    if settings.postgres is not None:
        statements.append(f"SELECT setval('status_indices_sequence_seq', {last + 1}, false)")
    execute(settings, *statements)


def ids_of(rows: Iterable[Any]) -> list[str]:
    """The ids of views."""
    return [row.id for row in rows]
