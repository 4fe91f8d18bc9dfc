"""Terms: when they begin, how long they last, from where a renewal counts; windows of updates (R-01, users-ask 64)."""

from __future__ import annotations

import pytest

from carnet.core.instant import DAY, MAX_INSTANT, Instant, parse_instant
from carnet.core.model import Entitlement, Policy
from carnet.core.progress import NOTHING, Progress, begin_term, progress_from_json, progress_to_json, with_updates
from carnet.core.renewals import RenewalBasis, renewed_end
from carnet.core.starts import PendingTerm, StartBasis, StartEvent, Term, begin, begins_with, end_of
from carnet.core.tallies import Tally

NOW = parse_instant("2027-01-31T09:30:00Z")


def at(text: str) -> Instant:
    return parse_instant(text)


@pytest.mark.parametrize("seconds", [1, 2, DAY, 100 * 366 * DAY])
def test_terms_of_seconds_begin_at_one_second(seconds: int) -> None:
    assert end_of(Term(seconds=seconds), NOW) == NOW + seconds


@pytest.mark.parametrize(
    ("months", "end"),
    [(1, "2027-02-28T09:30:00Z"), (12, "2028-01-31T09:30:00Z"), (13, "2028-02-29T09:30:00Z")],
)
def test_rel_15_terms_of_months_end_with_the_month(months: int, end: str) -> None:
    assert end_of(Term(months=months), NOW) == at(end)


def test_an_endless_term_has_no_end() -> None:
    assert Term().is_endless
    assert end_of(Term(), NOW) is None
    assert not Term(seconds=1).is_endless
    assert not Term(months=1).is_endless


@pytest.mark.parametrize(
    ("basis", "event", "begins"),
    [
        ("first_activation", "activation", True),
        ("first_activation", "use", False),
        ("first_use", "activation", True),
        ("first_use", "use", True),
    ],
)
def test_r_01_a_waiting_term_begins_with_what_it_waits_for(
    basis: StartBasis,
    event: StartEvent,
    begins: bool,  # noqa: FBT001
) -> None:
    pending = PendingTerm(basis=basis, term=Term(seconds=10))
    assert begins_with(pending, event) is begins
    begun = begin_term(Progress(pending=pending, moves=Tally(count=1, began_at=NOW)), event, NOW)
    if not begins:
        assert begun is None
        return
    assert begun is not None
    assert (begun.starts_at, begun.expires_at) == (NOW, NOW + 10)
    assert begun.progress == Progress(moves=Tally(count=1, began_at=NOW))  # nothing else is lost
    assert begin_term(begun.progress, event, Instant(NOW + 5)) is None  # a term begins once


def test_a_term_that_waited_for_centuries_ends_with_the_year_9999() -> None:
    pending = PendingTerm(basis="first_use", term=Term(months=1200))
    assert begin(pending, Instant(MAX_INSTANT - 5)) == (MAX_INSTANT - 5, MAX_INSTANT)


@pytest.mark.parametrize(
    ("basis", "term", "old_end", "now", "anchor", "end"),
    [
        # paying early loses nothing
        ("expiry", Term(months=1), "2027-01-31T00:00:00Z", "2027-01-10T00:00:00Z", None, "2027-02-28T00:00:00Z"),
        ("expiry", Term(seconds=DAY), "2027-01-31T00:00:00Z", "2027-01-10T00:00:00Z", None, "2027-02-01T00:00:00Z"),
        # the end of a short month stays where it is: that is what anchors are for
        ("expiry", Term(months=1), "2027-02-28T00:00:00Z", "2027-02-10T00:00:00Z", None, "2027-03-28T00:00:00Z"),
        ("anchor_day", Term(months=1), "2027-02-28T00:00:00Z", "2027-02-10T00:00:00Z", 31, "2027-03-31T00:00:00Z"),
        ("anchor_day", Term(months=1), "2027-03-31T00:00:00Z", "2027-03-10T00:00:00Z", 31, "2027-04-30T00:00:00Z"),
        ("now", Term(months=1), "2027-01-31T00:00:00Z", "2027-01-10T08:00:00Z", None, "2027-02-10T08:00:00Z"),
        # lapsed: a cycle that went by unpaid is skipped
        ("anchor_day", Term(months=1), "2027-01-15T00:00:00Z", "2027-03-14T00:00:00Z", None, "2027-03-15T00:00:00Z"),
        ("anchor_day", Term(months=1), "2027-01-15T00:00:00Z", "2027-03-14T23:59:59Z", None, "2027-03-15T00:00:00Z"),
        ("anchor_day", Term(months=1), "2027-01-15T00:00:00Z", "2027-03-15T00:00:00Z", None, "2027-04-15T00:00:00Z"),
        ("anchor_day", Term(months=12), "2028-02-29T00:00:00Z", "2028-02-01T00:00:00Z", 29, "2029-02-28T00:00:00Z"),
        (
            "anchor_day",
            Term(seconds=7 * DAY),
            "2027-01-01T00:00:00Z",
            "2027-01-10T00:00:00Z",
            None,
            "2027-01-15T00:00:00Z",
        ),
        (
            "anchor_day",
            Term(seconds=7 * DAY),
            "2027-01-08T00:00:00Z",
            "2027-01-08T00:00:00Z",
            None,
            "2027-01-15T00:00:00Z",
        ),
        # the cycle's day lies before the old end's: at least one month on, on that day
        ("anchor_day", Term(months=1), "2027-02-10T00:00:00Z", "2027-02-01T00:00:00Z", 1, "2027-03-01T00:00:00Z"),
        ("anchor_day", Term(months=1), "2027-02-10T00:00:00Z", "2027-02-01T00:00:00Z", 20, "2027-03-20T00:00:00Z"),
    ],
)
def test_users_ask_64_ways_to_renew(  # noqa: PLR0917 - one row of the table
    basis: RenewalBasis, term: Term, old_end: str, now: str, anchor: int | None, end: str
) -> None:
    found = renewed_end(term, basis, old_end=at(old_end), now=at(now), anchor_day=anchor)
    assert str(Instant(found)) == end


def test_the_update_window_is_an_entitlement_that_ends_with_it() -> None:
    policy = Policy(name="p", entitlements=(Entitlement(key="updates"), Entitlement(key="pro")))
    assert with_updates(policy, None) is policy
    changed = with_updates(policy, NOW)
    assert changed.entitlements == (Entitlement(key="pro"), Entitlement(key="updates", expires_at=NOW))
    assert with_updates(changed, Instant(NOW + 1)).entitlements[1].expires_at == NOW + 1


@pytest.mark.parametrize(
    "progress",
    [
        NOTHING,
        Progress(pending=PendingTerm(basis="first_use", term=Term(months=3))),
        Progress(
            pending=PendingTerm(basis="first_activation", term=Term(seconds=3)),
            updates_until=NOW,
            activations=Tally(count=2, began_at=NOW),
            moves=Tally(count=1, began_at=Instant(5)),
        ),
    ],
)
def test_where_a_license_stands_is_stored_and_read_as_it_was(progress: Progress) -> None:
    assert progress_from_json(progress_to_json(progress)) == progress
    assert (progress_to_json(progress) == {}) is (progress == NOTHING)
