"""
`carnet init`: the root ceremony and everything a new installation needs, in an order that survives being killed.

Everything is generated first. Then: a marker that names what will be made outside the data directory, secrets, signing
keys, root file, root keys, database, and last `installation.json`. Where that file exists the installation is whole;
where only the marker does, nothing of it was ever used or shown, so the next run clears it and starts afresh.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, StateError, UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.formats.encoding import b64url_encode
from carnet.formats.keys import Ed25519Signer, PublicKey, Role
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from carnet.formats.root import anchor, build_root, sign_root
from carnet.server.database import Database
from carnet.server.domain.apikeys.service import api_key_record, check_own_token, new_token
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.files import Files
from carnet.server.layout import InitMarker, InstallationRecord, Layout, read_marker, write_marker, write_record
from carnet.server.ports import Random
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.signing.file_store import make_store
from carnet.server.signing.root_keys import write_root_key
from carnet.server.signing.sealing import KEY_BYTES, SALT_BYTES, ScryptCost, SealingBox, derive_key, kdf_to_json
from carnet.server.storage.founding import check_is_free, found, unfound
from carnet.server.storage.migrate import upgrade

ROOT_LIFETIME_SECONDS = MAX_LIFETIME_SECONDS
"""Ten years: long enough that no app outlives it by neglect, and an app can be given the next one in time (SEC-22)."""

MAX_ROOT_KEYS = 16

_PLACEHOLDERS = frozenset((b"changeme", b"change-me", b"change_me", b"passphrase", b"password", b"placeholder"))
"""What templates and examples hold where a passphrase belongs (SEC-47)."""


class InitOptions(Struct):
    """
    How the root ceremony of `carnet init` goes.

    Attributes:
        root_keys: Where the root keys are written; never inside the data directory.
        root_key_count: How many root keys, 1 to 16.
        root_threshold: How many of them must sign a root, 1 … count.
        root_passphrase: Seals the root key files; None leaves them readable by whoever holds them.
    """

    root_keys: Path = Path("./carnet-root")
    root_key_count: int = 1
    root_threshold: int = 1
    root_passphrase: bytes | None = None

    def __repr__(self) -> str:
        return f"InitOptions(root_keys={str(self.root_keys)!r}, root_key_count={self.root_key_count})"


class InitReport(Struct):
    """
    What `carnet init` made. `admin_token` is shown here and nowhere else. `notes` are sentences for the person who ran
    it.
    """

    data: Path
    issuer: str
    anchor: str
    root_path: Path
    root_key_paths: tuple[Path, ...]
    root_threshold: int
    root_expires_at: Instant
    admin_token: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"InitReport(data={str(self.data)!r}, anchor={self.anchor!r})"


def create_installation(
    settings: Settings,
    options: InitOptions | None = None,
    *,
    now: Instant | None = None,
    random: Random = os.urandom,
    cost: ScryptCost | None = None,
    files: Files | None = None,
) -> InitReport:
    """
    Make an installation: root ceremony, signing keys, secrets, database, first admin token.

    All or nothing: killed at any moment, running it again clears what is half-finished and starts afresh.

    Args:
        settings: `data`, and where given `passphrase` (seals the signing keys) and `admin_token` (the first one).
        options: The root ceremony.
        now: The time; None reads the clock.
        random: The randomness of every key.
        cost: Price of a guess at a passphrase; None for the usual one.
        files: Who writes.

    Raises:
        UsageError: ``already_initialised`` (nothing is changed), ``invalid_argument``, ``root_keys_inside_data``,
            ``weak_token``, ``weak_passphrase``.
        StateError: ``data_not_writable``, ``data_not_empty``, ``root_keys_exist``, ``init_running``,
            ``database_of_another``, ``database_not_durable``, ``storage_unavailable``, ``storage_busy``.
    """
    options = options or InitOptions()
    files = files or Files()
    layout = Layout(data=settings.data)
    _check_options(settings, options)
    if layout.record.exists():
        raise _already(layout)
    files.make_folder(layout.data)
    with _only_one(layout):
        if layout.record.exists():
            raise _already(layout)
        notes = [_clear(layout, settings, files)] if layout.marker.exists() else []
        _check_free(layout, options)
        if settings.postgres is not None:
            check_is_free(settings.postgres)
        made = _generate(settings, options, _now() if now is None else now, random, cost or ScryptCost())
        try:
            _write(layout, settings.database, made, files)
        except CarnetError:
            # It could not be written, and that is said; what was written so far is no use to anybody.
            with contextlib.suppress(CarnetError):
                _clear(layout, settings, files)
            raise
    notes += _notes(settings, options, made)
    return InitReport(
        data=layout.data,
        issuer=made.record.issuer,
        anchor=made.record.anchor,
        root_path=layout.root,
        root_key_paths=tuple(options.root_keys / name for name, _ in made.root_keys),
        root_threshold=options.root_threshold,
        root_expires_at=made.root_expires_at,
        admin_token=made.admin_token,
        notes=tuple(notes),
    )


class _Made(Struct):
    """Everything that will be written, before anything is."""

    record: InstallationRecord
    marker: InitMarker
    secrets: tuple[tuple[Path, bytes], ...]
    keys: tuple[tuple[str, bytes], ...]
    root: bytes
    root_expires_at: Instant
    root_keys: tuple[tuple[str, bytes], ...]
    admin_token: str
    api_key_id: str
    pepper: bytes

    def __repr__(self) -> str:
        return f"_Made(issuer={self.record.issuer!r})"


def _generate(settings: Settings, options: InitOptions, now: Instant, random: Random, cost: ScryptCost) -> _Made:
    layout = Layout(data=settings.data)
    ids = Ids(random)
    issuer = ids.new(now)
    if settings.passphrase is None:
        kek, kdf = random(KEY_BYTES), None
    else:
        salt = random(SALT_BYTES)
        kek, kdf = derive_key(settings.passphrase, salt, cost), kdf_to_json(salt, cost)
    store = make_store(kek=kek, kdf=kdf, created_at=now, random=random)
    seeds = [random(KEY_BYTES) for _ in range(options.root_key_count)]
    root_signers = [Ed25519Signer(seed) for seed in seeds]
    by_role: dict[Role, list[PublicKey]] = {"root": [signer.public_key for signer in root_signers]}
    for roles, signer in store.signers:
        for role in roles:
            by_role[role] = [signer.public_key]
    expires_at = Instant(min(now + ROOT_LIFETIME_SECONDS, MAX_INSTANT))
    root = sign_root(
        build_root(
            version=1,
            issuer=issuer,
            issued_at=now,
            expires_at=expires_at,
            keys=by_role,
            root_threshold=options.root_threshold,
        ),
        root_signers,
    )
    root_keys = tuple(
        (
            f"root-key-{number}-of-{len(seeds)}.json",
            write_root_key(
                seed,
                issuer=issuer,
                created_at=now,
                passphrase=options.root_passphrase,
                cost=cost,
                random=random,
            ),
        )
        for number, seed in enumerate(seeds, start=1)
    )
    pepper, seal, status = random(KEY_BYTES), random(KEY_BYTES), random(KEY_BYTES)
    secrets = [(layout.pepper, pepper), (layout.seal, seal), (layout.status, status)]
    if kdf is None:
        secrets.append((layout.signing, kek))
    return _Made(
        record=InstallationRecord(issuer=issuer, created_at=now, anchor=anchor(root)),
        marker=InitMarker(
            issuer=issuer,
            root_keys=options.root_keys,
            root_key_files=tuple(name for name, _ in root_keys),
        ),
        secrets=tuple((path, b64url_encode(secret).encode() + b"\n") for path, secret in secrets),
        keys=store.files,
        root=root,
        root_expires_at=expires_at,
        root_keys=root_keys,
        admin_token=settings.admin_token or new_token(random),
        api_key_id=ids.new(now),
        pepper=pepper,
    )


def _write(layout: Layout, database: Database, made: _Made, files: Files) -> None:
    """Put everything in its place. Whatever the order, a kill leaves a marker and no record."""
    files.write(layout.marker, write_marker(made.marker))
    files.make_folder(layout.secrets)
    for path, content in made.secrets:
        files.write(path, content)
    files.make_folder(layout.keys)
    for name, content in made.keys:
        files.write(layout.keys / name, content)
    files.write(layout.root, made.root)
    files.make_folder(made.marker.root_keys)
    for name, content in made.root_keys:
        files.write(made.marker.root_keys / name, content)
    upgrade(database)
    vault = KeyVault(made.pepper, SealingBox(made.pepper, os.urandom))  # hashes only; nothing is sealed here
    now = made.record.created_at
    api_key = api_key_record(
        made.admin_token, vault=vault, api_key_id=made.api_key_id, name="first", scopes=("admin",), now=now
    )
    found(
        database,
        issuer=made.record.issuer,
        created_at=now,
        api_key=api_key,
        entry=entry(
            now, OPERATOR, "installation.created", made.record.issuer, anchor=made.record.anchor, apikey=api_key.id
        ),
    )
    files.write(layout.record, write_record(made.record))
    files.remove(layout.marker)


def _clear(layout: Layout, settings: Settings, files: Files) -> str:
    """Remove what an interrupted run made. It was never used: there is no record, so nothing could open it."""
    marker = read_marker(layout)
    if settings.postgres is not None and marker.issuer is not None:
        unfound(settings.postgres, marker.issuer)
    for name in marker.root_key_files:
        files.remove(marker.root_keys / Path(name).name)
    files.remove_folder(marker.root_keys)
    for folder in (layout.keys, layout.secrets):
        for path in sorted(folder.glob("*")):
            files.remove(path)
        files.remove_folder(folder)
    files.remove(layout.root)
    for suffix in ("", "-wal", "-shm", "-journal"):
        files.remove(layout.database.with_name(layout.database.name + suffix))
    files.remove(layout.record)
    files.remove(layout.marker)
    return "An earlier carnet init had been interrupted; what it left was cleared, and everything was made anew."


def _check_options(settings: Settings, options: InitOptions) -> None:
    if not 1 <= options.root_key_count <= MAX_ROOT_KEYS:
        raise UsageError(
            "invalid_argument", "The number of root keys is not valid.", f"It must be from 1 to {MAX_ROOT_KEYS}."
        )
    if not 1 <= options.root_threshold <= options.root_key_count:
        raise UsageError(
            "invalid_argument",
            "The threshold of root keys is not valid.",
            f"It must be from 1 to the number of root keys, {options.root_key_count}.",
        )
    data, root_keys = settings.data.absolute(), options.root_keys.absolute()
    with contextlib.suppress(OSError):
        data, root_keys = settings.data.resolve(), options.root_keys.resolve()
    if root_keys == data or data in root_keys.parents:
        raise UsageError(
            "root_keys_inside_data",
            "The root keys must not lie inside the data directory: the server never needs them.",
            "Choose another directory with --root-keys, best on a medium that you can take away.",
        )
    if settings.admin_token is not None:
        check_own_token(settings.admin_token)
    for passphrase in (settings.passphrase, options.root_passphrase):
        if passphrase is not None and passphrase.strip().lower() in _PLACEHOLDERS:
            raise UsageError(
                "weak_passphrase",
                "The given passphrase is a placeholder.",
                "Choose one of your own: several words that nobody would put together.",
            )


def _check_free(layout: Layout, options: InitOptions) -> None:
    """Nothing of an installation without a record is overwritten: it may be the last copy of somebody's keys."""
    ours = (layout.root, layout.database, layout.keys, layout.secrets)
    found_there = [path.name for path in ours if path.exists() and not _is_empty_folder(path)]
    if found_there:
        raise StateError(
            "data_not_empty",
            f"{layout.data} holds {', '.join(found_there)}, but no installation.json.",
            "Restore the missing file from your backup, or choose another directory.",
        )
    for number in range(1, options.root_key_count + 1):
        path = options.root_keys / f"root-key-{number}-of-{options.root_key_count}.json"
        if path.exists():
            raise StateError(
                "root_keys_exist",
                f"{path} is another installation's root key; it was not touched.",
                "Choose another directory with --root-keys.",
            )


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


