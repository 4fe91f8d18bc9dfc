"""
When the SDK comes to the license server by itself: pure rules, no clock, no chance, no file (R-34, REL-17).

    what                                  when
    a refresh while all is well           at the policy's cadence, at two thirds of the offline window at the latest;
                                          and up to a tenth later, so that many devices do not come together
    a check for revocation                when half of the time is over that the policy allows between two, if no
                                          refresh comes before; and up to a tenth later
    after a failure                       a minute later, then two, four … at most an hour (15 minutes without full
                                          access), each stretched or shortened by up to a half; never sooner than the
                                          server asked for, which counts for an hour at most: its header is not signed
    after the way out has changed         within two minutes, at most once a minute: a hotel's network may last for five
    when the app is started               as after a failure, but the first four starts ask at once: that is a person

What was tried is remembered on the disk, written down *before* it is tried, so that an app that is started a hundred
times an hour, or that crashes each time, does not hammer (`attempts.py`). What a person asks for is always asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from carnet.core._base import Struct, replace
from carnet.core.decision import Decision, Evidence
from carnet.core.instant import HOUR, MAX_INSTANT, MINUTE, Instant
from carnet.core.model import Grant

FIRST_RETRY_SECONDS = MINUTE
LONGEST_RETRY_SECONDS = HOUR
LONGEST_RETRY_WITHOUT_FULL_ACCESS_SECONDS = 15 * MINUTE
MAX_RETRY_AFTER_SECONDS = HOUR
"""An unsigned ``Retry-After`` delays a contact by no more: it could be anybody's."""

NEW_NETWORK_SPREAD_SECONDS = 2 * MINUTE
"""A changed network is tried within this; "five minutes of network are enough" (R-34)."""

LEAST_SECONDS = MINUTE
"""Between two contacts that nobody asked for, whatever network flaps and whatever the policy says."""

FREE_STARTS = 4
MAX_BUSY_SECONDS = 5 * MINUTE
"""A claim that lasts longer than this is not believed: the clock was set meanwhile."""

_SPREAD_DIVISOR = 10
_MAX_SPREAD_SECONDS = HOUR

Answer = Literal["ask", "later", "busy"]


class Attempts(Struct):
    """
    What is remembered of contacts that brought nothing.

    Attributes:
        failures: How many in a row.
        attempted_at: When the newest one began.
        next_at: When the next one may begin.
        busy_until: Until when somebody is asking, unless he ends before; 0 where nobody is.
        holder: Who is asking.
        ended: How many attempts ended, for those who waited for one.
        code: How the newest one ended.
        network: What the way out looked like then (`network.local_network`).
    """

    failures: int = 0
    attempted_at: int = 0
    next_at: int = 0
    busy_until: int = 0
    holder: str = ""
    ended: int = 0
    code: str = ""
    network: str = ""


def newest_grant(evidence: Evidence) -> Grant | None:
    """The newest grant of an activation, whatever it allows now; None without one."""
    bound = [grant for grant in evidence.grants if grant.activation_id is not None]
    return max(bound, key=lambda grant: grant.issued_at, default=None)


