"""The short way of an activation says exactly what the whole rule says, wherever it is taken (decision 0053)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.admission import Circumstances, SeatClaim, decide_admission
from carnet.core.conditions import Conditions
from carnet.core.instant import DAY, Instant
from carnet.core.model import Policy
from carnet.core.overage import seat_ceiling
from carnet.core.seats import SeatRequest
from carnet.server.domain.activations.admitting import Asked, admit
from carnet.server.domain.activations.requests import held_seats, license_facts
from carnet.server.ports import SeatFacts, SeatQuery, needs_care
from carnet.server.records import Activation, License

NOW = Instant(1_800_000_000)


def a_license(**changes: Any) -> License:
    policy = Policy(name="plan", seat_limit=changes.pop("limit"), domains=changes.pop("domains"))
    conditions = Conditions(
        overage_percent=changes.pop("overage"),
        near_limit_percent=changes.pop("near"),
        trial_per_device=changes.pop("trial_per_device"),
    )
    base: dict[str, Any] = {
        "id": "license-1",
        "product": "hustl",
        "policy_id": "policy-1",
        "policy": policy,
        "customer": None,
        "key_lookup": b"key",
        "key_sealed": b"",
        "key_last_four": "abcd",
        "overrides": {},
        "effective": policy,
        "metadata": {},
        "created_at": NOW,
        "starts_at": None,
        "seat_limit": seat_ceiling(policy.seat_limit, conditions.overage_percent),
        "seats_over": 0,
        "status_index": 0,
        "conditions": conditions,
    }
    return License(**{**base, **changes})


LICENSES = st.fixed_dictionaries(
    {
        "limit": st.one_of(st.none(), st.integers(1, 6)),
        "overage": st.sampled_from([0, 50, 100, None]),
        "near": st.sampled_from([None, 1, 50, 90, 100]),
        "domains": st.sampled_from([(), ("example.com",)]),
        "trial_per_device": st.booleans(),
        "type": st.sampled_from(["perpetual", "timed", "trial"]),
        "status": st.sampled_from(["active", "active", "suspended", "revoked"]),
        "expires_at": st.one_of(st.none(), st.integers(NOW - 8 * DAY, NOW + 1).map(Instant)),
        "seats_used": st.integers(0, 9),
    }
).map(lambda members: a_license(**members))

SEAT = Activation(
    id="activation-1",
    license_id="license-1",
    product="hustl",
    fingerprint="device-1",
    device_name="one",
    platform="",
    public_key=None,
    components=(),
    user=None,
    domain=None,
    app_version=None,
    created_at=NOW,
    refreshed_at=NOW,
    covered_until=NOW,
    deactivated_at=None,
    status_index=1,
)


@given(LICENSES, st.booleans(), st.sampled_from([None, "example.com"]), st.sampled_from(["hustl", "other"]))
def test_the_short_way_agrees_with_the_whole_rule(
    license_: License,
    holds: bool,  # noqa: FBT001
    domain: str | None,
    product: str,
) -> None:
    if holds:
        license_ = replace(license_, seats_used=max(1, license_.seats_used))
    facts = SeatFacts(product_known=True, license=license_, activation=SEAT if holds else None)
    query = SeatQuery(product=product, lookups=(b"key",), fingerprint="device-1")
    request = SeatRequest(product=product, device="device-1", domain=domain)
    if needs_care(query, facts):
        return
    whole = decide_admission(
        license_facts(license_),
        held_seats(facts),
        request,
        claim=SeatClaim(),
        around=Circumstances(conditions=license_.conditions, license_type=license_.type, trial_license="license-1"),
        now=NOW,
    )
    assert admit(license_, facts, Asked(query=query, request=request), NOW) == whole
