"""
License tokens as applications written for Keyforge read them; contracts/keyforge.md §5, specs/token-profiles.md §4.

Three steps, each a pure function: `draw_up_keyforge_token` applies the rules of §5.1 to a license and a device,
`keyforge_claims` writes the facts as claims, `keyforge_facts` reads claims back and checks them. `issue_…` and
`verify_…` add the signature, `judge_…` the time, product and device. Not here: HTTP, and seats.

A token names the license by its key, in clear, because the contract says so: treat it as a secret.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import BACKDATE_SECONDS
from carnet.core.reasons import reason
from carnet.formats.jws import sign_jws
from carnet.formats.keys import Algorithm, KeyRing, Signer
from carnet.formats.limits import MAX_ID, MAX_JSON_INTEGER, MAX_LICENSE_KEY_TYPED, MAX_TOKEN
from carnet.formats.profiles.verdicts import (
    MAX_PROFILE_LIFETIME_SECONDS,
    TYP,
    WHAT,
    Times,
    Verdict,
    a_text,
    a_time,
    an_object,
    bad_claim,
    check_times,
    judge,
    open_profile,
    required,
)
from carnet.formats.strict_json import dump_json, parse_object

KeyforgeStatus = Literal["active", "fallbacked"]
KeyforgeType = Literal["perpetual", "timed"]

MAX_IDENTIFIER: Final = 96
MAX_NAME: Final = 64
"""Characters of a device's identifier and name, as code points (contract §2.3)."""


class KeyforgeSettings(Struct):
    """
    A product's token configuration (contract §5.2).

    Attributes:
        validity_seconds: From `iat`; more than the 60 seconds that `iat` is dated back, at most 36,600 days.
        fallback_expires_at: What `license.expiresAt` says in a token of status ``fallbacked``: ``real`` is the payload
            as documented; ``null`` is for apps with the npm client, which refuses a date in the past (§5.1).
        include_email: Whether the token tells the customer's address to everyone who holds it.
    """

    validity_seconds: int = 14 * DAY
    fallback_expires_at: Literal["real", "null"] = "real"
    include_email: bool = False


class KeyforgeLicense(Struct):
    """A license as this API has it (contract §2.2); `expires_at` is None exactly when it is perpetual."""

    key: str
    product_id: str
    type: KeyforgeType
    created_at: Instant
    max_devices: int
    expires_at: Instant | None = None
    email: str | None = None


class KeyforgeDevice(Struct):
    """A device that is active on the license (contract §2.3)."""

    identifier: str
    name: str
    activated_at: Instant


class KeyforgeFacts(Struct):
    """What one token says. `license` is as of signing, and as the token shows it: see `KeyforgeSettings`."""

    status: KeyforgeStatus
    license: KeyforgeLicense
    device: KeyforgeDevice
    issued_at: Instant
    expires_at: Instant
    id: str | None = None
    not_before: Instant | None = None
    kid: str | None = None


# ── issuing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def keyforge_status(
    license_: KeyforgeLicense, *, is_revoked: bool, fallback_enabled: bool, now: Instant
) -> Literal["active", "fallbacked", "expired", "revoked"]:
    """The license's status in the order of contract §2.4; ``active`` and ``fallbacked`` are usable."""
    if is_revoked:
        return "revoked"
    if license_.type == "timed" and license_.expires_at is not None and license_.expires_at <= now:
        return "fallbacked" if fallback_enabled else "expired"
    return "active"


def draw_up_keyforge_token(
    license_: KeyforgeLicense,
    device: KeyforgeDevice,
    *,
    is_revoked: bool,
    fallback_enabled: bool,
    now: Instant,
    settings: KeyforgeSettings,
    id: str | None = None,  # noqa: A002 - the field's name
) -> KeyforgeFacts:
    """
    What a token for *device* says if it is signed *now*: the rules of contract §5.1.

    `issued_at` is dated back by 60 seconds. `expires_at` is `issued_at` plus the validity, and for a timed license
    that has not ended at most the license's end: then both end together, and the client asks for a new token.

    Args:
        license_: The license as stored, with its real end and address.
        device: The device, which must be active on the license; this is not checked here.
        is_revoked: Whether the license was revoked.
        fallback_enabled: Whether the product lets ended licenses go on with status ``fallbacked``.
        now: The time of signing.
        settings: The product's.
        id: The token's own id (`jti`), where the caller keeps one.

    Raises:
        UsageError: ``license_unusable``: revoked, or ended without fallback; the npm client does not look at `status`,
            so such a token must not exist. ``bad_token_settings``; ``bad_grant``: a timed license without an end.
    """
    _check_settings(settings)
    if (license_.type == "timed") != (license_.expires_at is not None):
        raise UsageError("bad_grant", "Exactly a timed license has an end.")
    status = keyforge_status(license_, is_revoked=is_revoked, fallback_enabled=fallback_enabled, now=now)
    if status in ("revoked", "expired"):
        raise UsageError(
            "license_unusable", f"No token is made for a license that is {status}.", "Refuse the request instead."
        )
    issued_at = Instant(max(now - BACKDATE_SECONDS, 1))
    expires_at = issued_at + settings.validity_seconds
    if status == "active" and license_.expires_at is not None:
        expires_at = min(expires_at, license_.expires_at)
    shows_end = status == "active" or settings.fallback_expires_at == "real"
    return KeyforgeFacts(
        status="active" if status == "active" else "fallbacked",
        license=KeyforgeLicense(
            key=license_.key,
            product_id=license_.product_id,
            type=license_.type,
            created_at=license_.created_at,
            max_devices=license_.max_devices,
            expires_at=license_.expires_at if shows_end else None,
            email=license_.email if settings.include_email else None,
        ),
        device=device,
        issued_at=issued_at,
        expires_at=Instant(expires_at),
        id=id,
    )


