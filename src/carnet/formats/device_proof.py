"""
The device proof: one request, signed with the key pair that the device made when it was activated (SEC-45).

Travels in the header `Carnet-Device-Proof` of refresh and deactivate; specs/answer.md §6. It says which request it is
for (method, path, body) and when it was made. Whoever has only the license key and the fingerprint cannot make one.
"""

from __future__ import annotations

from typing import Final

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, NotGenuineError
from carnet.core.instant import Instant
from carnet.formats.encoding import sha256_b64url
from carnet.formats.jws import open_jws_with, sign_jws
from carnet.formats.keys import PublicKey, Signer
from carnet.formats.limits import MAX_ID
from carnet.formats.policy_claims import is_text, is_time

TYP: Final = "carnet-device-proof+jwt"
MAX_DEVICE_PROOF: Final = 2048
LEEWAY_SECONDS: Final = 300
"""How far the device's clock and the server's may be apart; the contracts' SDKs use the same (licenseseat.md §3.6)."""

_WHAT: Final = "The device proof"
_FIX: Final = "Make a new proof for each request, with the key pair that this device was activated with."


class DeviceProof(Struct):
    """
    A proof that was checked.

    Attributes:
        id: The proof's own id (`jti`); the server accepts each once.
        at: When the device made it, by its own clock.
    """

    id: str
    at: Instant


def make_device_proof(signer: Signer, *, method: str, path: str, body: bytes, at: Instant, nonce: str) -> str:
    """
    Prove possession of the device's key for one request.

    Args:
        signer: The device's key.
        method: Upper-case HTTP method.
        path: The path of the request's URL as it is sent, without scheme, host and query.
        body: The request's body exactly as it is sent.
        at: Now, by the device's clock.
        nonce: Unique per proof, unguessable; becomes its id.
    """
    claims = {"htm": method, "htu": path, "body_sha256": sha256_b64url(body), "iat": at, "jti": nonce}
    return sign_jws(claims, typ=TYP, signer=signer)


def verify_device_proof(
    text: str | bytes,
    public_key: PublicKey,
    *,
    method: str,
    path: str,
    body: bytes,
    now: Instant,
    leeway_seconds: int = LEEWAY_SECONDS,
) -> DeviceProof:
    """
    Check that the holder of *public_key* made *text* for this request, just now.

    Args:
        text: The header's value exactly as received; ASCII, at most 2 KiB.
        public_key: The key that the device gave at its activation.
        method: The request's method.
        path: The request's path as received.
        body: The request's body as received.
        now: The server's clock.
        leeway_seconds: The largest difference accepted between the device's clock and *now*, either way.

    Raises:
        MalformedError: The codes of `open_jws_with`; ``missing_claim``, ``bad_claim``.
        NotGenuineError: The codes of `open_jws_with`; ``proof_not_bound``: it was made for another request;
            ``proof_out_of_time``: the clocks are too far apart, or it is an old one.

    Does not know which ids were used before: whoever serves requests keeps those.
    """
    claims = open_jws_with(text, typ=TYP, key=public_key, max_bytes=MAX_DEVICE_PROOF, what=_WHAT)
    for name in ("htm", "htu", "body_sha256", "jti", "iat"):
        if name not in claims:
            raise MalformedError("missing_claim", f"{_WHAT} has no {name}.", _FIX)
        if name != "iat" and not is_text(claims[name]):
            raise MalformedError("bad_claim", f"{_WHAT}'s {name} is not 1 to {MAX_ID} printable characters.", _FIX)
    if not is_time(claims["iat"]):
        raise MalformedError("bad_claim", f"{_WHAT}'s iat is not a time in whole Unix seconds.", _FIX)
    if (claims["htm"], claims["htu"], claims["body_sha256"]) != (method, path, sha256_b64url(body)):
        raise NotGenuineError("proof_not_bound", f"{_WHAT} was made for another request.", _FIX)
    if abs(now - claims["iat"]) > leeway_seconds:
        raise NotGenuineError(
            "proof_out_of_time",
            f"{_WHAT} was made at {Instant(claims['iat'])}; it is {Instant(now)} here.",
            "Set the device's clock right and try again.",
        )
    return DeviceProof(id=claims["jti"], at=Instant(claims["iat"]))
