"""
Whose turn it is to ask the license server: one at a time on this device, and not again right after a failure (REL-17).

`in_turn` wraps an operation of `operations.py`. It is a generator as they are, for both faces of the SDK; while another
thread or process is asking it yields pauses, and takes over what that one brought.
"""

from __future__ import annotations

from collections.abc import Callable

from carnet.client.attempts import AttemptsFile, asked_lately, chance
from carnet.client.device import Device, View, with_problem
from carnet.client.journal import note
from carnet.client.network import local_network
from carnet.client.operations import Outcome, Steps
from carnet.client.schedule import Attempts, is_busy, retry_seconds
from carnet.client.wire import Pause
from carnet.core._base import Struct
from carnet.core.errors import TransportError
from carnet.core.instant import Instant

_PAUSE_SECONDS = 0.05


class Turn(Struct):
    """
    How an operation takes its turn.

    Attributes:
        attempts: The memory of this device.
        budget_seconds: For the whole contact.
        is_start: The app is being started: a person may be waiting.
        is_nudged: The host says that the network has changed.
        is_asked_for: A person asked for it: no back-off.
        network: What the way out looks like.
        chance: Randomness for pauses, 0 to 1.
    """

    attempts: AttemptsFile
    budget_seconds: float
    is_start: bool = False
    is_nudged: bool = False
    is_asked_for: bool = False
    network: Callable[[], str] = local_network
    chance: Callable[[], float] = chance


def in_turn(device: Device, online: Callable[[], Steps], turn: Turn) -> Steps:
    """
    Run *online* when it is this one's turn, and remember how it went.

    Returns:
        The outcome of *online*; or the decision from disk after another one's contact, or with the problem
        ``asked_lately`` where it is too early to ask again.
    """
    view = device.look()
    before = view.state.contacts
    ended = _ended(turn.attempts.read())
    waited = 0.0
    while True:
        answer, known = turn.attempts.claim(
            view.now,
            turn.network(),
            is_start=turn.is_start,
            is_nudged=turn.is_nudged,
            is_asked_for=turn.is_asked_for,
            busy_seconds=int(turn.budget_seconds) + 2,
            chance=turn.chance(),
        )
        if answer == "ask":
            break
        if answer == "later":
            return _too_early(device, view, known)
        # Somebody is asking; who crashed meanwhile is waited for until his claim ends, or half of our time.
        while known is not None and is_busy(known, view.now + int(waited)):
            if turn.is_asked_for and waited > turn.budget_seconds / 2:
                break
            try:
                yield Pause(seconds=_PAUSE_SECONDS)
            except TransportError as problem:
                return Outcome(decision=with_problem(device.judge(device.look()), problem), problem=problem)
            waited += _PAUSE_SECONDS
            known = turn.attempts.read()
        view = device.look()
        if view.state.contacts != before:
            return Outcome(decision=device.judge(view))
        if _ended(known) != ended:
            return _too_early(device, view, known)
        if turn.is_asked_for and waited > turn.budget_seconds / 2:
            break
    outcome: Outcome | None = None
    try:
        outcome = yield from online()
    finally:
        _remember(turn, view.now, outcome)
    return outcome


def _ended(known: Attempts | None) -> int:
    return 0 if known is None else known.ended


def _remember(turn: Turn, now: Instant, outcome: Outcome | None) -> None:
    problem = None if outcome is None else outcome.problem
    if outcome is not None and problem is None:
        turn.attempts.forget()
        return
    code = "interrupted" if problem is None else problem.code
    wait = None
    if not turn.is_asked_for:
        known = turn.attempts.read()
        wait = retry_seconds(
            1 if known is None else known.failures,
            turn.chance(),
            retry_after_seconds=problem.retry_after_seconds if isinstance(problem, TransportError) else 0,
            is_full=outcome is None or outcome.decision.access == "full",
        )
    turn.attempts.end(now, code, wait_seconds=wait)


def _too_early(device: Device, view: View, known: Attempts | None) -> Outcome:
    problem = asked_lately(known)
    note(device.store.directory, view.wall, "refresh", "skipped", problem.code)
    return Outcome(decision=with_problem(device.judge(view), problem), problem=problem)