def keyforge_claims(facts: KeyforgeFacts) -> dict[str, Any]:
    """
    *facts* as claims (contract §5). Never `aud`, which strict libraries refuse, and never `nbf` (§5.1).

    `product.id` stands beside `license.productId`, because integrators were told of both.
    """
    license_, device = facts.license, facts.device
    claims: dict[str, Any] = {
        "status": facts.status,
        "license": {
            "key": license_.key,
            "productId": license_.product_id,
            "type": license_.type,
            "expiresAt": None if license_.expires_at is None else int(license_.expires_at),
            "createdAt": int(license_.created_at),
            "maxDevices": license_.max_devices,
            "email": license_.email,
        },
        "device": {
            "identifier": device.identifier,
            "name": device.name,
            "activationDate": int(device.activated_at),
        },
        "product": {"id": license_.product_id},
        "iat": int(facts.issued_at),
        "exp": int(facts.expires_at),
    }
    if facts.id is not None:
        claims["jti"] = facts.id
    return claims


def issue_keyforge_token(facts: KeyforgeFacts, signer: Signer) -> str:
    """
    Write *facts* as a token with the header ``{"alg", "kid", "typ": "JWT"}`` and sign it.

    Args:
        facts: From `draw_up_keyforge_token`, now or when the token was first made. `kid` is ignored.
        signer: The product's key: ES256 for Keyforge's own clients; EdDSA or RS256 where the vendor's app reads that.

    Raises:
        UsageError: ``bad_grant``: what the verifier would refuse; nothing was signed.
    """
    if facts.not_before is not None:
        raise UsageError("bad_grant", "A token of this profile has no nbf.")
    payload = dump_json(keyforge_claims(facts))
    try:
        keyforge_facts(parse_object(payload, max_bytes=MAX_TOKEN, what=WHAT))
    except MalformedError as bad:
        raise UsageError("bad_grant", f"These facts cannot be a token: {bad.message}") from None
    token = sign_jws(payload, typ=TYP, signer=signer)
    if len(token) > MAX_TOKEN:
        raise UsageError("bad_grant", "These facts do not fit into a token of 8 KiB.")
    return token


# ── verifying ────────────────────────────────────────────────────────────────────────────────────────────────────────


def verify_keyforge_token(
    token: str | bytes, ring: KeyRing, *, algorithms: tuple[Algorithm, ...] = ("ES256",)
) -> KeyforgeFacts:
    """
    Verify that *token* was issued by a configured key, and decode it: specs/token-profiles.md §6, steps 1 to 12.

    Args:
        token: Exactly as received; ASCII, at most 8 KiB.
        ring: The product's keys in the role ``token``, found by `kid`; a token without one needs a ring of one key.
        algorithms: What the vendor's keys may be; the contract knows ES256 only.

    Raises:
        MalformedError: The codes of `open_jws` and of `keyforge_facts`.
        NotGenuineError: ``unknown_key``, ``retired_key``, ``compromised_key``, ``wrong_algorithm``, ``bad_signature``.

    Does not judge time, product or device: a token that has ended is still genuine. Pass the facts to
    `judge_keyforge_token`.
    """
    claims, kid = open_profile(token, ring, algorithms)
    return keyforge_facts(claims, kid)


