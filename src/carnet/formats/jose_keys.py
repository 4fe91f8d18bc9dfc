"""
Keys of the algorithms that Carnet speaks for compatibility: ES256 (P-256) and RS256 (RSA), and PEM for all three.

`keys.py` holds the records and the rules that every key obeys; this module is loaded only where such a key is used, so
that an offline check of native artifacts never pays for it. Records hold the key in one canonical form: 65 bytes of
uncompressed point (SEC 1 §2.3.3) for P-256, DER SubjectPublicKeyInfo for RSA.

Invariants: a P-256 point is on its curve; an RSA modulus has 2048 to 4096 bits and the exponent 65537 (SEC-06); an
ES256 signature is exactly 64 bytes with 1 ≤ r, s < n (SEC-13, RFC 7518 §3.4); private keys never leave a signer except
through `generate_private_pem` and `private_pem`, whose caller seals what they give.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from carnet.core.errors import MalformedError, UsageError
from carnet.formats.encoding import b64url_decode, b64url_encode, sha256_b64url
from carnet.formats.keys import Algorithm, Ed25519Signer, PublicKey, Signer, check_kid, load_ed25519
from carnet.formats.limits import MAX_PEM

RSA_EXPONENT: Final = 65537
RSA_MIN_BITS: Final = 2048
RSA_MAX_BITS: Final = 4096
RSA_NEW_BITS: Final = 3072
"""What a new RSA key has: 128 bits of security (NIST SP 800-57 part 1, table 2)."""

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HALF: Final = 32
_RSASSA_PSS: Final = bytes.fromhex("06092a864886f70d01010a")
"""The object identifier of RSA keys that sign with PSS and with nothing else, in DER (RFC 4055 §1.2)."""

_LONGEST_PREFIX: Final = 32
"""Where that stands at the latest: behind a version and the heads of three structures (RFC 5280 §4.1, RFC 5208 §5)."""

_FIX_KEY: Final = "Use the vendor's key exactly as published."


# ── loading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def load_p256(point: bytes, kid: str | None = None) -> PublicKey:
    """
    Check a P-256 public key and make its record.

    Args:
        point: 65 bytes: 4, then x and y of 32 bytes each.
        kid: The key's id where it is not the thumbprint.

    Raises:
        MalformedError: ``bad_key``: another form, or not on the curve; ``bad_kid``.
    """
    if len(point) == 1 + 2 * _HALF and point[0] == 4:
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError:
            pass
        else:
            return PublicKey(_p256_thumbprint(point) if kid is None else check_kid(kid), "ES256", bytes(point))
    raise MalformedError("bad_key", "This is not a point on the curve P-256, 65 bytes uncompressed.", _FIX_KEY)


def load_rsa(modulus: int, exponent: int, kid: str | None = None) -> PublicKey:
    """
    Check an RSA public key and make its record.

    Raises:
        MalformedError: ``bad_key``: not 2048 to 4096 bits, an even modulus, or an exponent other than 65537;
            ``bad_kid``.
    """
    if exponent != RSA_EXPONENT or not RSA_MIN_BITS <= modulus.bit_length() <= RSA_MAX_BITS or modulus % 2 == 0:
        raise MalformedError("bad_key", "An RSA key must have 2048 to 4096 bits and the exponent 65537.", _FIX_KEY)
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    raw = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(_rsa_thumbprint(modulus) if kid is None else check_kid(kid), "RS256", raw)


def jose_key_from_jwk(jwk: dict[str, Any], kid: str | None) -> PublicKey:
    """
    Read the key material of an EC or RSA JSON Web Key whose common members `keys.public_key_from_jwk` has checked.

    Raises:
        MalformedError: ``bad_key``, ``bad_base64``: coordinates of another length, another curve, a number with leading
            zero bytes (RFC 7518 §6.2.1, §6.3.1).
    """
    if jwk.get("kty") == "EC":
        if jwk.get("crv") != "P-256" or jwk.get("alg", "ES256") != "ES256":
            raise MalformedError("bad_key", "Of elliptic curve keys, only P-256 for ES256 is used.", _FIX_KEY)
        x, y = _member(jwk, "x"), _member(jwk, "y")
        if len(x) != _HALF or len(y) != _HALF:
            raise MalformedError("bad_key", "The coordinates of a P-256 key have 32 bytes each.", _FIX_KEY)
        return load_p256(b"\x04" + x + y, kid)
    if jwk.get("alg", "RS256") != "RS256":
        raise MalformedError("bad_key", "RSA keys are used for RS256 only.", _FIX_KEY)
    modulus, exponent = _member(jwk, "n"), _member(jwk, "e")
    if modulus[:1] in (b"", b"\x00") or exponent[:1] in (b"", b"\x00"):
        raise MalformedError("bad_key", "The numbers of an RSA key have no leading zero bytes.", _FIX_KEY)
    return load_rsa(int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big"), kid)


def jose_key_to_jwk(key: PublicKey) -> dict[str, str]:
    """An ES256 or RS256 key as a JSON Web Key (RFC 7518 §6.2.1, §6.3.1)."""
    if key.alg == "ES256":
        x, y = key.raw[1 : 1 + _HALF], key.raw[1 + _HALF :]
        material = {"kty": "EC", "crv": "P-256", "x": b64url_encode(x), "y": b64url_encode(y)}
    else:
        modulus = _rsa_key(key.raw).public_numbers().n
        material = {"kty": "RSA", "n": b64url_encode(_unsigned(modulus)), "e": b64url_encode(_unsigned(RSA_EXPONENT))}
    return {**material, "kid": key.kid, "alg": key.alg, "use": "sig"}


def public_key_from_pem(pem: str | bytes, kid: str | None = None) -> PublicKey:
    """
    Read a public key in PEM (RFC 7468 §13, SubjectPublicKeyInfo): Ed25519, P-256 or RSA.

    Args:
        pem: At most 16 KiB, one key.
        kid: The key's id where it is not the thumbprint.

    Raises:
        MalformedError: ``bad_key``: not such a key, several of them, or one for PSS only; ``private_key``: the PEM
            holds a private key; ``bad_kid``.
    """
    data = _pem_bytes(pem)
    if b"PRIVATE KEY" in data:
        raise MalformedError(
            "private_key",
            "This is a private key; a public one is wanted here.",
            "Consider that key leaked, replace it, and use the public part of the new one.",
        )
    _check_blocks(data, b"PUBLIC KEY-----")
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise MalformedError("bad_key", "This is not a public key in PEM.", _FIX_KEY) from None
    return _record_of(key, kid)


def public_pem(key: PublicKey) -> str:
    """*key* as PEM SubjectPublicKeyInfo, which every library reads."""
    return _library_key(key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


# ── verifying ────────────────────────────────────────────────────────────────────────────────────────────────────────


def verifier(alg: Algorithm, raw: bytes) -> Callable[[bytes, bytes], None]:
    """What checks a signature under the key *raw* of *alg*; raises the library's `InvalidSignature`."""
    if alg == "ES256":
        return _es256_verifier(raw)
    return _rs256_verifier(raw)


