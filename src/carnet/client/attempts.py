"""
What the SDK tried by itself and how it went, remembered beside the state: ``attempts.json`` (specs/state.md §1).

It is what makes one flight of many: whoever comes to ask claims it under the state's lock for a few milliseconds, and
the others, in this process and in all others, wait for his answer or go on without. A claim ends by itself after a few
seconds, so who crashed or was stopped while asking keeps nobody. And it is the memory of the back-off, across starts.

Holds no secret, decides nothing about a license, and may be deleted at any time. Where it cannot be written, this
process remembers by itself.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections.abc import Callable
from contextlib import suppress

from carnet.client.schedule import Answer, Attempts, begun, is_busy, may_ask, retry_seconds
from carnet.core._base import replace
from carnet.core.errors import CarnetError, StateError, TransportError
from carnet.core.instant import Instant
from carnet.formats.strict_json import dump_json, parse_object

FILE = "attempts.json"
_MAX_BYTES = 4096
_LOCK_SECONDS = 0.5
_NUMBERS = ("failures", "attempted_at", "next_at", "busy_until", "ended")
_TEXTS = ("holder", "code", "network")
_MAX_NUMBER = 2**53


def chance() -> float:
    """0 to 1, from the operating system."""
    return int.from_bytes(os.urandom(4), "big") / 0xFFFFFFFF


def asked_lately(known: Attempts | None) -> CarnetError:
    """Why nothing was asked: it was, a moment ago, and failed."""
    how = f" ({known.code})" if known is not None and known.code else ""
    when = "" if known is None or not known.next_at else f" It is asked again from {Instant(known.next_at)} on."
    return TransportError(
        "asked_lately",
        f"The license server was asked a moment ago and gave no answer{how}.{when}",
        "Check the internet connection, then choose to connect now; the app goes on with what is stored here.",
    )


class AttemptsFile:
    """The memory of one product on this device, for one client. Making one touches nothing."""

    def __init__(self, directory: str) -> None:
        """
        Args:
            directory: The product's state directory.
        """
        self._directory = directory
        self._path = os.path.join(directory, FILE)
        self._own: Attempts | None = None
        self._lock = allocate_lock()
        self._holder = os.urandom(8).hex()

    def read(self) -> Attempts | None:
        """What is remembered; None for nothing, or nothing that can be read. Takes no lock."""
        try:
            with open(self._path, "rb") as file:
                data = file.read(_MAX_BYTES)
        except FileNotFoundError:
            return self._own
        except OSError:
            return self._own
        try:
            members = parse_object(data, max_bytes=_MAX_BYTES, what="The memory of attempts")
        except CarnetError:
            return None  # damaged: as good as nothing, and written anew by the next attempt
        numbers = {name: members.get(name, 0) for name in _NUMBERS}
        texts = {name: members.get(name, "") for name in _TEXTS}
        if not all(type(value) is int and 0 <= value < _MAX_NUMBER for value in numbers.values()):
            return None
        if not all(type(value) is str for value in texts.values()):
            return None
        return Attempts(**numbers, **texts)

    def claim(
        self,
        now: int,
        network: str,
        *,
        is_start: bool,
        is_nudged: bool,
        is_asked_for: bool,
        busy_seconds: int,
        chance: float,
    ) -> tuple[Answer, Attempts | None]:
        """
        Begin to ask, if it is this one's turn.

        Args:
            now: The present time.
            network: What the way out looks like.
            is_start, is_nudged: As for `may_ask`.
            is_asked_for: A person wants it: only another one who is asking just now is in the way.
            busy_seconds: How long asking takes at most.
            chance: 0 to 1, for the pause if nothing is heard of it any more.

        Returns:
            ``ask``: the claim is this one's, until `end`. And what was remembered before.
        """

        def change(known: Attempts | None) -> tuple[Answer, Attempts | None]:
            if is_asked_for:
                answer: Answer = "busy" if known is not None and is_busy(known, now) else "ask"
            else:
                answer = may_ask(known, now, network, is_start=is_start, is_nudged=is_nudged)
            if answer != "ask":
                return answer, known
            if is_asked_for:  # does not count as one more failure of ours, and moves no pause
                return answer, replace(known or Attempts(), busy_until=now + busy_seconds, holder=self._holder)
            wait = retry_seconds((known.failures if known else 0) + 1, chance)
            return answer, begun(known, now, network, holder=self._holder, busy_seconds=busy_seconds, wait_seconds=wait)

        return self._change(change)

    def end(self, now: int, code: str, *, wait_seconds: int | None) -> None:
        """
        The attempt that this one claimed brought nothing.

        Args:
            now: The present time.
            code: How it ended.
            wait_seconds: When it may be tried again; None leaves that as it was.
        """

        def change(known: Attempts | None) -> tuple[Answer, Attempts | None]:
            known = known or Attempts()
            known = replace(known, ended=known.ended + 1, code=code)
            if known.holder == self._holder:
                known = replace(known, busy_until=0, holder="")
            if wait_seconds is not None:
                known = replace(known, next_at=now + wait_seconds)
            return "ask", known

        self._change(change)

    def forget(self) -> None:
        """An authentic answer came: all is well again, for everyone."""
        self._own = None
        with suppress(OSError):
            os.unlink(self._path)

    def _change(
        self, change: Callable[[Attempts | None], tuple[Answer, Attempts | None]]
    ) -> tuple[Answer, Attempts | None]:
        from carnet.client.state_locking import locked

        with self._lock:
            try:
                os.makedirs(self._directory, mode=0o700, exist_ok=True)
                with locked(self._directory, _LOCK_SECONDS):
                    before = self.read()
                    answer, after = change(before)
                    if answer == "ask" and after is not None:
                        self._write(after)
                        self._own = None
                    return answer, before
            except StateError:  # somebody is writing
                return "busy", self.read()
            except OSError:  # a disk that is full or read-only: this process remembers for itself
                before = self._own
                answer, after = change(before)
                if answer == "ask":
                    self._own = after
                return answer, before

    def _write(self, attempts: Attempts) -> None:
        data = dump_json({name: getattr(attempts, name) for name in (*_NUMBERS, *_TEXTS)})
        draft = f"{self._path}.{os.urandom(8).hex()}.draft"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(draft, flags, 0o600)
        try:
            try:
                os.write(handle, data)  # not synced: after a power cut it may be gone, and nothing depends on it
            finally:
                os.close(handle)
            os.replace(draft, self._path)
        except OSError:
            with suppress(OSError):
                os.unlink(draft)
            raise
