"""
Signers whose private key is not in this process: in a token, in a cloud, in a vault (SEC-25, R-63, REL-08).

What is the same for all of them is here, once: the public key is read when the signer is opened and never again; every
signature is verified with it before anybody gets it; a call ends within its time, whatever the other side does; a
service that is down is not asked by every request; threads and forks are safe. What differs is a `KeyService`.

Invariants: nothing that a service answers is believed unless the public key says so; no sentence repeats what a
service, a library or a setting said, because nobody knows what that holds.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from carnet.core._base import Struct
from carnet.core.errors import NotGenuineError, StateError, TransportError, UsageError
from carnet.formats.keys import Algorithm, PublicKey, check_kid

_T = TypeVar("_T")


class Limits(Struct):
    """
    How long and how often a service is asked.

    Attributes:
        seconds: For one signature, attempts and pauses included. Below the three seconds that the SDK waits for a
            contact, so that the device hears "try again" and not silence.
        open_seconds: For the public key, when nobody waits yet: libraries are loaded and credentials fetched by then.
        attempts: How often one signature is asked for while the service gives no answer.
        pause_seconds: Before the second attempt; twice that before the third, and so on.
        resume_seconds: After a failure, how long nobody asks; then one asks, and the others wait for what it finds.
        at_once: Calls at the same time: threads, connections, sessions.
    """

    seconds: float = 2.5
    open_seconds: float = 15.0
    attempts: int = 3
    pause_seconds: float = 0.1
    resume_seconds: float = 2.0
    at_once: int = 16


class KeyService(Protocol):
    """
    One private key somewhere else. Called from many threads at once.

    Its methods raise `TransportError` ``signer_unavailable`` where asking again may help, and `StateError` or
    `UsageError` where it cannot.
    """

    @property
    def what(self) -> str:
        """What it is, for sentences: ``AWS KMS``."""
        ...

    @property
    def max_message(self) -> int | None:
        """The longest message that it signs with Ed25519, in bytes; None: longer than any artifact."""
        ...

    def public_key(self) -> PublicKey:
        """The public half, checked as any other, under its own id."""
        ...

    def sign(self, alg: Algorithm, message: bytes) -> bytes:
        """The signature over *message* in JOSE's form (RFC 7518 §3, RFC 8037 §3.1); not verified yet."""
        ...

    def forked(self) -> None:
        """Begin anew in a process that was forked off: forget what belongs to the parent, and close none of it."""
        ...

    def close(self) -> None:
        """Let go of connections and sessions."""
        ...


