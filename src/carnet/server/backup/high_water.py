"""
How far the database had got when this machine last saw it, kept beside it: so that one which was put back to an older
state behind our back (a copied file, a restored dump, a disk snapshot) is noticed at the next start (REL-11).

Every change has an audit row, so the audit's height only rises; a database that is lower than it was has lost changes.
The mark is written at opening, at closing and now and then in between: what was changed since the last mark can be lost
unnoticed, and that bound is stated in specs/backup.md.
"""

from __future__ import annotations

from pathlib import Path

from carnet.core.errors import CarnetError, StateError
from carnet.formats.limits import MAX_PUBLIC_BODY
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.files import Files
from carnet.server.ports.backup import Life
from carnet.server.signing.file_store import read_file

_FORMAT = "carnet-high-water/1"


def read_mark(path: Path) -> Life | None:
    """
    The mark in *path*; None if there is none yet.

    Raises:
        StateError: ``bad_installation_file``, ``data_not_readable``.
    """
    if not path.exists():
        return None
    try:
        content = parse_object(read_file(path), max_bytes=MAX_PUBLIC_BODY, what="The mark")
    except CarnetError as error:
        if error.code == "data_not_readable":
            raise
        content = {}
    epoch, audit = content.get("epoch"), content.get("audit")
    if content.get("format") != _FORMAT or not isinstance(epoch, int) or not isinstance(audit, int):
        raise StateError(
            "bad_installation_file",
            f"{path} is damaged.",
            "Remove it if you are sure that the database is the newest one.",
        )
    return Life(epoch=epoch, audit=audit, restored_at=None)


def write_mark(path: Path, mark: Life, files: Files | None = None) -> None:
    """
    Keep *mark*.

    Raises:
        StateError: ``data_not_writable``.
    """
    content = {"format": _FORMAT, "epoch": mark.epoch, "audit": mark.audit}
    (files or Files()).write(path, dump_json(content) + b"\n")


def check_life(found: Life, known: Life | None) -> None:
    """
    Whether the database may be served as it is.

    Args:
        found: What it says now.
        known: The mark.

    Raises:
        StateError: ``restored``: it was put back from a backup; ``database_went_back``: it is in a state from before
            the mark. Either way a new epoch must begin first.
    """
    if found.restored_at is not None:
        raise StateError(
            "restored",
            f"The database was restored from a backup at {found.restored_at}; nothing is signed before a new epoch.",
            "Begin a new epoch: carnet backup restore --new-epoch",
        )
    if known is not None and (found.epoch, found.audit) < (known.epoch, known.audit):
        raise StateError(
            "database_went_back",
            f"The database went back: it holds {found.audit} of {known.audit} changes; nothing is signed from it.",
            "If you put an older state back on purpose, begin a new epoch: carnet backup restore --new-epoch",
        )
