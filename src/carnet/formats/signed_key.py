"""
Signed license keys: a key that says what it grants and proves it, without any server; specs/signed-license-key.md.

Belongs here: issuing and verifying. Does not belong here: groups and typing errors (`base32_groups`), what the payload
says (`signed_key_payload`), and judging time, product and device (`carnet.core.rules`).

A typing error is found by the groups' checks, before any signature is looked at. What has no signature never becomes a
grant (users-ask 46). There is one key for a grant, whoever issues it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import Instant
from carnet.core.model import Entitlement, Grant, Policy, StatusRef
from carnet.formats.base32_groups import (
    GroupError,
    are_groups,
    locate_typing_errors,
    read_groups,
    symbols_typed,
    write_all,
    write_groups,
)
from carnet.formats.group_search import Problem
from carnet.formats.keys import KeyRing, Role, Signer
from carnet.formats.license_key import MAX_TYPED_CHARACTERS
from carnet.formats.signed_key_payload import (
    MAX_PAYLOAD,
    key_hint,
    read_head,
    read_payload,
    signed_key_policy,
    write_payload,
)

__all__ = [
    "GroupError",
    "Problem",
    "canonical_signed_key",
    "issue_signed_key",
    "issue_signed_keys",
    "locate_typing_errors",
    "looks_like_signed_key",
    "signed_key_grant",
    "unverified_signed_key",
    "verify_signed_key",
]

MAX_KEY_CHARACTERS: Final = 480
"""The longest key that is issued. It leaves room for line breaks within the 512 characters that may be typed."""

_ROLE: Final[Role] = "license-key"
_DOMAIN: Final = b"carnet/v1/license-key\0"
"""What the signature puts before everything, so that it never passes as that of another artifact (SEC-03)."""

_SIGNATURE_BYTES: Final = 64
_LEAST_SYMBOLS: Final = 118
"""What the 64 bytes of a signature alone take: 103 symbols in 15 groups. Whatever is shorter carries none."""

_CHECK_EVERY: Final = 1000
_AHEAD: Final = 32


def signed_key_grant(
    *,
    product: str,
    license_id: str,
    policy: Policy,
    issued_at: Instant,
    kid: str,
    expires_at: Instant | None = None,
    starts_at: Instant | None = None,
    entitlements: tuple[Entitlement, ...] = (),
    device: str | None = None,
    customer: str | None = None,
    status: StatusRef | None = None,
) -> Grant:
    """
    What a signed key would grant: the terms of a license without what only a server can keep.

    Args:
        product: Its id; compared exactly by whoever verifies (SEC-05).
        license_id: 1 to 255 printable characters; a UUID takes the least room.
        policy: The license's; see `signed_key_payload.signed_key_policy` for what is kept.
        issued_at: Not before 2026; back-dated by the caller where clocks may be behind (SEC-04).
        kid: Of the key that will sign. It is also the grant's issuer: the key is all that a device knows of it.
        expires_at: End of the license, at most ten years after *issued_at*; None for a perpetual one (SEC-04).
        starts_at: Left out where it is not after *issued_at*.
        entitlements: Those that ended by *issued_at* are left out.
        device: The only device that may use the key; None for any.
        customer: An opaque id, never a name or an address (R-10).
        status: Where the license stands in the revocation lists, if there is a server that keeps them.
    """
    later = None if starts_at is None or starts_at <= issued_at else starts_at
    return Grant(
        kind="license-key",
        id=f"{license_id}/{issued_at:d}",
        issuer=kid,
        product=product,
        license_id=license_id,
        issued_at=issued_at,
        not_before=issued_at if later is None else later,
        offline_until=None,
        policy=signed_key_policy(policy, None if expires_at is None else expires_at - issued_at),
        device=device,
        customer=customer,
        license_starts_at=later,
        license_expires_at=expires_at,
        entitlements=tuple([e for e in entitlements if e.expires_at is None or issued_at < e.expires_at]),
        license_status_ref=status,
        kid=kid,
    )


def issue_signed_key(grant: Grant, signer: Signer) -> str:
    """
    Write *grant* as a signed license key. The same grant gives the same key.

    Args:
        grant: As `signed_key_grant` makes it, for this signer's key id.
        signer: Holder of a key of the role ``license-key``.

    Returns:
        The key: capitals, digits and hyphens, at most 480 characters; `verify_signed_key` gives *grant* back.

    Raises:
        UsageError: ``bad_grant``: a signed key cannot say this, or not in 480 characters; nothing was signed.
        NotGenuineError: ``bad_signature``: the signer's signature does not fit its public key; nothing may leave.
    """
    payload = _payload(grant, signer.kid)
    signed = _signed(signer.kid, payload)
    signature = signer.sign(signed)
    signer.public_key.verify(signature, signed)
    if read_payload(payload, signer.kid) != grant:
        raise UsageError("bad_grant", "This grant holds values that a signed key cannot carry.", _FIX_GRANT)
    return write_groups(payload + signature)


def issue_signed_keys(grants: Iterable[Grant], signer: Signer) -> Iterator[str]:
    """
    Issue a batch: as `issue_signed_key` for each of *grants*, in order, at less than twice the cost of signing.

    Every grant is checked before it is signed; the first signature and every thousandth are checked afterwards.

    Args:
        grants: As many as wanted; up to 32 are taken ahead.
        signer: As in `issue_signed_key`.

    Raises:
        UsageError, NotGenuineError: As `issue_signed_key`, at the grant in question; what was yielded stays good.
    """
    kid, sign = signer.kid, signer.sign
    prefix = _signed(kid, b"")
    ready: list[bytes] = []  # payload and signature, all of one length
    try:
        for number, grant in enumerate(grants):
            if number % _CHECK_EVERY == 0:
                yield from _written(ready)
                yield issue_signed_key(grant, signer)
                continue
            payload = _payload(grant, kid)
            if len(ready) == _AHEAD or (ready and len(ready[0]) != len(payload) + _SIGNATURE_BYTES):
                yield from _written(ready)
            ready.append(payload + sign(prefix + payload))
    except Exception:
        yield from _written(ready)
        raise
    yield from _written(ready)


def verify_signed_key(text: str, ring: KeyRing) -> Grant:
    """
    Verify that a license key was signed by a trusted key, and decode it. The steps of specs/signed-license-key.md §6.

    Args:
        text: What a person typed or pasted; at most 512 characters. Blanks, line ends, other separators, case and
            Crockford's aliases do not matter.
        ring: The trusted keys; those of the role ``license-key`` count.

    Returns:
        What the signature covers: a grant of kind ``license-key`` without an offline window; its license may end.

    Raises:
        MalformedError: ``too_large``; ``unsigned_key``: too short to carry a signature, such as a short key;
            ``mistyped_key``: see `locate_typing_errors`; ``bad_padding``, ``unknown_version``; and, of a key that a
            trusted signer made wrongly, ``bad_payload``, ``unknown_field``, ``bad_claim``, ``bad_times``,
            ``bad_entitlements``, ``bad_policy``, ``bad_fingerprint``, ``placeholder_fingerprint``.
        NotGenuineError: ``unknown_key``, ``retired_key``, ``compromised_key``, ``bad_signature``.

    Does not judge time, product, device or revocation: pass the grant to `carnet.core.rules.decide`.
    """
    # Steps 1 to 5: size, symbols, checks of the groups, bytes, version.
    payload, signature = _parts(text)
    hint = read_head(payload)
    # Step 6: the trusted keys that the hint may mean, almost always one.
    trusted = ring.keys()
    kids = [each.key.kid for each in trusted if each.role == _ROLE and key_hint(each.key.kid) == hint]
    if not kids:
        raise NotGenuineError(
            "unknown_key",
            f"The license key is signed with a key ({hint}…) that is not trusted for license keys.",
            "Check that it comes from this vendor; if the vendor has new keys, connect once to learn them.",
        )
    # Step 7: the signature, over the bytes as received and the whole id of the key (users-ask 66).
    for kid in kids[:-1]:
        try:
            return _verified(payload, signature, kid, ring)
        except NotGenuineError:
            continue  # another key with the same hint, one in 4,096
    return _verified(payload, signature, kids[-1], ring)


def canonical_signed_key(text: str) -> str | None:
    """
    The one canonical spelling of a correctly typed signed key, or None: another kind of key, or a mistyped one.

    Args:
        text: As in `verify_signed_key`.

    Does not look at the signature.
    """
    try:
        payload, signature = _parts(text)
        read_head(payload)
    except MalformedError:
        return None
    return write_groups(payload + signature)


def looks_like_signed_key(text: str) -> bool:
    """
    Whether *text* is meant to be a signed key: as long as one, and most of its groups fit, some perhaps mistyped.

    Args:
        text: Any; more than 512 characters are none.

    Says nothing about the signature. Keys of other systems and ordinary text are not meant (R-80).
    """
    return (
        _LEAST_SYMBOLS <= len(text) <= MAX_TYPED_CHARACTERS
        and symbols_typed(text) >= _LEAST_SYMBOLS
        and are_groups(text)
    )


def unverified_signed_key(text: str) -> tuple[Grant, str]:
    """
    What a signed key says that NOBODY HAS VERIFIED, and the hint at the key that signed it: for showing, never for
    deciding. The grant's `kid` and `issuer` are the hint.

    Raises:
        MalformedError: As `verify_signed_key`.
    """
    payload, _ = _parts(text)
    hint = read_head(payload)
    return read_payload(payload, hint), hint


_FIX_GRANT: Final = "Make the grant with signed_key_grant, for the key that signs."


def _payload(grant: Grant, kid: str) -> bytes:
    try:
        payload = write_payload(grant, kid)
    except MalformedError as bad:
        raise UsageError("bad_grant", f"This grant cannot be a signed key. {bad.message}", _FIX_GRANT) from None
    if len(payload) > MAX_PAYLOAD:
        raise UsageError(
            "bad_grant",
            f"This grant does not fit into a signed key of {MAX_KEY_CHARACTERS} characters.",
            "Leave out what is not needed, use shorter names, or send a license file instead.",
        )
    return payload


def _signed(kid: str, payload: bytes) -> bytes:
    return b"%b%b\0%b" % (_DOMAIN, kid.encode(), payload)


def _written(ready: list[bytes]) -> list[str]:
    keys = write_all(ready) if ready else []
    ready.clear()
    return keys


def _parts(text: str) -> tuple[bytes, bytes]:
    if symbols_typed(text) < _LEAST_SYMBOLS:
        raise MalformedError(
            "unsigned_key",
            "This license key carries no signature, so it cannot be checked without the server.",
            "Activate online with it; if it should be longer, copy the whole key.",
        )
    data = read_groups(text)
    return data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]


def _verified(payload: bytes, signature: bytes, kid: str, ring: KeyRing) -> Grant:
    ring.find(_ROLE, kid).verify(signature, _signed(kid, payload))
    # Steps 8 and 9: only now what it says.
    return read_payload(payload, kid)
