"""
A floating seat in an app: `with carnet.lease() as seat:` claims it, keeps it in the background and gives it back.

A seat is true while its token is in force. Time is measured with a running clock from the server's answer, so that
nobody's wall clock takes a seat away or lengthens it. Nothing here raises into a host from the background (users-ask
58); an outage is no refusal: the seat stays until its end, and is kept on asking for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from carnet.client.flows import Flow
from carnet.client.lease_flows import LeaseVerdict, Seeker, ask_for_seat
from carnet.client.names import is_id, label
from carnet.client.root_keeping import trust_of
from carnet.core._base import replace
from carnet.core.decision import Reason
from carnet.core.errors import CarnetError, RefusedError, UsageError
from carnet.core.instant import Instant
from carnet.core.lease_reasons import LEASE_REASONS, lease_reason
from carnet.core.lease_terms import HOLDER_KINDS, HolderKind, LeaseHolder
from carnet.core.reasons import reason
from carnet.formats.lease import LeaseToken, verify_lease_token

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from carnet.client.device import Device
    from carnet.client.ports import Transport

KEPT = "lease.jwt"
"""The token of a borrowed seat, in the product's state directory."""

_RETRY_SECONDS = 5.0
_LONGEST_RETRY_SECONDS = 60.0
_LEAST_SECONDS = 0.2
_OWNER_ONLY = 0o600


def _chance() -> float:
    return int.from_bytes(os.urandom(2), "big") / 0xFFFF


class SeatCore:
    """
    What both faces share: the seat's facts, and what is asked. No network, no thread.

    Attributes:
        reasons: Why the seat was refused or lost; empty while it is held or was never asked for.
        last_problem: Why the last contact brought no authentic answer, or None.
    """

    def __init__(
        self,
        device: Device,
        *,
        kind: HolderKind,
        holder_id: str | None,
        ttl_seconds: int | None,
        borrow: bool,
        name: str,
        license_key: str | None,
        running: Callable[[], float] = time.monotonic,
    ) -> None:
        if kind not in HOLDER_KINDS or not (kind != "user" if holder_id is None else is_id(holder_id)):
            raise UsageError(
                "bad_holder",
                "Who shall hold the seat is not clear.",
                "Give kind= device, process or user; and for a user an id of 1 to 255 printable characters.",
            )
        self._device = device
        self._kind = kind
        self._holder_id = holder_id
        self._ttl_seconds = ttl_seconds
        self._borrow = borrow
        self._name = label(name) or ""
        self._license_key = license_key
        self._running = running
        self._token: LeaseToken | None = None
        self._ends = 0.0
        self._renews = 0.0
        self._failures = 0
        self._known: frozenset[str] = frozenset()
        self.reasons: tuple[Reason, ...] = ()
        self.last_problem: CarnetError | None = None

    @property
    def held(self) -> bool:
        """Whether the seat may be used now."""
        return self._token is not None and self._running() < self._ends

    def __bool__(self) -> bool:
        return self.held

    @property
    def lease_id(self) -> str | None:
        """The lease, as the vendor's lists name it; None before there was one."""
        return None if self._token is None else self._token.lease_id

    @property
    def expires_at(self) -> Instant | None:
        """The end of the newest token, by the server's clock."""
        return None if self._token is None else self._token.expires_at

    def require(self) -> Self:
        """
        This seat, if it is held.

        Raises:
            RefusedError: It is not; code and sentences are the first reason's.
        """
        if self.held:
            return self
        main = self.reasons[0] if self.reasons else lease_reason("lease_not_found")
        raise RefusedError(main.code, main.message, main.fix)

    # ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────

    def claiming(self) -> Flow[None]:
        """Ask for the seat; where there is no answer, take the borrowed one that is kept on this device."""
        seeker = self._seeker()
        try:
            self._take_in((yield from ask_for_seat(seeker, "claim", borrow=self._borrow)))
        except CarnetError as problem:
            self.last_problem = problem
            if self._borrow:
                self._recall(seeker)

    def renewing(self) -> Flow[None]:
        """Go on with the seat; a lease that the server has no more is claimed anew."""
        seeker = self._seeker()
        try:
            verdict = yield from ask_for_seat(seeker, "renew", lease_id=self.lease_id)
            if verdict.answer.code == "lease_not_found":
                verdict = yield from ask_for_seat(seeker, "claim", borrow=self._borrow)
            self._take_in(verdict)
        except CarnetError as problem:
            self.last_problem = problem
            # Ever more seldom, and each in its own time: all seats of a pool lose their server in one moment (REL-17).
            pause = min(_RETRY_SECONDS * 2.0**self._failures, _LONGEST_RETRY_SECONDS)
            self._failures += 1
            self._renews = self._running() + pause * (0.5 + _chance())

    def releasing(self) -> Flow[None]:
        """Give the seat back. Without an answer it runs out by itself."""
        lease_id = self.lease_id
        self._ends = 0.0
        if lease_id is None:
            return
        with suppress(OSError):
            os.unlink(self._kept())
        try:
            yield from ask_for_seat(self._seeker(), "release", lease_id=lease_id)
        except CarnetError as problem:
            self.last_problem = problem

    def wait_seconds(self) -> float:
        """How long until the seat is to be renewed, with some jitter, so that many do not come at once (REL-17)."""
        jitter = 0.9 + 0.2 * _chance()
        return max(_LEAST_SECONDS, (self._renews - self._running()) * jitter)

    # ── what is answered ─────────────────────────────────────────────────────────────────────────────────────────────

    def _take_in(self, verdict: LeaseVerdict) -> None:
        self.last_problem = None
        self._failures = 0
        token, at = verdict.token, verdict.answer.at
        if token is None or verdict.renew_after is None:
            codes = verdict.answer.reasons
            self.reasons = tuple(lease_reason(code) if code in LEASE_REASONS else reason(code) for code in codes)
            self._ends = 0.0
            return
        self._token, self.reasons = token, ()
        self._known |= frozenset(verdict.kids)
        now = self._running()
        self._ends = now + (token.expires_at - at)
        self._renews = now + (verdict.renew_after - at)
        if token.is_borrowed and verdict.text is not None:
            self._keep(verdict.text)

    def _seeker(self) -> Seeker:
        view = self._device.look()
        key = self._license_key or view.state.license_key or self._device.config.activation_key()
        if key is None:
            raise UsageError(
                "license_key_needed",
                "A floating seat needs a license key.",
                "Activate first, give license_key=, or set CARNET_LICENSE_KEY.",
            )
        if self._holder_id is None:
            if view.fingerprint is None:
                raise UsageError("bad_holder", "Nothing identifies this device.", "Give holder_id=.")
            self._holder_id = view.fingerprint
            if self._kind == "process":
                self._holder_id = f"{view.fingerprint}:{os.getpid()}:{os.urandom(6).hex()}"
        trust = trust_of(self._device, view)
        return Seeker(
            product=self._device.config.product_id(),
            license_key=key,
            holder=LeaseHolder(kind=self._kind, id=self._holder_id),
            name=self._name,
            ttl_seconds=self._ttl_seconds,
            trust=replace(trust, known=trust.known | self._known),
            entropy=os.urandom,
        )

    # ── a borrowed seat on the disk ──────────────────────────────────────────────────────────────────────────────────

    def _kept(self) -> str:
        return os.path.join(self._device.store.directory, KEPT)

    def _keep(self, text: str) -> None:
        path = self._kept()
        with suppress(OSError):  # then it lasts as long as this process
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            draft = f"{path}.{os.getpid()}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)

    def _recall(self, seeker: Seeker) -> None:
        """Go on with the seat that was taken along, if it is genuine, this holder's, and not over."""
        try:
            with open(self._kept(), "rb") as file:
                token = verify_lease_token(file.read(8192), seeker.trust.ring())
        except (OSError, CarnetError):
            return
        now = self._device.look().now
        if (token.product, token.holder) != (seeker.product, seeker.holder) or now >= token.expires_at:
            return
        self._token, self.reasons = token, ()
        running = self._running()
        self._ends = running + (token.expires_at - now)
        self._renews = running + _RETRY_SECONDS


