"""
The server's clock under guard (SEC-31): whoever signs asks here first, because every signer comes from `GuardedKeys`.

The rule is `core.clock_guard`. Here is what it needs to know: the last signature, the last right reading of the clock,
and how long ago that was by a clock that nobody sets. A doubt ends by itself when the clock is right again, or when an
operator confirms the clock as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from carnet.core._base import Struct
from carnet.core.clock_guard import MAX_BEHIND_SECONDS, ClockDoubt, ClockFacts, expected_time, judge_clock
from carnet.core.instant import Instant
from carnet.formats.keys import Role, Signer
from carnet.server.ports import Clock, ClockMarks, SigningKeys


class Running(Protocol):
    """A clock that only runs on, sleep included, and nobody sets."""

    @property
    def boot(self) -> str:
        """Tells boots of this machine apart; empty where nothing does."""
        ...

    def seconds(self) -> float:
        """For how long the machine has run."""
        ...


class ClockSeen(Struct):
    """
    The last right reading of the clock, as it is kept across restarts.

    Attributes:
        at: What it showed.
        signed_at: The last signature by then.
        boot: The machine's boot; empty where it is not known.
        running_seconds: For how long that boot had run.
    """

    at: Instant
    signed_at: Instant
    boot: str
    running_seconds: int


class ClockGuard:
    """
    Knows whether the clock may be signed with.

    Args:
        clock: The server's clock.
        running: Tells how much time has passed; None where a test holds the clock: then it may go ahead as it likes.
        signed_at: The first signature of all: when the installation was made.
    """

    def __init__(self, clock: Clock, running: Running | None, *, signed_at: Instant) -> None:
        self._clock = clock
        self._running = running
        self._lock = threading.Lock()  # signers are asked for in the writer's thread too
        self._signed_at = signed_at
        self._right: tuple[Instant, float] | None = None
        self._seen_at: Instant | None = None
        self._confirmed = ClockMarks()
        self._judged: Instant | None = None
        self._doubt: ClockDoubt | None = None
        self._tell: Callable[[ClockDoubt | None], None] | None = None

    def on_change(self, tell: Callable[[ClockDoubt | None], None]) -> None:
        """Call *tell* when a doubt begins, changes its kind or ends, and now if there is one."""
        self._tell = tell
        if self._doubt is not None:
            tell(self._doubt)

    def recall(self, seen: ClockSeen | None) -> None:
        """Go on from what was *seen* before a restart."""
        with self._lock:
            if seen is None or self._running is None:
                return
            self._signed_at = max(self._signed_at, seen.signed_at)
            if seen.boot and seen.boot == self._running.boot:
                self._right = (seen.at, seen.running_seconds)
            else:
                self._seen_at = seen.at

    def learn(self, marks: ClockMarks) -> None:
        """
        Take in what the database knows: signatures of other processes and of earlier times, and confirmations.

        A confirmation is of a clock that shows the same time as this one, or it is not about this one.
        """
        with self._lock:
            at = marks.confirmed_at
            known = self._confirmed
            if at is not None and (at, marks.signed_until) != (known.confirmed_at, known.signed_until):
                self._confirmed = marks
                self._signed_at = at if self._is_disowned(self._signed_at) else max(self._signed_at, at)
                now = self._clock.now()
                if abs(now - at) <= MAX_BEHIND_SECONDS:
                    self._accept(now)
            if marks.signed_at is not None and not self._is_disowned(marks.signed_at):
                self._signed_at = max(self._signed_at, marks.signed_at)
            self._judged = None

    def doubt(self) -> ClockDoubt | None:
        """Why nothing would be signed now; None: the clock is right, as far as anybody knows."""
        with self._lock:
            return self._look(self._clock.now())

    def check(self) -> None:
        """
        Ask before a signature, which is then counted as given.

        Raises:
            StateError: ``clock_behind``, ``clock_jumped``: nothing is signed until the clock is right or confirmed.
        """
        now = self._clock.now()
        if now == self._judged:  # nothing new in a second that was found right
            return
        with self._lock:
            doubt = self._look(now)
            if doubt is None:
                self._signed_at = max(self._signed_at, now)
                self._judged = now
        if doubt is not None:
            raise doubt.error()

    def seen(self) -> ClockSeen | None:
        """The clock as it is now, to be kept; None while it is in doubt, or where nothing tells how time passes."""
        with self._lock:
            if self._running is None or self._look(self._clock.now()) is not None or self._right is None:
                return None
            at, seconds = self._right
            return ClockSeen(at=at, signed_at=self._signed_at, boot=self._running.boot, running_seconds=int(seconds))

    # ── under the lock ───────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, now: Instant) -> ClockDoubt | None:
        expected = None
        if self._right is not None and self._running is not None:
            expected = expected_time(self._right[0], self._running.seconds() - self._right[1])
        facts = ClockFacts(now=now, signed_at=self._signed_at, expected=expected, seen_at=self._seen_at)
        doubt = judge_clock(facts)
        if doubt is None:
            self._accept(now)
        else:
            self._judged = None
        before, self._doubt = self._doubt, doubt
        if self._tell is not None and (before and before.code) != (doubt and doubt.code):
            self._tell(doubt)
        return doubt

    def _accept(self, now: Instant) -> None:
        if self._running is not None:
            self._right = (now, self._running.seconds())

    def _is_disowned(self, at: Instant) -> bool:
        confirmed = self._confirmed
        if confirmed.confirmed_at is None or confirmed.signed_until is None:
            return False
        return confirmed.confirmed_at < at <= confirmed.signed_until


class GuardedKeys:
    """
    `ports.SigningKeys` that give no signer while the clock is in doubt.

    Args:
        keys: The signing keys.
        guard: The clock's guard.
    """

    def __init__(self, keys: SigningKeys, guard: ClockGuard) -> None:
        self._keys = keys
        self._guard = guard

    def signer(self, role: Role) -> Signer:
        """
        The signer that artifacts of *role* are made with now.

        Raises:
            StateError: ``no_signing_key``; ``clock_behind``, ``clock_jumped`` (SEC-31).
        """
        self._guard.check()
        return self._keys.signer(role)

    def earlier(self, kid: str) -> Signer | None:
        """See `ports.SigningKeys`. Whoever asks has asked for the signer of now just before."""
        return self._keys.earlier(kid)
