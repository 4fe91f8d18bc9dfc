"""
Making and checking backups while the installation serves.

A backup holds every row as of one moment, `installation.json` and `root.json`. It holds no key and none of `secrets/`
(design.md §8): it is sealed for whoever has them, who needs them anyway to serve what is restored.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import StateError, UsageError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_decode
from carnet.server.backup.container import BackupWriter, EndPart, FilePart, Head, Part, RowsPart, read_head, read_parts
from carnet.server.domain.audit.entries import entry
from carnet.server.files import sync_folder
from carnet.server.layout import InstallationRecord, Layout, read_record
from carnet.server.ports import Clock, Random, Storage
from carnet.server.records import Actor
from carnet.server.signing.file_store import read_file

MAX_SMALL_FILE: Final = 512_000
"""Of `root.json` and its like (security-requirements, Limits)."""

SALT_BYTES: Final = 32
_ROWS_IN_A_PART: Final = 500
_BYTES_IN_A_PART: Final = 4 * 1024 * 1024


class BackupReport(Struct):
    """
    What a backup holds.

    Attributes:
        issuer: The installation it is of.
        anchor: Of that installation's root file.
        created_at: The moment whose state it is.
        schema: The database's revision.
        rows: Table to number of rows.
        size: Bytes of the file.
    """

    issuer: str
    anchor: str
    created_at: Instant
    schema: str
    rows: dict[str, int]
    size: int


class BackupService:
    """
    Backups of an open installation.

    Args:
        storage: Where the rows are.
        clock: The time.
        random: The randomness of salts.
        layout: Where the small files are.
        record: Whose installation it is.
        schema: The database's revision.
        secret: The installation's sealing secret.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        random: Random,
        layout: Layout,
        record: InstallationRecord,
        schema: str,
        secret: bytes,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._random = random
        self._layout = layout
        self._record = record
        self._schema = schema
        self._secret = secret

    async def create(
        self, path: Path, actor: Actor, *, progress: Callable[[str, int], None] | None = None
    ) -> BackupReport:
        """
        Write a backup to *path*, which must not exist; it has that name only once it is whole and on the disk.

        Args:
            path: In an existing directory; readable by its owner only.
            actor: Who asked, for the audit.
            progress: Told the table and how many of its rows are written, now and then.

        Raises:
            UsageError: ``file_exists``.
            StateError: ``backup_not_written``, ``storage_unavailable``, ``data_not_readable``.
        """
        _must_be_new(path)
        head = Head(
            issuer=self._record.issuer,
            anchor=self._record.anchor,
            created_at=self._clock.now(),
            schema=self._schema,
            salt=self._random(SALT_BYTES),
        )
        temporary = path.with_name(f"{path.name}.part")
        try:
            counted = await self._write(temporary, head, progress)
            temporary.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise StateError(
                "backup_not_written",
                f"{path} cannot be written ({error.strerror}).",
                "Choose another directory, with enough free space, that this user may write to.",
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        report = _report(head, counted, path)
        rows = sum(report.rows.values())
        audit = entry(self._clock.now(), actor, "backup.created", report.issuer, rows=rows, size=report.size)
        await self._storage.add_audit(audit)
        return report

    async def _write(self, path: Path, head: Head, progress: Callable[[str, int], None] | None) -> dict[str, int]:
        counted: dict[str, int] = {}
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            writer = BackupWriter(stream, head, self._secret)
            for file in (self._layout.record, self._layout.root):
                writer.write(FilePart(name=file.name, content=read_file(file, max_bytes=MAX_SMALL_FILE)))

            def take(table: str, columns: tuple[str, ...], rows: Iterable[Sequence[Any]]) -> None:
                counted[table] = 0
                for some in _in_parts(rows):
                    writer.write(RowsPart(table=table, columns=list(columns), rows=some))
                    counted[table] += len(some)
                    if progress is not None:
                        progress(table, counted[table])

            await self._storage.snapshot(take)
            writer.write(EndPart(rows=counted))
            stream.flush()
            os.fsync(stream.fileno())
        return counted


def verify_backup(layout: Layout, path: Path) -> BackupReport:
    """
    Read all of the backup in *path*: every part opens, in its place, to the end; and it is of this installation.

    Args:
        layout: Of the installation; its `secrets/` must be there, `installation.json` may be missing.
        path: The backup.

    Raises:
        MalformedError: ``not_a_backup``.
        NotGenuineError: ``backup_does_not_open``, ``backup_damaged``.
        StateError: ``backup_not_readable``; ``backup_of_another``; ``missing_file``: no secrets.
    """
    rows: dict[str, int] = {}
    with opened_backup(layout, path) as (head, parts):
        for part in parts:
            if isinstance(part, EndPart):
                rows = part.rows
    if layout.record.exists() and read_record(layout).issuer != head.issuer:
        raise StateError(
            "backup_of_another",
            f"{path} is a backup of another installation.",
            "Give a backup of this one, or use the data directory of that one.",
        )
    return _report(head, rows, path)


@contextmanager
def opened_backup(layout: Layout, path: Path) -> Iterator[tuple[Head, Iterator[Part]]]:
    """
    The head and the parts of a backup, opened with the installation's secret as they are read.

    Raises:
        As `verify_backup`, but for ``backup_of_another``.
    """
    secret = b64url_decode(read_file(layout.seal).strip(), "The secret in seal")
    try:
        with path.open("rb") as stream:
            head = read_head(stream)
            yield head, read_parts(stream, head, secret)
    except OSError as error:
        raise StateError(
            "backup_not_readable", f"{path} cannot be read ({error.strerror}).", "Check the path and its permissions."
        ) from error


def _report(head: Head, rows: dict[str, int], path: Path) -> BackupReport:
    return BackupReport(
        issuer=head.issuer,
        anchor=head.anchor,
        created_at=head.created_at,
        schema=head.schema,
        rows=rows,
        size=path.stat().st_size,
    )


def _in_parts(rows: Iterable[Sequence[Any]]) -> Iterable[list[list[Any]]]:
    """*rows* in lists that are small enough for one part each."""
    some: list[list[Any]] = []
    size = 0
    for row in rows:
        some.append(list(row))
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(some) >= _ROWS_IN_A_PART or size >= _BYTES_IN_A_PART:
            yield some
            some, size = [], 0
    if some:
        yield some


def _must_be_new(path: Path) -> None:
    if path.exists():
        raise UsageError("file_exists", f"{path} exists already.", "Choose another name, or remove it first.")
