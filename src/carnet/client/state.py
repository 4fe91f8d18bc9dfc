"""
The state directory of one product, as it is read: two copies, of which the better one counts (specs/state.md §5).

Reading takes no lock and writes nothing: each copy is replaced in one step, so a reader sees an old one or a new one.
Writing is in `state_writing.py`, which a check does not load.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from carnet.client.fingerprint.values import Anchor
from carnet.client.state_file import MAX_STATE, Condition, Copy, DeviceState, open_copy, peek
from carnet.core._base import Struct
from carnet.core.errors import UsageError

COPIES = ("state.0", "state.1")
LOCK_SECONDS = 10.0
"""How long a write waits for another process's; each holds the lock for a few milliseconds."""

_READING = (
    os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
)  # not blocking: something else than a file may lie there, and a check never waits


class Loaded(Struct):
    """
    The state as found.

    Attributes:
        condition: What the directory holds: nothing, a state of this device, another device's, damage, a newer
            version's, or files that this user may not read.
        state: The content where the condition is ``open``; otherwise an empty one.
        sequence: Of the newest copy that could be told; -1 for none.
        copies: The condition of each copy, in order. One that is not opened because the other is newer says ``open``.
    """

    condition: Condition
    state: DeviceState = DeviceState()
    sequence: int = -1
    copies: tuple[Condition, ...] = ()


class StateStore:
    """Where one product's state is kept on this device. Making one touches nothing."""

    def __init__(self, directory: str, product: str) -> None:
        """
        Args:
            directory: The product's own directory, for example ``…/carnet/hustl``.
            product: The product id, which the state is bound to.
        """
        self.directory = directory
        self.product = product

    def load(self, anchors: tuple[Anchor, ...]) -> Loaded:
        """
        The newest copy that opens on this device. Reads at most two files; never raises for what they hold.

        Args:
            anchors: This device's anchors; with none, no state opens.
        """
        return self.load_all(anchors)[0]

    def update(
        self,
        anchors: tuple[Anchor, ...],
        change: Callable[[Loaded], DeviceState | None],
        *,
        lock_seconds: float = LOCK_SECONDS,
    ) -> Loaded:
        """
        Load, change and save under the lock.

        Args:
            anchors: This device's anchors, at least one: the state is sealed for each.
            change: Gets what was loaded and returns the new content, or None to leave the files as they are. It
                decides whether a foreign or damaged state is given up.
            lock_seconds: How long to wait for another process.

        Returns:
            What stands on the disk afterwards.

        Raises:
            StateError: ``state_busy``: the lock was not free in time. ``state_not_writable``: no space, no right, a
                read-only disk; the files are as they were. ``state_too_new``: a newer version's state is not replaced.
        """
        from carnet.client.state_writing import StateWriter

        return StateWriter(self, anchors).update(change, lock_seconds)

    def load_all(self, anchors: tuple[Anchor, ...]) -> tuple[Loaded, Copy, tuple[str, str]]:
        """For writers: as `load`, the copy it came from, and the names of the copies, the worse one first."""
        contents: list[bytes] = []
        conditions: list[Condition] = []
        for name in COPIES:
            condition, data = self._read(name)
            contents.append(data)
            conditions.append(condition)
        peeked = [peek(data, self.product) if data else None for data in contents]
        ranked = sorted(
            (index for index in (0, 1) if peeked[index] is not None),
            key=lambda index: -(h.sequence if (p := peeked[index]) and (h := p.header) else -1),
        )
        best: Copy | None = None
        chosen = -1
        for index in ranked:
            view = peeked[index]
            if view is None or best is not None:
                continue
            copy = open_copy(contents[index], view, self.product, anchors)
            conditions[index] = copy.condition
            if copy.condition == "open":
                best, chosen = copy, index
        highest = max((p.header.sequence for p in peeked if p is not None and p.header is not None), default=-1)
        order = (COPIES[1], COPIES[0]) if chosen == 0 else (COPIES[0], COPIES[1])
        if best is None:
            loaded = Loaded(condition=_worst_case(conditions), sequence=highest, copies=tuple(conditions))
            return loaded, Copy(condition=loaded.condition), order
        for index in ranked:  # a copy that was not opened, because it is older, is judged by its frame
            view = peeked[index]
            if index != chosen and view is not None and conditions[index] == "open":
                conditions[index] = view.condition
        loaded = Loaded(condition="open", state=best.state, sequence=highest, copies=tuple(conditions))
        return loaded, best, order

    def _read(self, name: str) -> tuple[Condition, bytes]:
        path = os.path.join(self.directory, name)
        try:
            handle = os.open(path, _READING)
        except FileNotFoundError:
            return "absent", b""
        except OSError:
            return "unreadable", b""
        try:
            size = os.fstat(handle).st_size
            if size > MAX_STATE:
                return "damaged", b""
            data = os.read(handle, size)
            while len(data) < size and (more := os.read(handle, size - len(data))):
                data += more  # a network file system may give less at a time
        except OSError:
            return "unreadable", b""
        finally:
            os.close(handle)
        return ("open" if data else "damaged"), data


def _worst_case(conditions: list[Condition]) -> Condition:
    """What to say when no copy opens: the fact that asks most of the user comes first."""
    for condition in ("too_new", "foreign", "unreadable", "damaged"):
        if condition in conditions:
            return condition
    return "absent"


def state_root(given: str | None) -> str:
    """
    The directory that holds every product's state: *given*, or this user's own for such things.

    Linux: ``$XDG_STATE_HOME/carnet`` or ``~/.local/state/carnet``; macOS: ``~/Library/Application Support/carnet``;
    elsewhere what `platformdirs` says (its import costs 20 ms, so the common systems have their rule here).

    Raises:
        UsageError: ``no_state_directory``: this user has no home directory, as in some containers.
    """
    if given:
        return os.path.abspath(given)
    home = os.path.expanduser("~")
    if sys.platform not in {"linux", "darwin"}:
        from platformdirs import user_data_path

        return str(user_data_path("carnet", appauthor=False))
    if not os.path.isabs(home) or home == "/":
        raise UsageError(
            "no_state_directory",
            "This user has no home directory to keep the license state in.",
            "Set CARNET_STATE to a directory that survives restarts.",
        )
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support", "carnet")
    return os.path.join(os.environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state"), "carnet")