def _es256_verifier(raw: bytes) -> Callable[[bytes, bytes], None]:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    algorithm = ec.ECDSA(hashes.SHA256())

    def verify(signature: bytes, message: bytes) -> None:
        # SEC-13: raw r ‖ s of 32 bytes each and never DER; both within 1 … n-1, so each number has one spelling.
        if len(signature) != 2 * _HALF:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
        if not (0 < r < _P256_ORDER and 0 < s < _P256_ORDER):
            raise InvalidSignature
        key.verify(encode_dss_signature(r, s), message, algorithm)

    return verify


def _rs256_verifier(raw: bytes) -> Callable[[bytes, bytes], None]:
    key = _rsa_key(raw)
    size = (key.key_size + 7) // 8
    scheme, algorithm = padding.PKCS1v15(), hashes.SHA256()

    def verify(signature: bytes, message: bytes) -> None:
        if len(signature) != size:  # RFC 8017 §8.2.2 step 1
            raise InvalidSignature
        key.verify(signature, message, scheme, algorithm)

    return verify


# ── signing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class JoseSigner:
    """
    A signer for ES256 or RS256 whose private key is in memory.

    ES256 signatures are deterministic (RFC 6979), as the others are by nature: the same claims give the same token.
    """

    __slots__ = ("_private", "public_key")

    public_key: PublicKey

    def __init__(self, private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kid: str | None = None) -> None:
        """
        Take the key.

        Raises:
            MalformedError: ``bad_key``: another curve, size or exponent than `load_p256` and `load_rsa` accept.
        """
        self._private = private
        self.public_key = _record_of(private.public_key(), kid)

    @property
    def kid(self) -> str:
        """The key's id: the thumbprint of its public half, unless another was given."""
        return self.public_key.kid

    def sign(self, message: bytes) -> bytes:
        """The signature over *message* in JOSE's form: 64 bytes for ES256, the modulus' size for RS256."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")

    def __repr__(self) -> str:
        return f"JoseSigner(kid={self.kid!r}, alg={self.public_key.alg!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("A private key is not copied or stored this way.")


def generate_private_pem(alg: Algorithm) -> str:
    """A new private key for *alg* as unencrypted PKCS #8 PEM, from the operating system's random source."""
    private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if alg == "Ed25519":
        private = Ed25519PrivateKey.generate()
    elif alg == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = rsa.generate_private_key(RSA_EXPONENT, RSA_NEW_BITS)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def signer_from_pem(pem: str | bytes, *, kid: str | None = None, passphrase: bytes | None = None) -> Signer:
    """
    Read a private key in PEM (PKCS #8, or the older forms of OpenSSL): Ed25519, P-256 or RSA.

    Args:
        pem: At most 16 KiB, one key.
        kid: The key's id where it is not the thumbprint: a key that clients of another system already know.
        passphrase: For a PEM that is encrypted.

    Raises:
        MalformedError: ``bad_key``: not such a key, several of them, or one that SEC-06 refuses; ``bad_kid``.
        UsageError: ``passphrase_needed``: it is encrypted; ``wrong_passphrase``: this does not open it.

    Does not notice that an *encrypted* RSA key is for PSS only: the library does not tell.
    """
    private = _private_of(pem, passphrase)
    if isinstance(private, Ed25519PrivateKey):
        return Ed25519Signer(private.private_bytes_raw(), kid)
    return JoseSigner(private, kid)


