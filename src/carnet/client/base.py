"""
What both faces of the SDK share: the settings, the device, and what `start()` finds due. Light: no HTTP, no threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from carnet.client.config import Config
from carnet.core.errors import CarnetError, RefusedError, UsageError

if TYPE_CHECKING:
    from carnet.client.attempts import AttemptsFile
    from carnet.client.device import Device
    from carnet.client.events import Listeners
    from carnet.client.info import Info
    from carnet.client.keychain import Keyring
    from carnet.client.operations import Outcome, Steps
    from carnet.client.ports import Clock
    from carnet.client.upkeep import Upkeep
    from carnet.core.decision import Decision

DEFAULT_TIMEOUT_SECONDS = 3.0
"""For all of one contact: connecting, waiting, retrying (design.md §8, REL-17)."""

_DAY = 86400


class Client:
    """
    What `Carnet` and `AsyncCarnet` share: the settings and the device. Not used by itself.

    Attributes:
        last_problem: Why the last contact brought no authentic answer (no network, a login page, a full disk), or
            None. A refusal is not a problem but an answer; it is in the decision.
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
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        """
        Take the settings. What is not given comes from the environment; what is missing is said when it is needed.

        Args:
            product: Product id; else ``CARNET_PRODUCT``.
            server: Base address of the license server; else ``CARNET_SERVER``. Only needed to go online: a signed
                license key grants without one.
            root: Root file version 1, as text, bytes or a path; else ``CARNET_ROOT``. Put its text into your app.
            license_key: For an unattended activation by `start()`; else ``CARNET_LICENSE_KEY``. A signed one grants by
                itself, at every `check()`, without activation.
            state: Directory for the state of all products; else ``CARNET_STATE``, else this user's own place for it.
            device_id: A declared device id; else ``CARNET_DEVICE_ID``, else ``/etc/carnet/device-id``, else the
                operating system's.
            app_version: The app's dotted version, for version ceilings.
            edition: The app's edition.
            domain: Host name this installation serves, for domain licenses.
            max_offline_seconds: An own, shorter bound on the offline window.
            max_grace_seconds: An own, shorter bound on grace.
            proxy: ``http://host:port``, also with ``user:password@``, to reach the server through; else
                ``CARNET_PROXY``, else what the environment and the system say. An empty text: no proxy at all.
            ca_file: A PEM file with certificates of an authority that is trusted beside those of the operating system,
                for a firewall that inspects TLS; else ``CARNET_CA_FILE``.
            keychain: Keep the device key in the operating system's keychain, where there is one (extra ``keychain``);
                ``"tpm"`` for the TPM of a Linux device (extra ``tpm``, experimental); or a backend of `keyring` to keep
                it in. Off by default.
            status_lists: Status lists that the app brings with it, so that an update tells devices without a network
                what was revoked: a path, or the content as bytes; a ``.carnet`` bundle, or one list in a line; else
                ``CARNET_STATUS_LISTS``, a path. Looked at with every `check()`; newer ones are kept.
            status_mirror: Base address that status lists are fetched from in place of the server, such as a CDN's; else
                ``CARNET_STATUS_MIRROR``. Nobody else is ever asked, whatever address an artifact names.
            clock: The device's clocks, for tests.
            timeout_seconds: For all of one contact.
        """
        self._config = Config(
            product=product,
            server=server,
            root=root,
            state=state,
            device_id=device_id,
            license_key=license_key,
            app_version=app_version,
            edition=edition,
            domain=domain,
            max_offline_seconds=max_offline_seconds,
            max_grace_seconds=max_grace_seconds,
            proxy=proxy,
            ca_file=ca_file,
            keychain=keychain,
            environ=dict(os.environ),
            status_lists=status_lists,
            status_mirror=status_mirror,
        )
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._pid = os.getpid()
        self._listeners: Listeners | None = None
        self._memory: Memory | None = None
        self._upkeep: Upkeep | None = None
        self._known_device: Device | None = None
        self._is_closed = False
        self.last_problem = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(product={self._config.product!r}, server={self._config.server!r})"

    @property
    def _device(self) -> Device:
        if self._known_device is None:
            from carnet.client.clock import SystemClock
            from carnet.client.device import Device

            self._known_device = Device(self._config, self._clock or SystemClock())
        return self._known_device

    @property
    def _attempts(self) -> AttemptsFile:
        if self._memory is None:
            self._memory = Memory(self._device)
        return self._memory.attempts

    def _check(self) -> Decision:
        device = self._device
        view = device.look()
        decision = device.judge(view)
        device.checkpoint(view)
        if self._listeners is not None:
            self._listeners.see(decision)
        return decision

    def _info(self) -> Info:
        from carnet.client.info import Info, checks_of
        from carnet.client.schedule import newest_grant
        from carnet.formats.license_key import last_four

        device = self._device
        view = device.look()
        evidence = device.evidence(view)
        grant = newest_grant(evidence)
        key = view.state.license_key
        return Info(
            product=self._config.product_id(),
            fingerprint=view.fingerprint,
            identity=view.identity,
            state_directory=device.store.directory,
            condition=view.loaded.condition,
            copies=view.loaded.copies,
            activation_id=None if grant is None else grant.activation_id,
            license_key_hint=None if key is None else last_four(key),
            root_version=view.root.version,
            root_expires_at=view.root.expires_at,
            last_contact_at=view.state.server_time,
            trusted_at=view.trusted_at,
            prepared_until=view.state.prepared_until,
            **checks_of(view, evidence, device.status_lists(view, evidence.grants)),
        )

    def _due(self) -> tuple[Decision, Callable[[], Steps] | None]:
        """What `start()` decides from the disk, and what it would do online, if anything."""
        device = self._device
        view = device.look()
        decision = device.judge(view)
        device.checkpoint(view)
        key = self._config.activation_key()
        has_seat = view.state.license_key is not None and view.state.has_device_key
        if self._listeners is not None:
            self._listeners.see(decision)
        if key is not None and not decision and (not has_seat or not is_same_key(key, view.state.license_key)):
            return decision, lambda: self._in_turn(lambda: self._steps("activate", key), is_start=True)
        is_due = decision.access != "full" or (
            decision.renew_after is not None and decision.checked_at >= decision.renew_after
        )
        if has_seat and is_due:
            return decision, lambda: self._in_turn(self._checking, is_start=True)
        return decision, None

    def _checking(self) -> Steps:
        """A refresh at a start; where it fails and a check for revocation is due, status lists."""
        device = self._device
        if device.is_checked(device.look()):
            return self._steps("refresh")
        from carnet.client.list_operations import refresh_or_recheck

        return refresh_or_recheck(device)

    def _refreshing(self) -> Steps:
        """A refresh that a person asked for: never too early, and never beside another one."""
        return self._in_turn(lambda: self._steps("refresh"), is_asked_for=True)

    def _in_turn(self, online: Callable[[], Steps], *, is_start: bool = False, is_asked_for: bool = False) -> Steps:
        from carnet.client.turns import Turn, in_turn

        turn = Turn(
            attempts=self._attempts,
            budget_seconds=self._timeout_seconds,
            is_start=is_start,
            is_asked_for=is_asked_for,
        )
        return in_turn(self._device, online, turn)

    def _planned(self) -> Upkeep:
        """The plans of the background."""
        if self._upkeep is None:
            from carnet.client.upkeep import Upkeep

            if self._memory is None:
                self._memory = Memory(self._device)
            self._upkeep = Upkeep(
                self._device,
                self._memory,
                can_go_online=self._reaches_a_server(),
                budget_seconds=self._timeout_seconds,
            )
        self._upkeep.listeners = self._listeners
        return self._upkeep

    def _has_transport(self) -> bool:
        raise NotImplementedError

    def _reaches_a_server(self) -> bool:
        """Whether there is a server to come to."""
        try:
            self._config.server_address()
        except UsageError:
            return self._has_transport()
        return True

    def _is_forked(self) -> bool:
        """Whether this is a child process of the one that made this client: it has none of its threads."""
        return self._pid != os.getpid()

    def _forget_parent(self) -> None:
        """In a child process: leave locks, threads and connections to the parent, and begin anew."""
        self._pid = os.getpid()
        self._listeners = self._memory = self._upkeep = self._known_device = None

    def _steps(
        self,
        name: Literal["activate", "refresh", "deactivate"],
        license_key: str = "",
        *,
        device_name: str | None = None,
        user: str | None = None,
        ttl_seconds: int | None = None,
    ) -> Steps:
        """The operation *name*, not started yet."""
        from carnet.client import operations

        if name == "activate":
            return operations.activate(self._device, license_key, device_name=device_name, user=user)
        if name == "deactivate":
            return operations.deactivate(self._device)
        return operations.refresh(self._device, ttl_seconds=ttl_seconds)

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError("closed", f"This {type(self).__name__} was closed.", "Make a new one.")

    def _without_server(self, decision: Decision) -> Decision | None:
        """
        What `start()` says where no server is named, as in apps for air-gapped devices; None where one is.

        Only an operator who gave a license key and forgot the server is told of it.
        """
        try:
            self._config.server_address()
        except UsageError as missing:
            from carnet.client.device import with_problem
            from carnet.client.evidence import is_signed_key

            key = self._config.activation_key()
            if key is not None and is_signed_key(key):
                return decision  # it needs no server, and one would not change what is wrong with it
            self.last_problem = missing
            return decision if decision or key is None else with_problem(decision, missing)
        return None

    def _alone(self, license_key: str | None) -> Decision | None:
        """
        What `activate` with a signed license key, or `deactivate` of one, does where no server is named: it keeps or
        forgets the key on this device. None where there is a server to ask, or another kind of key.

        Args:
            license_key: The key to keep; None to forget the one that is kept.
        """
        from carnet.client.evidence import is_signed_key

        if license_key is not None and not is_signed_key(license_key):
            return None
        try:
            self._config.server_address()
        except UsageError:
            from carnet.client.installing import forget, install

            outcome = forget(self._device) if license_key is None else install(self._device, license_key)
            return None if outcome is None else self._learn(outcome)
        return None

    def _installed(self, data: bytes | str | os.PathLike[str], license_key: str | None) -> Decision:
        """What `install` does, on whatever thread it is called."""
        from carnet.client.bundles import content_of, install

        outcome = install(self._device, content_of(data), license_key)
        self.last_problem = outcome.problem
        if self._listeners is not None:
            self._listeners.see(outcome.decision)
        return outcome.decision

    def _learn(self, outcome: Outcome) -> Decision:
        self.last_problem = outcome.problem
        if outcome.problem is None:
            self._attempts.forget()
        if self._listeners is not None:
            self._listeners.finished(outcome.decision, outcome.problem)
        return outcome.decision

    def _failed(self, error: CarnetError) -> None:
        self.last_problem = error