def keyforge_facts(claims: dict[str, Any], kid: str | None = None) -> KeyforgeFacts:
    """
    Read *claims* and check every type and bound; nothing is skipped because it is missing (contract §11).

    Raises:
        MalformedError: ``missing_claim``, ``bad_claim``, ``bad_times``.
    """
    # Step 10: every claim that the contract names has exactly its type.
    status = required(claims, "status")
    if status not in ("active", "fallbacked"):
        raise bad_claim("status", "active or fallbacked")
    facts = KeyforgeFacts(
        status=status,
        license=_license_of(an_object(claims, "license")),
        device=_device_of(an_object(claims, "device")),
        issued_at=a_time(claims, "iat"),
        expires_at=a_time(claims, "exp"),
        id=a_text(claims, "jti") if "jti" in claims else None,
        not_before=a_time(claims, "nbf") if "nbf" in claims else None,
        kid=kid,
    )
    if "sub" in claims:
        a_text(claims, "sub")
    # Step 11: the claims agree with each other.
    license_ = facts.license
    if license_.type == "perpetual" and (license_.expires_at is not None or status != "active"):
        raise bad_claim("license.expiresAt", "null with status active, as a perpetual license has it")
    if license_.type == "timed" and license_.expires_at is None and status == "active":
        raise bad_claim("license.expiresAt", "a time, as an active timed license has it")
    if "product" in claims and a_text(an_object(claims, "product"), "id", within="product.") != license_.product_id:
        raise bad_claim("product.id", "the license's productId")
    # Step 12.
    check_times(facts.issued_at, facts.expires_at)
    return facts


def judge_keyforge_token(
    facts: KeyforgeFacts,
    *,
    now: Instant,
    products: str | Collection[str],
    device: str,
    leeway_seconds: int = 0,
    latest_seen: Instant | None = None,
) -> Verdict:
    """
    Whether a genuine token opens the app on this device now.

    Args:
        facts: From `verify_keyforge_token`.
        now: This device's clock.
        products: The app's product id, or several; an empty collection matches nothing.
        device: This device's identifier; compared exactly.
        leeway_seconds: 0 to 300, for a clock that is a little wrong.
        latest_seen: `Verdict.latest_seen` of the last time, which the app keeps.

    Returns:
        The verdict. With status ``fallbacked`` the end of the license is no reason against it: that is what fallback
        means (§5.1); the end of the token always is.

    Raises:
        UsageError: ``bad_leeway``.
    """
    accepted = (products,) if isinstance(products, str) else products
    against = []
    if facts.license.product_id not in accepted:
        against.append(reason("wrong_product", licensed=facts.license.product_id, product=tuple(sorted(accepted))))
    if facts.device.identifier != device:
        against.append(reason("wrong_device"))
    times = Times(
        issued_at=facts.issued_at,
        expires_at=facts.expires_at,
        not_before=facts.not_before,
        license_expires_at=facts.license.expires_at if facts.status == "active" else None,
    )
    return judge(against, times, now=now, leeway_seconds=leeway_seconds, latest_seen=latest_seen)


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _license_of(members: dict[str, Any]) -> KeyforgeLicense:
    within = "license."
    type_, expires_at, email = (required(members, name, within=within) for name in ("type", "expiresAt", "email"))
    if type_ not in ("perpetual", "timed"):
        raise bad_claim("license.type", "perpetual or timed")
    max_devices = required(members, "maxDevices", within=within)
    if type(max_devices) is not int or not 1 <= max_devices <= MAX_JSON_INTEGER:
        raise bad_claim("license.maxDevices", "a whole number from 1 on")
    return KeyforgeLicense(
        key=a_text(members, "key", MAX_LICENSE_KEY_TYPED, within=within),
        product_id=a_text(members, "productId", within=within),
        type=type_,
        created_at=a_time(members, "createdAt", within=within),
        max_devices=max_devices,
        expires_at=None if expires_at is None else a_time(members, "expiresAt", within=within),
        email=None if email is None else a_text(members, "email", MAX_ID, within=within),
    )


def _device_of(members: dict[str, Any]) -> KeyforgeDevice:
    within = "device."
    return KeyforgeDevice(
        identifier=a_text(members, "identifier", MAX_IDENTIFIER, within=within),
        name=a_text(members, "name", MAX_NAME, within=within),
        activated_at=a_time(members, "activationDate", within=within),
    )


def _check_settings(settings: KeyforgeSettings) -> None:
    seconds = settings.validity_seconds
    if type(seconds) is not int or not BACKDATE_SECONDS < seconds <= MAX_PROFILE_LIFETIME_SECONDS:
        raise UsageError("bad_token_settings", "A token's validity must be 61 seconds to 36,600 days.")
    if settings.fallback_expires_at not in ("real", "null"):
        raise UsageError("bad_token_settings", "fallback_expires_at must be real or null.")