def due_at(issued_at: int, refresh_after_seconds: int, offline_until: int | None, chance: float) -> Instant:
    """
    When artifacts issued at *issued_at* should be fetched anew.

    Args:
        issued_at: When they were issued.
        refresh_after_seconds: The policy's cadence.
        offline_until: The end of the offline window; None where it has none.
        chance: 0 to 1, the same for the same artifact: how much later than the first right moment. An app that is just
            being started takes 0: it may be gone again in a moment.

    Returns:
        Never later than three quarters of the window.
    """
    after = max(refresh_after_seconds, LEAST_SECONDS)
    if offline_until is not None:
        after = min(after, max(offline_until - issued_at, 0) * 2 // 3)
    spread = min(after // _SPREAD_DIVISOR, _MAX_SPREAD_SECONDS)
    return _instant(issued_at + after + int(spread * chance))


def check_due_at(evidence: Evidence, grant: Grant, chance: float) -> Instant | None:
    """
    When status lists should be fetched, so that the license of *grant* is checked for revocation in time (SEC-28).

    Args:
        evidence: What is known here.
        grant: The newest grant.
        chance: 0 to 1, as for `due_at`.

    Returns:
        Half of the policy's `max_revocation_age_seconds` after the last check; None where the policy asks for none, or
        where no list knows this license: then only a refresh checks it.
    """
    age = grant.policy.max_revocation_age_seconds
    if age is None or grant.license_status_ref is None:
        return None
    checked_at = max(grant.issued_at, evidence.revocation_checked_at or 0)
    after = max(age // 2, LEAST_SECONDS)
    return _instant(checked_at + after + int(min(after // _SPREAD_DIVISOR, _MAX_SPREAD_SECONDS) * chance))


def retry_seconds(failures: int, chance: float, *, retry_after_seconds: int = 0, is_full: bool = True) -> int:
    """
    How long to wait after the *failures*-th contact in a row that brought no authentic answer.

    Args:
        failures: At least 1.
        chance: 0 to 1.
        retry_after_seconds: What the server asked for; counts for `MAX_RETRY_AFTER_SECONDS` at most.
        is_full: Whether the app has full access meanwhile.
    """
    longest = LONGEST_RETRY_SECONDS if is_full else LONGEST_RETRY_WITHOUT_FULL_ACCESS_SECONDS
    base = min(FIRST_RETRY_SECONDS << min(max(failures, 1) - 1, 16), longest)
    asked = min(max(retry_after_seconds, 0), MAX_RETRY_AFTER_SECONDS)
    # Those who were all told the same come back over as much time again as they wait at least.
    return max(base // 2, asked) + int(base * chance)


def may_ask(known: Attempts | None, now: int, network: str, *, is_start: bool, is_nudged: bool = False) -> Answer:
    """
    Whether a contact that nobody asked for may begin.

    Args:
        known: What is remembered; None for nothing.
        now: The present time.
        network: What the way out looks like; empty where that cannot be told.
        is_start: The app is being started; otherwise it has been running.
        is_nudged: The host says that the network has changed.

    Returns:
        ``busy``: another process or thread is asking just now.
    """
    if known is None:
        return "ask"
    if is_busy(known, now):
        return "busy"
    if now < known.attempted_at or known.next_at - known.attempted_at > 4 * LONGEST_RETRY_SECONDS:
        return "ask"  # written under another clock
    if is_start and known.failures < FREE_STARTS:
        return "ask"
    if is_other_network(known, network, is_nudged=is_nudged) and now >= known.attempted_at + LEAST_SECONDS:
        return "ask"
    return "ask" if now >= known.next_at else "later"


def is_other_network(known: Attempts, network: str, *, is_nudged: bool) -> bool:
    """Whether the way out is not the one of the newest attempt, as far as can be told."""
    return is_nudged or (network not in {"", known.network})


def is_busy(known: Attempts, now: int) -> bool:
    """Whether somebody claims to be asking just now. Who crashed while asking is not believed for long."""
    return now < known.busy_until <= now + MAX_BUSY_SECONDS


def begun(
    known: Attempts | None, now: int, network: str, *, holder: str, busy_seconds: int, wait_seconds: int
) -> Attempts:
    """
    What to write down before asking: that it failed, until it is known better.

    Args:
        known: What was remembered.
        now: The present time.
        network: What the way out looks like.
        holder: Who asks.
        busy_seconds: How long that takes at most.
        wait_seconds: How long to leave it alone if nothing is heard of it any more.
    """
    known = known or Attempts()
    return replace(
        known,
        failures=min(known.failures + 1, 64),
        attempted_at=now,
        next_at=now + wait_seconds,
        busy_until=now + busy_seconds,
        holder=holder,
        network=network,
    )


def next_change(judge: Callable[[Instant], Decision], now: int, horizon: int) -> int | None:
    """
    The first second after *now*, and up to *horizon*, at which what is shown to people changes by itself.

    Args:
        judge: The decision at any time, by what is known now. Pure.
        now: The present time.
        horizon: How far to look; in a longer span a change that is undone again may be missed.

    Returns:
        None if nothing changes until then.
    """
    here = seen_as(judge(_instant(now)))
    if horizon <= now or seen_as(judge(_instant(horizon))) == here:
        return None
    same, other = now, horizon
    while other - same > 1:
        middle = (same + other) // 2
        if seen_as(judge(_instant(middle))) == here:
            same = middle
        else:
            other = middle
    return other


def seen_as(decision: Decision) -> Decision:
    """*decision* as far as people notice it: without the times and ids that every contact changes."""
    return replace(
        decision, checked_at=Instant(0), evidence_ids=(), renew_after=None, offline_until=None, grace_until=None
    )


def _instant(value: int) -> Instant:
    return Instant(min(max(value, 0), MAX_INSTANT))
