"""
The envelope of our tokens: compact JWS with one accepted spelling (RFC 7515 §7.1; specs/license-token.md §2 and §5).

Belongs here: three parts, the header, the key, the signature. Does not belong here: what the claims mean.

Nothing in a token chooses anything: the algorithm is the key record's, the key is found by id among those trusted for
the role, the `typ` is the one the caller asks for, and a header member that could say otherwise (`jwk`, `jku`, `x5u`,
`crit`, …) is refused, known or not (SEC-01, SEC-02, SEC-03, SEC-12). The signature is checked over the bytes as
received, before the payload is decoded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NoReturn

from carnet.core.errors import MalformedError, NotGenuineError
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.keys import Algorithm, KeyRing, PublicKey, Role, Signer, check_kid
from carnet.formats.limits import MAX_JSON_STRING, MAX_TOKEN_HEADER
from carnet.formats.strict_json import dump_json, parse_object

_NAMES: Final[dict[Algorithm, tuple[str, ...]]] = {
    "Ed25519": ("EdDSA", "Ed25519"),
    "ES256": ("ES256",),
    "RS256": ("RS256",),
}
"""How `alg` may spell a key's algorithm (RFC 8037 §3.1, RFC 9864 §2.2, RFC 7518 §3.1). The first is what we write."""

_HEADER_MEMBERS: Final = frozenset(("alg", "kid", "typ"))
_FIX: Final = "Fetch or copy it again, complete and unchanged."


def sign_jws(claims: dict[str, Any] | bytes, *, typ: str, signer: Signer) -> str:
    """
    Sign *claims* as a compact JWS with the header ``{"alg", "kid", "typ"}``.

    Args:
        claims: The claims, or the bytes that `dump_json` made of them where the caller has already read those back.
        typ: The artifact kind's `typ` (SEC-03).
        signer: Its key id and algorithm are what the header names.
    """
    payload = dump_json(claims) if isinstance(claims, dict) else claims
    signed = _header(signer.public_key, typ, _NAMES[signer.public_key.alg][0]) + b"." + _encoded(payload)
    return f"{signed.decode()}.{b64url_encode(signer.sign(signed))}"


def open_jws(
    token: str | bytes,
    *,
    typ: str,
    role: Role,
    ring: KeyRing,
    max_bytes: int,
    what: str,
    needs_kid: bool = True,
    max_string: int = MAX_JSON_STRING,
) -> tuple[dict[str, Any], str]:
    """
    Check a compact JWS and return its claims and the id of the key that signed it. The steps of license-token.md §5.

    Args:
        token: Exactly as received; ASCII.
        typ: The one `typ` that is accepted, compared exactly.
        role: What the signing key must be trusted for.
        ring: The trusted keys.
        max_bytes: Largest *token* accepted.
        what: What this is, for errors' sentences: ``The license token``.
        needs_kid: False for tokens of others whose header may leave `kid` out (specs/token-profiles.md §3): then the
            one key that is usable for the role is meant, and there must be exactly one.
        max_string: Longest string in the claims, for a kind that carries something larger within one.

    Raises:
        MalformedError: ``too_large``, ``bad_compact``, ``bad_base64``, ``bad_header``, ``wrong_type``, ``bad_kid``, and
            the codes of `parse_object` for header and payload.
        NotGenuineError: ``unknown_key``, ``retired_key``, ``compromised_key``, ``wrong_algorithm``, ``bad_signature``.

    Does not judge the claims, times among them.
    """
    header, payload, signature, signed = _parts(token, max_bytes, what)
    # Steps 3 to 6 for the header that our own signers write: equal bytes say all that reading it would.
    known = ring.headers.get((role, typ))
    if known is None:
        known = ring.headers[role, typ] = _known_headers(ring, role, typ)
    key = known.get(header) or _read_header(header, typ, role, ring, what, needs_kid=needs_kid)
    _verify(key, signature, signed, what)
    # Step 8: only now the payload.
    return parse_object(b64url_decode(payload, what), max_bytes=max_bytes, what=what, max_string=max_string), key.kid


def open_jws_with(token: str | bytes, *, typ: str, key: PublicKey, max_bytes: int, what: str) -> dict[str, Any]:
    """
    As `open_jws`, for the one key that the caller found elsewhere: a device's own.

    Raises:
        MalformedError: As `open_jws`.
        NotGenuineError: As `open_jws`; ``unknown_key`` where the header names another key.
    """
    header, payload, signature, signed = _parts(token, max_bytes, what)
    if header not in _headers_of(key, typ):
        kid, alg = _header_members(header, typ, what)
        if kid != key.kid:
            raise NotGenuineError("unknown_key", f"{what} is signed with another key than the expected one.", _FIX)
        _check_algorithm(alg, key, what)
    _verify(key, signature, signed, what)
    return parse_object(b64url_decode(payload, what), max_bytes=max_bytes, what=what)


