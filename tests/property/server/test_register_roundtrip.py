from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import Entitlement, Grant, Policy, StatusRef
from carnet.formats.strict_json import dump_json
from carnet.server.domain.activations.issuing import grant_from_json, grant_to_json, issuance_of

IDS = st.uuids().map(str)
INSTANTS = st.integers(1, MAX_INSTANT).map(Instant)
KEYS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
VERSIONS = st.sampled_from(["1", "2.0", "3.10.0"])
ENTITLEMENTS = st.lists(
    st.builds(Entitlement, key=KEYS, expires_at=st.none() | INSTANTS, below_version=st.none() | VERSIONS),
    max_size=5,
    unique_by=lambda entitlement: entitlement.key,
).map(tuple)
REFS = st.none() | st.builds(
    StatusRef,
    uri=st.just("https://license.example.com/v1/status/7"),
    index=st.integers(0, 131_071),
    minimum=st.none() | st.tuples(st.integers(0, 2**53 - 1), st.integers(1, 2**53 - 1)),
)
POLICIES = st.builds(
    Policy,
    name=st.sampled_from(["consumer", "Zoë's plan"]),
    offline_ttl_seconds=st.integers(1, 1000),
    max_offline_ttl_seconds=st.integers(1000, 3650 * 86400),
    grace_seconds=st.integers(0, 2_592_000),
    seat_limit=st.none() | st.integers(1, 10**9),
    essential=st.lists(KEYS, max_size=3, unique=True).map(tuple),
    domains=st.sampled_from([(), ("example.com", "*.example.com")]),
    grace_access=st.sampled_from(["full", "limited"]),
    max_revocation_age_seconds=st.none() | st.integers(1, 10**6),
    entitlements=ENTITLEMENTS,
)
GRANTS = st.builds(
    Grant,
    kind=st.sampled_from(["token", "machine-file"]),
    id=IDS,
    issuer=IDS,
    product=st.just("hustl"),
    license_id=IDS,
    issued_at=INSTANTS,
    not_before=INSTANTS,
    offline_until=INSTANTS,
    policy=POLICIES,
    activation_id=IDS,
    device=st.binary(min_size=32, max_size=32).map(bytes.hex),
    customer=st.none() | IDS,
    license_starts_at=st.none() | INSTANTS,
    license_expires_at=st.none() | INSTANTS,
    entitlements=ENTITLEMENTS,
    license_status_ref=REFS,
    activation_status_ref=REFS,
    kid=st.none() | st.just("kid"),
)


@given(GRANTS)
def test_design_2_7_what_the_register_keeps_gives_the_grant_back(grant: Grant) -> None:
    written = dump_json(grant_to_json(grant)).decode()
    assert grant_from_json(written) == grant
    assert (
        issuance_of(replace(grant, kid="k"), "token").claims
        == dump_json(grant_to_json(replace(grant, kid="k"))).decode()
    )
