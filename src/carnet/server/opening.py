"""What an installation reads before anything is served: its files and secrets, its database, the storage over it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from carnet.core._base import Struct
from carnet.core.errors import NotGenuineError, StateError
from carnet.formats.encoding import b64url_decode
from carnet.formats.keys import Signer
from carnet.formats.limits import MAX_ROOT
from carnet.formats.root import anchor, read_root
from carnet.server.database import Database
from carnet.server.domain.trust.live import LiveTrust, adopted_change, check_named, public_key_of
from carnet.server.layout import InstallationRecord, Layout, read_record
from carnet.server.ports import IndexPlace, Storage
from carnet.server.records import SigningKey
from carnet.server.settings import Settings
from carnet.server.signing.file_store import FileSigningKeys, open_store, read_file
from carnet.server.signing.opening import KeyPlaces, file_location, open_signer
from carnet.server.signing.sealing import KEY_BYTES
from carnet.server.storage.founding import database_of_another, owner
from carnet.server.storage.migrate import upgrade
from carnet.server.storage.sqlite.store import SqliteStorage


class OpenedFiles(Struct):
    """What is read from disk before anything serves: identity, keys, secrets."""

    record: InstallationRecord
    root: str
    keys: FileSigningKeys
    pepper: bytes
    seal: bytes
    status: bytes

    def __repr__(self) -> str:
        return f"OpenedFiles(issuer={self.record.issuer!r})"


def open_files(settings: Settings, layout: Layout) -> OpenedFiles:
    """
    Read what the data directory holds.

    Raises:
        StateError: ``not_initialised``, ``half_initialised``, ``missing_file``, ``bad_installation_file``,
            ``root_changed``, ``bad_secret``, ``wrong_passphrase``, ``passphrase_needed``, ``wrong_key_file``,
            ``data_not_readable``.
        MalformedError: ``bad_key_file``.
    """
    record = read_record(layout)
    root = read_file(layout.root, max_bytes=MAX_ROOT)
    if anchor(root) != record.anchor:
        raise _root_changed(layout)
    try:
        read_root(root)
    except NotGenuineError as error:
        raise _root_changed(layout) from error
    keys = open_store(layout.keys, passphrase=settings.passphrase, key_file=layout.signing)
    return OpenedFiles(
        record=record,
        root=root.decode().strip(),
        keys=keys,
        pepper=_secret(layout.pepper),
        seal=_secret(layout.seal),
        status=_secret(layout.status),
    )


def open_database(database: Database, record: InstallationRecord, say: Callable[[str], None] | None) -> None:
    """
    Find the database, make sure that it is this installation's, and bring it to this version's schema.

    Args:
        database: A file, or where PostgreSQL answers.
        record: Whose it has to be.
        say: Told a sentence before an upgrade.

    Raises:
        StateError: ``missing_file``, ``database_not_found``, ``database_of_another``, ``database_too_new``,
            ``storage_unavailable``, ``storage_busy``.
    """
    if isinstance(database, Path):
        if not database.exists():
            raise StateError(
                "missing_file",
                f"{database} is missing.",
                "Restore it from your backup; an empty one would forget every license.",
            )
        upgrade(database, say=say)
        found = owner(database)
    else:
        found = owner(database)
        if found is None:
            raise StateError(
                "database_not_found",
                f"The database {database.shown} holds no installation.",
                "Check CARNET_DATABASE_URL, or restore your backup; an empty database would forget every license.",
            )
        if found == record.issuer:  # another's is not even upgraded
            upgrade(database, say=say)
    if found != record.issuer:
        raise database_of_another(database)


async def open_trust(storage: Storage, opened: OpenedFiles) -> LiveTrust:
    """
    The chain of root files and the signing keys, each of which signs and is verified under the newest root (SEC-25).

    Raises:
        StateError: ``no_signing_key``, ``keys_do_not_match_root``, ``root_chain_broken``, ``signing_failed``,
            ``missing_file``, ``data_not_readable``, ``storage_unavailable``, ``storage_busy``.
        MalformedError: ``bad_key_file``.
    """
    if not (await storage.trust_facts()).keys:
        found = await asyncio.to_thread(_found_keys, opened.keys)
        check_named(read_root(opened.root), found)  # nothing is noted of keys that belong elsewhere
        await storage.change_trust(lambda facts: adopted_change(facts, found))
    places = KeyPlaces(folder=opened.keys.folder, kek=opened.keys.kek)

    def open_key(key: SigningKey) -> Signer:
        return open_signer(key.location, places, public_key=public_key_of(key))

    return await LiveTrust.load(storage, opened.root, open_key)


def _found_keys(keys: FileSigningKeys) -> tuple[SigningKey, ...]:
    """The keys of an installation of before there were rows of them: each signs, and did from the first day."""
    return tuple(
        SigningKey(
            kid=file.signer.kid,
            alg="Ed25519",
            roles=file.roles,
            public_key=file.signer.public_key.raw,
            location=file_location(file.signer.kid),
            state="active",
            announced_at=file.created_at,
            activated_at=file.created_at,
        )
        for file in keys.files()
    )


async def open_storage(settings: Settings, place: IndexPlace, running: Callable[[], float] | None) -> Storage:
    """
    The storage over an installation's database.

    Args:
        settings: Where it is, a file or where PostgreSQL answers; of this version's schema. Its replica, if any.
        place: Where status list indices lie.
        running: Seconds by which leases run out; None is the machine's running clock on SQLite and the database's time
            on PostgreSQL.

    Raises:
        StateError: ``database_not_durable``, ``storage_unavailable``, ``storage_busy``.
    """
    database = settings.database
    if isinstance(database, Path):
        return await SqliteStorage.open(database, place, running=running or time.monotonic)
    from carnet.server.storage.postgres.store import PostgresStorage  # only then is its driver loaded

    database_ms = None if running is None else lambda: int(running() * 1000)
    return await PostgresStorage.open(
        database,
        place,
        database_ms=database_ms,
        replica=settings.replica,
        replica_lag_seconds=settings.replica_lag_seconds,
    )


def _secret(path: Path) -> bytes:
    secret = b64url_decode(read_file(path).strip(), f"The secret in {path.name}")
    if len(secret) != KEY_BYTES:
        raise StateError("bad_secret", f"{path} does not hold a secret of ours.", "Restore it from your backup.")
    return secret


def _root_changed(layout: Layout) -> StateError:
    return StateError(
        "root_changed",
        f"{layout.root} is not the root file that carnet init made here; nothing will be signed.",
        "Restore it from your backup, or from any app that embeds it.",
    )
