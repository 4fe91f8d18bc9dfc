"""Genuine machine files for tests: a signer, a ring, a grant, and any claims whatever sealed by the genuine signer."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.model import Entitlement, Grant, Policy, StatusRef
from carnet.formats.keys import Ed25519Signer, KeyRing, Role
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from carnet.formats.machine_claims import claims_from_grant
from carnet.formats.machine_file import open_machine_file, seal_machine_file, seal_plaintext
from carnet.formats.strict_json import dump_json

ROLE: Role = "machine-file"
SIGNER = Ed25519Signer(bytes(range(32)), kid="org-2026-a")
RING = KeyRing.single(ROLE, SIGNER.public_key)
LICENSE_KEY = "01234-56789-ABCDE-FGHJK-DF2MM"
FINGERPRINT = "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74"
ENTROPY = bytes(range(32))
ISSUED_AT = Instant(1790000000)

GRANT = Grant(
    kind="machine-file",
    id="mf-0001",
    issuer="installation-1",
    product="hustl",
    license_id="license-1",
    issued_at=ISSUED_AT,
    not_before=Instant(ISSUED_AT + 5),
    offline_until=Instant(ISSUED_AT + 30 * DAY),
    policy=Policy(
        name="consumer",
        essential=("open", "save"),
        entitlements=(Entitlement(key="export-pdf"),),
        edition="studio",
        below_version="4.0",
        domains=("example.com", "*.example.org"),
        max_revocation_age_seconds=7 * DAY,
    ),
    activation_id="activation-1",
    device=FINGERPRINT,
    customer="customer-1",
    license_starts_at=Instant(ISSUED_AT - 90 * DAY),
    license_expires_at=Instant(ISSUED_AT + 275 * DAY),
    entitlements=(
        Entitlement(key="export-pdf"),
        Entitlement(key="updates", expires_at=Instant(ISSUED_AT + 100 * DAY), below_version="3.0.0"),
    ),
    license_status_ref=StatusRef(uri="https://license.example.com/v1/status/0", index=11),
    activation_status_ref=StatusRef(uri="https://license.example.com/v1/status/3", index=131071),
    kid=SIGNER.kid,
)


def claims_of(grant: Grant = GRANT) -> dict[str, Any]:
    """The content of *grant*'s machine file, as JSON values that a test may change."""
    assert grant.offline_until is not None
    return claims_from_grant(
        grant,
        offline_until=grant.offline_until,
        license_key=LICENSE_KEY,
        device_name="Atelier",
        platform="linux",
        kid=SIGNER.kid,
        created=ISSUED_AT,
    )


def contract_claims(*, included: bool = False) -> dict[str, Any]:
    """The same license as another vendor's server would write it: no Carnet extras, and `included` when asked for."""
    claims = claims_of()
    claims["data"]["attributes"]["metadata"] = {}
    if included:
        claims["included"] = [
            {
                "type": "licenses",
                "id": LICENSE_KEY,
                "attributes": {
                    "key": LICENSE_KEY,
                    "status": "active",
                    "mode": "hardware_locked",
                    "plan_key": "studio",
                    "product_slug": "hustl",
                    "seat_limit": 3,
                    "starts_at": str(GRANT.license_starts_at),
                    "ends_at": str(GRANT.license_expires_at),
                    "entitlements": [
                        {"key": "export-pdf", "expires_at": None},
                        {"key": "updates", "expires_at": "2027-06-01T00:00:00Z"},
                    ],
                    "metadata": {},
                },
            }
        ]
    return claims


DELETE: Any = object()


