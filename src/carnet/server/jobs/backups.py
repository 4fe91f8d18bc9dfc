"""
Backups by the clock, into one directory, the oldest of them removed (`CARNET_BACKUP_DIRECTORY`).
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final

from carnet.core.instant import Instant
from carnet.server.backup.service import BackupService
from carnet.server.ports import Clock
from carnet.server.records import SYSTEM

_NAME: Final = re.compile(r"carnet-\d{8}T\d{6}Z\.backup")


class ScheduledBackups:
    """
    Writes a backup each time it is called.

    Args:
        backups: What writes them.
        clock: The time, for their names.
        directory: Where to; other files there are left alone.
        keep: How many are kept.
    """

    def __init__(self, backups: BackupService, clock: Clock, directory: Path, keep: int) -> None:
        self._backups = backups
        self._clock = clock
        self._directory = directory
        self._keep = keep

    async def run(self) -> bool:
        """
        Write one, then remove the oldest beyond those that are kept.

        Raises:
            StateError: ``backup_not_written``, ``storage_unavailable``: nothing was removed.
        """
        path = self._directory / backup_name(self._clock.now())
        if not path.exists():
            await self._backups.create(path, SYSTEM)
        await asyncio.to_thread(self._remove_old)
        return False

    def _remove_old(self) -> None:
        known = sorted(each for each in self._directory.iterdir() if _NAME.fullmatch(each.name))
        for old in known[: -self._keep]:
            old.unlink(missing_ok=True)


def backup_name(at: Instant) -> str:
    """The file name of a backup of *at*: they sort by their times."""
    return f"carnet-{str(at).replace('-', '').replace(':', '')}.backup"
