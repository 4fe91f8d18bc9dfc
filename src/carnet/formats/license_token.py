"""
The license token: the short, signed credential of one activation; specs/license-token.md.

A compact JWS (`jws`) whose claims say what a `Grant` says. It carries the license's *id*, never its key, and nothing of
the customer but an opaque id. Whoever signs decides the terms; this module writes them down and reads them back:
verifying an issued token gives the grant again, with of its policy what `token_policy` keeps.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import Grant, Policy
from carnet.formats.jws import open_jws, sign_jws
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.limits import MAX_ENTITLEMENTS, MAX_ID, MAX_LIFETIME_SECONDS, MAX_TOKEN
from carnet.formats.policy_claims import (
    activation_status_from_claims,
    activation_status_to_claims,
    entitlements_from_claims,
    entitlements_to_claims,
    is_text,
    is_time,
    status_from_claims,
    status_to_claims,
)
from carnet.formats.strict_json import dump_json, parse_object

TYP: Final = "carnet-license+jwt"
_WHAT: Final = "The license token"
_FIX: Final = "Fetch a new token from the vendor's server; if it stays so, tell the vendor."

_TEXTS: Final = ("iss", "aud", "sub", "jti", "act", "dev", "cus")
_TIMES: Final = ("iat", "nbf", "exp", "lic_nbf")
_POLICY_TEXTS: Final = ("name", "edition", "below")
_POLICY_SECONDS: Final = ("ttl", "grace", "term_grace", "refresh", "warn", "status_age")

_SECONDS: Final = (
    ("ttl", "offline_ttl_seconds"),
    ("grace", "grace_seconds"),
    ("term_grace", "term_grace_seconds"),
    ("refresh", "refresh_after_seconds"),
)
"""Durations that every token states, as member of `pol` and as field of `Policy`."""


def issue_license_token(grant: Grant, signer: Signer) -> str:
    """
    Write *grant* as a license token and sign it.

    Args:
        grant: Of kind ``token``, with the terms decided. `kid` is ignored: it will be the signer's.
        signer: Holder of a key of the role ``token``.

    Returns:
        The token: ASCII, one line, at most 8 KiB.

    Raises:
        UsageError: ``bad_grant``: what the verifier would refuse; nothing was signed.
    """
    payload = _payload(grant)
    try:
        _grant_of(parse_object(payload, max_bytes=MAX_TOKEN, what=_WHAT), signer.kid)
    except MalformedError as bad:
        raise UsageError("bad_grant", f"This grant cannot be a license token: {bad.message}") from None
    return _signed(payload, signer)


def issue_unchecked_license_token(grant: Grant, signer: Signer) -> str:
    """
    As `issue_license_token`, without reading back what is signed: for an issuer that checks by sampling and makes
    grants only from values that it has bounded (docs/decisions/0048).

    Raises:
        UsageError: ``bad_grant``: another kind, without an end, or too large.
    """
    return _signed(_payload(grant), signer)


def _payload(grant: Grant) -> bytes:
    if grant.kind != "token" or grant.offline_until is None:
        raise UsageError("bad_grant", "A license token is made from a grant of kind token that has an end.")
    return dump_json(_claims_of(grant, grant.offline_until))


def _signed(payload: bytes, signer: Signer) -> str:
    token = sign_jws(payload, typ=TYP, signer=signer)
    if len(token) > MAX_TOKEN:
        raise UsageError("bad_grant", "This grant does not fit into a license token of 8 KiB.")
    return token


def verify_license_token(token: str | bytes, ring: KeyRing) -> Grant:
    """
    Verify that *token* was issued by a trusted key, and decode it. The steps of specs/license-token.md §5.

    Args:
        token: The token exactly as received; ASCII, at most 8 KiB.
        ring: The trusted keys; those of the role ``token`` count.

    Returns:
        What the signature covers, and nothing else.

    Raises:
        MalformedError: Not the one canonical form, another kind of artifact, or claims of a wrong type or order; the
            codes of `open_jws`, ``missing_claim``, ``bad_claim``, ``bad_times``, ``bad_policy``, ``bad_entitlements``,
            ``bad_status``.
        NotGenuineError: ``unknown_key``, ``retired_key``, ``compromised_key``, ``wrong_algorithm``, ``bad_signature``.

    Does not judge time, product, device or revocation: pass the grant to `carnet.core.rules.decide`.
    """
    # Steps 1 to 8.
    claims, kid = open_jws(token, typ=TYP, role="token", ring=ring, max_bytes=MAX_TOKEN, what=_WHAT)
    return _grant_of(claims, kid)


def token_policy(policy: Policy) -> Policy:
    """What a license token says of *policy*: all that a decision on a device needs; the rest at its defaults."""
    return Policy(
        name=policy.name,
        offline_ttl_seconds=policy.offline_ttl_seconds,
        grace_seconds=policy.grace_seconds,
        term_grace_seconds=policy.term_grace_seconds,
        grace_access=policy.grace_access,
        refresh_after_seconds=policy.refresh_after_seconds,
        warn_before_seconds=policy.warn_before_seconds,
        essential=policy.essential,
        edition=policy.edition,
        below_version=policy.below_version,
        domains=policy.domains,
        clock_strictness=policy.clock_strictness,
        max_revocation_age_seconds=policy.max_revocation_age_seconds,
    )


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _claims_of(grant: Grant, expires_at: Instant) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": grant.issuer,
        "aud": grant.product,
        "sub": grant.license_id,
        "jti": grant.id,
        "iat": grant.issued_at,
        "nbf": grant.not_before,
        "exp": expires_at,
        "lic_exp": grant.license_expires_at,
        "pol": _policy_claims(grant.policy),
        "ent": entitlements_to_claims(grant.entitlements),
    }
    if grant.activation_id is not None:
        claims["act"] = grant.activation_id
    if grant.device is not None:
        claims["dev"] = grant.device
    if grant.customer is not None:
        claims["cus"] = grant.customer
    if grant.license_starts_at is not None:
        claims["lic_nbf"] = grant.license_starts_at
    if grant.license_status_ref is not None:
        claims["status"] = status_to_claims(grant.license_status_ref)
        if grant.license_status_ref.minimum is not None:
            claims["status_min"] = list(grant.license_status_ref.minimum)
    if grant.activation_status_ref is not None:
        claims["act_status"] = activation_status_to_claims(grant.activation_status_ref, grant.license_status_ref)
    return claims


def _policy_claims(policy: Policy) -> dict[str, Any]:
    members: dict[str, Any] = {"name": policy.name}
    members.update((member, getattr(policy, field)) for member, field in _SECONDS)
    if policy.grace_access != "limited":
        members["access"] = policy.grace_access
    if policy.warn_before_seconds is not None:
        members["warn"] = policy.warn_before_seconds
    if policy.essential:
        members["essential"] = list(policy.essential)
    if policy.edition is not None:
        members["edition"] = policy.edition
    if policy.below_version is not None:
        members["below"] = policy.below_version
    if policy.domains:
        members["domains"] = list(policy.domains)
    if policy.clock_strictness != "off":
        members["clock"] = policy.clock_strictness
    if policy.max_revocation_age_seconds is not None:
        members["status_age"] = policy.max_revocation_age_seconds
    return members


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _grant_of(claims: dict[str, Any], kid: str) -> Grant:
    # Step 9: every claim that we know has exactly its type, and the required ones are there (SEC-04). Claims that we do
    # not know are ignored: one that old verifiers must not ignore needs a new `typ` (license-token.md §7).
    _check_types(claims, _TEXTS, _TIMES, ())
    get = claims.get
    license_status = status_from_claims(claims)
    try:
        issued_at, not_before, expires_at = claims["iat"], claims["nbf"], claims["exp"]
        license_expires_at, starts_at = claims["lic_exp"], get("lic_nbf")
        if license_expires_at is not None and not is_time(license_expires_at):
            raise _bad_claim("lic_exp", "a time in whole Unix seconds, or null")
        grant = Grant(
            kind="token",
            id=claims["jti"],
            issuer=claims["iss"],
            product=claims["aud"],
            license_id=claims["sub"],
            issued_at=Instant(issued_at),
            not_before=Instant(not_before),
            offline_until=Instant(expires_at),
            policy=_policy_of(claims["pol"]),
            activation_id=get("act"),
            device=get("dev"),
            customer=get("cus"),
            license_starts_at=None if starts_at is None else Instant(starts_at),
            license_expires_at=None if license_expires_at is None else Instant(license_expires_at),
            entitlements=entitlements_from_claims(claims["ent"]),
            license_status_ref=license_status,
            activation_status_ref=activation_status_from_claims(claims["act_status"], license_status)
            if "act_status" in claims
            else None,
            kid=kid,
        )
    except KeyError as missing:
        raise MalformedError("missing_claim", f"{_WHAT} has no {missing.args[0]}.", _FIX) from None
    # Step 10: the times agree with each other (SEC-04).
    if not issued_at <= not_before < expires_at or expires_at - issued_at > MAX_LIFETIME_SECONDS:
        raise MalformedError("bad_times", f"{_WHAT} must have iat ≤ nbf < exp, at most ten years apart.", _FIX)
    return grant


def _policy_of(members: Any) -> Policy:
    if type(members) is not dict:
        raise _bad_claim("pol", "an object")
    _check_types(members, _POLICY_TEXTS, (), _POLICY_SECONDS)
    get = members.get
    # Absent members have the meaning that license-token.md §3.2 fixes for ever; `Policy`'s own defaults may change.
    access, clock = get("access", "limited"), get("clock", "off")
    if access not in ("full", "limited"):
        raise _bad_claim("access", "full or limited")
    if clock not in ("off", "countdown"):
        raise _bad_claim("clock", "off or countdown")
    return Policy(
        name=members["name"],
        offline_ttl_seconds=members["ttl"],
        grace_seconds=members["grace"],
        term_grace_seconds=members["term_grace"],
        grace_access=access,
        refresh_after_seconds=members["refresh"],
        warn_before_seconds=get("warn"),
        essential=_texts(members, "essential") if "essential" in members else (),
        edition=get("edition"),
        below_version=get("below"),
        domains=_texts(members, "domains") if "domains" in members else (),
        clock_strictness=clock,
        max_revocation_age_seconds=get("status_age"),
    )


def _check_types(
    claims: dict[str, Any], texts: tuple[str, ...], times: tuple[str, ...], seconds: tuple[str, ...]
) -> None:
    """Check those of the named claims that are there; null is not an absent claim. Written out, because it is hot."""
    for name in texts:
        if name in claims:
            value = claims[name]
            if type(value) is not str or not 0 < len(value) <= MAX_ID or not value.isprintable():
                raise _bad_claim(name, f"1 to {MAX_ID} printable characters")
    for name in times:
        if name in claims:
            value = claims[name]
            if type(value) is not int or not 0 < value <= MAX_INSTANT:
                raise _bad_claim(name, "a time in whole Unix seconds")
    for name in seconds:
        if name in claims:
            value = claims[name]
            if type(value) is not int or not 0 <= value <= MAX_LIFETIME_SECONDS:
                raise _bad_claim(name, f"a whole number of seconds up to {MAX_LIFETIME_SECONDS}")


def _texts(claims: dict[str, Any], name: str) -> tuple[str, ...]:
    values = claims[name]
    if type(values) is list and 0 < len(values) <= MAX_ENTITLEMENTS and all(map(is_text, values)):
        return tuple(values)
    raise _bad_claim(name, f"1 to {MAX_ENTITLEMENTS} texts")


def _bad_claim(name: str, wanted: str) -> MalformedError:
    return MalformedError("bad_claim", f"{_WHAT}'s {name} is not {wanted}.", _FIX)
