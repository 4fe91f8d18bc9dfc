"""
When a license begins and ends: at its issue, at a renewal, at a conversion. Pure (specs/decision.md §7.2).

What a term is, is `core.starts` and `core.renewals`; here commands and policies become terms, with every refusal of
what could not be stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from carnet.core._base import Struct, replace
from carnet.core.conditions import MAX_TERM_MONTHS, Conditions
from carnet.core.dates import civil, days_in_month
from carnet.core.errors import UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import LicenseType
from carnet.core.progress import NOTHING, Progress, with_updates
from carnet.core.renewals import RenewalBasis, renewed_end
from carnet.core.starts import PendingTerm, Term, end_of
from carnet.server.domain.checks import MAX_DURATION_SECONDS, check_instant, check_seconds, invalid
from carnet.server.records import License, StoredPolicy

_CEILING: Final = "below_version"


class Wanted(Struct):
    """
    What a command says of a term; None leaves it to the policy.

    Attributes:
        type: What the license is.
        starts_at: First second it works.
        expires_at: First second it no longer works. Not together with a duration.
        duration_seconds: How long.
        duration_months: The same in calendar months; not both.
    """

    type: LicenseType | None = None
    starts_at: Instant | None = None
    expires_at: Instant | None = None
    duration_seconds: int | None = None
    duration_months: int | None = None

    @property
    def has_end(self) -> bool:
        """Whether the command itself says when the license ends."""
        return self.expires_at is not None or self.duration_seconds is not None or self.duration_months is not None


class FirstTerm(Struct):
    """The type of a license and its term; `own` are overrides that go with them."""

    type: LicenseType
    starts_at: Instant | None
    expires_at: Instant | None
    progress: Progress
    own: Mapping[str, Any]


def check_wanted(wanted: Wanted) -> Wanted:
    """
    *wanted*, if it does not contradict itself.

    Raises:
        UsageError: ``invalid_argument``.
    """
    given = (wanted.expires_at, wanted.duration_seconds, wanted.duration_months)
    if sum(each is not None for each in given) > 1:
        raise invalid("expires_at, duration_seconds and duration_months", "given one of them at most")
    check_instant("starts_at", wanted.starts_at)
    check_instant("expires_at", wanted.expires_at)
    check_seconds("duration_seconds", wanted.duration_seconds, most=MAX_DURATION_SECONDS)
    months = wanted.duration_months
    if months is not None and (type(months) is not int or not 1 <= months <= MAX_TERM_MONTHS):
        raise invalid("duration_months", f"a whole number of months from 1 to {MAX_TERM_MONTHS}")
    return wanted


def first_term(wanted: Wanted, policy: StoredPolicy, conditions: Conditions, now: Instant) -> FirstTerm:
    """
    The term of a license that is issued or converted *now*.

    Args:
        wanted: What the command says; checked.
        policy: The policy that it follows.
        conditions: The policy's, with the license's own values applied.
        now: The server's time.

    A term that the command dates itself (`starts_at` or `expires_at`) begins as dated, whatever the start basis.

    Raises:
        UsageError: ``invalid_argument``.
    """
    kind = wanted.type or ("timed" if wanted.has_end and policy.license_type == "perpetual" else policy.license_type)
    begins = now if wanted.starts_at is None else wanted.starts_at
    if kind == "perpetual":
        if wanted.has_end:
            raise invalid("expires_at and durations", "left out for a perpetual license")
        return _perpetual(wanted.starts_at, conditions, begins)
    starts_at = wanted.starts_at
    if wanted.expires_at is not None:
        expires_at: int | None = wanted.expires_at
    else:
        term = usual_term(wanted, policy, conditions)
        if term.is_endless:
            raise invalid("expires_at", f"given for a {kind} license, or a duration in its stead")
        expires_at = end_of(term, begins)
        if conditions.start_basis != "issue" and wanted.starts_at is None:
            _check_end(expires_at, begins, now)
            pending = PendingTerm(basis=conditions.start_basis, term=term)
            return FirstTerm(type=kind, starts_at=None, expires_at=None, progress=Progress(pending=pending), own={})
    end = _check_end(expires_at, begins, now)
    return FirstTerm(type=kind, starts_at=starts_at, expires_at=end, progress=NOTHING, own={})


def renewed(old: License, wanted: Wanted, basis: RenewalBasis | None, policy: StoredPolicy, now: Instant) -> License:
    """
    *old* after a renewal: a later end, or for a perpetual license with an update window a later end of that.

    Args:
        old: As it stands.
        wanted: The new end itself, or how much longer; checked. Nothing takes what is usual.
        basis: From where it counts; None as the conditions say.
        policy: The policy that it follows.
        now: The server's time.

    Raises:
        UsageError: ``invalid_argument``; ``conflict``: revoked, not begun yet, or without any end to move.
    """
    if old.status == "revoked":
        raise _conflict("A revoked license cannot be renewed.", "Issue a new one.")
    if old.progress.pending is not None:
        raise _conflict("The term of this license has not begun.", "Renew it once it is in use.")
    conditions = old.conditions
    end_so_far = old.progress.updates_until if old.expires_at is None else old.expires_at
    if conditions.anchor_day is None and end_so_far is not None:
        day = cycle_day(end_so_far, began=old.created_at if old.starts_at is None else old.starts_at)
        conditions = replace(conditions, anchor_day=day)
    chosen = conditions.renewal_basis if basis is None else basis
    if old.expires_at is not None:
        end = _later(
            old.expires_at,
            wanted,
            usual_term(wanted, policy, conditions),
            basis=chosen,
            conditions=conditions,
            now=now,
        )
        return replace(old, expires_at=end)
    if old.progress.updates_until is None:
        raise _conflict("This license has no end to move.", "A perpetual license needs no renewal.")
    term = _asked(wanted)
    window = conditions.updates if term.is_endless else term
    until = _later(old.progress.updates_until, wanted, window, basis=chosen, conditions=conditions, now=now)
    overrides, effective = dict(old.overrides), old.effective
    if conditions.updates_below_version is not None:
        overrides[_CEILING] = conditions.updates_below_version
        effective = replace(effective, below_version=conditions.updates_below_version)
    return replace(
        old,
        overrides=overrides,
        effective=with_updates(effective, until),
        progress=replace(old.progress, updates_until=until),
    )


def cycle_day(end: Instant, *, began: Instant) -> int:
    """
    The day of the month on which a license is paid for, where its conditions name none: that of its end; but where the
    end is the last day of a month that has no such day, the day on which it began. So 31 January is followed by
    28 February and 31 March, and not by 28 March (users-ask 64; specs/decision.md §7.2).
    """
    last, first = civil(end), civil(began)
    is_cut = last.day == days_in_month(last.year, last.month)
    return max(first.day, last.day) if is_cut else last.day


def usual_term(wanted: Wanted, policy: StoredPolicy, conditions: Conditions) -> Term:
    """How long a term lasts: what the command says, else the license's own months, else what its policy says."""
    asked = _asked(wanted)
    if not asked.is_endless:
        return asked
    if conditions.duration_months is not None:
        return Term(months=conditions.duration_months)
    return Term(seconds=policy.duration_seconds)


