"""
Offline tokens: the signed JSON document that older LicenseSeat clients understand; contracts/licenseseat.md §4.

The native page is specs/offline-token.md, whose verification steps are marked below. Belongs here: the document, its
signature, its members, both ways. Does not belong here: the HTTP call that hands it out, and judging time, product,
device or revocation (`carnet.core.rules`). New clients get license tokens and machine files instead.

The token names the license by its key, in clear, because the contract says so: treat the document as a secret.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NoReturn, TypeGuard

from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy
from carnet.core.policies import is_entitlement_key
from carnet.formats.encoding import b64_decode, b64_encode, read_kindly, sha256_hex
from carnet.formats.fingerprint import check_device_identifier, has_control_characters
from carnet.formats.keys import KeyRing, Role, Signer
from carnet.formats.limits import MAX_ENTITLEMENTS, MAX_LICENSE_KEY_TYPED, MAX_MACHINE_FILE
from carnet.formats.policy_claims import distinct, is_text, is_time
from carnet.formats.strict_json import dump_json, parse_object

Mode = Literal["hardware_locked", "floating", "named_user"]

OBJECT: Final = "offline_token"
"""What the document's member `object` says it is (contract §4.2)."""

SCHEMA_VERSION: Final = 1
MAX_LIFETIME_SECONDS: Final = 100 * 366 * DAY
"""What the contract allows from `iat` to `exp` (§4.1); it wins over SEC-04's ten years on its own surface."""

_ROLE: Final[Role] = "offline"
_WHAT: Final = "The offline token"
_SIGNATURE_BYTES: Final = 64
_MODES: Final = ("hardware_locked", "floating", "named_user")
_KID: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
_SLUG: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_FIX: Final = "Fetch a new offline token from the vendor's server; if it stays so, tell the vendor."

_DOCUMENT: Final = frozenset(("object", "token", "signature", "canonical"))
_SIGNATURE: Final = frozenset(("algorithm", "key_id", "value"))
_REQUIRED: Final = frozenset(
    (
        "schema_version",
        "license_key",
        "product_slug",
        "plan_key",
        "mode",
        "fingerprint",
        "iat",
        "nbf",
        "exp",
        "kid",
        "entitlements",
        "metadata",
    )
)
_OPTIONAL: Final = frozenset(("seat_limit", "license_expires_at"))


def issue_offline_token(
    grant: Grant,
    *,
    license_key: str,
    signer: Signer,
    mode: Mode = "hardware_locked",
    metadata: dict[str, Any] | None = None,
) -> str:
    """
    Write *grant* as an offline token and sign it.

    The contract knows no grace for tokens: the policy's grace is part of `exp`, which never passes the license's end.
    Entitlements that ended by the issue time are left out; version ceilings have no place in it.

    Args:
        grant: Of kind ``token``, bound to a device, with an end. Its policy's name is the plan. `kid` is ignored.
        license_key: 1 to 512 visible ASCII characters.
        signer: Holder of the product's key; its id begins with a letter or digit (contract §1.5).
        mode: What the license is bound to.
        metadata: JSON values without fractions; at most 256 members, 128 KiB.

    Returns:
        The document: one line of JSON, at most 256 KiB. The same arguments give the same document.

    Raises:
        UsageError: ``bad_grant``: the contract has no token for this; ``bad_json_value``: metadata that has no
            canonical form, such as a number with a fraction. Nothing was signed.
    """
    claims = _claims_of(grant, license_key, signer.kid, mode, {} if metadata is None else metadata)
    canonical = dump_json(claims)
    try:
        _check_kid(signer.kid)
        check_device_identifier(claims["fingerprint"])
        _grant_of(_read_canonical(canonical), signer.kid, canonical)
    except MalformedError as bad:
        raise UsageError("bad_grant", f"This grant cannot be an offline token. {bad.message}", _FIX_GRANT) from None
    document = dump_json(
        {
            "object": OBJECT,
            "token": claims,
            "signature": {
                "algorithm": "Ed25519",
                "key_id": signer.kid,
                "value": b64_encode(signer.sign(canonical)),
            },
            "canonical": canonical.decode(),
        }
    )
    if len(document) > MAX_MACHINE_FILE:
        raise UsageError("bad_grant", "This grant does not fit into an offline token of 256 KiB.", _FIX_GRANT)
    # Checked with the public half before anyone sees it (style.md §2 principle 11).
    verify_offline_token(document, KeyRing.single(_ROLE, signer.public_key), license_key=license_key)
    return document.decode()


