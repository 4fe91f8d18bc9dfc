"""
What the background does next: rest, or come to the server. Plans only; `running.py` and `aio.py` do it (issue 5).

An app that is well rests until its next refresh is due at the policy's cadence; with a listener, also until the next
moment at which what people see changes by itself. One whose refresh is overdue rests as the back-off says, and listens
for a changed network meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from carnet.client.device import Device, View
from carnet.client.schedule import (
    LEAST_SECONDS,
    NEW_NETWORK_SPREAD_SECONDS,
    Attempts,
    check_due_at,
    due_at,
    is_other_network,
    may_ask,
    newest_grant,
    next_change,
)
from carnet.core._base import Struct, replace
from carnet.core.decision import Decision
from carnet.core.errors import CarnetError
from carnet.core.instant import DAY, MAX_INSTANT
from carnet.core.model import Grant
from carnet.core.rules import decide
from carnet.formats.encoding import sha256

if TYPE_CHECKING:
    from carnet.client.base import Memory
    from carnet.client.events import Listeners
    from carnet.client.operations import Steps


class Rest(Struct):
    """
    Sleep.

    Attributes:
        seconds: How long; None until somebody wakes the background.
        watches: Whether a change of the network ends it.
        problem: Why a refresh that is due is not tried now, where an app that was just started should know.
    """

    seconds: float | None
    watches: bool = False
    problem: CarnetError | None = None


def _chance() -> float:
    return int.from_bytes(os.urandom(4), "big") / 0xFFFFFFFF


def _local_network() -> str:
    from carnet.client.network import local_network

    return local_network()


class Upkeep:
    """
    The plans of one client's background.

    Attributes:
        listeners: Told of decisions that change; None before there is one.
        rounds: How often it was asked what to do: the wake-ups of the background.
        network: What the way out looks like.
        chance: Randomness, 0 to 1.
    """

    def __init__(
        self,
        device: Device,
        memory: Memory,
        *,
        can_go_online: bool,
        budget_seconds: float,
    ) -> None:
        """
        Args:
            device: This device.
            memory: What is remembered of attempts.
            can_go_online: Whether there is a server to come to.
            budget_seconds: For one contact.
        """
        self._device = device
        self._memory = memory
        self.listeners: Listeners | None = None
        self._can_go_online = can_go_online
        self._budget_seconds = budget_seconds
        self._is_starting = False
        self._is_nudged = False
        self._hurry_at: int | None = None
        self._asked_at: int | None = None
        self._quiet_until = 0
        self.rounds = 0
        self.network: Callable[[], str] = _local_network
        self.chance: Callable[[], float] = _chance

    def starting(self) -> None:
        """The app was started: what is due is fetched at once, because it may be gone again in a moment."""
        self._is_starting = True

    def nudge(self) -> None:
        """The host says that the network may be back."""
        self._is_nudged = True

    def next(self) -> Rest | Callable[[], Steps]:
        """What to do now: rest, or run an operation and tell `contacted`."""
        self.rounds += 1
        is_start, self._is_starting = self._is_starting, False
        device = self._device
        view = device.look()
        decision = device.judge(view)
        device.checkpoint(view)
        if self.listeners is not None:
            self.listeners.see(decision)
        grant = newest_grant(device.evidence(view))
        now = int(view.now)
        due = self._due(view, decision, grant, is_start=is_start)
        if due is None:
            return self._until_change(view, now, None)
        if due > now:
            return self._well(view, now, due)
        known = self._memory.attempts.read()
        if self._asked_at is not None and self._asked_at <= now and not is_start:
            # After a failure the memory says when; this is for what it cannot know.
            due = max(due, self._quiet_until, 0 if known is not None else self._asked_at + LEAST_SECONDS)
        if due > now:
            return self._well(view, now, due)
        wait = self._wait(known, now, is_start=is_start)
        if wait is not None:
            rest = self._until_change(view, now, now + wait, watches=True)
            if not is_start:
                return rest
            from carnet.client.attempts import asked_lately

            return replace(rest, problem=asked_lately(known))
        from carnet.client.turns import Turn, in_turn

        contact = self._contact(view, decision, grant, known)

        turn = Turn(
            attempts=self._memory.attempts,
            budget_seconds=self._budget_seconds,
            is_start=is_start,
            is_nudged=self._is_nudged,
            network=self.network,
            chance=self.chance,
        )
        self._asked_at, self._hurry_at, self._is_nudged = now, None, False
        return lambda: in_turn(device, lambda: contact(device), turn)

    def contacted(self, *, is_answered: bool) -> None:
        """
        A contact has ended, here or on the way of a start.

        An authentic answer that leaves the refresh due (a refusal, a clock that is years ahead) is not asked for again
        before the policy's cadence. Never raises: a root file that was taken away meanwhile, for one, is met by `next`
        as well, whose caller keeps the problem.
        """
        with suppress(Exception):  # the background goes on whatever it meets (users-ask 58)
            self._note_contact(is_answered=is_answered)

    def _note_contact(self, *, is_answered: bool) -> None:
        view = self._device.look()
        self._asked_at = int(view.now)
        if not is_answered:
            return
        grant = newest_grant(self._device.evidence(view))
        due = self._due(view, self._device.judge(view), grant, is_start=False)
        cadence = DAY if grant is None else grant.policy.refresh_after_seconds
        self._quiet_until = self._asked_at + max(cadence, LEAST_SECONDS) if due is not None and due <= view.now else 0

    def _contact(
        self, view: View, decision: Decision, grant: Grant | None, known: Attempts | None
    ) -> Callable[[Device], Steps]:
        """
        What is done in a contact: a refresh; where a check for revocation is due, status lists as well.

        They come first where no refresh is due beside it, and every other time after a failure: of two who answer, one
        may be the one that hangs.
        """
        if self._device.is_checked(view):
            from carnet.client.operations import refresh

            return refresh
        from carnet.client.list_operations import recheck, refresh_or_recheck

        renew_after = decision.renew_after
        is_refresh_due = grant is None or renew_after is None or view.now >= renew_after
        if is_refresh_due != (known is not None and known.failures % 2 == 1):
            return refresh_or_recheck
        return partial(recheck, is_refresh_due=is_refresh_due)

    def _due(self, view: View, decision: Decision, grant: Grant | None, *, is_start: bool) -> int | None:
        """When a refresh is due; None where there is nothing to refresh, or nobody to ask."""
        state = view.state
        if state.license_key is None or not state.has_device_key or not self._can_go_online:
            return None
        if decision.access != "full" or grant is None:
            return 0
        jitter = 0.0 if is_start else int.from_bytes(sha256(grant.id.encode())[:4], "big") / 0xFFFFFFFF
        due = due_at(grant.issued_at, grant.policy.refresh_after_seconds, decision.offline_until, jitter)
        check = check_due_at(self._device.evidence(view), grant, jitter)
        return due if check is None else min(due, check)

    def _well(self, view: View, now: int, due: int) -> Rest:
        """Nothing is due before *due*."""
        self._hurry_at, self._is_nudged = None, False
        return self._until_change(view, now, due)

    def _wait(self, known: Attempts | None, now: int, *, is_start: bool) -> int | None:
        """How long a refresh that is due has to wait for its turn; None: it is its turn."""
        if known is None:
            return None
        network = self.network()
        answer = may_ask(known, now, network, is_start=is_start, is_nudged=self._is_nudged)
        if answer == "busy":
            return min(max(known.busy_until - now, 1), 2)
        has_changed = is_other_network(known, network, is_nudged=self._is_nudged)
        if answer == "ask":
            if is_start or now >= known.next_at or not has_changed or now < known.attempted_at:
                return None
            # Everyone behind one router comes back together: not at the same moment.
            if self._hurry_at is None:
                self._hurry_at = now + int(NEW_NETWORK_SPREAD_SECONDS * self.chance())
            return None if now >= self._hurry_at else self._hurry_at - now
        until = min(known.next_at, known.attempted_at + LEAST_SECONDS) if has_changed else known.next_at
        return max(until - now, 1)

    def _until_change(self, view: View, now: int, until: int | None, *, watches: bool = False) -> Rest:
        """Rest until *until*; with listeners, no longer than until what they see changes by itself."""
        if self.listeners:
            evidence, host = self._device.evidence(view), self._device.config.host()
            horizon = min(now + DAY if until is None else until, MAX_INSTANT)
            change = next_change(lambda at: decide(evidence, at, host), now, horizon)
            until = change if change is not None else until if until is not None else horizon
        return Rest(seconds=None if until is None else max(until - now, 0), watches=watches)
