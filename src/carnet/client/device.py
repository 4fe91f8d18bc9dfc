"""
The part of the SDK that works without a network: look at this device, judge what is there (R-30, R-31).

`check()` is `look` and `judge`, and nothing else. Both read; only `checkpoint` writes, when running time has to be
recorded (`clock.is_checkpoint_due`), and its failure changes nothing.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from carnet.client.clock import (
    ClockFacts,
    Uptime,
    believed,
    is_checkpoint_due,
    is_far_behind,
    is_suspect,
    observe,
    suspect_at,
    trusted_now,
)
from carnet.client.config import Config
from carnet.client.evidence import gather, is_signed_key
from carnet.client.fingerprint import Identity, identify
from carnet.client.fingerprint.machine import Machine, ThisMachine
from carnet.client.roots import Chain, embedded, follow
from carnet.client.state import Loaded, StateStore
from carnet.client.state_file import DeviceState
from carnet.core._base import Struct, replace
from carnet.core.decision import Decision, Evidence, Reason
from carnet.core.errors import CarnetError, StateError
from carnet.core.instant import Instant
from carnet.core.model import Grant
from carnet.core.rules import decide
from carnet.formats.root import Root

if TYPE_CHECKING:
    from carnet.client.keychain import Keychain
    from carnet.client.ports import Clock
    from carnet.client.shipped import Shelf, Shipped


_ACCESS = ("none", "limited", "full")


class View(Struct):
    """
    This device at one moment.

    Attributes:
        identity: Who it is.
        loaded: The state as found.
        fingerprint: The enrolled fingerprint, else the one of the first anchor; None where there is no identity.
        chain: The root files that are trusted.
        wall: The wall clock.
        uptime: The running clock.
        clock: What is remembered of time, as far as the root's keys vouch for it.
        trusted_at: The proven lower bound of the time.
    """

    identity: Identity
    loaded: Loaded
    fingerprint: str | None
    chain: Chain
    wall: Instant
    uptime: Uptime | None
    clock: ClockFacts
    trusted_at: Instant | None

    @property
    def state(self) -> DeviceState:
        """The content of the state; an empty one where it did not open."""
        return self.loaded.state

    @property
    def root(self) -> Root:
        """The newest trusted root."""
        return self.chain.root

    @property
    def now(self) -> Instant:
        """The best guess of the present time."""
        return self.wall if self.trusted_at is None or self.trusted_at < self.wall else self.trusted_at


class Device:
    """This device, for one product. Making one touches nothing."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """
        Args:
            config: The settings, checked when they are used.
            clock: The device's clocks.
        """
        self.config = config
        self.clock = clock
        self.machine: Machine = ThisMachine(sys.platform, "/", config.environ)
        self._followed: tuple[tuple[bytes, tuple[str, ...]], Chain] | None = None
        self._keychains: dict[bool, Keychain] = {}
        self._shelf: Shelf | None = None

    @property
    def store(self) -> StateStore:
        """Where this product's state is kept."""
        product = self.config.product_id()
        return StateStore(os.path.join(self.config.state_directory(), product), product)

    def keychain(self, *, is_tpm: bool) -> Keychain:
        """The TPM, or else the system's keychain or the one that the app brought; not opened before it is asked."""
        if is_tpm not in self._keychains:
            from carnet.client.keychain import Keychain
            from carnet.client.tpm import Tpm

            given = self.config.keychain
            brought = None if isinstance(given, (bool, str)) else given
            backend = Tpm(self.store.directory) if is_tpm else brought
            self._keychains[is_tpm] = Keychain(self.config.product_id(), backend)
        return self._keychains[is_tpm]

    def device_seed(self, view: View) -> bytes | None:
        """
        The seed of the device key, from where the state says that it is; None where there is no device key.

        Where a keychain does not give it, another one: the server does not know its key, so the device activates again
        and keeps its seat (decision 0017). Only for exchanges; a check needs no device key.
        """
        seed = view.state.device_seed
        if seed is not None or not view.state.has_device_key or view.fingerprint is None:
            return seed
        place = self.keychain(is_tpm=view.state.device_seed_in == "tpm")
        return place.read(view.fingerprint) or os.urandom(32)

    def keep_seed(self, fingerprint: str, seed: bytes) -> dict[str, Any]:
        """Keep *seed* where the app wants it, or else in the state file: the members of the state that say so."""
        is_tpm = self.config.keychain == "tpm"
        if self.config.keychain is not False and self.keychain(is_tpm=is_tpm).keep(fingerprint, seed):
            return {"device_seed": None, "device_seed_in": "tpm" if is_tpm else "keychain"}
        return {"device_seed": seed, "device_seed_in": None}

    def look(self) -> View:
        """
        Read identity, state, root and clocks. Writes nothing, opens no socket.

        Raises:
            UsageError: A setting is missing or wrong.
            MalformedError, NotGenuineError: The embedded root is not a root file.
        """
        root_file = self.config.root_file()
        directory = self.config.state_directory()
        identity = identify(declared=self.config.device_id, state_directory=directory, machine=self.machine)
        loaded = self.store.load(identity.anchors)
        shipped = self._shipped()
        chain = self._chain(root_file, loaded.state.roots if shipped is None else (*loaded.state.roots, *shipped.roots))
        wall, uptime = self.clock.now(), self.clock.uptime()
        clock = remembered(loaded.state, chain.root)
        return View(
            identity=identity,
            loaded=loaded,
            fingerprint=loaded.state.fingerprint or self._native_fingerprint(identity),
            chain=chain,
            wall=wall,
            uptime=uptime,
            clock=clock,
            trusted_at=trusted_now(clock, uptime),
        )

    def judge(self, view: View) -> Decision:
        """What may run now, by what *view* shows. Total: never an exception for licensing reasons."""
        decision = decide(self.evidence(view), view.wall, self.config.host())
        problem = _problem_of(view)
        return decision if problem is None else with_problem(decision, problem)

    def evidence(self, view: View) -> Evidence:
        """
        What is known here, verified now.

        The machine file governs the offline window and carries all that the token does; the two come in one answer and
        are stored in one step. So the token is looked at only where there is no machine file that opens.

        A signed license key, configured or installed, grants beside what is stored, or without any state (users-ask
        51). Where both grant, the one that allows more counts, the stored one if they allow the same.
        """
        stored = self._stored(view)
        key = self._signed_key(view)
        if key is None:
            return stored
        by_key = self.evidence_of_key(view, key)
        if not by_key.grants:
            return replace(stored, faults=(*stored.faults, *by_key.faults))
        if not stored.grants:
            return by_key
        host = self.config.host()
        allowed = [_ACCESS.index(decide(each, view.wall, host).access) for each in (stored, by_key)]
        return by_key if allowed[1] > allowed[0] else stored

    def evidence_of_key(self, view: View, signed_key: str) -> Evidence:
        """
        What a signed license key proves here, verified now; a kept refusal of its license counts against it, and a
        status list where it names one.
        """
        is_foreign = view.loaded.condition == "foreign"
        return self._with_lists(view, self._of_key(view, signed_key, foreign_state=is_foreign))

    def stored(self, view: View) -> tuple[Grant, ...]:
        """What is stored and genuine now, the token and the machine file each by itself."""
        return self._gather(view, view.state.token).grants if view.loaded.condition == "open" else ()

    def listed(self, view: View) -> tuple[Grant, ...]:
        """The grants that status lists are kept for: what is stored, and the signed license key, if there is one."""
        key = self._signed_key(view)
        return self.stored(view) if key is None else (*self.stored(view), *self._of_key(view, key).grants)

    def _of_key(self, view: View, signed_key: str, **members: Any) -> Evidence:
        """A key is too short to name its installation; whose key signed it is said by the root (SEC-26)."""
        found = self._gathered(view, signed_key=signed_key, **members)
        return replace(found, grants=tuple([replace(grant, issuer=view.root.issuer) for grant in found.grants]))

    def _stored(self, view: View) -> Evidence:
        if view.loaded.condition != "open":
            return Evidence(device=view.fingerprint, foreign_state=view.loaded.condition == "foreign")
        evidence = self._gather(view, None)
        if not evidence.grants and view.state.token is not None:
            evidence = self._gather(view, view.state.token)
        return self._with_lists(view, evidence)

    def _with_lists(self, view: View, evidence: Evidence) -> Evidence:
        lists = self.status_lists(view, evidence.grants)
        if not lists:
            return evidence
        from carnet.client.status_lists import judged_with_lists

        return judged_with_lists(evidence, lists, view.root.ring(), issue_times_count=True)

    def is_checked(self, view: View) -> bool:
        """Whether a check for revocation is not due yet (`schedule.check_due_at`)."""
        from carnet.client.schedule import check_due_at, newest_grant

        evidence = self.evidence(view)
        grant = newest_grant(evidence)
        due = None if grant is None else check_due_at(evidence, grant, 0.0)
        return due is None or view.now < due

    def status_lists(self, view: View, grants: tuple[Grant, ...]) -> tuple[str, ...]:
        """
        The status lists that count for *grants*, as tokens: those that are kept, and newer ones that the app brings.

        Each is verified when it is used. Where the app brings none, this loads and verifies nothing.
        """
        kept, shipped = view.state.status_lists, self._shipped()
        if shipped is None or self._shelf is None or not grants:
            return kept
        return self._shelf.counting(kept, shipped, grants, view.root, lambda kid: self._check_key(view, kid))

    def _check_key(self, view: View, kid: str) -> None:
        """As `Trust.check_key`; who would be asked is not loaded while the root lasts (SEC-22)."""
        if view.now >= view.root.expires_at:
            from carnet.client.root_keeping import trust_of

            trust_of(self, view).check_key(kid)

    def _shipped(self) -> Shipped | None:
        """What the app brings with it; None where it brings nothing."""
        given = self.config.status_list_file()
        if given is None:
            return None
        if self._shelf is None:
            from carnet.client.shipped import Shelf

            self._shelf = Shelf()
        shipped, is_new = self._shelf.read(given)
        if is_new and shipped.problem is not None:
            from carnet.client.journal import note

            note(self.store.directory, self.clock.now(), "status_lists", "problem", shipped.problem)
        return shipped

    def _gather(self, view: View, token: str | None) -> Evidence:
        state = view.state
        return self._gathered(view, token=token, machine_file=state.machine_file, license_key=state.license_key)

    def _gathered(self, view: View, **offered: Any) -> Evidence:
        return gather(
            ring=view.root.ring(),
            fingerprint=view.fingerprint,
            refusals=view.state.refusals,
            trusted_at=view.trusted_at,
            clock_suspect=is_suspect(view.clock, view.trusted_at, view.wall),
            clock_suspect_at=suspect_at(view.clock, view.trusted_at, view.wall),
            issue_times_count=True,
            **offered,
        )

    def _signed_key(self, view: View) -> str | None:
        """The signed license key that is configured, else the one that is installed, if any."""
        for key in (self.config.activation_key(), view.state.license_key):
            if key is not None and is_signed_key(key):
                return key
        return None

    def checkpoint(self, view: View) -> None:
        """
        Record running time if it is due: about hourly at most, never waiting for another process.

        A clock that fell far behind, or came back, is noted in the log (SEC-29). What the app brings is kept at once.
        """
        if self._shelf is not None:
            self._keep_shipped(view)
        if view.loaded.condition != "open" or not is_checkpoint_due(view.clock, view.uptime, view.wall):
            return

        def record(found: Loaded) -> DeviceState | None:
            if found.condition != "open":
                return None
            # The clocks are read again here: between looking and this moment another process may have written, and
            # time that it has counted must not be counted twice (specs/clock.md §4).
            facts = remembered(found.state, view.root)
            return replace(found.state, clock=observe(facts, self.clock.uptime(), self.clock.now()))

        try:
            self.store.update(view.identity.anchors, record, lock_seconds=0)
        except StateError:
            return
        behind = is_far_behind(view.trusted_at, view.wall)
        if behind != (view.clock.behind_since is not None):
            from carnet.client.journal import note

            note(self.store.directory, view.now, "clock", "behind" if behind else "right")

    def _keep_shipped(self, view: View) -> None:
        """Write down what the app brings, where it is news: once for each new file, without waiting for anyone."""
        news = () if self._shelf is None else self._shelf.news(view.state.status_lists)
        if view.loaded.condition != "open" or not (news or set(view.chain.later) - set(view.state.roots)):
            return
        from carnet.client.list_operations import keep_lists

        with suppress(StateError):
            keep_lists(self, view, news, lock_seconds=0)

    def _chain(self, root_file: bytes, stored: tuple[str, ...]) -> Chain:
        """
        The chain from the embedded root, verified from there on: a stored root is not trusted for having been stored.

        The newest one is remembered, so that a process verifies a chain once and not at every check.
        """
        given = (root_file, stored)
        if self._followed is None or self._followed[0] != given:
            self._followed = (given, follow(embedded(root_file), stored, most=len(stored)).chain)
        return self._followed[1]

    def _native_fingerprint(self, identity: Identity) -> str | None:
        if not identity.anchors:
            return None
        from carnet.formats.fingerprint import native_fingerprint

        return native_fingerprint(self.config.product_id(), identity.anchors[0].value)