class RemoteSigner:
    """
    A `Signer` over a `KeyService`.

    Args:
        service: Where the private key is.
        kid: The key's id where it is not the thumbprint: a compatibility key that others named.
        limits: How long and how often it is asked.
        running: Seconds of a clock that only runs on.

    Raises:
        TransportError: ``signer_unavailable``: the public key could not be read within the limits.
        StateError, UsageError: As the service says.
        MalformedError: ``bad_key``, ``bad_kid``.
    """

    waits: Final = True
    """A signature takes as long as a network or a token does: nobody makes one on an event loop."""

    def __init__(
        self,
        service: KeyService,
        *,
        kid: str | None = None,
        limits: Limits | None = None,
        running: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._limits = limits or Limits()
        self._running = running
        self._pid = os.getpid()
        self._begin()
        try:
            key = self._asked(service.public_key, self._limits.open_seconds)
        except BaseException:
            self.close()
            raise
        self.public_key: PublicKey = key if kid is None else PublicKey(check_kid(kid), key.alg, key.raw)

    @property
    def kid(self) -> str:
        """The key's id: the thumbprint of its public half, unless another was given."""
        return self.public_key.kid

    @property
    def max_message(self) -> int | None:
        """The longest message that can be signed, in bytes; None: longer than any artifact."""
        return self._service.max_message if self.public_key.alg == "Ed25519" else None

    def sign(self, message: bytes) -> bytes:
        """
        The signature over *message*, verified.

        Raises:
            TransportError: ``signer_unavailable``: no answer within the limits, or none for a while already.
            StateError: ``signer_refused``: it does not let us; ``signer_wrong_signature``: what it answered does not
                verify, and nobody got it.
            UsageError: ``message_too_long``: more than this service signs.
        """
        if os.getpid() != self._pid:
            self._after_fork()
        if not self._gate.enter():
            raise unavailable(self._service.what, "did not answer just now and is left alone for a moment")
        try:
            signature = self._asked(lambda: self._service.sign(self.public_key.alg, message), self._limits.seconds)
        except (TransportError, StateError):
            self._gate.failed()
            raise
        except BaseException:
            self._gate.passed()
            raise
        self._gate.passed()
        try:
            self.public_key.verify(signature, message)
        except NotGenuineError:
            raise StateError(
                "signer_wrong_signature",
                f"{self._service.what} answered with a signature that the key's public half does not verify; nothing"
                " was handed out.",
                "Look at its log, and whether the key at that location was replaced; see carnet doctor.",
            ) from None
        return signature

    def close(self) -> None:
        """Let go of threads, connections and sessions. Whoever still waits for a signature gets an error."""
        if self._let_go.detach() is not None:
            _close(self._hands, self._service)

    def _asked(self, ask: Callable[[], _T], seconds: float) -> _T:
        """What *ask* answers within *seconds*, on a thread that may be left behind if it never comes back."""
        limits = self._limits
        until = self._running() + seconds
        pause = limits.pause_seconds
        for attempt in range(1, limits.attempts + 1):
            try:
                return self._hands.do(ask, until - self._running())
            except _OutOfTime:
                raise unavailable(self._service.what, f"did not answer within {seconds:g} seconds") from None
            except TransportError:
                if attempt == limits.attempts or self._running() + pause >= until or self._hands.closed.wait(pause):
                    raise
                pause *= 2
        raise AssertionError  # the last attempt returned or raised

    def _begin(self) -> None:
        self._hands = _Hands(self._limits.at_once)
        self._gate = _Gate(self._limits.resume_seconds, self._running)
        # A signer whose place was taken is dropped and not closed. Not at the end of the program: a token may hang.
        self._let_go = weakref.finalize(self, _close_beside, self._hands, self._service)
        self._let_go.atexit = False

    def _after_fork(self) -> None:
        self._pid = os.getpid()
        self._let_go.detach()  # threads and connections are the parent's
        self._service.forked()
        self._begin()

    def __repr__(self) -> str:
        return f"RemoteSigner(kid={self.kid!r}, alg={self.public_key.alg!r}, service={self._service.what!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("A signer is not copied or stored this way.")


def _close(hands: _Hands, service: KeyService) -> None:
    hands.close()
    service.close()


def _close_beside(hands: _Hands, service: KeyService) -> None:
    """As `_close`, where the collector says so: on whatever thread it runs, a token that hangs must not hold it up."""
    with suppress(RuntimeError):  # the program is ending
        threading.Thread(target=_close, args=(hands, service), name="carnet-signer-end", daemon=True).start()


# ── what services say ────────────────────────────────────────────────────────────────────────────────────────────────


def unavailable(what: str, how: str) -> TransportError:
    """The error for a service that gave no answer that is worth anything; asking again may help."""
    return TransportError(
        "signer_unavailable",
        f"{what} {how}.",
        "Try again in a moment; if it stays so, check the way to it and its own health.",
    )


def refused(what: str, why: str, fix: str) -> StateError:
    """The error for a service that answered, and does not sign for us as it is set up."""
    return StateError("signer_refused", f"{what} {why}.", fix)


def no_such_key(what: str) -> UsageError:
    """The error for a location at which there is no key."""
    return UsageError(
        "no_key_at_location",
        f"{what} has no key at this location, or shows it to others only.",
        "Check the location letter by letter, and the rights of who asks.",
    )


def unsuitable(what: str, problem: str) -> UsageError:
    """The error for a key that Carnet does not sign with."""
    return UsageError(
        "unsuitable_key",
        f"The key in {what} {problem}.",
        "Make an Ed25519 key for signing; ES256 (P-256) and RS256 (RSA of 2048 to 4096 bits) serve compatibility only.",
    )


def not_installed(what: str, extra: str) -> UsageError:
    """The error for a service whose library is not here."""
    return UsageError(
        "signer_not_installed",
        f"The library for keys in {what} is not installed.",
        f"Install it: pip install 'carnet[server,{extra}]'",
    )


# ── time and threads ─────────────────────────────────────────────────────────────────────────────────────────────────


class _OutOfTime(Exception):  # noqa: N818 - never leaves this module
    """The time was over."""


class _Gate:
    """Closed for a while after a failure; then one may try, and the others follow if it came through."""

    def __init__(self, seconds: float, running: Callable[[], float]) -> None:
        self._seconds = seconds
        self._running = running
        self._lock = threading.Lock()
        self._try_at: float | None = None

    def enter(self) -> bool:
        with self._lock:
            if self._try_at is None:
                return True
            now = self._running()
            if now < self._try_at:
                return False
            self._try_at = now + self._seconds  # this caller tries; should it never come back, another will
            return True

    def passed(self) -> None:
        if self._try_at is not None:
            with self._lock:
                self._try_at = None

    def failed(self) -> None:
        with self._lock:
            self._try_at = self._running() + self._seconds


class _Hands:
    """
    A bounded number of threads that do what may never come back.

    Those of `concurrent.futures` are waited for when the program ends; a token that hangs would hang that, too.
    """

    def __init__(self, most: int) -> None:
        self.closed = threading.Event()
        self._most = most
        self._lock = threading.Lock()
        self._count = 0
        self._idle = 0
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()

    def do(self, work: Callable[[], _T], seconds: float) -> _T:
        """What *work* returns or raises; `_OutOfTime` after *seconds*, and then its result is nobody's."""
        future: Future[_T] = Future()
        with self._lock:
            if self.closed.is_set():
                raise _OutOfTime
            if self._idle:
                self._idle -= 1  # one that waits is reserved for this
            elif self._count < self._most:
                self._count += 1
                threading.Thread(target=self._serve, name="carnet-signer", daemon=True).start()
            self._work.put((future, work))
        try:
            return future.result(max(seconds, 0))
        except TimeoutError:
            if future.done() and not future.cancelled():  # the answer and the end of the time met
                return future.result()
            future.cancel()
            raise _OutOfTime from None

    def close(self) -> None:
        with self._lock:
            self.closed.set()
            for _ in range(self._count):
                self._work.put(None)

    def _serve(self) -> None:
        while (taken := self._work.get()) is not None:
            future, work = taken
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it
                    future.set_exception(error)
            del taken, future, work
            with self._lock:
                if self._work.empty():
                    self._idle += 1
