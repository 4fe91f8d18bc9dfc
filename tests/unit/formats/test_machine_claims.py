"""What a machine file says: each claim, altered by the genuine signer, has its own refusal (SEC-04, SEC-18)."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.model import Entitlement, Policy
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from carnet.formats.machine_claims import MAX_TTL_SECONDS
from support.altered_claims import ALTERATIONS, EXTRAS
from support.machine_files import (
    DELETE,
    FINGERPRINT,
    GRANT,
    ISSUED_AT,
    LICENSE_KEY,
    SIGNER,
    altered,
    claims_of,
    contract_claims,
    open_here,
    seal_claims,
    with_times,
)


def refusal(claims: dict[str, Any]) -> CarnetError:
    data = seal_claims(claims)
    with pytest.raises((MalformedError, NotGenuineError)) as refused:
        open_here(data)
    error = refused.value
    assert isinstance(error, CarnetError)
    assert LICENSE_KEY not in str(error)
    assert error.fix
    return error


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        pytest.param(path, value, code, id=f"{path.removeprefix('data.attributes.metadata.')}-{i}")
        for path, values, code in ALTERATIONS
        for i, value in enumerate(values)
    ],
)
def test_sec_18_each_claim_altered_by_the_genuine_signer_has_its_own_code(path: str, value: Any, code: str) -> None:
    assert refusal(altered(claims_of(), path, value)).code == code


def test_sec_18_identity_that_does_not_fit_is_not_genuine_and_the_rest_is_malformed() -> None:
    mismatches = {"kid_mismatch", "license_mismatch", "device_mismatch"}
    for path, values, code in ALTERATIONS:
        kind = NotGenuineError if code in mismatches else MalformedError
        assert type(refusal(altered(claims_of(), path, values[0]))) is kind


def test_the_claims_as_they_are_open() -> None:
    assert open_here(seal_claims(claims_of())) == GRANT


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("meta.sdk_version", "0.7.0"),
        ("data.attributes.created", None),
        ("data.attributes.created", DELETE),
        ("data.attributes.name", ""),
        ("data.attributes.name", "x" * 255),
        ("data.attributes.name", "Zoë's \u200d机"),
        ("data.attributes.platform", ""),
        ("data.attributes.fingerprint_components", None),
        ("data.attributes.fingerprint_components", {"board": "b1f0", "disk": ""}),
        ("data.attributes.fingerprint_components", {"x" * 100: "y" * 1024}),
        ("data.attributes.metadata.team", {"any": ["thing"]}),
        ("meta.future", {"any": ["thing"]}),
        ("future", 1),
        ("data.future", 1),
        ("data.attributes.future", 1),
        (f"{EXTRAS}.future", 1),
        (f"{EXTRAS}.pol.future", 1),
        ("included", []),
        ("included", [{"type": "notes", "id": "1"}]),
    ],
)
def test_what_may_vary_and_what_is_not_known_changes_nothing(path: str, value: Any) -> None:
    # Signed structures grow by addition: what a genuine key added later is left alone (specs/machine-file.md §5).
    assert open_here(seal_claims(altered(claims_of(), path, value))) == GRANT


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("access", {"grace_access": "limited"}),
        ("activation", {"require_activation": True}),
        ("below", {"below_version": None}),
        ("clock", {"clock_strictness": "off"}),
        ("domains", {"domains": ()}),
        ("edition", {"edition": None}),
        ("ent", {"entitlements": ()}),
        ("essential", {"essential": ()}),
        ("max_ttl", {"max_offline_ttl_seconds": 20 * DAY}),
        ("seats", {"seat_limit": None}),
        ("status_age", {"max_revocation_age_seconds": None}),
        ("warn", {"warn_before_seconds": None}),
    ],
)
def test_what_a_policy_member_says_when_it_is_left_out_is_part_of_the_format(member: str, says: dict[str, Any]) -> None:
    policy = Policy(
        name="unusual",
        offline_ttl_seconds=20 * DAY,
        max_offline_ttl_seconds=40 * DAY,
        grace_access="full",
        warn_before_seconds=DAY,
        require_activation=False,
        seat_limit=7,
        essential=("open",),
        entitlements=(Entitlement(key="save"),),
        edition="studio",
        below_version="4",
        domains=("example.com",),
        clock_strictness="countdown",
        max_revocation_age_seconds=DAY,
    )
    claims = claims_of(replace(GRANT, policy=policy))
    assert open_here(seal_claims(claims)).policy == policy
    assert open_here(seal_claims(altered(claims, f"{EXTRAS}.pol.{member}", DELETE))).policy == replace(policy, **says)


# ── boundaries ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("iat", "nbf", "exp"),
    [(1, 1, 2), (1, 1, MAX_LIFETIME_SECONDS + 1), (5, 9, 10), (MAX_INSTANT - 1,) * 2 + (MAX_INSTANT,)],
)
def test_sec_04_times_at_their_boundaries_hold(iat: int, nbf: int, exp: int) -> None:
    grant = open_here(seal_claims(with_times(iat, nbf, exp)))
    assert (grant.issued_at, grant.not_before, grant.offline_until) == (iat, nbf, exp)
    assert type(grant.issued_at) is type(grant.not_before) is type(grant.offline_until) is Instant


@pytest.mark.parametrize(
    ("iat", "nbf", "exp", "code"),
    [
        (0, 1, 2, "bad_iat"),
        (1, 0, 2, "bad_nbf"),
        (2, 1, 3, "bad_window"),
        (1, 2, 2, "bad_window"),
        (1, 3, 2, "bad_window"),
        (2, 2, 2, "bad_window"),
        (1, 1, MAX_LIFETIME_SECONDS + 2, "ttl_too_long"),
    ],
)
def test_sec_04_times_one_second_beyond_are_refused(iat: int, nbf: int, exp: int, code: str) -> None:
    assert refusal(with_times(iat, nbf, exp)).code == code


def test_files_of_others_may_live_for_a_hundred_years_and_no_longer() -> None:
    grant = open_here(seal_claims(with_times(1, 1, 1 + MAX_TTL_SECONDS, contract_claims())))
    assert grant.offline_until == 1 + MAX_TTL_SECONDS
    assert refusal(with_times(1, 1, 2 + MAX_TTL_SECONDS, contract_claims())).code == "ttl_too_long"


@pytest.mark.parametrize("seconds", [0, 1, 30 * DAY])
def test_grace_at_its_boundaries_holds(seconds: int) -> None:
    grant = open_here(seal_claims(altered(claims_of(), "meta.grace_period", seconds)))
    assert grant.policy == replace(GRANT.policy, grace_seconds=seconds)


@pytest.mark.parametrize("end", [None, 1, MAX_INSTANT])
def test_the_end_of_the_license_at_its_boundaries_holds(end: int | None) -> None:
    grant = open_here(seal_claims(altered(claims_of(), "meta.license_exp", end)))
    assert grant.license_expires_at == end
    assert type(grant.license_expires_at) is (type(None) if end is None else Instant)


@pytest.mark.parametrize("slug", ["a", "0", "a-b", "x" * 100, "a1-b2-c3"])
def test_a_product_is_a_slug(slug: str) -> None:
    assert open_here(seal_claims(altered(claims_of(), "data.relationships.product.data.id", slug))).product == slug


# ── files of other vendors ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_without_our_extras_is_mapped_from_the_contracts_claims() -> None:
    grant = open_here(seal_claims(contract_claims()))
    assert grant.product == "hustl"
    assert grant.activation_id == "activation-1"
    assert grant.device == FINGERPRINT
    assert grant.id == f"activation-1/{ISSUED_AT:d}"
    assert grant.issuer == SIGNER.kid
    assert grant.license_expires_at == GRANT.license_expires_at
    assert grant.entitlements == ()
    policy = grant.policy
    assert policy.offline_ttl_seconds == policy.max_offline_ttl_seconds == 30 * DAY
    assert policy.grace_seconds == 7 * DAY
    assert policy.grace_access == "full"  # the contract's clients run on in grace
    assert policy.term_grace_seconds == 0  # and not past the license's end (contract §3.6 step 9)
    assert grant.license_id.startswith("key-")
    assert LICENSE_KEY not in repr(grant)


@pytest.mark.parametrize("value", [DELETE, {}, {"team": "Zoë/1"}])
def test_metadata_may_be_absent_or_anything(value: Any) -> None:
    claims = altered(contract_claims(), "data.attributes.metadata", value)
    assert open_here(seal_claims(claims)) == open_here(seal_claims(contract_claims()))


def test_an_included_license_brings_plan_start_and_entitlements() -> None:
    grant = open_here(seal_claims(contract_claims(included=True)))
    assert grant.policy.name == "studio"
    assert grant.policy.seat_limit == 3
    assert grant.license_starts_at == GRANT.license_starts_at
    assert grant.entitlements == (
        Entitlement(key="export-pdf"),
        Entitlement(key="updates", expires_at=Instant(1811808000)),
    )


INCLUDED = "included.0.attributes"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("included", None, "bad_included"),
        ("included", {}, "bad_included"),
        ("included", ["licenses"], "bad_included"),
        ("included", [{}], "bad_included"),
        ("included", contract_claims(included=True)["included"] * 2, "bad_included"),
        ("included.0.attributes", DELETE, "bad_included"),
        ("included.0.attributes", [], "bad_included"),
        ("included.0.id", "Y5NNE-9SGEE-ZSEJK-TZSVJ-EBPAG", "included_mismatch"),
        ("included.0.id", DELETE, "included_mismatch"),
        (f"{INCLUDED}.key", "Y5NNE-9SGEE-ZSEJK-TZSVJ-EBPAG", "included_mismatch"),
        (f"{INCLUDED}.product_slug", "inkwell", "included_mismatch"),
        (f"{INCLUDED}.product_slug", DELETE, "included_mismatch"),
        (f"{INCLUDED}.status", "suspended", "included_not_active"),
        (f"{INCLUDED}.status", DELETE, "included_not_active"),
        (f"{INCLUDED}.mode", "node_locked", "bad_included"),
        (f"{INCLUDED}.mode", [], "bad_included"),
        (f"{INCLUDED}.plan_key", "", "bad_included"),
        (f"{INCLUDED}.plan_key", "x" * 101, "bad_included"),
        (f"{INCLUDED}.plan_key", None, "bad_included"),
        (f"{INCLUDED}.seat_limit", 0, "bad_included"),
        (f"{INCLUDED}.seat_limit", "3", "bad_included"),
        (f"{INCLUDED}.seat_limit", DELETE, "bad_included"),
        (f"{INCLUDED}.starts_at", None, "bad_included"),
        (f"{INCLUDED}.starts_at", 1790000000, "bad_included"),
        (f"{INCLUDED}.ends_at", "2027-06-24T14:13:20", "bad_included_end"),
        (f"{INCLUDED}.ends_at", None, "bad_included_end"),
        (f"{INCLUDED}.ends_at", "2027-06-23T14:13:21Z", "bad_included_end"),
        (f"{INCLUDED}.ends_at", DELETE, "bad_included_end"),
        (f"{INCLUDED}.metadata", None, "bad_metadata"),
        (f"{INCLUDED}.entitlements", DELETE, "bad_entitlements"),
        (f"{INCLUDED}.entitlements", {}, "bad_entitlements"),
        (f"{INCLUDED}.entitlements", [{"key": "a", "expires_at": None}] * 2, "bad_entitlements"),
        (f"{INCLUDED}.entitlements", [{"key": f"k{i}", "expires_at": None} for i in range(501)], "bad_entitlements"),
        (f"{INCLUDED}.entitlements.0.key", "A", "bad_entitlements"),
        (f"{INCLUDED}.entitlements.0.expires_at", DELETE, "bad_entitlements"),
        (f"{INCLUDED}.entitlements.0.expires_at", 1790000000, "bad_entitlements"),
    ],
)
def test_sec_18_an_included_license_that_does_not_fit_is_refused(path: str, value: Any, code: str) -> None:
    assert refusal(altered(contract_claims(included=True), path, value)).code == code


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{INCLUDED}.seat_limit", None),
        (f"{INCLUDED}.seat_limit", 1),
        (f"{INCLUDED}.mode", "floating"),
        (f"{INCLUDED}.metadata", DELETE),
        (f"{INCLUDED}.entitlements", []),
        (f"{INCLUDED}.below_version", "3.0"),
    ],
)
def test_an_included_license_may_vary(path: str, value: Any) -> None:
    assert open_here(seal_claims(altered(contract_claims(included=True), path, value))).policy.name == "studio"


def test_our_extras_win_over_an_included_license_that_is_still_checked() -> None:
    claims = claims_of()
    claims["included"] = contract_claims(included=True)["included"]
    assert open_here(seal_claims(claims)) == GRANT
    assert refusal(altered(claims, f"{INCLUDED}.status", "revoked")).code == "included_not_active"