def _asked(wanted: Wanted) -> Term:
    return Term(seconds=wanted.duration_seconds, months=wanted.duration_months)


def _perpetual(starts_at: Instant | None, conditions: Conditions, begins: Instant) -> FirstTerm:
    end = end_of(conditions.updates, begins)
    progress = NOTHING
    if end is not None:
        if end > MAX_INSTANT:
            raise invalid("updates_seconds and updates_months", "shorter: the end would be after the year 9999")
        progress = Progress(updates_until=Instant(end))
    own: dict[str, Any] = {}
    if conditions.updates_below_version is not None:
        own[_CEILING] = conditions.updates_below_version
    return FirstTerm(type="perpetual", starts_at=starts_at, expires_at=None, progress=progress, own=own)


def _check_end(end: int | None, begins: Instant, now: Instant) -> Instant:
    if end is None or not max(begins, now) < end <= MAX_INSTANT:
        raise invalid("expires_at", "in the future, after the license starts, and before the year 10000")
    return Instant(end)


def _later(
    old_end: Instant, wanted: Wanted, term: Term, *, basis: RenewalBasis, conditions: Conditions, now: Instant
) -> Instant:
    """The new end: later than the old one, and not over already."""
    if wanted.expires_at is not None:
        new_end = int(wanted.expires_at)
    elif term.is_endless:
        raise invalid("duration_seconds", "given, because the policy has no usual duration")
    else:
        new_end = renewed_end(term, basis, old_end=old_end, now=now, anchor_day=conditions.anchor_day)
    if new_end <= old_end:
        raise invalid("expires_at", f"later than the present end, {old_end}")
    if new_end <= now:
        raise invalid("basis", "now, because the renewed license would be over already")
    if new_end > MAX_INSTANT:
        raise invalid("duration_seconds", "shorter: the end would be after the year 9999")
    return Instant(new_end)


def _conflict(message: str, fix: str) -> UsageError:
    return UsageError("conflict", message, fix)