def altered(claims: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of *claims* with the member at *path* (``data.attributes.name``, ``included.0.id``) changed or deleted."""
    changed: dict[str, Any] = copy.deepcopy(claims)
    *parents, last = path.split(".")
    place: Any = changed
    for step in parents:
        place = place[int(step) if isinstance(place, list) else step]
    if value is DELETE:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return changed


def with_times(iat: int, nbf: int, exp: int, claims: dict[str, Any] | None = None) -> dict[str, Any]:
    """*claims* with these times, written consistently wherever they stand."""
    changed = altered(claims or claims_of(), "meta.iat", iat)
    changed["meta"].update(nbf=nbf, exp=exp, ttl=exp - iat, issued=str(Instant(iat)), expiry=str(Instant(max(exp, 0))))
    return changed


def seal(**changes: Any) -> str:
    """`seal_machine_file` of `GRANT` as it should be called, with *changes* to its arguments (*grant* among them)."""
    arguments: dict[str, Any] = {
        "license_key": LICENSE_KEY,
        "device_name": "Atelier",
        "platform": "linux",
        "signer": SIGNER,
        "entropy": ENTROPY,
        **changes,
    }
    return seal_machine_file(arguments.pop("grant", GRANT), **arguments)


def seal_claims(claims: Any) -> bytes:
    """A file whose signature and encryption are right, whatever it says."""
    return seal_json(dump_json(claims))


def seal_json(plaintext: bytes) -> bytes:
    """As `seal_claims`, for content that is perhaps no JSON at all."""
    sealed = seal_plaintext(plaintext, license_key=LICENSE_KEY, fingerprint=FINGERPRINT, signer=SIGNER, entropy=ENTROPY)
    return sealed.encode()


def open_here(data: bytes) -> Grant:
    """Open *data* on the right device with the right key."""
    return open_machine_file(data, RING, license_key=LICENSE_KEY, fingerprint=FINGERPRINT)


# ── any grant that can be sealed ─────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=40)
TIMES = st.one_of(st.integers(1, MAX_INSTANT), st.integers(10**9, 2 * 10**9)).map(Instant)
KEYS = st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,20}\Z")
CEILINGS = st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,3}){0,2}\Z")
DOMAINS = st.from_regex(r"\A(\*\.)?[a-z]{1,9}\.(com|example|co\.uk)\Z")
SECONDS = st.one_of(st.sampled_from([1, 60, DAY, 3650 * DAY]), st.integers(1, 3650 * DAY))
ENTITLEMENTS = st.lists(
    st.builds(Entitlement, key=KEYS, expires_at=st.none() | TIMES, below_version=st.none() | CEILINGS),
    max_size=6,
    unique_by=lambda entitlement: entitlement.key,
).map(tuple)
VERSIONS = st.none() | st.tuples(st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1))
REFS = st.none() | st.builds(StatusRef, uri=TEXTS, index=st.integers(0, 2**31 - 1), minimum=VERSIONS)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy that `check_policy` allows."""
    ttl, most = sorted((draw(SECONDS), draw(SECONDS)))
    return Policy(
        name=draw(TEXTS),
        offline_ttl_seconds=ttl,
        max_offline_ttl_seconds=most,
        token_ttl_seconds=draw(SECONDS),
        grace_seconds=draw(st.sampled_from([0, 1, 30 * DAY]) | st.integers(0, 30 * DAY)),
        term_grace_seconds=draw(st.integers(0, 365 * DAY)),
        grace_access=draw(st.sampled_from(["full", "limited"])),
        refresh_after_seconds=draw(SECONDS),
        warn_before_seconds=draw(st.none() | st.integers(0, 3650 * DAY)),
        require_activation=draw(st.booleans()),
        seat_limit=draw(st.none() | st.integers(1, 10**9)),
        essential=tuple(draw(st.lists(KEYS, max_size=4, unique=True))),
        entitlements=draw(ENTITLEMENTS),
        edition=draw(st.none() | TEXTS),
        below_version=draw(st.none() | CEILINGS),
        domains=tuple(draw(st.lists(DOMAINS, max_size=3, unique=True))),
        clock_strictness=draw(st.sampled_from(["off", "countdown"])),
        max_revocation_age_seconds=draw(st.none() | SECONDS),
    )


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    """Any grant that a machine file can carry, for `FINGERPRINT`."""
    issued_at = draw(st.integers(1, MAX_INSTANT - 1))
    offline_until = draw(st.integers(issued_at + 1, min(issued_at + MAX_LIFETIME_SECONDS, MAX_INSTANT)))
    listed, own = draw(REFS), draw(REFS)
    if listed is not None and own is not None and (own.uri == listed.uri or draw(st.booleans())):
        own = replace(own, uri=listed.uri, minimum=own.minimum or listed.minimum)  # one list, one oldest version
    return replace(
        GRANT,
        id=draw(TEXTS),
        issuer=draw(TEXTS),
        product=draw(st.from_regex(r"\A[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,3}\Z")),
        license_id=draw(TEXTS),
        issued_at=Instant(issued_at),
        not_before=Instant(draw(st.integers(issued_at, offline_until - 1))),
        offline_until=Instant(offline_until),
        policy=draw(policies()),
        activation_id=draw(TEXTS),
        customer=draw(st.none() | TEXTS),
        license_starts_at=draw(st.none() | TIMES),
        license_expires_at=draw(st.none() | TIMES),
        entitlements=draw(ENTITLEMENTS),
        license_status_ref=listed,
        activation_status_ref=own,
    )
