"""Where a license stands, and who may enrol: each condition by itself (R-01, users-ask 14)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.conditions import Conditions
from carnet.core.enrolment import MAX_NETWORKS, EnrolmentFacts, enrolment_refusals, is_within
from carnet.core.instant import Instant
from carnet.core.model import Entitlement, LicenseType, Policy
from carnet.core.progress import NOTHING, Begun, Progress, begin_term, needs_care, progress_from_json, progress_to_json
from carnet.core.progress import with_updates as with_window
from carnet.core.starts import (
    PendingTerm,
    StartBasis,
    Term,
    begin,
    begins_with,
    end_of,
    pending_from_json,
    pending_to_json,
)
from carnet.core.tallies import Tally

NOW = Instant(1_800_000_000)
PENDING = PendingTerm(basis="first_use", term=Term(seconds=10))


@pytest.mark.parametrize(
    ("conditions", "kind", "progress", "needed"),
    [
        ({}, "perpetual", NOTHING, False),
        ({}, "timed", NOTHING, False),
        ({}, "trial", NOTHING, True),
        ({"trial_per_device": False}, "trial", NOTHING, False),
        ({"trial_per_device": False}, "timed", NOTHING, False),
        ({"seat_scope": "user"}, "perpetual", NOTHING, True),
        ({"activation_budget": 1}, "perpetual", NOTHING, True),
        ({}, "perpetual", Progress(pending=PENDING), True),
        ({}, "perpetual", Progress(updates_until=NOW), False),
        ({}, "perpetual", Progress(moves=Tally(count=3, began_at=NOW)), False),
        ({}, "perpetual", Progress(activations=Tally(count=3, began_at=NOW)), False),
        ({"seat_scope": "user", "activation_budget": 1}, "trial", Progress(pending=PENDING), True),
    ],
)
def test_the_short_way_is_for_whom_nothing_else_is_asked(
    conditions: dict[str, Any],
    kind: LicenseType,
    progress: Progress,
    needed: bool,  # noqa: FBT001
) -> None:
    assert needs_care(Conditions(**conditions), kind, progress) is needed


def test_a_license_that_was_just_issued_has_nothing_behind_it() -> None:
    assert Progress(pending=None, updates_until=None, activations=Tally(), moves=Tally()) == NOTHING
    assert Tally(count=0, began_at=None) == Tally()


def test_a_term_begins_with_the_first_use_only_where_one_waits() -> None:
    begun = Begun(starts_at=NOW, expires_at=Instant(NOW + 10), progress=NOTHING)
    assert begin_term(Progress(pending=PENDING), "use", NOW) == begun
    assert begin_term(NOTHING, "use", NOW) is None
    assert begin_term(NOTHING, "activation", NOW) is None


def test_the_update_window_comes_after_the_other_entitlements() -> None:
    policy = Policy(name="p", entitlements=(Entitlement(key="a"), Entitlement(key="updates"), Entitlement(key="b")))
    keys = [(each.key, each.expires_at) for each in with_window(policy, NOW).entitlements]
    assert keys == [("a", None), ("b", None), ("updates", NOW)]
    assert with_window(Policy(name="p"), NOW).entitlements == (Entitlement(key="updates", expires_at=NOW),)


TALLIES = st.one_of(
    st.just(Tally()), st.builds(Tally, count=st.integers(0, 9), began_at=st.integers(0, 10**9).map(Instant))
)


@given(
    st.one_of(st.none(), st.builds(Term, seconds=st.integers(1, 9)), st.builds(Term, months=st.integers(1, 9))),
    st.sampled_from(["first_activation", "first_use"]),
    st.one_of(st.none(), st.integers(0, 10**9).map(Instant)),
    TALLIES,
    TALLIES,
)
def test_any_progress_is_stored_and_read_as_it_was(
    term: Term | None, basis: StartBasis, until: Instant | None, activations: Tally, moves: Tally
) -> None:
    pending = None if term is None else PendingTerm(basis=basis, term=term)
    progress = Progress(pending=pending, updates_until=until, activations=activations, moves=moves)
    plain = progress_to_json(progress)
    assert progress_from_json(plain) == progress
    named = {"pending": pending, "updates_until": until, "activations": activations.began_at, "moves": moves.began_at}
    assert plain.keys() == {name for name, value in named.items() if value is not None}
    if pending is not None:
        assert pending_from_json(pending_to_json(pending)) == pending
        assert begins_with(pending, "activation")
        assert begin(pending, NOW) == (NOW, end_of(pending.term, NOW))


def test_the_stored_form_is_short() -> None:
    full = Progress(
        pending=PendingTerm(basis="first_activation", term=Term(months=3)),
        updates_until=NOW,
        activations=Tally(count=2, began_at=Instant(7)),
        moves=Tally(count=1, began_at=Instant(5)),
    )
    assert progress_to_json(full) == {
        "pending": {"basis": "first_activation", "seconds": None, "months": 3},
        "updates_until": 1_800_000_000,
        "activations": [2, 7],
        "moves": [1, 5],
    }


# ── enrolment ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_users_ask_14_a_new_token_was_used_by_nobody() -> None:
    assert enrolment_refusals(EnrolmentFacts(max_uses=1), None, NOW) == ()
    assert enrolment_refusals(EnrolmentFacts(max_uses=0), None, NOW) == ("enrolment_used_up",)
    assert EnrolmentFacts() == EnrolmentFacts(max_uses=None, used=0, expires_at=None, revoked_at=None, networks=())
    assert MAX_NETWORKS == 64


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"revoked_at": NOW}, "enrolment_revoked"),
        ({"revoked_at": Instant(NOW + 9)}, "enrolment_revoked"),  # whenever it was
        ({"expires_at": NOW}, "enrolment_expired"),
        ({"max_uses": 3, "used": 3}, "enrolment_used_up"),
        ({"networks": ("10.0.0.0/8",)}, "enrolment_network"),
    ],
)
def test_users_ask_14_each_reason_by_itself(facts: dict[str, Any], code: str) -> None:
    assert enrolment_refusals(EnrolmentFacts(**facts), "192.0.2.1", NOW) == (code,)


@pytest.mark.parametrize(
    ("address", "networks", "inside"),
    [
        ("10.0.0.1", (), False),
        ("10.0.0.1", ("192.0.2.0/24", "10.0.0.0/8"), True),
        ("10.0.0.1", ("10.0.0.1/32",), True),
        ("10.0.0.2", ("10.0.0.1/32",), False),
        ("fe80::1%eth0", ("fe80::/10",), True),
        ("::ffff:10.0.0.1", ("::ffff:0:0/96",), False),  # it is the IPv4 address
        ("::10.0.0.1", ("10.0.0.0/8",), False),  # another, older kind of clothes
        ("10.0.0.1", ("2001:db8::/32",), False),
        (None, ("0.0.0.0/0", "::/0"), False),
    ],
)
def test_users_ask_14_any_of_the_networks(address: str | None, networks: tuple[str, ...], inside: bool) -> None:  # noqa: FBT001
    assert is_within(address, networks) is inside
