"""Statistics are written some hundreds at a time, and what was not written is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carnet.server.storage.errors import StorageError
from support.installations import START, HeldClock, opened, query


@pytest.mark.parametrize("fails_at", [None, 1, 2, 3])
def test_a_long_flush_is_many_short_ones_and_a_failed_one_loses_nothing(tmp_path: Path, fails_at: int | None) -> None:
    async def run() -> list[int]:
        sizes: list[int] = []
        async with opened(tmp_path, HeldClock()) as installation:
            statistics = installation.statistics
            for number in range(1201):
                statistics.seen("license", f"license-{number}", START)
                statistics.count("validate", f"license-{number}", START)
            write = statistics._storage.add_statistics

            async def watched(seen: tuple[Any, ...], counts: tuple[Any, ...]) -> None:
                sizes.append(len(seen) + len(counts))
                if len(sizes) == fails_at:
                    raise StorageError("storage_busy", "Not now.", "Later.")
                await write(seen, counts)

            statistics._storage.add_statistics = watched  # type: ignore[method-assign]
            if fails_at is not None:
                with pytest.raises(StorageError):
                    await statistics.flush()
            await statistics.flush()
            statistics._storage.add_statistics = write  # type: ignore[method-assign]
        return sizes

    sizes = asyncio.run(run())
    assert max(sizes) == 1000
    assert sum(sizes) == 2402 + (0 if fails_at is None else sizes[fails_at - 1])
    assert query(tmp_path, "SELECT count(*), min(seen_at), max(seen_at) FROM last_seen") == [(1201, START, START)]
    assert query(tmp_path, "SELECT count(*), min(count), max(count) FROM day_counts") == [(1201, 1, 1)]
