"""
`Carnet`: what a vendor puts into an app. Importing this module and making one touches no file, socket or thread.

`check()` decides from the disk. `start()` does too, and sees to it that fresh artifacts are fetched in the background
well before they are needed (R-34). Everything that knows HTTP is imported when it is first used. No global state:
several products, and several clients of one, may live in one process (conventions 2.1, plug-ins in a host).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from carnet.client.base import DEFAULT_TIMEOUT_SECONDS, offline_seconds, required
from carnet.client.running import Running
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from carnet.client.events import Listener
    from carnet.client.info import Info
    from carnet.client.keychain import Keyring
    from carnet.client.leases import Seat
    from carnet.client.ports import Clock, Transport
    from carnet.core.decision import Decision
    from carnet.core.lease_terms import HolderKind


class Carnet(Running):
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
        proxy: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        keychain: bool | Literal["tpm"] | Keyring = False,
        status_lists: bytes | str | os.PathLike[str] | None = None,
        status_mirror: str | None = None,
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
            proxy=proxy,
            ca_file=ca_file,
            keychain=keychain,
            status_lists=status_lists,
            status_mirror=status_mirror,
            clock=clock,
            timeout_seconds=timeout_seconds,
        )
        self._carry(transport)

    def check(self) -> Decision:
        """
        Decide from the disk: milliseconds, never the network, never an exception for licensing reasons.

        Reads only, except that every hour of running time, at a new boot, and when the clock falls far behind, it
        writes the proven time into the state file (a few KiB, without waiting for anyone; a failure changes nothing).

        Raises:
            UsageError: A setting is missing or wrong.
            MalformedError, NotGenuineError: The embedded root is no root file.
        """
        return self._check()

    def start(self) -> Decision:
        """
        Decide from the disk, and from now on refresh in the background whenever it is due, until `close()`.

        Waits for the network only when the decision is not full access, and at most *timeout_seconds*. With nothing
        activated and a license key in the settings or in ``CARNET_LICENSE_KEY``, it activates within that time.
        Where no server is named, as on air-gapped devices, it is `check()`. May be called as often as one likes.

        While the server cannot be reached, also across starts, it is asked ever more seldom, a few starts aside
        (``asked_lately``); `refresh()` always asks. A forked child calls it again to be kept fresh.

        Raises:
            UsageError: A setting is missing or wrong.
        """
        decision, online = self._due()
        if online is not None:
            if self._transport is None and (offline := self._without_server(decision)) is not None:
                self._keep(is_start=True)  # for listeners, if there are any
                return offline
            self._check_open()
            if decision.access != "full":
                decision = self._run(online)
                self._keep(is_start=False)
                return decision
        self._keep(is_start=True)
        return decision

    def activate(self, license_key: str, *, device_name: str | None = None, user: str | None = None) -> Decision:
        """
        Activate this device with a license key, online. Where no server is named, a signed license key is kept on
        this device and grants from then on.

        Args:
            license_key: As typed. It is tried as it is; where the server does not know it and a small typing error
                explains it, the decision's first reason proposes the key that was meant.
            device_name: What people should see this device as; 64 characters of it are sent, and nothing without it.
            user: Who uses it, opaque, at most 255 characters; for licenses whose seats belong to users (R-28): the
                same user on a new device, or after a reinstall, takes the seat along.

        Returns:
            The decision for this key. A refusal leaves a license that is already stored as it was; `check()` tells
            of that one. Without an authentic answer, the decision from disk with the reason why, and `last_problem`.

        Raises:
            UsageError: A setting is missing or wrong; ``bad_user``.
        """
        from carnet.client.names import key_text

        license_key = key_text(license_key)
        alone = self._alone(license_key) if self._transport is None else None
        if alone is not None:
            return alone
        return self._run(lambda: self._steps("activate", license_key, device_name=device_name, user=user))

    def refresh(self) -> Decision:
        """
        Fetch fresh artifacts now. Of several threads and processes that do so at once, one asks.

        Returns:
            The new decision; without an authentic answer the one from disk, and `last_problem` says why.

        Raises:
            UsageError: A setting is missing or wrong.
        """
        return self._run(self._refreshing)

    def install(self, data: bytes | str | os.PathLike[str], *, license_key: str | None = None) -> Decision:
        """
        Take in what was mailed or carried to this device: a ``.carnet`` bundle, or a machine file, license token, root
        file or status list alone. Never the network.

        What it brings of the vendor's roots is followed first, so that a device that sees no network keeps up with
        changed keys. What this device holds is not replaced by something older.

        Args:
            data: The file's content, or its path; a text of one line and fewer than 200 characters is a path.
            license_key: What the machine file opens with, where this device was never activated.

        Returns:
            The decision from now on; where nothing, or no license, could be taken in, with the reason why, and
            `last_problem`.

        Raises:
            UsageError: A setting is missing or wrong; ``file_unreadable``.
        """
        self._begin()
        return self._installed(data, license_key)

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
            name: What people should see the holder as, e.g. a host name; 64 characters of it.
            license_key: The pool's key, where it is not this device's own.
            on_lost: Called in the background when the seat ends against our will.

        Raises:
            UsageError: A setting is missing or wrong; ``bad_holder``; ``license_key_needed`` on entering.
        """
        from carnet.client.leases import Seat

        self._check_open()
        self._begin()
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

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """
        Be told of what a user interface shows: see `Event`. From `start()` on also of what changes by itself.

        Args:
            listener: Called on a thread of ours (``carnet-events``), one event after the other; hand over to the UI's
                own thread there. What it raises goes no further than the log.

        Returns:
            A function that ends it.
        """
        self._begin()
        remove = self._told().add(listener)
        if self._upkeep is not None:
            self._upkeep.listeners = self._listeners
        if self._bell is not None:
            self._bell.ring()
        return remove

    def network_changed(self) -> None:
        """
        Tell that the network may be back, for hosts that are told so by their system or framework.

        A refresh that is overdue is tried within two minutes; otherwise nothing happens. On Linux and macOS the SDK
        hears of it by itself. Returns at once.
        """
        if self._upkeep is not None and self._bell is not None and not self._is_forked():
            self._upkeep.nudge()
            self._bell.ring()

    def settle(self, seconds: float | None = None) -> bool:
        """
        Wait until no refresh is under way in the background: for a program that ends at once, and for tests.

        Args:
            seconds: At most; None is *timeout_seconds*.

        Returns:
            Whether nothing is under way.
        """
        if self._bell is None or self._is_forked():
            return True
        return self._bell.rested(self._timeout_seconds if seconds is None else seconds)

    def close(self) -> None:
        """Let go of connections, and end what runs in the background. `check()` still works."""
        self._is_closed = True
        self._begin()
        if self._bell is not None:
            self._bell.close()
        for transport in (self._transport, self._own_transport):
            if transport is not None:
                transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
