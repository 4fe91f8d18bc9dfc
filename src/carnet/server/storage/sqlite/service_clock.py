"""
The service clock on SQLite: for how long the service has run, by a clock that nobody sets (design.md §9, REL-10).

What was reached is written down with changes of leases, once a second at most, and every few seconds while a lease is
live (docs/decisions/0044). After a restart it goes on from there: neither the time in between nor what was not written
down any more counts, so leases may only last longer by it. Several processes on one file agree to within that second:
each takes over what another has written down, if it is more.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

SAVE_MS = 1000
"""Changes that come within so many milliseconds share one line of the clock."""

_READ = "SELECT ran_ms FROM service_clock WHERE id = 1"
_INSERT = "INSERT INTO service_clock (id, ran_ms, beat_at_ms) VALUES (1, ?, 0)"
_SAVE = "UPDATE service_clock SET ran_ms = ? WHERE id = 1 AND ran_ms < ?"
_IS_NEEDED = "SELECT EXISTS (SELECT 1 FROM leases WHERE deadline * 1000 > ?)"


class ServiceClock:
    """
    The clock of one process.

    Args:
        running: Seconds of a clock that only runs on: `time.monotonic`.
        is_right: Whether time counts: not while the machine's clock is in doubt, because nobody could renew a lease.
    """

    def __init__(self, running: Callable[[], float], is_right: Callable[[], bool] = lambda: True) -> None:
        self._running = running
        self._is_right = is_right
        self._was_right = True
        self._lock = threading.Lock()
        self._base_ms = 0
        self._began = running()
        self._saved_ms = -SAVE_MS

    def start(self, connection: sqlite3.Connection) -> None:
        """Go on from what was written down last."""
        row = connection.execute(_READ).fetchone()
        with self._lock:
            self._base_ms = 0 if row is None else row[0]
            self._began = self._running()

    def milliseconds(self) -> int:
        """How long the service has run. What lies between two looks counts if the clock was right at both of them."""
        is_right = self._is_right()
        with self._lock:
            if is_right and self._was_right:
                passed = int((self._running() - self._began) * 1000)
                self._base_ms += passed
                self._began += passed / 1000
            else:
                self._began, self._was_right = self._running(), is_right
            return self._base_ms

    def seconds(self) -> int:
        """How long the service has run, in whole seconds."""
        return self.milliseconds() // 1000

    def keep(self, connection: sqlite3.Connection) -> int:
        """
        The clock inside a transaction that changes a lease: written down with it where that is due.

        Returns:
            Whole seconds.
        """
        now = self.milliseconds()
        return (now if now - self._saved_ms < SAVE_MS else self._save(connection, now)) // 1000

    def undone(self) -> None:
        """A transaction was undone: what was written down in it was not, and the next change writes it."""
        self._saved_ms = -SAVE_MS

    def beat(self, connection: sqlite3.Connection) -> None:
        """Look at the clock, and write it down if a lease depends on it."""
        self.milliseconds()
        row = connection.execute(_READ).fetchone()
        if connection.execute(_IS_NEEDED, (0 if row is None else row[0],)).fetchone()[0]:
            self._save(connection, self.milliseconds())

    def _save(self, connection: sqlite3.Connection, now: int) -> int:
        row = connection.execute(_READ).fetchone()
        if row is None:
            connection.execute(_INSERT, (now,))
        elif row[0] > now:  # another process is ahead
            with self._lock:
                self._base_ms += row[0] - now
            now = row[0]
        else:
            connection.execute(_SAVE, (now, now))
        self._saved_ms = now
        return now
