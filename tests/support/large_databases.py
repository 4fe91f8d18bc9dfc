"""
Databases with very many rows, made by statements of their own; and traffic of plain statements on them, timed.

The rows are those of the first schema, so that every migration since then meets them. The traffic is what a program of
the first version did: look a license up by its key, and give a seat by a guarded counter with its activation and its
audit row in one transaction.
"""

from __future__ import annotations

# ruff: noqa: S608 - statements of a test, of its own names
import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
import sqlalchemy as sa

from carnet.core._base import Struct
from carnet.server.database import Database, PostgresAddress
from carnet.server.storage.postgres import schema as postgres_schema
from carnet.server.storage.sqlite import schema as sqlite_schema

SOLD: Final = 20
"""Licenses at the beginning, of one seat each, that traffic competes for."""

_LICENSE: Final = (
    "id, product_id, policy_id, customer_id, type, status, key_lookup, key_sealed, key_last_four, overrides, metadata,"
    " created_at, starts_at, expires_at, seat_limit, seat_limit_is_own, seats_used, seats_over, status_index"
)
_ACTIVATION: Final = (
    "id, license_id, fingerprint, device_name, platform, public_key, components, user_id, domain, app_version,"
    " created_at, refreshed_at, covered_until, deactivated_at, status_index"
)
_AUDIT: Final = "at, actor_kind, actor_id, action, object_kind, object_id, details"
_TAKE: Final = "UPDATE licenses SET seats_used = seats_used + 1 WHERE id = {} AND seats_used < seat_limit"


def fill(connection: sa.Connection, count: int) -> None:
    """*count* licenses, each with an activation, a line of the register and one of the audit; the first are free."""
    blob = "convert_to(lpad(i::text, 32, '0'), 'UTF8')"
    if connection.dialect.name == "sqlite":
        blob = "CAST(printf('%032d', i) AS BLOB)"
    numbers, places = _numbers(count), _numbers(2 * count + 1)
    held = f"CASE WHEN i <= {SOLD} THEN 0 ELSE 1 END"
    rows = {
        "products (id, name, metadata, created_at)": "SELECT 'hustl', 'Hustl', '{}', 1",
        "policies (id, product_id, name, body, license_type, duration_seconds, created_at, updated_at)": (
            "SELECT 'p-1', 'hustl', 'plan', '{}', 'timed', 86400, 1, 1"
        ),
        "status_indices (sequence, position, subject, subject_id)": (
            f"{places} SELECT i, i, 'license', 'l-' || i FROM n"
        ),
        f"licenses ({_LICENSE})": (
            f"{numbers} SELECT 'l-' || i, 'hustl', 'p-1', NULL, 'timed', 'active', {blob}, {blob}, 'WXYZ', '{{}}',"
            f" '{{}}', i, i, 2000000000 + i, 1, 1, {held}, 0, 2 * i FROM n"
        ),
        f"activations ({_ACTIVATION})": (
            f"{numbers} SELECT 'a-' || i, 'l-' || i, 'device ' || i, 'Line 0', 'linux', NULL, '[]', NULL, NULL, NULL,"
            f" i, i, 2000000000, NULL, 2 * i + 1 FROM n WHERE i > {SOLD}"
        ),
        "issuances (jti, kind, kid, license_id, activation_id, issued_at, expires_at, claims)": (
            f"{numbers} SELECT 'j-' || i, 'token', 'k', 'l-' || i, NULL, i, i + 1, '{{}}' FROM n"
        ),
        f"audit ({_AUDIT})": (
            f"{numbers} SELECT i, 'operator', NULL, 'license.created', 'license', 'l-' || i, '{{}}' FROM n"
        ),
    }
    for into, given in rows.items():
        connection.exec_driver_sql(f"INSERT INTO {into} {given}")


def _numbers(count: int) -> str:
    """A `WITH` that gives the numbers from 1 to *count* as ``n (i)``."""
    return f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"


def fill_events(connection: sa.Connection, count: int) -> None:
    """*count* events that wait, as the schema that first had them."""
    connection.exec_driver_sql(
        "INSERT INTO events (id, at, kind, object_id, product_id, payload, delivered_at)"
        f" {_numbers(count)} SELECT 'e-' || i, i, 'license.created', 'l-' || i, 'hustl', '{{}}', NULL FROM n"
    )


def inside(database: Database, work: Any) -> Any:
    """Run *work* in one transaction on *database*."""
    if isinstance(database, PostgresAddress):
        return postgres_schema.in_transaction(database, work)
    return sqlite_schema.in_transaction(database, work)


class Stalls(Struct):
    """The longest time that a request of each kind took, in seconds, and how many there were."""

    read: float
    write: float
    requests: int


