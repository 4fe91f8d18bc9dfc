"""This machine's clocks, and the file that remembers them (SEC-31)."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnet.core.instant import MAX_INSTANT, Instant
from carnet.server.domain.clock.guard import ClockSeen
from carnet.server.machine_clock import SystemClock, SystemRunning, read_seen, write_seen

SEEN = ClockSeen(at=Instant(1_800_000_000), signed_at=Instant(1_799_999_999), boot="b-1", running_seconds=77)


def test_what_was_seen_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    write_seen(path, SEEN)
    assert read_seen(path) == SEEN
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'{"format":"carnet-clock/2","at":1,"signed_at":1,"boot":"b","running_seconds":1}',
        b'{"format":"carnet-clock/1","at":-1,"signed_at":1,"boot":"b","running_seconds":1}',
        b'{"format":"carnet-clock/1","at":1,"signed_at":"1","boot":"b","running_seconds":1}',
        b'{"format":"carnet-clock/1","at":1,"signed_at":1,"boot":null,"running_seconds":1}',
        f'{{"format":"carnet-clock/1","at":{MAX_INSTANT + 1},"signed_at":1,"boot":"b","running_seconds":1}}'.encode(),
    ],
)
def test_a_damaged_memory_is_none_and_stops_nobody(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clock.json"
    assert read_seen(path) is None
    path.write_bytes(content)
    assert read_seen(path) is None


def test_the_machine_runs_on_and_knows_its_boot() -> None:
    first = SystemRunning()
    assert first.boot == SystemRunning().boot
    assert 0 < first.seconds() <= first.seconds()
    assert SystemClock().now() > 1_790_000_000