class Seat(SeatCore):
    """A floating seat; `Carnet.lease` makes one. Safe to use from several threads."""

    last_problem: CarnetError | None

    def __init__(
        self,
        device: Device,
        transport: Callable[[], Transport],
        timeout_seconds: float,
        on_lost: Callable[[Seat], None] | None,
        **options: Any,
    ) -> None:
        import threading

        super().__init__(device, **options)
        self._transport = transport
        self._timeout_seconds = timeout_seconds
        self._on_lost = on_lost
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="carnet-lease", daemon=True)

    def claim(self) -> Self:
        """Ask for the seat, once, and keep it in the background from then on. As entering the `with`."""
        self._drive(self.claiming())
        if self.held:
            self._thread.start()
        return self

    def renew(self) -> bool:
        """Go on with the seat now; whether it is held."""
        self._drive(self.renewing())
        return self.held

    def release(self) -> None:
        """Give the seat back now. As leaving the `with`; doing it twice is fine."""
        self._stop.set()
        self._drive(self.releasing())
        self._token = None

    def __enter__(self) -> Self:
        return self.claim()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._borrow and self.held:
            self._stop.set()  # taken along: it is given back by release(), or runs out
        else:
            self.release()

    def _drive(self, flow: Flow[None]) -> None:
        from carnet.client.driving import drive

        drive(flow, self._transport(), self._timeout_seconds)

    def _keep_up(self) -> None:
        while not self._stop.wait(self.wait_seconds()):
            try:
                self._drive(self.renewing())
            except CarnetError as problem:  # never raised into a host from a background thread (users-ask 58)
                self.last_problem = problem
            if not self.held:
                self._lost()
                return

    def _lost(self) -> None:
        if self._on_lost is not None and not self._stop.is_set():
            with suppress(Exception):  # the host's own callback must not end in a thread of ours
                self._on_lost(self)