def private_pem(pem: str | bytes, *, passphrase: bytes | None = None) -> str:
    """
    The private key in *pem* as unencrypted PKCS #8 PEM, the one form in which private keys are sealed for rest.

    Raises:
        MalformedError, UsageError: As `signer_from_pem`.
    """
    private = _private_of(pem, passphrase)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pem_bytes(pem: str | bytes) -> bytes:
    data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
    if len(data) > MAX_PEM:
        raise MalformedError("too_large", f"A key in PEM is larger than {MAX_PEM} bytes.", _FIX_KEY)
    return data


def _private_of(
    pem: str | bytes, passphrase: bytes | None
) -> Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    data = _pem_bytes(pem)
    is_encrypted = b"ENCRYPTED" in data
    _check_blocks(data, b"PRIVATE KEY-----")
    if is_encrypted and not passphrase:
        raise UsageError(
            "passphrase_needed",
            "This private key is encrypted, and no passphrase was given.",
            "Give the passphrase of the key itself; carnet key import takes it with --pem-passphrase-file.",
        )
    try:
        private = load_pem_private_key(data, passphrase if is_encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if is_encrypted:
            raise UsageError(
                "wrong_passphrase", "This private key is encrypted, and the passphrase does not open it.", "Try again."
            ) from None
        raise MalformedError("bad_key", "This is not a private key in PEM.", _FIX_KEY) from None
    if isinstance(private, Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return private
    raise MalformedError("bad_key", "Only Ed25519, P-256 and RSA keys sign for Carnet.", _FIX_KEY)


def _check_blocks(data: bytes, label_end: bytes) -> None:
    """
    Refuse PEM with several keys, of which somebody would have meant another one, and an RSA key whose owner said that
    it signs with PSS only: the library reads it as any other, and it would sign as RS256.
    """
    blocks = [
        block for block in data.split(b"-----BEGIN ")[1:] if block.split(b"\n", 1)[0].rstrip().endswith(label_end)
    ]
    if len(blocks) > 1:
        raise MalformedError("bad_key", "This PEM holds more than one key.", "Give one key in a file of its own.")
    for block in blocks:
        try:
            der = binascii.a2b_base64(block.partition(label_end)[2].partition(b"-----END ")[0])
        except binascii.Error:
            continue  # not one that the library reads either
        if _RSASSA_PSS in der[:_LONGEST_PREFIX]:
            raise MalformedError("bad_key", "This RSA key signs with PSS only, which nobody here verifies.", _FIX_KEY)


def _record_of(key: object, kid: str | None) -> PublicKey:
    if isinstance(key, Ed25519PublicKey):
        return load_ed25519(key.public_bytes_raw(), kid)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return load_p256(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), kid)
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return load_rsa(numbers.n, numbers.e, kid)
    raise MalformedError("bad_key", "Only Ed25519, P-256 and RSA keys are used.", _FIX_KEY)


def _library_key(key: PublicKey) -> Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    if key.alg == "Ed25519":
        return Ed25519PublicKey.from_public_bytes(key.raw)
    if key.alg == "ES256":
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.raw)
    return _rsa_key(key.raw)


def _rsa_key(raw: bytes) -> rsa.RSAPublicKey:
    key = load_der_public_key(raw)
    assert isinstance(key, rsa.RSAPublicKey)  # noqa: S101 - records of RS256 hold what `load_rsa` wrote
    return key


def _member(jwk: dict[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if type(value) is not str:
        raise MalformedError("bad_key", f"This JSON Web Key has no {name}.", _FIX_KEY)
    return b64url_decode(value, f"A key's {name}")


def _unsigned(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _p256_thumbprint(point: bytes) -> str:
    x, y = b64url_encode(point[1 : 1 + _HALF]), b64url_encode(point[1 + _HALF :])
    return sha256_b64url(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode())  # RFC 7638 §3.2


def _rsa_thumbprint(modulus: int) -> str:
    e, n = b64url_encode(_unsigned(RSA_EXPONENT)), b64url_encode(_unsigned(modulus))
    return sha256_b64url(f'{{"e":"{e}","kty":"RSA","n":"{n}"}}'.encode())  # RFC 7638 §3.1
