"""Real installations for tests: made once, copied per test, opened with a clock that the test holds."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from carnet.core.instant import Instant
from carnet.formats.device_proof import make_device_proof
from carnet.formats.encoding import b64url_encode
from carnet.formats.fingerprint import native_fingerprint
from carnet.formats.keys import Ed25519Signer
from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.database import PostgresAddress
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim, DeviceProofInput
from carnet.server.domain.licenses.commands import CreatedLicense, CreateLicense
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.signing.sealing import ScryptCost
from carnet.server.storage.tables import REVISION, api_keys, audit, installation, metadata
from support.databases import Kind, ask, cluster, empty_database, kind, name_of, on, script

START = Instant(1_790_000_000)
CHEAP = ScryptCost(log2_n=10)
PRODUCT = "hustl"


class HeldClock:
    """A clock that stands until the test moves it."""

    def __init__(self, at: Instant = START) -> None:
        self.at = at

    def now(self) -> Instant:
        return self.at

    def advance(self, seconds: int) -> None:
        self.at = Instant(self.at + seconds)


@cache
def _template(kind: Kind) -> Settings:
    folder = Path(tempfile.mkdtemp(prefix="carnet-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with on(kind):
        settings = Settings(data=folder / "data", postgres=empty_database())
    create_installation(settings, InitOptions(root_keys=folder / "root"), now=START, cost=CHEAP)
    if settings.postgres is not None:
        script(settings.postgres, *_keep_founding())
    return settings


def settings_in(folder: Path) -> Settings:
    """A fresh installation below *folder*, started at `START`, on the database that `support.databases.on` says."""
    data = folder / "data"
    template = _template(kind())
    if not data.exists():
        shutil.copytree(template.data, data)
    postgres = None
    if template.postgres is not None:
        postgres = _lent.get(data)
        if postgres is None:
            postgres = _lent[data] = _free.pop() if _free else cluster().fresh(name_of(template.postgres))
    return Settings(data=data, postgres=postgres, public_url="https://license.example.com")


def root_keys() -> Path:
    """The folder with the root key of these installations; it has no passphrase."""
    return _template(kind()).data.parent / "root"


_lent: dict[Path, PostgresAddress] = {}
_free: list[PostgresAddress] = []


def give_back() -> None:
    """Take back the PostgreSQL databases of installations whose test is over, as new, for the tests to come."""
    while _lent:
        _, address = _lent.popitem()
        with suppress(asyncpg.PostgresError):  # one that cannot be cleaned is not given to anybody
            script(address, "SET lock_timeout = '3s'", *_as_founded())
            _free.append(address)


_FOUNDING = (installation, api_keys, audit)


def _keep_founding() -> list[str]:
    """Statements that keep the first rows of an installation beside its tables."""
    return [
        "CREATE SCHEMA founding",
        *(f"CREATE TABLE founding.{table.name} AS TABLE {table.name}" for table in _FOUNDING),
    ]


def _as_founded() -> list[str]:
    """Statements that leave nothing but those rows."""
    return [
        f"IF (SELECT version_num FROM alembic_version) <> '{REVISION}' THEN RAISE 'its schema was changed'; END IF",  # noqa: S608
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)),  # noqa: S608 - our own names
        *(f"INSERT INTO {table.name} SELECT * FROM founding.{table.name}" for table in _FOUNDING),  # noqa: S608
        "PERFORM setval('audit_seq_seq', (SELECT max(seq) FROM audit))",
        "PERFORM setval('status_indices_sequence_seq', 1, false)",
    ]


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment of another process that opens the same installation."""
    given = {"CARNET_DATA": str(settings.data)}
    if settings.postgres is not None:
        given["CARNET_DATABASE_URL"] = settings.postgres.url
    return {**os.environ, **given}


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of *sql* on the database of the installation below *folder*, past the storage."""
    return execute(settings_in(folder), sql)


def execute(settings: Settings, *statements: str) -> list[tuple[Any, ...]]:
    """Run *statements* on the database of an installation, each its own transaction; the rows of the last."""
    if settings.postgres is not None:
        return [tuple(row) for row in ask(settings.postgres, *statements)]
    connection = sqlite3.connect(settings.database_path, isolation_level=None, timeout=120)
    try:
        found: list[tuple[Any, ...]] = []
        for statement in statements:
            found = connection.execute(statement).fetchall()
        return found
    finally:
        connection.close()


@asynccontextmanager
async def opened(folder: Path, clock: HeldClock | None = None) -> AsyncIterator[Installation]:
    """The installation below *folder*, open; made if it is not there."""
    async with open_installation(settings_in(folder), clock=clock or HeldClock()) as installation:
        yield installation


async def licensed(installation: Installation, **changes: Any) -> CreatedLicense:
    """A license of the product `hustl`, which is made if it is not there; consumer policy unless told otherwise."""
    if not (await installation.products.list(limit=1)).items:
        await installation.products.create(CreateProduct(id=PRODUCT), OPERATOR)
    command: dict[str, Any] = {"product": PRODUCT, "policy": "consumer", **changes}
    return await installation.licenses.create(CreateLicense(**command), OPERATOR)


def fingerprint(name: object) -> str:
    """The fingerprint of the device called *name*."""
    return native_fingerprint(PRODUCT, f"device {name}")


class Device:
    """A device with a key pair of its own."""

    def __init__(self, name: object = "one", *, seed: int = 7) -> None:
        self.name = str(name)
        self.signer = Ed25519Signer(bytes([seed]) * 32)

    def claim(self, *, with_key: bool = True) -> DeviceClaim:
        public_key = b64url_encode(self.signer.public_key.raw) if with_key else None
        return DeviceClaim(fingerprint=fingerprint(self.name), name=self.name, platform="linux", public_key=public_key)

    def activate(self, key: str, *, with_key: bool = True, **changes: Any) -> ActivateCommand:
        command: dict[str, Any] = {
            "license_key": key,
            "product": PRODUCT,
            "device": self.claim(with_key=with_key),
            **changes,
        }
        return ActivateCommand(**command)

    def proof(
        self, *, at: Instant, nonce: str = "n-1", path: str = "/v1/refresh", body: bytes = b"{}", method: str = "POST"
    ) -> DeviceProofInput:
        text = make_device_proof(self.signer, method=method, path=path, body=body, at=at, nonce=nonce)
        return DeviceProofInput(proof=text, method=method, path=path, body=body)
