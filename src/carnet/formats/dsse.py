"""
The envelope of documents that several keys sign: DSSE, the Dead Simple Signing Envelope v1, as JSON.

Used for the root file only; tokens are compact JWS (SEC-12). What is signed is the pre-authentication encoding of type
and payload, so that the type is covered too. Strict where DSSE leaves a choice: exactly its members, standard Base64,
canonical JSON, signatures sorted by key id with each id once; so an envelope has one spelling.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.formats.encoding import b64_decode, b64_encode
from carnet.formats.keys import PublicKey, Signer, check_kid
from carnet.formats.strict_json import dump_json, parse_object

MAX_SIGNATURES: Final = 32
_SIGNATURE_BYTES: Final = 64
_FIX: Final = "Fetch or copy it again, complete and unchanged."


class EnvelopeSignature(Struct):
    """One signature and the id of the key that is said to have made it."""

    kid: str
    signature: bytes


class Envelope(Struct):
    """A payload, its type, and the signatures that came with it. Reading one verifies nothing: `count_signers` does."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What is signed: ``DSSEv1 SP len(type) SP type SP len(payload) SP payload`` (DSSE protocol, v1)."""
    encoded = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(encoded), encoded, len(payload), payload)


def sign_envelope(payload_type: str, payload: bytes, signers: Iterable[Signer]) -> bytes:
    """
    Sign *payload* with every one of *signers* and write the envelope, without a final newline.

    Raises:
        UsageError: ``duplicate_signer``: two signers have one id; ``no_signer``.
    """
    message = pre_authentication_encoding(payload_type, payload)
    signatures: dict[str, bytes] = {}
    for signer in signers:
        if signer.kid in signatures:
            raise UsageError("duplicate_signer", f"The key {signer.kid} would sign twice.")
        signatures[signer.kid] = signer.sign(message)
    if not signatures:
        raise UsageError("no_signer", "A signed envelope needs at least one signature.")
    return write_envelope(
        Envelope(
            payload_type=payload_type,
            payload=payload,
            signatures=tuple(EnvelopeSignature(kid=kid, signature=made) for kid, made in signatures.items()),
        )
    )


def write_envelope(envelope: Envelope) -> bytes:
    """*envelope* in its one spelling, without a final newline. Verifies nothing."""
    listed = sorted(envelope.signatures, key=lambda each: each.kid)
    return dump_json(
        {
            "payload": b64_encode(envelope.payload),
            "payloadType": envelope.payload_type,
            "signatures": [{"keyid": each.kid, "sig": b64_encode(each.signature)} for each in listed],
        }
    )


def read_envelope(data: bytes, *, payload_type: str, max_bytes: int, what: str) -> Envelope:
    """
    Read an envelope in its one spelling. Steps 1 to 3 of specs/root.md §5.

    Args:
        data: The envelope and nothing else.
        payload_type: The one type that is accepted, compared exactly (SEC-03).
        max_bytes: Largest *data* accepted.
        what: What this is, for errors' sentences.

    Raises:
        MalformedError: The codes of `parse_object`; ``bad_envelope``, ``wrong_type``, ``bad_kid``, ``bad_base64``.

    Verifies no signature.
    """
    # Step 1: size, strict JSON, and the canonical form of it.
    members = parse_object(data, max_bytes=max_bytes, what=what, max_string=max_bytes)
    if members.keys() != {"payload", "payloadType", "signatures"} or dump_json(members) != data:
        raise MalformedError("bad_envelope", f"{what} is not a signed envelope in its canonical form.", _FIX)
    # Step 2: the type.
    if members["payloadType"] != payload_type:
        raise MalformedError("wrong_type", f"{what} was expected, and this is something else.", _FIX)
    # Step 3: the signatures, each key id once, in order.
    listed = members["signatures"]
    if type(members["payload"]) is not str or type(listed) is not list or not 0 < len(listed) <= MAX_SIGNATURES:
        raise MalformedError("bad_envelope", f"{what} needs a payload and 1 to {MAX_SIGNATURES} signatures.", _FIX)
    signatures = tuple(_signature_of(each, what) for each in listed)
    kids = [signature.kid for signature in signatures]
    if kids != sorted(set(kids)):
        raise MalformedError("bad_envelope", f"{what}'s signatures are not sorted by key id, each id once.", _FIX)
    return Envelope(
        payload_type=payload_type, payload=b64_decode(members["payload"], f"{what}'s payload"), signatures=signatures
    )


def count_signers(envelope: Envelope, keys: Iterable[PublicKey]) -> int:
    """
    How many of *keys* signed *envelope*: keys count, not ids and not signatures (SEC-21).

    A signature that does not verify, or whose key id is not among *keys*, counts for nothing.
    """
    trusted = {key.kid: key for key in keys}
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    signed: set[bytes] = set()
    for each in envelope.signatures:
        key = trusted.get(each.kid)
        if key is not None:
            try:
                key.verify(each.signature, message)
            except NotGenuineError:
                continue
            signed.add(key.raw)
    return len(signed)


def _signature_of(value: Any, what: str) -> EnvelopeSignature:
    if type(value) is not dict or value.keys() != {"keyid", "sig"} or type(value["sig"]) is not str:
        raise MalformedError("bad_envelope", f"{what} has a signature without exactly keyid and sig.", _FIX)
    signature = b64_decode(value["sig"], f"{what}'s signature")
    if len(signature) != _SIGNATURE_BYTES:
        raise MalformedError("bad_envelope", f"{what} has a signature of another size than 64 bytes.", _FIX)
    return EnvelopeSignature(kid=check_kid(value["keyid"]), signature=signature)
