"""
Fixed keys of ES256 and RS256 for vectors, and the signatures that implementations are known to get wrong.

The private numbers follow from labels that stand here: nothing in this file is worth stealing, and nothing made with
it may be trusted anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from carnet.formats.jose_keys import JoseSigner

P256_PRIME: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Variant = tuple[str, str, bytes]
"""A name, the mistake that it finds, and a signature."""


def es256_signer(number: int) -> JoseSigner:
    """Test key *number*: 32 bytes of that value are its private number."""
    return JoseSigner(ec.derive_private_key(int.from_bytes(bytes([number]) * 32, "big"), ec.SECP256R1()))


def _number(label: str, bits: int, further: int) -> int:
    """The prime that lies *further* after the number that the label's hashes make."""
    made = b"".join(hashlib.sha256(f"{label} {part}".encode()).digest() for part in range(bits // 256))
    return (int.from_bytes(made, "big") | 3 << (bits - 2) | 1) + further


_P: Final = _number("carnet test p", 1024, 298)
_Q: Final = _number("carnet test q", 1024, 750)
RSA_MODULUS: Final = _P * _Q
_D: Final = pow(65537, -1, (_P - 1) * (_Q - 1))
RSA_1024_MODULUS: Final = _number("carnet small p", 512, 50) * _number("carnet small q", 512, 276)
"""A genuine modulus that is too small."""

_RSA: Final = rsa.RSAPrivateNumbers(
    _P, _Q, _D, _D % (_P - 1), _D % (_Q - 1), pow(_Q, -1, _P), rsa.RSAPublicNumbers(65537, RSA_MODULUS)
).private_key()

ES256: Final = es256_signer(21)
OTHER_ES256: Final = es256_signer(22)
RS256: Final = JoseSigner(_RSA)


# ── ES256 ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def es256_variants(message: bytes, by: JoseSigner = ES256) -> Iterator[Variant]:
    """Signatures over *message*, genuine but for their form, and forgeries that cost nothing."""
    signature = by.sign(message)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")

    def raw(r: int, s: int, size: int = 32) -> bytes:
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    yield "high-s", "Demanding the smaller s: of the two signatures both verify.", raw(r, P256_ORDER - s)
    yield "der", "Taking DER, as X.509 has it: a second form of every signature.", encode_dss_signature(r, s)
    yield "short", "Padding a signature that is too short.", signature[:-1]
    yield "long", "Ignoring what follows s.", signature + b"\x00"
    yield "wide", "Reading halves of any length.", raw(r, s, 33)
    yield "r-zero", "Not looking at the range of r.", raw(0, s)
    yield "s-zero", "Not looking at the range of s.", raw(r, 0)
    yield "both-zero", "Dividing by zero into agreement (CVE-2022-21449).", bytes(64)
    yield "r-order", "Not looking at the range of r: the group's order is zero once more.", raw(P256_ORDER, s)
    yield "s-order", "Not looking at the range of s: the group's order is zero once more.", raw(r, P256_ORDER)
    yield "r-negated", "Forgetting the sign of r.", raw(P256_ORDER - r, s)
    yield "swapped", "Reading s before r.", raw(s, r)
    yield "little-endian", "Reading the numbers from their other end.", signature[31::-1] + signature[:31:-1]
    yield "empty", "Taking no signature for a good one.", b""


# ── RS256 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_SHA_256: Final = bytes.fromhex("3031300d060960864801650304020105000420")
_SIZE: Final = 256


def _sealed(block: bytes) -> bytes:
    """What the private key makes of a whole encoded message: any padding, right or wrong, under a true signature."""
    return pow(int.from_bytes(block, "big"), _D, RSA_MODULUS).to_bytes(_SIZE, "big")


def _block(content: bytes, *, kind: bytes = b"\x01", fill: bytes = b"\xff") -> bytes:
    return b"\x00" + kind + fill * (_SIZE - 3 - len(content)) + b"\x00" + content


def rs256_variants(message: bytes) -> Iterator[Variant]:
    """Signatures over *message* by `RS256` with every padding that RFC 8017 §8.2.2 does not make."""
    signature = RS256.sign(message)
    digest = hashlib.sha256(message).digest()
    info = _SHA_256 + digest
    assert _sealed(_block(info)) == signature
    sha_1 = bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(message).digest()  # noqa: S324 - to be refused
    sha_384 = bytes.fromhex("3041300d060960864801650304020205000430") + hashlib.sha384(message).digest()
    no_null = bytes.fromhex("302f300b0609608648016503040201" + "0420") + digest
    long_length = bytes.fromhex("308131300d060960864801650304020105000420") + digest
    garbage = b"\x00\x01" + b"\xff" * 8 + b"\x00" + info
    probabilistic = _RSA.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256())
    yield "sha-1", "Taking the hash from the signature: a weaker one.", _sealed(_block(sha_1))
    yield "sha-384", "Taking the hash from the signature.", _sealed(_block(sha_384))
    yield "no-null", "Forgiving a missing NULL: parsing the padding instead of making it.", _sealed(_block(no_null))
    yield "long-length", "Parsing the padding as BER instead of making it.", _sealed(_block(long_length))
    yield "digest-alone", "Not naming the hash that was signed.", _sealed(_block(digest))
    yield (
        "garbage-after",
        "Not looking behind the digest (Bleichenbacher 2006).",
        _sealed(garbage + bytes(_SIZE - len(garbage))),
    )
    yield "block-type-2", "Taking the padding of encryption.", _sealed(_block(info, kind=b"\x02", fill=b"\x5a"))
    yield "block-type-0", "Taking the oldest padding.", _sealed(_block(info, kind=b"\x00", fill=b"\x00"))
    yield "other-fill", "Skipping the filling instead of comparing it.", _sealed(_block(info, fill=b"\xfe"))
    yield "pss", "Taking RSASSA-PSS for the padding of RS256.", probabilistic
    yield "short", "Padding a signature that is too short.", signature[:-1]
    yield "leading-zero", "Stripping zero bytes: a second spelling.", b"\x00" + signature
    yield "long", "Ignoring what follows the signature.", signature + b"\x00"
    yield "zero", "Taking the number 0, which is 0 under every key.", bytes(_SIZE)
    yield "one", "Taking the number 1, which is 1 under every key.", bytes(_SIZE - 1) + b"\x01"
    yield "empty", "Taking no signature for a good one.", b""


def rs256_above_modulus() -> tuple[str, bytes]:
    """A message, and its signature plus the modulus, which fits into as many bytes."""
    for number in range(1000):
        message = f"carnet {number}"
        larger = int.from_bytes(RS256.sign(message.encode()), "big") + RSA_MODULUS
        if larger < 1 << 8 * _SIZE:
            return message, larger.to_bytes(_SIZE, "big")
    raise AssertionError("no message found")
