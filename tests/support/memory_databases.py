"""
Real databases whose files are in memory: for tests that live through thousands of histories, and none of a power cut.

The same SQLite and the same PostgreSQL with the same settings: commits wait for `fsync`, which a file system in memory
answers at once. Where the machine has no such file system, the files are where all temporary files are.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from filelock import FileLock

from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.settings import Settings
from support.databases import Cluster, Kind, name_of, removed_at_exit
from support.installations import CHEAP, START

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file system in memory, by the Filesystem Hierarchy Standard
_ENOUGH_BYTES: Final = 2 << 30


@cache
def memory_folder() -> Path:
    """Where files are kept in memory, if this machine has room for them there."""
    usual = Path(tempfile.gettempdir())
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return usual
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ENOUGH_BYTES else usual


@cache
def memory_cluster() -> Cluster:
    """A second PostgreSQL server of this test run, as `support.databases.cluster`, whose files are in memory."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"pid-{os.getpid()}"
    folder = memory_folder() / f"carnet-pg-quick-{run}"
    folder.mkdir(mode=0o755, exist_ok=True)
    removed_at_exit(folder)
    with FileLock(folder / "starting"):
        return Cluster(folder)


@cache
def _template(kind: Kind) -> Settings:
    folder = _folder()
    postgres = memory_cluster().fresh() if kind == "postgres" else None
    settings = Settings(data=folder / "data", postgres=postgres)
    create_installation(settings, InitOptions(root_keys=folder / "root"), now=START, cost=CHEAP)
    return settings


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="carnet-quick-", dir=memory_folder()))
    removed_at_exit(folder, always=True)
    return folder


@contextmanager
def settings_in_memory(kind: Kind) -> Iterator[Settings]:
    """A fresh installation, started at `START`, on a database of that *kind* in memory; removed at the end."""
    template = _template(kind)
    folder = _folder()
    shutil.copytree(template.data, folder / "data")
    copy = None if template.postgres is None else memory_cluster().fresh(name_of(template.postgres))
    try:
        yield Settings(data=folder / "data", postgres=copy, public_url="https://license.example.com")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if copy is not None:
            memory_cluster().run(f'DROP DATABASE "{name_of(copy)}" WITH (FORCE)')
