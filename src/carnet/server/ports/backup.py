"""
All rows at one moment, for backups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

from carnet.core._base import Struct
from carnet.core.instant import Instant

TakeTable: TypeAlias = Callable[[str, tuple[str, ...], Iterable[Sequence[Any]]], None]
"""Given a table's name, its columns and its rows; called for each table, those that others refer to first."""


class Life(Struct):
    """
    How far a database has got.

    Attributes:
        epoch: The second in which its present life began; 0 for its first.
        audit: The number of its newest audit row, 0 before the first. Every change has one, so it only rises.
        restored_at: It was put back from a backup then, and no new epoch has begun since.
    """

    epoch: int
    audit: int
    restored_at: Instant | None


class BackupStore(Protocol):
    """What a backup needs of the storage."""

    async def snapshot(self, take: TakeTable) -> None:
        """
        Show every table to *take*, all as of one moment, while others read and write.

        Rows come as they are read; *take* must use them up before it returns.
        """
        ...

    async def life(self) -> Life:
        """How far this life of the database has got."""
        ...
