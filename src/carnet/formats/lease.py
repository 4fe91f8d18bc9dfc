"""
The lease token: a floating seat for a while, under the server's seal (specs/lease.md).

Belongs here: `typ` ``carnet-lease+jwt``, its claims, both ways, signed by a key of the role ``lease``. Does not belong
here: who gets a lease (`core.leases`), and whether it is over: its reader compares `expires_at` with its own clock.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import Instant
from carnet.core.lease_terms import HOLDER_KINDS, MAX_HOLDER_ID, LeaseHolder
from carnet.formats.jws import open_jws, sign_jws
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from carnet.formats.policy_claims import is_text, is_time

TYP: Final = "carnet-lease+jwt"
MAX_LEASE_TOKEN: Final = 4096

_CLAIMS: Final = ("iss", "aud", "sub", "jti", "iat", "nbf", "exp", "lease", "holder")
_WHAT: Final = "The lease token"
_FIX: Final = "Claim the lease again."


class LeaseToken(Struct):
    """
    What a lease token says. Holds while ``issued_at ≤ now < expires_at``.

    Attributes:
        id: Unique per token (`jti`).
        issuer: The installation's id.
        product: The product.
        license_id: The license whose pool it is from.
        lease_id: The lease; the same in every token of it.
        holder: Who may use it.
        issued_at: `iat`, a minute before the real moment (SEC-04).
        expires_at: `exp`.
        is_borrowed: Whether it was taken along for travel.
    """

    id: str
    issuer: str
    product: str
    license_id: str
    lease_id: str
    holder: LeaseHolder
    issued_at: Instant
    expires_at: Instant
    is_borrowed: bool = False


def issue_lease_token(token: LeaseToken, signer: Signer) -> str:
    """
    Sign *token*.

    Args:
        token: What to say.
        signer: Holder of a key of the role ``lease``.

    Returns:
        The token: ASCII, one line.

    Raises:
        UsageError: ``bad_lease``: what the verifier would refuse; nothing was signed.
    """
    claims: dict[str, Any] = {
        "iss": token.issuer,
        "aud": token.product,
        "sub": token.license_id,
        "jti": token.id,
        "iat": int(token.issued_at),
        "nbf": int(token.issued_at),
        "exp": int(token.expires_at),
        "lease": token.lease_id,
        "holder": {"kind": token.holder.kind, "id": token.holder.id},
    }
    if token.is_borrowed:
        claims["borrowed"] = True
    try:
        _token_of(claims)
    except MalformedError as bad:
        raise UsageError(
            "bad_lease",
            f"This cannot be a lease token: {bad.message}",
            "Give ids of 1 to 255 printable characters, and an end that is after the beginning.",
        ) from None
    return sign_jws(claims, typ=TYP, signer=signer)


def verify_lease_token(text: str | bytes, ring: KeyRing) -> LeaseToken:
    """
    Verify that *text* is a lease token of the vendor's server, and decode it. The steps of specs/lease.md §4.

    Args:
        text: The token exactly as received; ASCII, at most 4 KiB.
        ring: The trusted keys; those of the role ``lease`` count.

    Raises:
        MalformedError: The codes of `open_jws`; ``missing_claim``, ``bad_claim``, ``bad_times``.
        NotGenuineError: The codes of `open_jws`.

    Does not judge time, nor whose lease the reader expects.
    """
    claims, _ = open_jws(text, typ=TYP, role="lease", ring=ring, max_bytes=MAX_LEASE_TOKEN, what=_WHAT)
    return _token_of(claims)


def _token_of(claims: dict[str, Any]) -> LeaseToken:
    for name in _CLAIMS:
        if name not in claims:
            raise MalformedError("missing_claim", f"{_WHAT} has no {name}.", _FIX)
    for name in ("iss", "aud", "sub", "jti", "lease"):
        if not is_text(claims[name]):
            raise _bad_claim(name)
    issued_at, not_before, expires_at = claims["iat"], claims["nbf"], claims["exp"]
    if not (is_time(issued_at) and is_time(not_before) and is_time(expires_at)):
        raise MalformedError("bad_claim", f"{_WHAT} has a time that is not in whole Unix seconds.", _FIX)
    if not issued_at <= not_before < expires_at or expires_at - issued_at > MAX_LIFETIME_SECONDS:
        raise MalformedError("bad_times", f"{_WHAT} must have iat ≤ nbf < exp, at most ten years apart.", _FIX)
    if claims.get("borrowed", True) is not True:
        raise _bad_claim("borrowed")
    return LeaseToken(
        id=claims["jti"],
        issuer=claims["iss"],
        product=claims["aud"],
        license_id=claims["sub"],
        lease_id=claims["lease"],
        holder=_holder_of(claims["holder"]),
        issued_at=Instant(issued_at),
        expires_at=Instant(expires_at),
        is_borrowed="borrowed" in claims,
    )


def _holder_of(holder: Any) -> LeaseHolder:
    if type(holder) is not dict or holder.get("kind") not in HOLDER_KINDS or not is_text(holder.get("id")):
        raise _bad_claim("holder")
    if len(holder["id"]) > MAX_HOLDER_ID:
        raise _bad_claim("holder")
    return LeaseHolder(kind=holder["kind"], id=holder["id"])


def _bad_claim(name: str) -> MalformedError:
    return MalformedError("bad_claim", f"{_WHAT}'s {name} has a wrong type or is out of its bounds.", _FIX)
