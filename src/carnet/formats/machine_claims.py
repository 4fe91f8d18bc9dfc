"""
What stands inside a machine file: the claims of contracts/licenseseat.md §3.5, and how they become a `Grant`.

Belongs here: writing and reading the decrypted JSON, every rule of the claims table, and Carnet's own extras in
`data.attributes.metadata.carnet` (specs/machine-file.md §5, §6). Does not belong here: armour, signature, encryption
(`machine_file.py`), and judging time, product or revocation (`carnet.core.decide`).

Invariants: `grant_from_claims(claims_from_grant(g)) == g`. A value that stands twice must agree with itself, and what
the client already knows (key id, license key, device) must agree with the file. Each rule has its own code (SEC-18).
"""

from __future__ import annotations

from typing import Any, NoReturn

from carnet.core.errors import MalformedError, NotGenuineError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Grant, Policy
from carnet.formats.encoding import sha256_hex
from carnet.formats.fingerprint import has_control_characters
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from carnet.formats.machine_included import check_metadata, included_license, instant_or_none
from carnet.formats.policy_claims import (
    activation_status_from_claims,
    activation_status_to_claims,
    entitlements_from_claims,
    entitlements_to_claims,
    is_text,
    is_time,
    policy_from_claims,
    policy_to_claims,
    status_from_claims,
    status_to_claims,
)

SCHEMA_VERSION = 2
EXTRAS_VERSION = 1
MAX_GRACE_SECONDS = 30 * DAY
MAX_TTL_SECONDS = 100 * 366 * DAY
"""What the contract allows (§3.5). Files with our extras keep to ten years (SEC-04)."""

_SLUG = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_FIX = "Fetch a new machine file; if it stays so, tell the vendor that issued it."


def claims_from_grant(
    grant: Grant,
    *,
    offline_until: Instant,
    license_key: str,
    device_name: str,
    platform: str,
    kid: str,
    created: Instant | None,
) -> dict[str, Any]:
    """
    The content of a machine file, as JSON values.

    Args:
        grant: Kind ``machine-file``, with device and activation.
        offline_until: The end of its offline window.
        license_key: Canonical; the contract puts the key itself in `lic` and the license relationship.
        device_name: 0 … 255 characters; empty when unknown.
        platform: For example ``linux``; empty when unknown.
        kid: Of the key that will sign.
        created: When the device was activated, or None.

    Does not check the values: `machine_file.seal_machine_file` reads back what it writes.
    """
    issued_at = grant.issued_at
    attributes: dict[str, Any] = {
        "fingerprint": grant.device,
        "metadata": {"carnet": _extras_from_grant(grant)},
        "name": device_name,
        "platform": platform,
    }
    if created is not None:
        attributes["created"] = str(created)
    return {
        "data": {
            "attributes": attributes,
            "id": grant.activation_id,
            "relationships": {
                "license": {"data": {"id": license_key, "type": "licenses"}},
                "product": {"data": {"id": grant.product, "type": "products"}},
            },
            "type": "machines",
        },
        "meta": {
            "exp": offline_until,
            "expiry": str(offline_until),
            "grace_period": grant.policy.grace_seconds,
            "iat": issued_at,
            "issued": str(issued_at),
            "kid": kid,
            "lic": license_key,
            "license_exp": grant.license_expires_at,
            "nbf": grant.not_before,
            "schema_version": SCHEMA_VERSION,
            "ttl": offline_until - issued_at,
        },
    }


def _extras_from_grant(grant: Grant) -> dict[str, Any]:
    extras: dict[str, Any] = {
        "ent": entitlements_to_claims(grant.entitlements),
        "iss": grant.issuer,
        "jti": grant.id,
        "pol": policy_to_claims(grant.policy),
        "sub": grant.license_id,
        "v": EXTRAS_VERSION,
    }
    if grant.customer is not None:
        extras["cus"] = grant.customer
    if grant.license_starts_at is not None:
        extras["lic_nbf"] = grant.license_starts_at
    if grant.license_status_ref is not None:
        extras["status"] = status_to_claims(grant.license_status_ref)
        if grant.license_status_ref.minimum is not None:
            extras["status_min"] = list(grant.license_status_ref.minimum)
    if grant.activation_status_ref is not None:
        extras["act_status"] = activation_status_to_claims(grant.activation_status_ref, grant.license_status_ref)
    return extras


