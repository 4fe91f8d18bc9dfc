"""Hypothesis strategies for anything that `decide` may be given: also what no issuer would ever sign."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from carnet.core.decision import Evidence, Host
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.model import Entitlement, Fault, Grant, Policy, Refusal
from carnet.core.reasons import REASONS
from support.decisions import DEVICE, OTHER_DEVICE, at

NEAR = st.builds(at, st.integers(-3 * DAY, 12 * DAY))
INSTANTS = st.one_of(
    NEAR,
    st.builds(lambda days, seconds: at(days * DAY + seconds), st.integers(-3, 12), st.integers(-1, 1)),
    st.builds(Instant, st.integers(0, MAX_INSTANT)),
)
_SPANS = st.one_of(
    st.sampled_from([0, 1, 60, DAY, 2 * DAY, 5 * DAY, 10 * DAY]), st.integers(-10, 12 * DAY), st.just(10**18)
)
_PRODUCTS = st.sampled_from(["hustl", "hustl", "hustl", "hustl2"])
_DEVICES = st.sampled_from([DEVICE, DEVICE, DEVICE, OTHER_DEVICE, None])
_LICENSES = st.sampled_from(["license-1", "license-1", "license-2"])
_ACTIVATIONS = st.sampled_from(["activation-1", "activation-1", "activation-2", None])
_KEYS = st.sampled_from(["open", "save", "export-pdf", "cloud"])
_VERSIONS = st.sampled_from([None, "1.0", "2.0.0", "2.0.0-rc.1", "3", "new", ""])
_DOMAINS = st.sampled_from(["example.com", "*.example.com", "a.example.com", "a.b.example.com", "*", ""])
_EDITIONS = st.sampled_from([None, "studio", "lite", "\x1b[31m"])
_CODES = st.one_of(st.sampled_from(sorted(REASONS)), st.sampled_from(["from_the_future", "does_not_open"]), st.text())


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


ENTITLEMENTS = st.lists(
    st.builds(Entitlement, key=_KEYS, expires_at=_maybe(INSTANTS), below_version=_VERSIONS), max_size=4
).map(tuple)

_HOSTILE_POLICIES = st.builds(
    Policy,
    name=st.just("any"),
    offline_ttl_seconds=_SPANS,
    grace_seconds=_SPANS,
    term_grace_seconds=_SPANS,
    grace_access=st.sampled_from(["full", "limited"]),
    refresh_after_seconds=_SPANS,
    warn_before_seconds=_maybe(_SPANS),
    essential=st.lists(_KEYS, max_size=3).map(tuple),
    edition=_EDITIONS,
    below_version=_VERSIONS,
    domains=st.one_of(st.just(()), st.just(()), st.lists(_DOMAINS, max_size=2).map(tuple)),
    clock_strictness=st.sampled_from(["off", "countdown"]),
    max_revocation_age_seconds=_maybe(_SPANS),
)

_HOSTILE_GRANTS = st.builds(
    Grant,
    kind=st.sampled_from(["token", "machine-file", "license-key", "record"]),
    id=st.sampled_from(["a", "b", "c"]),
    issuer=st.just("issuer-1"),
    product=_PRODUCTS,
    license_id=_LICENSES,
    issued_at=NEAR,
    not_before=NEAR,
    offline_until=_maybe(INSTANTS),
    policy=_HOSTILE_POLICIES,
    activation_id=_ACTIVATIONS,
    device=_DEVICES,
    license_starts_at=_maybe(INSTANTS),
    license_expires_at=_maybe(INSTANTS),
    entitlements=ENTITLEMENTS,
)

_MILD_POLICIES = st.builds(
    Policy,
    name=st.just("mild"),
    grace_seconds=st.sampled_from([0, 60, DAY, 5 * DAY]),
    term_grace_seconds=st.sampled_from([0, 60, DAY, 5 * DAY]),
    grace_access=st.sampled_from(["full", "limited"]),
    warn_before_seconds=st.sampled_from([None, 0, DAY]),
    essential=st.sampled_from([(), ("open",), ("open", "save")]),
    edition=st.sampled_from([None, None, "studio"]),
    below_version=st.sampled_from([None, None, "2"]),
    max_revocation_age_seconds=st.sampled_from([None, None, 5 * DAY]),
    clock_strictness=st.sampled_from(["off", "countdown"]),
)

_MILD_GRANTS = st.builds(
    Grant,
    kind=st.sampled_from(["token", "machine-file", "license-key", "record"]),
    id=st.sampled_from(["a", "b", "c"]),
    issuer=st.just("issuer-1"),
    product=st.just("hustl"),
    license_id=st.just("license-1"),
    issued_at=st.builds(lambda days: at(days * DAY), st.integers(-2, 9)),
    not_before=st.just(at(-3 * DAY)),
    offline_until=_maybe(st.builds(lambda days: at(days * DAY), st.integers(0, 12))),
    policy=_MILD_POLICIES,
    activation_id=_ACTIVATIONS,
    device=st.sampled_from([DEVICE, None]),
    license_expires_at=_maybe(st.builds(lambda days: at(days * DAY), st.integers(0, 12))),
    entitlements=ENTITLEMENTS,
)

GRANTS = st.one_of(_HOSTILE_GRANTS, _MILD_GRANTS, _MILD_GRANTS)

REFUSALS = st.builds(
    Refusal,
    id=st.sampled_from(["r", "s", "t"]),
    code=_CODES,
    at=INSTANTS,
    product=_PRODUCTS,
    license_id=_maybe(_LICENSES),
    activation_id=_ACTIVATIONS,
    device=_DEVICES,
)

FAULTS = st.builds(Fault, code=_CODES, message=st.text(), fix=st.text(), artifact=st.sampled_from(["token", "file"]))


def _several(strategy: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=most).map(tuple)


_HOSTILE_EVIDENCE = st.builds(
    Evidence,
    grants=_several(GRANTS, 4),
    faults=st.one_of(st.just(()), _several(FAULTS, 3)),
    refusals=st.one_of(st.just(()), _several(REFUSALS, 3)),
    device=_DEVICES,
    foreign_state=st.booleans(),
    trusted_at=_maybe(INSTANTS),
    clock_suspect=st.booleans(),
    clock_suspect_at=_maybe(INSTANTS),
    revocation_checked_at=_maybe(INSTANTS),
    license_status=st.sampled_from([None, None, "active", "suspended", "revoked"]),
)

_MILD_EVIDENCE = st.builds(
    Evidence,
    grants=st.lists(_MILD_GRANTS, min_size=1, max_size=3).map(tuple),
    faults=st.one_of(st.just(()), st.just(()), _several(FAULTS, 1)),
    refusals=st.one_of(st.just(()), st.just(()), _several(REFUSALS, 1)),
    device=st.sampled_from([DEVICE, None]),
    trusted_at=_maybe(NEAR),
    clock_suspect=st.sampled_from([False, False, True]),
    clock_suspect_at=_maybe(NEAR),
    revocation_checked_at=_maybe(NEAR),
)

EVIDENCE = st.one_of(_HOSTILE_EVIDENCE, _MILD_EVIDENCE, _MILD_EVIDENCE)
"""Two parts of what devices have, so that the app often runs, and one of anything at all."""

HOSTS = st.builds(
    Host,
    product=st.just("hustl"),
    domain=st.sampled_from([None, "example.com", "a.example.com", "evil.example", "not a host"]),
    app_version=_VERSIONS,
    edition=_EDITIONS,
    max_offline_seconds=_maybe(_SPANS),
    max_grace_seconds=_maybe(_SPANS),
)
