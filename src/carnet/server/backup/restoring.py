"""
Putting a backup back, and the new epoch after it (REL-11).

A restored database knows nothing of what was signed after its backup. So that no status list number is given twice, it
serves only after a new epoch has begun; that is a command of its own, because a person has to know which state it is.
"""

from __future__ import annotations

import time
from pathlib import Path

from carnet.core._base import Struct
from carnet.core.errors import StateError
from carnet.core.instant import Instant
from carnet.formats.root import anchor
from carnet.server.backup.container import FilePart, RowsPart, damaged
from carnet.server.backup.high_water import read_mark, write_mark
from carnet.server.backup.service import BackupReport, opened_backup, verify_backup
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.server.files import Files, sync_folder
from carnet.server.layout import Layout, read_record
from carnet.server.ports.backup import Life
from carnet.server.records import OPERATOR, AuditEntry
from carnet.server.settings import Settings
from carnet.server.storage.founding import database_of_another, owner
from carnet.server.storage.loading import PutRows, begin_epoch, database_exists, load, remove
from carnet.server.storage.migrate import upgrade
from carnet.server.storage.sqlite.connection import settle


class RestoreReport(Struct):
    """What was put back; `replaced` is where the database that was there before lies now."""

    backup: BackupReport
    database: str
    replaced: Path | None


def restore_backup(
    settings: Settings, path: Path, *, replace: bool = False, now: Instant | None = None
) -> RestoreReport:
    """
    Put the database of this installation into the state of a backup.

    All of the backup is read and verified before anything is changed; the database takes its place only when it is
    whole. It then serves only after `start_epoch`.

    Args:
        settings: Where. `keys/` and `secrets/` must be there: no backup holds them. `installation.json` and
            `root.json` are taken from the backup where they are missing.
        path: The backup.
        replace: Whether a SQLite database that is there may be moved aside. A PostgreSQL database must be empty.
        now: The time; None reads the clock.

    Raises:
        MalformedError: ``not_a_backup``.
        NotGenuineError: ``backup_does_not_open``, ``backup_damaged``.
        UsageError: ``database_exists``.
        StateError: ``missing_file``, ``backup_not_readable``, ``backup_of_another``, ``backup_does_not_fit``,
            ``database_too_new``, ``database_in_use``, ``data_not_writable``, ``storage_unavailable``.
    """
    layout = Layout(data=settings.data)
    report = verify_backup(layout, path)
    at = Instant(int(time.time())) if now is None else now

    def fill(put: PutRows) -> None:
        _put_rows(layout, path, put)

    if settings.postgres is not None:
        load(settings.postgres, report.schema, fill, at)
        _put_files(layout, path)
        return RestoreReport(backup=report, database=str(settings.postgres), replaced=None)
    database = settings.database_path
    if database.exists():
        if not replace:
            raise database_exists(database)
        if not settle(database):
            raise _in_use(database)
    loading = database.with_name(f"{database.name}.restoring")
    remove(loading)
    load(loading, report.schema, fill, at)
    _put_files(layout, path)
    replaced = _put_aside(database, at) if database.exists() else None
    loading.replace(database)
    sync_folder(settings.data)
    return RestoreReport(backup=report, database=str(database), replaced=replaced)


def start_epoch(settings: Settings, *, now: Instant | None = None) -> int:
    """
    Let a restored database serve again, in a new epoch.

    An epoch is named by the second in which it begins, and its status list positions start at the shard of that number:
    no two lives of a database share one, whatever each of them knew of the other, while the clock is right to the
    second and fewer than 131,072 numbers are given per second of a life (SEC-26).

    Args:
        settings: Where.
        now: The time; None reads the clock.

    Returns:
        The new epoch.

    Raises:
        StateError: ``not_initialised``, ``missing_file``, ``database_of_another``, ``storage_unavailable``,
            ``storage_busy``, ``data_not_writable``.
    """
    layout = Layout(data=settings.data)
    record = read_record(layout)
    database = settings.database
    if isinstance(database, Path) and not database.exists():
        raise StateError("missing_file", f"{database} is missing.", "Restore a backup first.")
    if owner(database) != record.issuer:
        raise database_of_another(database)
    upgrade(database)
    at = Instant(int(time.time())) if now is None else now
    mark = read_mark(layout.high_water)
    known = 0 if mark is None else mark.epoch

    def begun(epoch: int, leaves: int) -> AuditEntry:
        return entry(at, OPERATOR, "installation.epoch_begun", record.issuer, epoch=epoch, leaves=leaves)

    epoch = begin_epoch(
        database,
        choose=lambda own: max(int(at), own + 1, known + 1),
        last_sequence=lambda epoch: epoch * SHARD_SIZE,
        entry=begun,
    )
    write_mark(layout.high_water, Life(epoch=epoch, audit=0, restored_at=None))
    return epoch


def _put_rows(layout: Layout, path: Path, put: PutRows) -> None:
    with opened_backup(layout, path) as (_, parts):
        for part in parts:
            if isinstance(part, RowsPart) and part.rows:
                put(part.table, part.columns, part.rows)


def _put_files(layout: Layout, path: Path) -> None:
    """The small files that are missing; the root must be the one that the head names."""
    places = {place.name: place for place in (layout.record, layout.root)}
    with opened_backup(layout, path) as (head, parts):
        for part in parts:
            if not isinstance(part, FilePart):
                continue
            place = places.get(part.name)
            if place is None or (place == layout.root and anchor(part.content) != head.anchor):
                raise damaged(f"it holds a file {part.name[:60]!r} that does not belong there")
            if not place.exists():
                Files().write(place, part.content)


def _put_aside(database: Path, now: Instant) -> Path:
    """Move the database away, whole; refused while another program has it open."""
    if not settle(database):
        raise _in_use(database)
    aside = database.with_name(f"{database.name}.replaced-{int(now)}")
    for ending in ("-wal", "-shm", ""):  # a damaged database may have left its log behind
        present = database.with_name(database.name + ending)
        if present.exists():
            present.replace(aside.with_name(aside.name + ending))
    return aside


def _in_use(database: Path) -> StateError:
    return StateError(
        "database_in_use",
        f"Another program has {database} open.",
        "Stop the server and every carnet command on this installation, then try again.",
    )