def remembered(state: DeviceState, root: Root) -> ClockFacts:
    """What *state* remembers of time, unless the key that vouched for it is gone from *root* (SEC-31)."""
    return believed(state.clock, [key.kid for key in root.keys])


def with_problem(decision: Decision, problem: CarnetError) -> Decision:
    """*decision*, whose last reason says what else went wrong; one with full access stays as it is."""
    if decision.access == "full" or any(reason.code == problem.code for reason in decision.reasons):
        return decision
    reason = Reason(code=problem.code, message=problem.message, fix=problem.fix)
    return replace(decision, reasons=(*decision.reasons, reason))


def _problem_of(view: View) -> CarnetError | None:
    """Why nothing could be read, where that is not the decision's own fact."""
    if not view.identity.anchors:
        return StateError("no_device_identity", "Nothing identifies this device.", view.identity.advice)
    if view.loaded.condition == "damaged":
        return StateError(
            "state_damaged",
            "The license state on this device is damaged, in both copies.",
            "Activate again with your license key: the same device keeps its seat.",
        )
    if view.loaded.condition == "unreadable":
        return StateError(
            "state_unreadable",
            "The license state on this device cannot be read by this user.",
            "Run the app as the user who activated it, or give this user access to the state directory.",
        )
    if view.loaded.condition == "too_new":
        return StateError(
            "state_too_new",
            "The license state on this device was written by a newer version of the app.",
            "Use the newer version.",
        )
    return None
