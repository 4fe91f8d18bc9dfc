"""
`carnet backup create|verify|restore`: all that the database knows, in one sealed file.

A backup can be made while the server runs. It opens only with `secrets/`, which no backup holds: keep `keys/` and
`secrets/` once, in a safe place; they do not change.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.output import Output, facts, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, administer, server_extra, settings_of
from carnet.core.errors import UsageError
from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from carnet.server.backup.service import BackupReport

_KEEP = "Keep keys/ and secrets/ of the data directory as well, apart from it: without them no backup opens."
_PROGRESS_ROWS = 50_000


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    create = leaf(group, "create", "write a backup, while the server may go on serving", _create)
    create.add_argument("--output", type=Path, metavar="PATH", help="a file, or a directory for a file named by date")
    verify = leaf(group, "verify", "read a backup to its end and say what it holds; changes nothing", _verify)
    verify.add_argument("file", type=Path, metavar="FILE", help="a backup")
    restore = leaf(group, "restore", "put the database into the state of a backup, or begin a new epoch", _restore)
    restore.add_argument("file", type=Path, metavar="FILE", nargs="?", help="a backup; none where it is restored")
    restore.add_argument("--replace", action="store_true", help="move the present database aside")
    restore.add_argument(
        "--new-epoch", action="store_true", help="let the restored database serve; it gives no number again"
    )
    for command in (create, verify, restore):
        add_installation_options(command)


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    path = _place(options.output)

    def progress(table: str, rows: int) -> None:
        if rows % _PROGRESS_ROWS == 0:
            out.say(f"{table}: {how_many(rows, 'row')} …")

    report = administer(
        options, out, lambda installation: installation.backups.create(path, OPERATOR, progress=progress)
    )
    out.data({"file": str(path), **_json(report)}, facts([("Backup", str(path)), *_rows(report)]))
    out.say(_KEEP)
    return exits.OK


def _verify(options: argparse.Namespace, out: Output) -> int:
    with server_extra():
        from carnet.server.backup.service import verify_backup
        from carnet.server.layout import Layout

    report = verify_backup(Layout(data=settings_of(options).data), options.file)
    out.data({"ok": True, "file": str(options.file), **_json(report)}, facts(_rows(report)))
    out.say("Every part opens, in its place, to the end.")
    return exits.OK


def _restore(options: argparse.Namespace, out: Output) -> int:
    with server_extra():
        from carnet.server.backup.restoring import restore_backup, start_epoch

    if options.file is None and not options.new_epoch:
        fix = "Give a backup to restore, or --new-epoch where one is restored already."
        raise UsageError("bad_usage", "There is nothing to do.", fix)
    settings = settings_of(options)
    document: dict[str, Any] = {}
    rows: list[tuple[str, object]] = []
    if options.file is not None:
        done = restore_backup(settings, options.file, replace=options.replace)
        replaced = None if done.replaced is None else str(done.replaced)
        document |= {**_json(done.backup), "database": done.database, "replaced": replaced}
        rows += [("Restored", done.database), *_rows(done.backup), ("Kept before", replaced)]
    epoch = start_epoch(settings) if options.new_epoch else None
    rows.append(("Epoch", epoch))
    out.data({**document, "epoch": epoch}, facts(rows))
    if epoch is None:
        out.say("It serves once a new epoch has begun: carnet backup restore --new-epoch")
    else:
        out.say("Start the server: carnet serve. What was changed after the backup has to be done again.")
    return exits.OK


def _place(given: Path | None) -> Path:
    name = time.strftime("carnet-%Y%m%dT%H%M%SZ.backup", time.gmtime())
    if given is None:
        return Path(name)
    return given / name if given.is_dir() else given


def _json(report: BackupReport) -> dict[str, Any]:
    return {
        "issuer": report.issuer,
        "created_at": str(report.created_at),
        "schema": report.schema,
        "rows": dict(sorted(report.rows.items())),
        "size": report.size,
    }


def _rows(report: BackupReport) -> list[tuple[str, object]]:
    held = ", ".join(f"{count:,} {table}" for table, count in sorted(report.rows.items()) if count)
    return [
        ("State of", when(report.created_at)),
        ("Installation", report.issuer),
        ("Schema", report.schema),
        ("Holds", held),
        ("Size", f"{report.size:,} bytes"),
    ]