def unverified_jws(
    token: str | bytes, *, max_bytes: int, what: str, max_string: int = MAX_JSON_STRING
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    The header and claims of a compact JWS that NOBODY HAS VERIFIED: for showing and sorting files, never for deciding.

    Raises:
        MalformedError: As `open_jws`, but any header is read.
    """
    header, payload, _, _ = _parts(token, max_bytes, what)
    return (
        parse_object(b64url_decode(header, what), max_bytes=MAX_TOKEN_HEADER, what=f"{what}'s header"),
        parse_object(b64url_decode(payload, what), max_bytes=max_bytes, what=what, max_string=max_string),
    )


def _parts(token: str | bytes, max_bytes: int, what: str) -> tuple[bytes, bytes, bytes, bytes]:
    # Step 1: size and character set, before anything is decoded (SEC-10).
    if len(token) > max_bytes:
        _refuse("too_large", f"{what} is larger than {max_bytes} bytes.")
    if not token.isascii():
        _refuse("bad_compact", f"{what} holds a character that is not ASCII.")
    text = token.encode() if isinstance(token, str) else token
    # Step 2: exactly three parts (SEC-08).
    try:
        header, payload, signature = text.split(b".")
    except ValueError:
        _refuse("bad_compact", f"{what} does not have exactly three parts.")
    return header, payload, signature, text[: -len(signature) - 1]


def _read_header(header: bytes, typ: str, role: Role, ring: KeyRing, what: str, *, needs_kid: bool = True) -> PublicKey:
    kid, alg = _header_members(header, typ, what, needs_kid=needs_kid)
    key = ring.find(role, kid) if kid is not None else _only_key(ring, role, what)  # step 5
    _check_algorithm(alg, key, what)
    return key


def _only_key(ring: KeyRing, role: Role, what: str) -> PublicKey:
    usable = ring.usable(role)
    if len(usable) != 1:
        raise NotGenuineError("unknown_key", f"{what} names no key, and more or less than one is trusted here.", _FIX)
    return usable[0]


def _header_members(header: bytes, typ: str, what: str, *, needs_kid: bool = True) -> tuple[str | None, Any]:
    # Step 3: exactly the members we know, so that no key material and no `crit` comes in (SEC-02).
    members = parse_object(b64url_decode(header, what), max_bytes=MAX_TOKEN_HEADER, what=f"{what}'s header")
    if members.keys() != _HEADER_MEMBERS and (needs_kid or members.keys() != _HEADER_MEMBERS - {"kid"}):
        _refuse("bad_header", f"{what}'s header must have exactly the members alg, kid and typ.")
    # Step 4: one kind of artifact never passes as another (SEC-03).
    if members["typ"] != typ:
        _refuse("wrong_type", f"{what} was expected, and this is something else.")
    return check_kid(members["kid"]) if "kid" in members else None, members["alg"]


def _check_algorithm(alg: Any, key: PublicKey, what: str) -> None:
    # Step 6: what the token says of its algorithm must agree with our record, and decides nothing (SEC-01).
    if alg not in _NAMES[key.alg]:
        raise NotGenuineError("wrong_algorithm", f"{what} names another algorithm than its key has.", _FIX)


def _verify(key: PublicKey, signature: bytes, signed: bytes, what: str) -> None:
    # Step 7: the signature, over the bytes as received.
    key.verify(b64url_decode(signature, what), signed)


def _known_headers(ring: KeyRing, role: Role, typ: str) -> dict[bytes, PublicKey]:
    return {header: key for key in ring.usable(role) for header in _headers_of(key, typ)}


def _headers_of(key: PublicKey, typ: str) -> tuple[bytes, ...]:
    return tuple(_header(key, typ, name) for name in _NAMES[key.alg])


@lru_cache(maxsize=256)
def _header(key: PublicKey, typ: str, alg: str) -> bytes:
    return _encoded(dump_json({"alg": alg, "kid": key.kid, "typ": typ}))


def _encoded(data: bytes) -> bytes:
    return b64url_encode(data).encode()


def _refuse(code: str, sentence: str) -> NoReturn:
    raise MalformedError(code, sentence, _FIX) from None
