"""
Many licenses, each with a device, written straight into the tables: what a busy installation's database holds.

The first license and its activation are made by the services; the others are copies of the two rows with ids, keys and
status positions of their own, so that every query meets the same shapes. Keys and fingerprints follow from the
number, so that requests can be made without asking the database.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.load import request
from carnet.formats.encoding import b64url_decode
from carnet.formats.license_key import generate_license_key
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.layout import Layout
from carnet.server.signing.sealing import SealingBox
from carnet.server.storage.tables import activations, licenses

PRODUCT = "hustl"
CHUNK = 10_000
_POSITIONS = 1 << 40
"""Where the copies' status positions begin: far above what the installation gives by itself."""

PLAIN = 1_000_000_000
"""From this number on, look-up and fingerprint are the number itself: pgbench can draw numbers, but no hashes."""

_LICENSE_COLUMNS = tuple(licenses.c.keys())
_ACTIVATION_COLUMNS = tuple(activations.c.keys())


def key_of(number: int) -> str:
    """The license key of license *number*."""
    return generate_license_key(lambda size: hashlib.shake_256(b"bench key %d" % number).digest(size))


def device_of(number: int, which: int = 0) -> str:
    """The fingerprint of a device of license *number*; 0 is the one that holds a seat."""
    return hashlib.sha256(b"bench device %d %d" % (number, which)).hexdigest()


def license_id(number: int) -> str:
    """The id of license *number*: in order, as ids are."""
    return f"01997f3e-5a10-7c3b-8000-{number:012d}"


def vault_of(data: Path) -> KeyVault:
    """The vault of the installation in *data*."""
    layout = Layout(data=data)
    pepper, seal = (b64url_decode(path.read_text().strip(), "A secret") for path in (layout.pepper, layout.seal))
    return KeyVault(pepper, SealingBox(seal, bytes))


class Rows:
    """
    Makes the rows of licenses and activations.

    Args:
        vault: Of the installation.
        license_row: A row of `licenses` to copy, in the table's order.
        activation_row: A row of `activations` to copy.
    """

    def __init__(self, vault: KeyVault, license_row: Sequence[Any], activation_row: Sequence[Any]) -> None:
        self._vault = vault
        self._license = dict(zip(_LICENSE_COLUMNS, license_row, strict=True))
        self._activation = dict(zip(_ACTIVATION_COLUMNS, activation_row, strict=True))

    def licenses(self, first: int, count: int) -> Iterator[tuple[Any, ...]]:
        """Rows of `licenses`, one seat of each taken."""
        for number in range(first, first + count):
            key, id_ = key_of(number), license_id(number)
            changed = {
                "id": id_,
                "key_lookup": b"%d" % number if number >= PLAIN else self._vault.lookup(key),
                "key_sealed": self._vault.seal(key, id_),
                "key_last_four": key[-4:],
                "status_index": _POSITIONS + 2 * number,
            }
            yield tuple((self._license | changed).values())

    def activations(self, first: int, count: int) -> Iterator[tuple[Any, ...]]:
        """Their rows of `activations`."""
        for number in range(first, first + count):
            changed = {
                "id": f"01997f3e-5a10-7c3b-9000-{number:012x}",
                "license_id": license_id(number),
                "fingerprint": str(number) if number >= PLAIN else device_of(number),
                "status_index": _POSITIONS + 2 * number + 1,
            }
            yield tuple((self._activation | changed).values())


def fill_sqlite(data: Path, first: int, count: int) -> None:
    """Write *count* licenses into the embedded database; no server may be running on it."""
    connection = sqlite3.connect(Layout(data=data).database, isolation_level=None)
    try:
        source = Rows(
            vault_of(data),
            connection.execute("SELECT * FROM licenses ORDER BY id LIMIT 1").fetchone(),
            connection.execute("SELECT * FROM activations ORDER BY id LIMIT 1").fetchone(),
        )
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        for start in range(first, first + count, CHUNK):
            size = min(CHUNK, first + count - start)
            connection.execute("BEGIN")
            for table, made in (
                ("licenses", source.licenses(start, size)),
                ("activations", source.activations(start, size)),
            ):
                width = len(_LICENSE_COLUMNS if table == "licenses" else _ACTIVATION_COLUMNS)
                statement = f"INSERT INTO {table} VALUES ({', '.join('?' * width)})"  # noqa: S608 - our own names
                connection.executemany(statement, made)
            connection.execute("COMMIT")
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


async def fill_postgres(connection: Any, data: Path, first: int, count: int) -> None:
    """As `fill_sqlite`, into the database of *connection* (asyncpg's)."""
    source = Rows(
        vault_of(data),
        tuple(await connection.fetchrow("SELECT * FROM licenses ORDER BY id LIMIT 1")),
        tuple(await connection.fetchrow("SELECT * FROM activations ORDER BY id LIMIT 1")),
    )
    for start in range(first, first + count, CHUNK):
        size = min(CHUNK, first + count - start)
        await connection.copy_records_to_table("licenses", records=source.licenses(start, size))
        await connection.copy_records_to_table("activations", records=source.activations(start, size))
    await connection.execute("VACUUM ANALYZE")


def validations(numbers: Sequence[int]) -> Iterator[bytes]:
    """A validate request for each license in *numbers*, about the device that holds its seat."""
    for number in numbers:
        yield _call("validate", number, {"fingerprint": device_of(number)})


def activations_of_new_devices(numbers: Sequence[int], which: int) -> Iterator[bytes]:
    """An activate request for each license in *numbers*, by its device *which*."""
    for number in numbers:
        device = {"fingerprint": device_of(number, which), "name": f"Line {number}", "platform": "linux"}
        yield _call("activate", number, device)


def _call(path: str, number: int, device: dict[str, str]) -> bytes:
    body = {"license_key": key_of(number), "product": PRODUCT, "device": device}
    return request("POST", f"/v1/{path}", json.dumps(body, separators=(",", ":")).encode())