def grant_from_claims(claims: dict[str, Any], *, kid: str, license_key: str, fingerprint: str) -> Grant:
    """
    Check the content of an opened machine file and say what it grants (specs/machine-file.md §7, steps 9 to 13).

    Args:
        claims: What strict JSON gave; may be anything a genuine key signed.
        kid: The envelope's key id, under which the signature was verified.
        license_key: The key that opened the file.
        fingerprint: The fingerprint that opened it.

    Returns:
        The grant, of kind ``machine-file``.

    Raises:
        MalformedError: A claim is missing, of the wrong type, out of bounds, or contradicts another; a code each.
        NotGenuineError: ``kid_mismatch``, ``license_mismatch``, ``device_mismatch``: signed, but not about this key,
            license or device.

    Does not judge time, product or status: pass the result to `core.decide`.
    """
    meta, data = claims.get("meta"), claims.get("data")
    if type(meta) is not dict or type(data) is not dict:
        _refuse("bad_structure", "The file has no meta and data objects.")
    attributes, relationships = data.get("attributes"), data.get("relationships")
    if type(attributes) is not dict or type(relationships) is not dict or data.get("type") != "machines":
        _refuse("bad_structure", "The file's data is not a machine with attributes and relationships.")
    extras = _check_attributes(attributes)

    # step 9: the claims table of the contract, times first
    issued_at, not_before, offline_until = _window(meta, MAX_TTL_SECONDS if extras is None else MAX_LIFETIME_SECONDS)
    grace_seconds, license_exp = meta.get("grace_period"), meta.get("license_exp", "")
    if type(grace_seconds) is not int or not 0 <= grace_seconds <= MAX_GRACE_SECONDS:
        _refuse("bad_grace_period", f"The grace period is not from 0 to {MAX_GRACE_SECONDS} seconds.")
    if license_exp is not None and not is_time(license_exp):
        _refuse("bad_license_exp", "The end of the license is neither a time nor null.")
    if "sdk_version" in meta and not is_text(meta["sdk_version"]):
        _refuse("bad_sdk_version", "The file names an SDK version that is empty or no text.")
    activation_id = data.get("id")
    if not is_text(activation_id):
        _refuse("bad_activation", "The file does not name its activation.")
    product = _related(relationships, "product", "products")
    if product is None or not _is_slug(product):
        _refuse("bad_product", "The file does not name its product.")
    related_license = _related(relationships, "license", "licenses")
    if related_license is None:
        _refuse("bad_license", "The file does not name its license.")
    _check_fingerprint(attributes)

    # step 10: what the client already knows
    if meta.get("kid") != kid:
        _contradict("kid_mismatch", "The file says that another key signed it.")
    if related_license != meta.get("lic"):
        _contradict("license_mismatch", "The file names two license keys.")
    if meta["lic"] != license_key:
        _contradict("license_mismatch", "The file is for another license key than the one that opens it.")
    if attributes["fingerprint"] != fingerprint:
        _contradict("device_mismatch", "The file is for another device than the one it opens on.")

    # step 11: the license the client asked to be included
    license_expires_at = None if license_exp is None else Instant(license_exp)
    included = (
        included_license(claims["included"], meta["lic"], product, license_expires_at) if "included" in claims else None
    )

    # steps 12 and 13
    known: dict[str, Any] = {
        "kind": "machine-file",
        "product": product,
        "issued_at": issued_at,
        "not_before": not_before,
        "offline_until": offline_until,
        "activation_id": activation_id,
        "device": fingerprint,
        "license_expires_at": license_expires_at,
        "kid": kid,
    }
    if extras is not None:
        return _grant_with_extras(extras, grace_seconds, known)
    return _grant_of_contract(included or {}, license_key, grace_seconds, known)


def _window(meta: dict[str, Any], max_ttl: int) -> tuple[Instant, Instant, Instant]:
    if meta.get("schema_version") != SCHEMA_VERSION:
        _refuse("bad_schema_version", f"The file is not of schema version {SCHEMA_VERSION}.")
    iat, nbf, exp, ttl = meta.get("iat"), meta.get("nbf"), meta.get("exp"), meta.get("ttl")
    if not is_time(iat):
        _refuse("bad_iat", "The file's issue time is not a time.")
    if not is_time(nbf):
        _refuse("bad_nbf", "The file's start is not a time.")
    if not is_time(exp):
        _refuse("bad_exp", "The file's end is not a time.")
    if not iat <= nbf < exp:
        _refuse("bad_window", "The file is not issued before its start, or does not start before its end.")
    if type(ttl) is not int or exp - iat != ttl:
        _refuse("bad_ttl", "The file's time to live is not its end less its issue time.")
    if ttl > max_ttl:
        _refuse("ttl_too_long", f"The file lives for more than {max_ttl} seconds.")
    issued_at, offline_until = Instant(iat), Instant(exp)
    if meta.get("issued") != str(issued_at):
        _refuse("bad_issued", "The file's issue time is written in two ways that differ.")
    if meta.get("expiry") != str(offline_until):
        _refuse("bad_expiry", "The file's end is written in two ways that differ.")
    return issued_at, Instant(nbf), offline_until


def _related(relationships: dict[str, Any], name: str, kind: str) -> str | None:
    """The id of a JSON:API relationship to one resource of *kind*."""
    related = relationships.get(name)
    resource = related.get("data") if type(related) is dict else None
    if type(resource) is not dict or resource.get("type") != kind:
        return None
    identifier = resource.get("id")
    return identifier if type(identifier) is str and identifier else None


def _check_fingerprint(attributes: dict[str, Any]) -> None:
    """Contract §1.5 for what stands in signed artifacts."""
    fingerprint = attributes.get("fingerprint")
    if (
        type(fingerprint) is not str
        or not 8 <= len(fingerprint.encode()) <= 255
        or fingerprint != fingerprint.strip()
        or not _is_line(fingerprint)
    ):
        _refuse("bad_fingerprint", "The file does not name its device.")


