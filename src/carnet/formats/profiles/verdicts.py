"""
What both profiles share: reading claims of exact types, and judging a genuine token at a time.

A token is genuine or it is not; that is an error of `verify_…`. Whether a genuine one opens the app *now* is a
`Verdict`, a value with reasons: "genuine but expired" and "not genuine" can never be mixed up (contracts/keyforge.md
§11). No function here reads a clock.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.decision import Reason
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.reasons import reason
from carnet.formats.fingerprint import has_control_characters
from carnet.formats.jws import open_jws
from carnet.formats.keys import Algorithm, KeyRing
from carnet.formats.limits import MAX_ID, MAX_TOKEN
from carnet.formats.policy_claims import is_time

TYP: Final = "JWT"
"""The `typ` of both profiles; native artifacts never have it, so that neither passes as the other (SEC-03)."""

WHAT: Final = "The license token"
FIX: Final = "Fetch a new token from the vendor's server; if it stays so, tell the vendor."

MAX_PROFILE_LIFETIME_SECONDS: Final = 100 * 366 * DAY
"""Longest `exp - iat`. The contracts' own tokens live for 74 years; they win over SEC-04's ten on their surface."""

MAX_LEEWAY_SECONDS: Final = 300


class Verdict(Struct):
    """
    What a genuine token means at a time.

    Attributes:
        is_usable: Whether the app may run on it.
        is_expired: Whether the token or the license in it has ended: genuine, and a newer token would help.
        reasons: Every fact against it, the main one first; empty when usable.
        clock_moved_back: Whether the clock stands before a time that was seen already. No reason by itself, because
            the token was judged at the later time; an app that wants to be strict refuses on it.
        judged_at: The time that it was judged at.
        latest_seen: What the caller keeps and passes in the next time.
    """

    is_usable: bool
    is_expired: bool
    reasons: tuple[Reason, ...]
    clock_moved_back: bool
    judged_at: Instant
    latest_seen: Instant


class Times(Struct):
    """The times of a genuine token that its verdict depends on; `license_expires_at` None where it does not count."""

    issued_at: Instant
    expires_at: Instant
    not_before: Instant | None = None
    license_expires_at: Instant | None = None


def judge(
    facts_against: list[Reason], times: Times, *, now: Instant, leeway_seconds: int, latest_seen: Instant | None
) -> Verdict:
    """
    The verdict on a genuine token: valid while ``judged_at < end + leeway_seconds``, from ``start - leeway_seconds``.

    Args:
        facts_against: What product, device or host say against it, the main one first.
        times: The token's.
        now: This device's clock.
        leeway_seconds: 0 to 300.
        latest_seen: The largest time that an earlier verdict gave; None at the first.

    Raises:
        UsageError: ``bad_leeway``.
    """
    if type(leeway_seconds) is not int or not 0 <= leeway_seconds <= MAX_LEEWAY_SECONDS:
        raise UsageError("bad_leeway", f"The leeway must be 0 to {MAX_LEEWAY_SECONDS} whole seconds.")
    # When the token was issued, that time had come: a clock that stands before it is wrong (or was moved).
    proven = max(times.issued_at, latest_seen or times.issued_at)
    judged_at = Instant(max(now, proven))
    reasons = list(facts_against)
    if times.not_before is not None and judged_at + leeway_seconds < times.not_before:
        reasons.append(reason("not_yet_valid", start=times.not_before))
    ended = []
    if times.license_expires_at is not None and judged_at >= times.license_expires_at + leeway_seconds:
        ended.append(reason("license_expired", at=times.license_expires_at))
    if judged_at >= times.expires_at + leeway_seconds:
        ended.append(reason("offline_window_over", at=times.expires_at))
    return Verdict(
        is_usable=not reasons and not ended,
        is_expired=bool(ended),
        reasons=(*reasons, *ended),
        clock_moved_back=now + leeway_seconds < proven,
        judged_at=judged_at,
        latest_seen=judged_at,
    )


def open_profile(token: str | bytes, ring: KeyRing, algorithms: tuple[Algorithm, ...]) -> tuple[dict[str, Any], str]:
    """
    The claims of a token whose signature fits, and the id of its key; specs/token-profiles.md §6, steps 1 to 9.

    Raises:
        MalformedError, NotGenuineError: As `open_jws`; ``wrong_algorithm`` also for a trusted key whose algorithm is
            none of *algorithms*.
    """
    claims, kid = open_jws(token, typ=TYP, role="token", ring=ring, max_bytes=MAX_TOKEN, what=WHAT, needs_kid=False)
    if ring.find("token", kid).alg not in algorithms:
        raise NotGenuineError("wrong_algorithm", f"{WHAT} is signed with an algorithm that it must not have.", FIX)
    return claims, kid


def an_object(members: dict[str, Any], name: str) -> dict[str, Any]:
    """
    The member *name*, an object.

    Raises:
        MalformedError: ``missing_claim``, ``bad_claim``.
    """
    value = required(members, name)
    if type(value) is not dict:
        raise bad_claim(name, "an object")
    return value


def a_text(members: dict[str, Any], name: str, most: int = MAX_ID, *, within: str = "") -> str:
    """
    The member *name*: 1 to *most* characters (code points), no control characters among them.

    Raises:
        MalformedError: ``missing_claim``, ``bad_claim``.
    """
    value = required(members, name, within=within)
    if type(value) is not str or not 0 < len(value) <= most or has_control_characters(value):
        raise bad_claim(within + name, f"1 to {most} characters")
    return value


def a_time(members: dict[str, Any], name: str, *, within: str = "") -> Instant:
    """
    The member *name*: whole Unix seconds.

    Raises:
        MalformedError: ``missing_claim``, ``bad_claim``.
    """
    value = required(members, name, within=within)
    if not is_time(value):
        raise bad_claim(within + name, "a time in whole Unix seconds")
    return Instant(value)


def check_times(issued_at: int, expires_at: int) -> None:
    """
    Check the order and distance of a token's times.

    Raises:
        MalformedError: ``bad_times``.
    """
    if not issued_at < expires_at or expires_at - issued_at > MAX_PROFILE_LIFETIME_SECONDS:
        raise MalformedError("bad_times", f"{WHAT} must have iat < exp, at most 36,600 days apart.", FIX)


def required(members: dict[str, Any], name: str, *, within: str = "") -> Any:
    """
    The member *name*, of any type.

    Raises:
        MalformedError: ``missing_claim``.
    """
    if name not in members:
        raise MalformedError("missing_claim", f"{WHAT} has no {within}{name}.", FIX)
    return members[name]


def bad_claim(name: str, wanted: str) -> MalformedError:
    """The error for a claim of another type or out of its bounds."""
    return MalformedError("bad_claim", f"{WHAT}'s {name} is not {wanted}.", FIX)
