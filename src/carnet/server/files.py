"""
Writing the files of an installation so that a crash leaves each of them whole or absent.

Owner-only from the first byte, synced before they get their name, the directory synced after. What fails says which
path and why, and nothing of what was to be written.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from carnet.core.errors import StateError

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_TEMPORARY = ".tmp"


class Files:
    """The changes that `carnet init` makes on disk, one method each."""

    def make_folder(self, path: Path) -> None:
        """
        Make a folder that only its owner can enter; one that exists stays as it is.

        Raises:
            StateError: ``data_not_writable``.
        """
        with _told(path):
            path.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)

    def write(self, path: Path, content: bytes) -> None:
        """
        Write a file that only its owner can read, all of it or nothing.

        Raises:
            StateError: ``data_not_writable``.
        """
        temporary = path.with_name(path.name + _TEMPORARY)
        with _told(path):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)

    def remove(self, path: Path) -> None:
        """
        Remove a file, and what a crash left of writing it; fine if there is none.

        Raises:
            StateError: ``data_not_writable``.
        """
        with _told(path):
            for each in (path.with_name(path.name + _TEMPORARY), path):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    each.unlink()

    def remove_folder(self, path: Path) -> None:
        """
        Remove a folder if it is empty; fine if there is none.

        Raises:
            StateError: ``data_not_writable``.
        """
        with _told(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if not any(path.iterdir()):
                path.rmdir()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            "data_not_writable",
            f"{path} cannot be written ({error.strerror}).",
            "Choose another directory, or give this user the right to write there.",
        ) from error


def sync_folder(path: Path) -> None:
    """Make the names in *path* durable."""
    if os.name == "nt":  # Windows syncs names by itself and cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
