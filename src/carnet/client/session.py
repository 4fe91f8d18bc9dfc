"""
`Carnet`: what a vendor puts into an app. Importing this module and making one touches no file, socket or thread.

`check()` decides from the disk. `start()` does too, and sees to it that fresh artifacts are fetched in the background
well before they are needed (R-34). Everything that knows HTTP is imported when it is first used. No global state:
several products, and several clients of one, may live in one process (conventions 2.1, plug-ins in a host).
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from typing import TYPE_CHECKING

from carnet.client.base import DEFAULT_TIMEOUT_SECONDS, Client, offline_seconds, required
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread
    from types import TracebackType
    from typing import Self

    from carnet.client.info import Info
    from carnet.client.leases import Seat
    from carnet.client.operations import Outcome, Steps
    from carnet.client.ports import Clock, Transport
    from carnet.core.decision import Decision
    from carnet.core.lease_terms import HolderKind


class Carnet(Client):
    """
    A licensed app's view of its license.

    .. code-block:: python

        from carnet import Carnet

        carnet = Carnet(product="hustl", server="https://license.example.com", root=ROOT)
        decision = carnet.start()
        if not decision:
            show(decision.notice)

    Every method that asks or changes something returns a `Decision`; expired, refused and unreachable are decisions,
    not exceptions. `UsageError` says that a setting is missing or wrong. Safe to use from several threads.
    """

    last_problem: CarnetError | None

    def __init__(
        self,
        *,
        product: str | None = None,
        server: str | None = None,
        root: str | bytes | os.PathLike[str] | None = None,
        license_key: str | None = None,
        state: str | os.PathLike[str] | None = None,
        device_id: str | None = None,
        app_version: str | None = None,
        edition: str | None = None,
        domain: str | None = None,
        max_offline_seconds: int | None = None,
        max_grace_seconds: int | None = None,
        clock: Clock | None = None,
        transport: Transport | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        """
        Take the settings; touches nothing. The arguments are those of `Client`, and:

        Args:
            transport: Carries requests to the server in place of HTTP: a proxy, a tunnel, or a fake in tests.
        """
        super().__init__(
            product=product,
            server=server,
            root=root,
            license_key=license_key,
            state=state,
            device_id=device_id,
            app_version=app_version,
            edition=edition,
            domain=domain,
            max_offline_seconds=max_offline_seconds,
            max_grace_seconds=max_grace_seconds,
            clock=clock,
            timeout_seconds=timeout_seconds,
        )
        self._transport = transport
        self._background: Thread | None = None
        self._lock = allocate_lock()

    def check(self) -> Decision:
        """
        Decide from the disk: milliseconds, never the network, never an exception for licensing reasons.

        Reads only, except that every six hours of running time, at a new boot, and when the clock falls far behind, it
        writes the proven time into the state file (a few KiB, without waiting for anyone; a failure changes nothing).

        Raises:
            UsageError: A setting is missing or wrong.
            MalformedError, NotGenuineError: The embedded root is no root file.
        """
        return self._check()

    def start(self) -> Decision:
        """
        Decide from the disk, and refresh in the background when it is due.

        Waits for the network only when the decision is not full access, and at most *timeout_seconds*. With nothing
        activated and a license key in the settings or in ``CARNET_LICENSE_KEY``, it activates within that time.
        Where no server is named, as on air-gapped devices, it is `check()`.

        Raises:
            UsageError: A setting is missing or wrong.
        """
        decision, online = self._due()
        if online is None:
            return decision
        if self._transport is None and (offline := self._without_server(decision)) is not None:
            return offline
        if decision.access != "full":
            return self._run(online)
        self._check_open()
        with self._lock:
            if self._background is None or not self._background.is_alive():
                self._background = self._spawn(online, [])
        return decision

    def activate(self, license_key: str, *, device_name: str | None = None, user: str | None = None) -> Decision:
        """
        Activate this device with a license key, online. Where no server is named, a signed license key is kept on
        this device and grants from then on.

        Args:
            license_key: As typed. It is tried as it is; where the server does not know it and a small typing error
                explains it, the decision's first reason proposes the key that was meant.
            device_name: What people should see this device as, at most 64 characters; nothing is sent without it.
            user: Who uses it, opaque, at most 255 characters; for licenses whose seats belong to users (R-28): the
                same user on a new device, or after a reinstall, takes the seat along.

        Returns:
            The decision for this key. A refusal leaves a license that is already stored as it was; `check()` tells
            of that one. Without an authentic answer, the decision from disk with the reason why, and `last_problem`.

        Raises:
            UsageError: A setting is missing or wrong.
        """
        alone = self._alone(license_key) if self._transport is None else None
        if alone is not None:
            return alone
        return self._run(lambda: self._steps("activate", license_key, device_name=device_name, user=user))

    def refresh(self) -> Decision:
        """
        Fetch fresh artifacts now.

        Returns:
            The new decision; without an authentic answer the one from disk, and `last_problem` says why.

        Raises:
            UsageError: A setting is missing or wrong.
        """
        return self._run(lambda: self._steps("refresh"))

    def deactivate(self) -> Decision:
        """
        Give this device's seat back and forget the license, online. Where no server is named, a signed license key that
        was kept is forgotten.

        Returns:
            ``not_activated``; without an authentic answer the decision from disk: the seat is still held.

        Raises:
            UsageError: A setting is missing or wrong.
        """
        alone = self._alone(None) if self._transport is None else None
        return self._run(lambda: self._steps("deactivate")) if alone is None else alone

    def prepare_offline(self, *, days: int | None = None, ttl_seconds: int | None = None) -> Decision:
        """
        Ask for a longer offline window, within the policy, and keep it up until then (R-35).

        Args:
            days: How many days, at least 1.
            ttl_seconds: Or how many seconds, at least 1.

        Raises:
            UsageError: ``bad_duration``: not exactly one of the two, or less than 1.
        """
        seconds = offline_seconds(days, ttl_seconds)
        return self._run(lambda: self._steps("refresh", ttl_seconds=seconds))

    def lease(
        self,
        *,
        kind: HolderKind = "device",
        holder_id: str | None = None,
        ttl_seconds: int | None = None,
        borrow: bool = False,
        name: str = "",
        license_key: str | None = None,
        on_lost: Callable[[Seat], None] | None = None,
    ) -> Seat:
        """
        A floating seat, to be used in a `with`: claimed on entering, kept in the background, given back on leaving.

        .. code-block:: python

            with carnet.lease(kind="process") as seat:
                if not seat:
                    show(seat.reasons)

        Never an exception for licensing reasons: the seat is true while it is held, and says why where it is not.

        Args:
            kind: Who holds it: this device, all of its processes together; this process; or a user.
            holder_id: The holder's id; needed for a user, otherwise the device's fingerprint, or one made from it.
            ttl_seconds: A wanted time between renewals and end, at least 1; the vendor bounds it.
            borrow: Take it along for travel: leaving the `with` keeps it, also without a network; `release()` returns
                it early.
            name: What people should see the holder as, e.g. a host name, at most 64 characters.
            license_key: The pool's key, where it is not this device's own.
            on_lost: Called in the background when the seat ends against our will.

        Raises:
            UsageError: A setting is missing or wrong; ``bad_holder``; ``license_key_needed`` on entering.
        """
        from carnet.client.leases import Seat

        self._check_open()
        return Seat(
            self._device,
            self._connected,
            self._timeout_seconds,
            on_lost,
            kind=kind,
            holder_id=holder_id,
            ttl_seconds=ttl_seconds,
            borrow=borrow,
            name=name,
            license_key=license_key,
        )

    def require(self) -> Decision:
        """
        `check()`, for callers who prefer an exception.

        Raises:
            RefusedError: Access is none; its code and sentences are the decision's first reason's.
            UsageError: A setting is missing or wrong.
        """
        return required(self.check())

    def info(self) -> Info:
        """The facts behind the decision: device, state, last contact. Reads only."""
        return self._info()

    def close(self) -> None:
        """Let go of connections. What runs in the background ends by itself; `check()` still works."""
        self._is_closed = True
        if self._transport is not None:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, online: Callable[[], Steps]) -> Decision:
        """
        Run an operation in a worker thread and wait for it within the budget.

        The thread is what makes the budget hold: looking up a name has no time limit of its own. One that comes back
        late still takes its answer in, for the next check.
        """
        self._check_open()
        outcomes: list[Outcome | CarnetError] = []
        worker = self._spawn(online, outcomes)
        worker.join(self._timeout_seconds)
        if not outcomes:
            from carnet.client.device import with_problem
            from carnet.client.driving import out_of_time

            self.last_problem = out_of_time()
            return with_problem(self._check(), self.last_problem)
        (outcome,) = outcomes
        if isinstance(outcome, CarnetError):
            raise outcome
        return outcome.decision

    def _spawn(self, online: Callable[[], Steps], outcomes: list[Outcome | CarnetError]) -> Thread:
        from threading import Thread

        def work() -> None:
            from carnet.client.driving import drive

            try:
                outcome = drive(online(), self._connected(), self._timeout_seconds)
                self._learn(outcome)
                outcomes.append(outcome)
            except CarnetError as error:  # never raised into a host from a background thread (users-ask 58)
                self.last_problem = error
                outcomes.append(error)

        thread = Thread(target=work, name="carnet", daemon=True)
        thread.start()
        return thread

    def _connected(self) -> Transport:
        with self._lock:
            if self._transport is None:
                from carnet.client.transport import HttpTransport

                self._transport = HttpTransport(self._config.server_address())
            return self._transport