def verify_offline_token(data: bytes, ring: KeyRing, *, license_key: str | None = None) -> Grant:
    """
    Verify that an offline token was issued by a trusted key, and decode it. The steps of specs/offline-token.md §5.

    Args:
        data: The document as received, at most 256 KiB.
        ring: The trusted keys; those of the role ``offline`` count.
        license_key: The key that the token must name; None where the caller has none to compare.

    Returns:
        What the contract's own clients make of it: a grant of kind ``token``, with full use until its end, no grace,
        and a license id derived from the key.

    Raises:
        MalformedError: Not the document or not the token of the contract; the codes of `parse_object`,
            ``bad_document``, ``bad_kid``, ``bad_base64``, ``token_mismatch``, ``missing_claim``, ``unknown_claim``,
            ``bad_claim``, ``bad_times``, ``bad_entitlements``.
        NotGenuineError: ``unknown_key``, ``retired_key``, ``compromised_key``, ``bad_signature``, ``kid_mismatch``,
            ``license_mismatch``.

    Does not judge time, product or device: pass the grant to `carnet.core.rules.decide`.
    """
    token, canonical, kid, signature = _parts(data)  # steps 1 to 4
    key = ring.find(_ROLE, kid)  # step 5
    key.verify(signature, canonical)  # step 6: the text as received
    # Step 7: what was signed is what is shown. Compared as canonical text, because to Python 1 and true are equal.
    signed = _read_canonical(canonical)
    if dump_json(signed) != dump_json(token):
        _refuse("token_mismatch", f"{_WHAT} shows something else than what was signed.")
    grant = _grant_of(signed, kid, canonical)  # steps 8 to 11
    if license_key is not None and signed["license_key"] != license_key:  # step 12
        _contradict("license_mismatch", f"{_WHAT} is for another license key.")
    return grant


def unverified_offline_token(data: bytes) -> dict[str, Any]:
    """
    The members of an offline token that NOBODY HAS VERIFIED: for showing, never for deciding. Holds the license key.

    Raises:
        MalformedError: As `verify_offline_token` in its first steps.
    """
    return _parts(data)[0]


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_FIX_GRANT: Final = "Issue a license token or a machine file for this license instead."


def _claims_of(grant: Grant, license_key: str, kid: str, mode: Mode, metadata: dict[str, Any]) -> dict[str, Any]:
    issued_at, license_expires_at = grant.issued_at, grant.license_expires_at
    if grant.kind != "token" or grant.device is None or grant.offline_until is None:
        raise UsageError(
            "bad_grant", "An offline token is made from a grant of kind token, for a device, that has an end."
        )
    expires_at = grant.offline_until + grant.policy.grace_seconds
    claims: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "license_key": license_key,
        "product_slug": grant.product,
        "plan_key": grant.policy.name,
        "mode": mode,
        "fingerprint": grant.device,
        "iat": int(issued_at),
        "nbf": int(grant.not_before),
        "exp": int(expires_at if license_expires_at is None else min(expires_at, license_expires_at)),
        "kid": kid,
        "entitlements": [
            {"key": entry.key, "expires_at": None if entry.expires_at is None else int(entry.expires_at)}
            for entry in grant.entitlements
            if entry.expires_at is None or entry.expires_at > issued_at
        ],
        "metadata": metadata,
    }
    if grant.policy.seat_limit is not None:
        claims["seat_limit"] = grant.policy.seat_limit
    if license_expires_at is not None:
        claims["license_expires_at"] = int(license_expires_at)
    return claims


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parts(data: bytes) -> tuple[dict[str, Any], bytes, str, bytes]:
    """Token as shown, canonical text, key id and signature."""
    # Steps 1 and 2: size, then strict JSON.
    if len(data) > MAX_MACHINE_FILE:
        _refuse("too_large", f"{_WHAT} is larger than {MAX_MACHINE_FILE} bytes.")
    document = parse_object(
        read_kindly(data), max_bytes=MAX_MACHINE_FILE, max_string=MAX_MACHINE_FILE, what=f"{_WHAT}'s document"
    )
    # Step 3: exactly these members, of these types.
    token, signature, canonical = document.get("token"), document.get("signature"), document.get("canonical")
    if (
        document.keys() != _DOCUMENT
        or document["object"] != OBJECT
        or type(token) is not dict
        or type(canonical) is not str
        or type(signature) is not dict
        or signature.keys() != _SIGNATURE
        or signature["algorithm"] != "Ed25519"
        or type(signature["value"]) is not str
    ):
        _refuse("bad_document", f"{_WHAT} is not a document of object, token, signature and canonical.")
    # Step 4: the key id and the signature's spelling.
    kid = _check_kid(signature["key_id"])
    raw = b64_decode(signature["value"], f"{_WHAT}'s signature")
    if len(raw) != _SIGNATURE_BYTES:
        _refuse("bad_document", f"{_WHAT}'s signature does not have {_SIGNATURE_BYTES} bytes.")
    return token, canonical.encode(), kid, raw