class Traffic:
    """
    Requests one after the other, of two clients in threads of their own: one that reads, one that takes seats.

    Args:
        database: Where the requests go.
        count: How many licenses there are.
    """

    def __init__(self, database: Database, count: int) -> None:
        self._database = database
        self._count = count
        self._stop = threading.Event()
        self._done = {"read": 0, "write": 0}
        self._longest = {"read": 0.0, "write": 0.0}
        self.granted: list[str] = []
        self.problems: list[str] = []

    def start(self) -> None:
        """Begin."""
        self._threads = [threading.Thread(target=self._run, args=(kind,)) for kind in ("read", "write")]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, once each client has had some answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def measured(self) -> Iterator[dict[str, Stalls]]:
        """What happens to requests during a `with`: each kind is asked at least twice after its beginning and end."""
        self.wait()
        began = sum(self._done.values())
        self._longest = {"read": 0.0, "write": 0.0}
        found: dict[str, Stalls] = {}
        yield found
        self.wait()
        found["stalls"] = Stalls(
            read=self._longest["read"], write=self._longest["write"], requests=sum(self._done.values()) - began
        )

    def wait(self) -> None:
        """Wait until two more of each kind are done: the one under way, and one that began afterwards."""
        for kind in ("read", "write"):
            wanted = self._done[kind] + 2
            while self._done[kind] < wanted and not self.problems:
                self._stop.wait(0.005)

    def _run(self, kind: str) -> None:
        try:
            if isinstance(self._database, PostgresAddress):
                asyncio.run(self._on_postgres(kind, self._database.url))
            else:
                self._on_sqlite(kind, self._database)
        except Exception as error:  # noqa: BLE001 - told to the test
            self.problems.append(f"{kind}: {error!r}")

    def _note(self, kind: str, began: float) -> None:
        self._longest[kind] = max(self._longest[kind], time.monotonic() - began)
        self._done[kind] += 1

    def _key(self, turn: int) -> bytes:
        return f"{turn * 7919 % self._count + 1:032d}".encode()

    async def _on_postgres(self, kind: str, url: str) -> None:
        connection = await asyncpg.connect(url, server_settings={"lock_timeout": "10s"}, statement_cache_size=0)
        try:
            turn = 0
            while not self._stop.is_set():
                turn += 1
                began = time.monotonic()
                if kind == "read":
                    found = await connection.fetchval("SELECT id FROM licenses WHERE key_lookup = $1", self._key(turn))
                    assert found is not None
                else:
                    await self._take_on_postgres(connection, turn)
                self._note(kind, began)
                await asyncio.sleep(0.002)
        finally:
            await connection.close()

    async def _take_on_postgres(self, connection: Any, turn: int) -> None:
        license_id = f"l-{turn % SOLD + 1}"
        async with connection.transaction():
            if await connection.execute(_TAKE.format("$1"), license_id) != "UPDATE 1":
                await connection.execute("UPDATE licenses SET seats_over = 0 WHERE id = $1", license_id)
                return
            row = self._activation(license_id, turn)
            marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await connection.execute(f"INSERT INTO activations ({_ACTIVATION}) VALUES ({marks})", *row)
            values = "(1, 'device', NULL, 'activation.granted', 'activation', $1, '{}')"
            await connection.execute(f"INSERT INTO audit ({_AUDIT}) VALUES {values}", row[0])
        self.granted.append(license_id)

    def _on_sqlite(self, kind: str, path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None, timeout=600)
        try:
            turn = 0
            while not self._stop.is_set():
                turn += 1
                began = time.monotonic()
                if kind == "read":
                    found = connection.execute("SELECT id FROM licenses WHERE key_lookup = ?", (self._key(turn),))
                    assert found.fetchone() is not None
                else:
                    self._take_on_sqlite(connection, turn)
                self._note(kind, began)
                self._stop.wait(0.002)
        finally:
            connection.close()

    def _take_on_sqlite(self, connection: sqlite3.Connection, turn: int) -> None:
        license_id = f"l-{turn % SOLD + 1}"
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute(_TAKE.format("?"), (license_id,)).rowcount != 1:
            connection.execute("UPDATE licenses SET seats_over = 0 WHERE id = ?", (license_id,))
            connection.execute("COMMIT")
            return
        row = self._activation(license_id, turn)
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO activations ({_ACTIVATION}) VALUES ({marks})", row)
        values = "(1, 'device', NULL, 'activation.granted', 'activation', ?, '{}')"
        connection.execute(f"INSERT INTO audit ({_AUDIT}) VALUES {values}", (row[0],))
        connection.execute("COMMIT")
        self.granted.append(license_id)

    def _activation(self, license_id: str, turn: int) -> tuple[Any, ...]:
        place = 2 * int(license_id.removeprefix("l-")) + 1
        name = f"device {license_id} {turn}"
        return (f"a-{license_id}-{turn}", license_id, name, "Line 0", "linux", None, "[]", None, None, None,
                1, 1, 2000000000, None, place)  # fmt: skip
