"""Genuine signed license keys for tests, and keys of any payload signed by the genuine key."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy, StatusRef
from carnet.formats.base32_groups import write_groups
from carnet.formats.keys import Ed25519Signer, KeyRing
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from carnet.formats.signed_key import signed_key_grant

SIGNER = Ed25519Signer(bytes(range(32)))
OTHER_SIGNER = Ed25519Signer(bytes(range(1, 33)))
RING = KeyRing.single("license-key", SIGNER.public_key)
TRUSTED = {SIGNER.kid: SIGNER.public_key.raw}
ISSUED_AT = Instant(1795000000)
DEVICE = "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74"
LICENSE_ID = "01997f3e-5a10-7c3b-9a2e-4d5f60718293"


def key_grant(**changes: Any) -> Grant:
    """A perpetual license of the product ``hustl``, changed."""
    base: dict[str, Any] = {
        "product": "hustl",
        "license_id": LICENSE_ID,
        "policy": Policy(name="signed-key"),
        "issued_at": ISSUED_AT,
        "kid": SIGNER.kid,
    }
    return signed_key_grant(**{**base, **changes})


RULES: dict[str, Any] = {
    "policy": Policy(
        name="studio",
        term_grace_seconds=3 * DAY,
        grace_access="full",
        warn_before_seconds=14 * DAY,
        essential=("open", "save"),
        edition="Studio",
        below_version="4.0",
        domains=("example.com", "*.example.org"),
        clock_strictness="countdown",
        max_revocation_age_seconds=90 * DAY,
    ),
    "expires_at": Instant(ISSUED_AT + 365 * DAY),
    "starts_at": Instant(ISSUED_AT + DAY),
}
"""Changes to `key_grant` that use every field of times and policy."""

FACTS: dict[str, Any] = {
    "entitlements": (
        Entitlement(key="export-pdf"),
        Entitlement(key="updates", expires_at=Instant(ISSUED_AT + 100 * DAY), below_version="3.0.0"),
        Entitlement(key="batch", below_version="2"),
    ),
    "device": DEVICE,
    "customer": "c-17",
    "status": StatusRef(uri="https://l.example.com/v1/status/0", index=131071),
}
"""Changes to `key_grant` that use every other field, but that of a foreign device."""


def signed(payload: bytes, signer: Ed25519Signer = SIGNER, kid: str | None = None) -> str:
    """A key of any payload, genuinely signed."""
    signature = signer.sign(b"carnet/v1/license-key\0" + (kid or signer.kid).encode() + b"\0" + payload)
    return write_groups(payload + signature)


TEXTS = st.one_of(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.*", min_size=1, max_size=12),
    st.uuids().map(str),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(str.isprintable),
    st.sampled_from(["A", "Zoë", "a", "*", "é" * 20, "00000000-0000-0000-0000-00000000000G"]),
)
KEYS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)
SPANS = st.one_of(
    st.sampled_from([1, 2, 127, 128, 16383, 16384, 604799, 604800, 604801]), st.integers(1, MAX_LIFETIME_SECONDS)
)
ISSUES = st.one_of(
    st.sampled_from([1767225600, 1767225601, 1767225727, 1767225728]), st.integers(1767225600, 4_000_000_000)
).map(Instant)
VERSIONS = st.sampled_from(["1", "2.0", "3.0.0", "3.0.0-rc.1", "10.20.30+b7"])
DOMAINS = st.sampled_from(["example.com", "*.example.com", "localhost", "xn--bcher-kva.example", "a.b.c.example"])
DEVICES = st.one_of(
    st.binary(min_size=32, max_size=32).map(bytes.hex).filter(lambda digits: len(set(digits)) > 1),
    st.sampled_from(["fp-7c1e40aa9d3b", "web-1x2y3z", "Gerät Nr. 7", "F" * 32 + "e" * 32, LICENSE_ID]),
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """None, or what *strategy* gives."""
    return st.one_of(st.none(), strategy)


POLICIES = st.builds(
    Policy,
    name=st.one_of(st.just("signed-key"), TEXTS),
    term_grace_seconds=st.one_of(st.just(604800), st.integers(0, 365 * DAY)),
    grace_access=st.sampled_from(["full", "limited"]),
    warn_before_seconds=maybe(SPANS),
    essential=st.lists(KEYS, max_size=2, unique=True).map(tuple),
    edition=maybe(TEXTS),
    below_version=maybe(VERSIONS),
    domains=st.lists(DOMAINS, max_size=2).map(tuple),
    clock_strictness=st.sampled_from(["off", "countdown"]),
    max_revocation_age_seconds=maybe(SPANS),
)


@st.composite
def key_grants(draw: st.DrawFn) -> Grant:
    """Grants that signed keys can be; a few are too long for one."""
    issued_at = draw(ISSUES)
    span = draw(maybe(SPANS))
    offset = draw(maybe(SPANS))
    times = maybe(st.integers(1, 5 * 10**9).map(lambda seconds: Instant(issued_at + seconds)))
    keys = draw(st.lists(KEYS, max_size=4, unique=True))
    return signed_key_grant(
        product=draw(TEXTS),
        license_id=draw(TEXTS),
        policy=draw(st.one_of(st.just(Policy(name="signed-key")), POLICIES)),
        issued_at=issued_at,
        kid=SIGNER.kid,
        expires_at=None if span is None else Instant(issued_at + span),
        starts_at=None if offset is None or (span is not None and offset >= span) else Instant(issued_at + offset),
        entitlements=tuple(
            Entitlement(key=key, expires_at=draw(times), below_version=draw(maybe(VERSIONS))) for key in keys
        ),
        device=draw(maybe(DEVICES)),
        customer=draw(maybe(TEXTS)),
        status=draw(maybe(st.builds(StatusRef, uri=TEXTS, index=st.integers(0, 2**31 - 1)))),
    )