def _read_canonical(canonical: bytes) -> dict[str, Any]:
    return parse_object(canonical, max_bytes=MAX_MACHINE_FILE, what=f"{_WHAT}'s canonical text")


def _grant_of(claims: dict[str, Any], kid: str, canonical: bytes) -> Grant:
    # Step 8: every member of the contract and no other.
    missing = _REQUIRED - claims.keys()
    if missing:
        _refuse("missing_claim", f"{_WHAT} has no {min(missing)}.")
    unknown = claims.keys() - _REQUIRED - _OPTIONAL
    if unknown:
        _refuse("unknown_claim", f"{_WHAT} has a member {min(unknown)[:60]!r} that its contract does not know.")
    # Step 9: the type and bounds of each.
    if type(claims["schema_version"]) is not int or claims["schema_version"] != SCHEMA_VERSION:
        _refuse_claim("schema_version", str(SCHEMA_VERSION))
    license_key = claims["license_key"]
    if (
        type(license_key) is not str
        or not 0 < len(license_key) <= MAX_LICENSE_KEY_TYPED
        or not _is_visible(license_key)
    ):
        _refuse_claim("license_key", f"1 to {MAX_LICENSE_KEY_TYPED} visible ASCII characters")
    if not _is_slug(claims["product_slug"]):
        _refuse_claim("product_slug", "a product's slug")
    if not is_text(claims["plan_key"]) or len(claims["plan_key"]) > 100:
        _refuse_claim("plan_key", "1 to 100 printable characters")
    if claims["mode"] not in _MODES:
        _refuse_claim("mode", " or ".join(_MODES))
    if not _is_fingerprint(claims["fingerprint"]):
        _refuse_claim("fingerprint", "8 to 255 bytes of text without control characters or blanks around it")
    if not _is_kid(claims["kid"]):
        _refuse_claim("kid", "a key id")
    seat_limit = claims.get("seat_limit")
    if "seat_limit" in claims and (type(seat_limit) is not int or seat_limit < 1):
        _refuse_claim("seat_limit", "a whole number from 1 on; a license without a limit has no such member")
    _check_metadata(claims["metadata"])
    issued_at, not_before, expires_at = _time(claims, "iat"), _time(claims, "nbf"), _time(claims, "exp")
    license_expires_at = _time(claims, "license_expires_at") if "license_expires_at" in claims else None
    entitlements = _entitlements(claims["entitlements"], issued_at)
    # Step 10: the times agree with each other.
    if not issued_at <= not_before < expires_at or expires_at - issued_at > MAX_LIFETIME_SECONDS:
        _refuse("bad_times", f"{_WHAT} must have iat ≤ nbf < exp, at most 100 years apart.")
    if license_expires_at is not None and license_expires_at <= issued_at:
        _refuse("bad_times", f"{_WHAT} was issued after the end of its license.")
    # Step 11: the key that signed is the one that the signed text names.
    if claims["kid"] != kid:
        _contradict("kid_mismatch", f"{_WHAT} says that another key signed it.")
    ttl = expires_at - issued_at
    return Grant(
        kind="token",
        id=f"offline-token-{sha256_hex(canonical)[:32]}",
        issuer=kid,
        product=claims["product_slug"],
        # As for machine files of others: the license key must not show in a decision (specs/machine-file.md §8).
        license_id=f"key-{sha256_hex(b'carnet/v1/license-id/' + license_key.encode())[:32]}",
        issued_at=issued_at,
        not_before=not_before,
        offline_until=expires_at,
        policy=Policy(
            name=claims["plan_key"],
            offline_ttl_seconds=ttl,
            max_offline_ttl_seconds=ttl,
            token_ttl_seconds=ttl,
            grace_seconds=0,
            term_grace_seconds=0,
            grace_access="full",
            refresh_after_seconds=min(DAY, ttl),
            seat_limit=seat_limit,
        ),
        device=claims["fingerprint"],
        license_expires_at=license_expires_at,
        entitlements=entitlements,
        kid=kid,
    )


