"""
All rows at one moment, for backups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

TakeTable: TypeAlias = Callable[[str, tuple[str, ...], Iterable[Sequence[Any]]], None]
"""Given a table's name, its columns and its rows; called for each table, those that others refer to first."""


class BackupStore(Protocol):
    """What a backup needs of the storage."""

    async def snapshot(self, take: TakeTable) -> None:
        """
        Show every table to *take*, all as of one moment, while others read and write.

        Rows come as they are read; *take* must use them up before it returns.
        """
        ...

    async def audit_height(self) -> int:
        """The number of the newest audit row, 0 before the first. Every change has one, so it only rises."""
        ...