def _check_attributes(attributes: dict[str, Any]) -> dict[str, Any] | None:
    """Everything in `data.attributes` but the fingerprint; returns our extras, or None for another vendor's file."""
    if not _is_line(attributes.get("name")):
        _refuse("bad_device_name", "The file's name of the device is not up to 255 characters of text.")
    if not _is_line(attributes.get("platform")):
        _refuse("bad_platform", "The file's platform is not up to 255 characters of text.")
    created = attributes.get("created")
    if created is not None and instant_or_none(created) is None:
        _refuse("bad_created", "The file's activation time is not a time.")
    components = attributes.get("fingerprint_components")
    if components is not None and not _are_components(components):
        _refuse("bad_components", "The file's fingerprint components are not short texts by name.")
    if "metadata" not in attributes:
        return None
    metadata = check_metadata(attributes["metadata"])
    if "carnet" not in metadata:
        return None
    extras = metadata["carnet"]
    if type(extras) is not dict or type(extras.get("v")) is not int or extras["v"] != EXTRAS_VERSION:
        _refuse("bad_extras_version", f"The file's Carnet extras are not of version {EXTRAS_VERSION}.")
    if "crit" in extras:  # RFC 7515 §4.1.11, the idea: extensions that must be understood; we know none
        _refuse("unknown_critical", "The file needs a newer version of this software.")
    return extras


def _grant_with_extras(extras: dict[str, Any], grace_seconds: int, known: dict[str, Any]) -> Grant:
    """Step 12: a file with our extras is the grant that was sealed, to the last field."""
    if not is_text(extras.get("jti")):
        _refuse("bad_jti", "The file's own id is not a text of 1 to 255 printable characters.")
    if not is_text(extras.get("iss")):
        _refuse("bad_iss", "The file's issuer is not a text of 1 to 255 printable characters.")
    if not is_text(extras.get("sub")):
        _refuse("bad_sub", "The file's license id is not a text of 1 to 255 printable characters.")
    if "cus" in extras and not is_text(extras["cus"]):
        _refuse("bad_cus", "The file's customer is not a text of 1 to 255 printable characters.")
    if "lic_nbf" in extras:
        if not is_time(extras["lic_nbf"]):
            _refuse("bad_lic_nbf", "The start of the license is not a time.")
        known["license_starts_at"] = Instant(extras["lic_nbf"])
    known["license_status_ref"] = status_from_claims(extras)
    if "act_status" in extras:
        known["activation_status_ref"] = activation_status_from_claims(
            extras["act_status"], known["license_status_ref"]
        )
    return Grant(
        id=extras["jti"],
        issuer=extras["iss"],
        license_id=extras["sub"],
        policy=policy_from_claims(extras.get("pol"), grace_seconds=grace_seconds),
        customer=extras.get("cus"),
        entitlements=entitlements_from_claims(extras.get("ent")),
        **known,
    )


def _grant_of_contract(included: dict[str, Any], license_key: str, grace_seconds: int, known: dict[str, Any]) -> Grant:
    """
    Step 13: a file without our extras says what the contract's own clients make of it (specs/machine-file.md §8).

    Its grace is full use until `exp + grace_period` and never past the license's end, and it has no license id: one is
    derived, because the license key must not show in a decision.
    """
    ttl = known["offline_until"] - known["issued_at"]
    policy = Policy(
        name=included.get("plan_key", "unknown"),
        offline_ttl_seconds=ttl,
        max_offline_ttl_seconds=ttl,
        token_ttl_seconds=ttl,
        grace_seconds=grace_seconds,
        term_grace_seconds=0,
        grace_access="full",
        refresh_after_seconds=min(DAY, ttl),
        seat_limit=included.get("seat_limit"),
    )
    return Grant(
        id=f"{known['activation_id']}/{known['issued_at']:d}",
        issuer=known["kid"],
        license_id=f"key-{sha256_hex(b'carnet/v1/license-id/' + license_key.encode())[:32]}",
        policy=policy,
        license_starts_at=included.get("starts_at"),
        entitlements=included.get("entitlements", ()),
        **known,
    )


def _are_components(value: Any) -> bool:
    return (
        type(value) is dict
        and len(value) <= 64
        and all(len(name) <= 100 and type(text) is str and len(text) <= 1024 for name, text in value.items())
    )


def _is_slug(text: str) -> bool:
    """Contract §1.5: ``^[a-z0-9]+(-[a-z0-9]+)*$``, at most 100."""
    return len(text) <= 100 and _SLUG.issuperset(text) and text[0] != "-" != text[-1] and "--" not in text


def _is_line(value: Any) -> bool:
    """0 … 255 characters without control characters; names of devices may hold what Python does not call printable."""
    return type(value) is str and len(value) <= 255 and (value.isprintable() or not has_control_characters(value))


def _refuse(code: str, sentence: str) -> NoReturn:
    raise MalformedError(code, sentence, _FIX) from None


def _contradict(code: str, sentence: str) -> NoReturn:
    raise NotGenuineError(code, sentence, "Do not use this file; fetch a new one.")