@contextlib.contextmanager
def _only_one(layout: Layout) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(layout.lock, timeout=0, mode=0o600):
            yield
    except Timeout:
        raise StateError(
            "init_running", f"Another carnet init is running in {layout.data}.", "Wait until it has ended."
        ) from None
    except OSError as error:
        raise StateError(
            "data_not_writable",
            f"{layout.data} cannot be written ({error.strerror}).",
            "Choose another directory, or give this user the right to write there.",
        ) from error


def _already(layout: Layout) -> UsageError:
    return UsageError(
        "already_initialised",
        f"There is an installation in {layout.data} already; nothing was changed.",
        "Start it with carnet serve, or choose another directory for a new one.",
    )


def _notes(settings: Settings, options: InitOptions, made: _Made) -> list[str]:
    count = options.root_key_count
    if count == 1:
        keys, power = "the root key", "it"
    else:
        keys = f"the {count} root keys, each to another place or person,"
        power = f"{options.root_threshold} of them"
    notes = [
        f"Move {keys} away from this machine now: the server never needs them; whoever has {power} can speak for you.",
        f"Build root.json into your app; people compare its anchor. It vouches for keys until {made.root_expires_at}.",
    ]
    if options.root_passphrase is None:
        notes.append("The root keys are not sealed: keep them off disks that others read, or give a passphrase.")
    if settings.passphrase is None:
        notes.append(f"The signing keys open with {Layout(data=settings.data).signing}: keep it out of backups.")
    else:
        notes.append("The signing keys open with your passphrase: without it, nothing can be issued any more.")
    if settings.admin_token is None:
        notes.append("The admin token is stored only as a hash: note it now.")
    else:
        notes.append("The admin token is the one that you gave.")
    return notes


def _now() -> Instant:
    import time

    return Instant(int(time.time()))