class Memory:
    """What is remembered of attempts, loaded when it is needed: an app that is well never does."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._file: AttemptsFile | None = None

    @property
    def attempts(self) -> AttemptsFile:
        """The memory of this device."""
        if self._file is None:
            from carnet.client.attempts import AttemptsFile

            self._file = AttemptsFile(self._device.store.directory)
        return self._file


def is_same_key(typed: str, stored: str | None) -> bool:
    """Whether *typed* is the license key *stored*, or another spelling of it."""
    from carnet.formats.license_key import canonical_license_key

    text = typed.strip()
    return stored is not None and stored in {text, canonical_license_key(text)}


def required(decision: Decision) -> Decision:
    """
    *decision*, if it allows anything.

    Raises:
        RefusedError: It does not.
    """
    if decision:
        return decision
    main = decision.reasons[0]
    raise RefusedError(main.code, main.message, main.fix, decision=decision)


def offline_seconds(days: int | None, ttl_seconds: int | None) -> int:
    """
    The wanted offline window in seconds.

    Raises:
        UsageError: ``bad_duration``.
    """
    seconds = ttl_seconds if days is None else days * _DAY
    if type(seconds) is not int or seconds < 1 or (days is not None and ttl_seconds is not None):
        raise UsageError(
            "bad_duration",
            "How long to be offline is not clear.",
            "Give days= or ttl_seconds=, a whole number of at least 1.",
        )
    return seconds
