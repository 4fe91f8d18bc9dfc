"""
Checkpoints in files: one for each day, signed notes with an empty line behind each, only ever added to
(specs/transparency.md §4.3).

The folder is outside the database and should be out of reach of whoever administers that: another disk, a share, a
repository that somebody else pulls. A note that a crash cut short at the end of a file is removed before the next one
is added; anything else that is no note is kept, and told to whoever checks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from carnet.core.errors import MalformedError, StateError
from carnet.core.instant import Instant
from carnet.formats.checkpoint import read_checkpoint
from carnet.server.files import sync_folder

_NAME: Final = re.compile(r"\d{4}-\d{2}-\d{2}\.txt")
_END: Final = "\n\n"
_MARK: Final = "\u2014 "
_OURS: Final = "carnet/"
_MODE: Final = 0o644
"""A checkpoint holds nothing that may not be known; whoever collects them may read them."""


class CheckpointFolder:
    """
    `ports.CheckpointPlace`.

    Args:
        folder: Made when the first checkpoint comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, text: str, at: Instant) -> None:
        """See `ports.CheckpointPlace`."""
        path = self._folder / f"{str(at)[:10]}.txt"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _MODE)
            with os.fdopen(descriptor, "r+b") as file:
                content = file.read().decode(errors="replace")
                if (whole := _without_torn_note(content)) != content:
                    file.truncate(len(whole.encode()))
                file.seek(0, os.SEEK_END)
                file.write(f"{text}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._folder)
        except OSError as error:
            raise StateError(
                "checkpoint_not_kept",
                f"The checkpoint cannot be written to {path} ({error.strerror}).",
                "Let this user write there, or choose another folder with CARNET_CHECKPOINTS.",
            ) from error

    def newest(self, origin: str) -> str | None:
        """See `ports.CheckpointPlace`."""
        for path in reversed(self._files()):
            for text in reversed(_notes(self._read(path))):
                try:
                    note = read_checkpoint(text)
                except MalformedError:
                    continue
                if note.unverified.origin == origin:
                    return text
        return None

    def all(self) -> Iterable[str]:
        """See `ports.CheckpointPlace`. What a crash cut short at the end of the last file is left out."""
        return self._all()

    def _all(self) -> Iterator[str]:
        files = self._files()
        for path in files:
            content = self._read(path)
            yield from _notes(_without_torn_note(content) if path == files[-1] else content)

    def _files(self) -> list[Path]:
        with _told(self._folder):
            if not self._folder.exists():
                return []
            return sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))

    def _read(self, path: Path) -> str:
        with _told(path):
            return path.read_bytes().decode(errors="replace")


def _notes(content: str) -> list[str]:
    """The notes of a file, a text and its signatures each, and whatever else stands between them by itself."""
    pieces = content.removesuffix(_END).split(_END) if content else []
    notes: list[str] = []
    for piece in pieces:
        if piece.startswith(_MARK) and notes and not notes[-1].endswith("\n"):
            notes[-1] += f"{_END}{piece}\n"
        else:
            notes.append(piece)
    return notes


def _without_torn_note(content: str) -> str:
    """*content* up to the end of its last whole note, or of what somebody else wrote behind that."""
    *pieces, _ = content.split(_END)
    if pieces and pieces[-1].startswith(_OURS):
        pieces.pop()  # a text without its signatures
    return "".join(f"{piece}{_END}" for piece in pieces)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            "checkpoints_not_readable",
            f"The checkpoints in {path} cannot be read ({error.strerror}).",
            "Let this user read them; without them nothing is signed that has to continue them.",
        ) from error
