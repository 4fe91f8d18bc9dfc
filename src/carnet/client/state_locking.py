"""
Who may write a state directory now: one process at a time, also on file systems without locks (REL-19).

The operating system's lock on the file ``lock`` ends with its process, so nothing is ever left behind. Some network
file systems have none; there a marker file takes its place, which a machine that crashes in the few milliseconds of a
write leaves behind: one that is older than `ABANDONED_SECONDS` by that file system's own clock is taken away.
Loaded only for writing: `filelock` costs 55 ms.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from carnet.core.errors import StateError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = "lock"
MARKER = "lock.marker"
ABANDONED_SECONDS = 600.0
"""A write takes milliseconds; a marker this old is nobody's any more."""

_OWNER_ONLY_FILE = 0o600
_WITHOUT_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})


@contextmanager
def locked(directory: str, seconds: float) -> Iterator[None]:
    """
    Hold the lock of a state directory.

    Args:
        directory: It exists.
        seconds: How long to wait for another process; 0 to try once.

    Raises:
        StateError: ``state_busy``.
        OSError: The directory cannot be written.
    """
    from filelock import FileLock, SoftFileLock, Timeout

    lock: BaseFileLock = FileLock(os.path.join(directory, LOCK), timeout=seconds, mode=_OWNER_ONLY_FILE)
    try:
        try:
            lock.acquire()
        except (OSError, NotImplementedError, UserWarning) as error:  # the last two: `filelock` without ENOSYS
            if isinstance(error, Timeout) or getattr(error, "errno", errno.ENOSYS) not in _WITHOUT_LOCKS:
                raise
            _remove_abandoned(directory)
            lock = SoftFileLock(os.path.join(directory, MARKER), timeout=seconds, mode=_OWNER_ONLY_FILE)
            lock.acquire()
    except Timeout as error:
        raise StateError(
            "state_busy", "Another process is writing the license state.", "Try again in a moment."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _remove_abandoned(directory: str) -> None:
    """Take away a marker that is older than any write, by the file system's clock: hosts may disagree about theirs."""
    marker, probe = os.path.join(directory, MARKER), os.path.join(directory, f"{os.urandom(8).hex()}.draft")
    with suppress(OSError):
        written_at = os.stat(marker).st_mtime
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY_FILE))
        try:
            now = os.stat(probe).st_mtime
        finally:
            os.unlink(probe)
        if now - written_at > ABANDONED_SECONDS:
            os.unlink(marker)