def _time(claims: dict[str, Any], name: str) -> Instant:
    value = claims[name]
    if not is_time(value):
        _refuse_claim(name, "a time in whole Unix seconds")
    return Instant(value)


def _entitlements(value: Any, issued_at: Instant) -> tuple[Entitlement, ...]:
    if type(value) is not list or len(value) > MAX_ENTITLEMENTS:
        _refuse("bad_entitlements", f"{_WHAT}'s entitlements are not a list of up to {MAX_ENTITLEMENTS}.")
    entitlements: list[Entitlement] = []
    for each in value:
        if type(each) is not dict or each.keys() != {"key", "expires_at"} or not is_entitlement_key(each["key"]):
            _refuse("bad_entitlements", f"{_WHAT}'s entitlements are not objects of exactly a key and expires_at.")
        ends = each["expires_at"]
        if ends is not None and not (is_time(ends) and ends > issued_at):
            _refuse("bad_entitlements", f"{_WHAT} holds an entitlement whose end is not null or a time after iat.")
        entitlements.append(Entitlement(key=each["key"], expires_at=None if ends is None else Instant(ends)))
    return distinct(entitlements)


def _check_metadata(value: Any) -> None:
    """Contract §1.5. Its 128 KiB need no check: the document of 256 KiB holds the metadata twice."""
    if type(value) is not dict or len(value) > 256 or any(len(name.encode()) > 255 for name in value):
        _refuse_claim("metadata", "an object of up to 256 members with names of up to 255 bytes")


def _check_kid(kid: Any) -> str:
    if not _is_kid(kid):
        _refuse("bad_kid", f"{_WHAT}'s key id is not one: a letter or digit, then up to 254 of A-Z a-z 0-9 . _ : -.")
    return kid


def _is_kid(kid: Any) -> TypeGuard[str]:
    """Contract §1.5: ``^[A-Za-z0-9][A-Za-z0-9._:-]{0,254}$``."""
    return (
        type(kid) is str
        and 0 < len(kid) <= 255
        and kid.isascii()
        and kid[0].isalnum()
        and not kid.encode().translate(None, _KID)
    )


def _is_slug(value: Any) -> bool:
    """Contract §1.5: ``^[a-z0-9]+(-[a-z0-9]+)*$``, at most 100."""
    return (
        type(value) is str
        and 0 < len(value) <= 100
        and _SLUG.issuperset(value)
        and value[0] != "-" != value[-1]
        and "--" not in value
    )


def _is_fingerprint(value: Any) -> bool:
    """Contract §1.5, as inside signed artifacts."""
    return (
        type(value) is str
        and 8 <= len(value.encode()) <= 255
        and value == value.strip()
        and not has_control_characters(value)
    )


def _is_visible(text: str) -> bool:
    return all("!" <= letter <= "~" for letter in text)


def _refuse_claim(name: str, wanted: str) -> NoReturn:
    raise MalformedError("bad_claim", f"{_WHAT}'s {name} is not {wanted}.", _FIX) from None


def _refuse(code: str, sentence: str) -> NoReturn:
    raise MalformedError(code, sentence, _FIX) from None


def _contradict(code: str, sentence: str) -> NoReturn:
    raise NotGenuineError(code, sentence, "Do not use this token; fetch a new one.")
