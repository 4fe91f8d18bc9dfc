"""
The state directory of one product, as it is written: atomically, under a lock, owner-only (specs/state.md §1, SEC-48).

Every write is load, change, save under the lock, so that no process loses another's update (REL-19). The worse copy is
replaced first; until the new bytes are on the disk, the better one stays.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from carnet.client.fingerprint.values import Anchor
from carnet.client.state import Loaded, StateStore
from carnet.client.state_file import KEY_BYTES, MAX_SEQUENCE, DeviceState
from carnet.client.state_locking import locked
from carnet.client.state_sealing import seal_copy
from carnet.core.errors import StateError

_OWNER_ONLY_DIRECTORY = 0o700
_OWNER_ONLY_FILE = 0o600
_OTHERS = 0o077
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_SHARING_PAUSES = (0.01, 0.03, 0.1)


class StateWriter:
    """One write to a state directory, by a device with *anchors*."""

    def __init__(self, store: StateStore, anchors: tuple[Anchor, ...]) -> None:
        """
        Args:
            store: The directory.
            anchors: At least one.

        Raises:
            StateError: ``no_device_identity``.
        """
        if not anchors:
            raise StateError("no_device_identity", "Nothing identifies this device.", "Set CARNET_DEVICE_ID.")
        self._store = store
        self._anchors = anchors

    def update(self, change: Callable[[Loaded], DeviceState | None], lock_seconds: float) -> Loaded:
        """As `StateStore.update`, which calls it."""
        with self._writing(), locked(self._store.directory, lock_seconds):
            loaded, copy, order = self._store.load_all(self._anchors)
            state = change(loaded)
            if state is None:
                return loaded
            if loaded.condition == "too_new":
                raise StateError(
                    "state_too_new",
                    "The state on this device was written by a newer version of the app.",
                    "Use the newer version.",
                )
            sequence = min(loaded.sequence + 1, MAX_SEQUENCE)
            data = seal_copy(
                state,
                product=self._store.product,
                sequence=sequence,
                key=copy.key or os.urandom(KEY_BYTES),
                anchors=self._anchors,
                kept=copy.slots,
                entropy=os.urandom(KEY_BYTES),
            )
            self._remove_drafts()
            self._replace_both(order, data)
            return Loaded(condition="open", state=state, sequence=sequence, copies=("open", "open"))

    def _replace_both(self, order: tuple[str, str], data: bytes) -> None:
        """One copy is enough to go on: the next write mends the other."""
        failures: list[OSError] = []
        for name in order:
            try:
                self._replace(name, data)
            except OSError as error:
                failures.append(error)
        if len(failures) == len(order):
            raise failures[0]

    def _replace(self, name: str, data: bytes) -> None:
        path = os.path.join(self._store.directory, name)
        draft = f"{path}.{os.urandom(8).hex()}.draft"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY, _OWNER_ONLY_FILE)
        try:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(handle, rest) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            _rename(draft, path)
        except OSError:
            with suppress(OSError):
                os.unlink(draft)
            raise
        _sync_directory(self._store.directory)

    def _remove_drafts(self) -> None:
        """Drafts that a killed process left; under the lock nobody else is writing one."""
        for name in os.listdir(self._store.directory):
            if name.endswith(".draft"):
                with suppress(OSError):
                    os.unlink(os.path.join(self._store.directory, name))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            for path in (
                os.path.dirname(self._store.directory),
                self._store.directory,
            ):  # the mode is for the last part only
                os.makedirs(path, mode=_OWNER_ONLY_DIRECTORY, exist_ok=True)
            if os.stat(self._store.directory).st_mode & _OTHERS and sys.platform != "win32":
                with suppress(PermissionError):  # not ours to narrow; the files are owner-only in any case
                    os.chmod(self._store.directory, _OWNER_ONLY_DIRECTORY)
            yield
        except OSError as error:
            raise StateError(
                "state_not_writable",
                f"The state directory {self._store.directory} cannot be written: {error.strerror or error}.",
                "Free some space, give this user write access, or set CARNET_STATE to a directory that has it.",
            ) from error


def _rename(source: str, target: str) -> None:
    """Replace *target*. On Windows a reader may hold it open for an instant; elsewhere nothing can be in the way."""
    if sys.platform == "win32":
        for pause in _SHARING_PAUSES:
            try:
                os.replace(source, target)
            except PermissionError:
                time.sleep(pause)
            else:
                return
    os.replace(source, target)


def _sync_directory(path: str) -> None:
    """
    Make the new name durable. Windows offers no such call; its renames are journalled.

    A failure is let go: the name is in place by now, so the state is the new one whatever is said of it, and some
    network file systems cannot sync a directory at all.
    """
    if sys.platform != "win32":
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
