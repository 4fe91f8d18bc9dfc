"""Mistakes in and around the data directory: rights, space, the kind of disk, files in the wrong place."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from carnet.cli.doctor.finding import Finding, ok, problem, warning

MIN_FREE_BYTES: Final = 100 * 1024 * 1024
MAX_WAL_BYTES: Final = 256 * 1024 * 1024
MOUNTS: Final = Path("/proc/mounts")

# Locks and shared memory of SQLite do not hold across machines (sqlite.org/wal.html, "Disadvantages").
_NETWORK: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "nfs", "nfs4", "smb3", "smbfs"}
)
_FORGOTTEN: Final = {"overlay": "a container's own layer", "tmpfs": "memory", "ramfs": "memory"}


def look_at_data(data: Path, mounts: Path = MOUNTS) -> Iterator[Finding]:
    """
    The data directory from outside.

    Args:
        data: It; if it does not exist, that is the only finding.
        mounts: The system's table of file systems; may be missing.
    """
    if not data.is_dir():
        fix = "Set CARNET_DATA to where the installation is, or make one: carnet init"
        yield problem("data", f"There is no directory {data}.", fix)
        return
    yield _rights(data)
    yield from _permissions(data)
    yield _space(data)
    yield from _disk(data, mounts)
    yield from _database(data / "carnet.db")


def _rights(data: Path) -> Finding:
    paths = [data, *(path for path in data.rglob("*") if path.is_file())]
    closed = [path for path in paths if not os.access(path, os.R_OK | os.W_OK)]
    if not closed:
        return ok("data", f"{data} can be read and written")
    fix = f"Run as the user who owns it, or give it to this user: chown -R $USER {data}"
    return problem("data", f"{closed[0]} cannot be read and written by this user.", fix)


def _permissions(data: Path) -> Iterator[Finding]:
    if os.name == "nt":
        return
    secret = [*data.glob("carnet.db*"), *(data / "keys").rglob("*"), *(data / "secrets").rglob("*")]
    loose = [path for path in secret if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if loose:
        names = ", ".join(str(path.relative_to(data)) for path in loose[:3])
        yield problem("permissions", f"Others may open {names}.", f"Close them: chmod -R go-rwx {data}")
    else:
        yield ok("permissions", "keys, secrets and database are the owner's only")
    misplaced = [path for path in data.rglob("*") if "root" in path.name and "key" in path.name]
    if misplaced:
        fix = "Move the root keys to a safe place away from this computer; the server never needs them."
        yield problem("root keys", f"{misplaced[0]} is a root key.", fix)
    else:
        yield ok("root keys", "none of them lies in the data directory")


def _space(data: Path) -> Finding:
    free = shutil.disk_usage(data).free
    size = f"{free // (1024 * 1024):,} MiB"
    if free < MIN_FREE_BYTES:
        return problem("space", f"Only {size} are free.", "Make room on this disk.")
    return ok("space", f"{size} free")


def _disk(data: Path, mounts: Path) -> Iterator[Finding]:
    kind = filesystem_of(data, mounts)
    if kind is None:
        return
    if kind in _NETWORK:
        fix = "Move the data directory to a disk of this machine, or use PostgreSQL: set CARNET_DATABASE_URL."
        yield problem("disk", f"{data} is on a network file system ({kind}), where SQLite can lose changes.", fix)
    elif kind in _FORGOTTEN:
        fix = "Mount a volume there, for example: docker run -v carnet-data:/data …"
        yield warning("disk", f"{data} is in {_FORGOTTEN[kind]} and is gone when that is.", fix)
    else:
        yield ok("disk", f"{data} is on {kind}")


def filesystem_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of file system that *path* is on; None where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    whole, found, longest = path.resolve(), None, -1
    for line in lines:
        words = line.split(" ")
        if len(words) < 3:  # device, where, kind (fstab(5))
            continue
        where = Path(words[1].replace("\\040", " "))
        if (whole == where or where in whole.parents) and len(where.parts) >= longest:
            found, longest = words[2], len(where.parts)
    return found


def _database(path: Path) -> Iterator[Finding]:
    if not path.exists():
        return
    wal = path.with_name(f"{path.name}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > MAX_WAL_BYTES:
        fix = "Find the program that keeps the database open for reading (a backup tool, a shell), and end it."
        yield warning("database log", f"{wal.name} has grown to {size // (1024 * 1024):,} MiB.", fix)
    else:
        yield ok("database log", f"{wal.name} has {size // 1024:,} KiB")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error as error:
        said = str(error)
    if said == "ok":
        yield ok("database file", "every page of it is sound")
    else:
        fix = "Stop the server, keep a copy of the file, and restore your newest backup: carnet backup restore FILE"
        yield problem("database file", f"{path.name} is damaged: {said[:200]}.", fix)
