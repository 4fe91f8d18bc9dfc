"""
Public keys, where they are trusted, and the interface of whatever holds the private ones (specs/keys.md).

The algorithm belongs to the key's record and never to a message (SEC-01). Every public key is checked when it is
loaded, whatever its source (SEC-06). Keys are found only here, by key id and role (SEC-02): no network, no files.
`cryptography` is imported at the first verification or signature, not before.

Ed25519 is native and lives here. ES256 and RS256 exist for the compatibility keys of license tokens only (design.md
§4): their material is in `jose_keys`, loaded when such a key is met. Nothing else chooses algorithms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, Protocol

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.formats.encoding import b64url_decode, b64url_encode, sha256_b64url
from carnet.formats.limits import MAX_KID

Algorithm = Literal["Ed25519", "ES256", "RS256"]

Role = Literal[
    "root",
    "token",
    "machine-file",
    "license-key",
    "status-list",
    "answer",
    "time",
    "offline",
    "lease",
    "receipt",
    "checkpoint",
]
ROLES: Final[tuple[Role, ...]] = (
    "root",
    "token",
    "machine-file",
    "license-key",
    "status-list",
    "answer",
    "time",
    "offline",
    "lease",
    "receipt",
    "checkpoint",
)
"""What a key may sign (design.md §4); one artifact kind asks for exactly one role (SEC-03)."""

COMPATIBLE_ROLES: Final = frozenset(("token",))
"""The roles whose keys may be ES256 or RS256; every other artifact is signed with Ed25519 only (design.md §5)."""

KeyState = Literal["announced", "active", "verify-only", "retired", "compromised"]
"""A signing key's life (design.md §4). The first three verify; the last two do not."""

_VERIFYING: Final = ("announced", "active", "verify-only")

_P: Final = 2**255 - 19
_LOW_ORDER_Y: Final = frozenset(
    (
        0,  # order 4
        1,  # the identity
        _P - 1,  # order 2
        # order 8: y and -y, each with either sign of x
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    )
)
"""The y coordinates of the eight points of low order on edwards25519; a signature under one fits many messages."""

_KID_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_FIX_KEY: Final = "Use the vendor's key exactly as published."


class PublicKey:
    """
    A public key that passed its checks: `kid`, `alg`, `raw` (32 bytes for Ed25519; for the others see `jose_keys`).
    Make one with `load_ed25519`, `public_key_from_jwk`, or a loader of `jose_keys`.

    Equal by value, frozen, safe to share between threads. The library's key object is made once, when first used.
    """

    __slots__ = ("_check", "alg", "kid", "raw")

    kid: str
    alg: Algorithm
    raw: bytes
    _check: Callable[[bytes, bytes], None] | None

    def __init__(self, kid: str, alg: Algorithm, raw: bytes) -> None:
        for name, value in (("kid", kid), ("alg", alg), ("raw", raw), ("_check", None)):
            object.__setattr__(self, name, value)

    def verify(self, signature: bytes, message: bytes) -> None:
        """
        Check that the holder of this key signed exactly *message*: RFC 8032 §5.1.7, or RFC 7518 §3.4 and §3.3, by
        `cryptography`'s implementation.

        Args:
            signature: 64 bytes for Ed25519 (S is below the group order, one spelling per signature) and for ES256, as
                many as the modulus for RS256.
            message: The bytes as received.

        Raises:
            NotGenuineError: ``bad_signature``.
        """
        try:
            (self._check or self._load())(signature, message)
        except _invalid_signature():
            raise NotGenuineError(
                "bad_signature",
                "The signature does not fit: this was changed after it was signed, or someone else signed it.",
                "Fetch it again from the vendor; do not trust this copy.",
            ) from None

    def to_jwk(self) -> dict[str, str]:
        """This key as a JSON Web Key (RFC 8037 §2, RFC 7518 §6), with `alg` as JOSE libraries name it."""
        if self.alg != "Ed25519":
            from carnet.formats.jose_keys import jose_key_to_jwk

            return jose_key_to_jwk(self)
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": b64url_encode(self.raw),
            "kid": self.kid,
            "alg": "EdDSA",
            "use": "sig",
        }

    def _load(self) -> Callable[[bytes, bytes], None]:
        check = _verifier(self.alg, self.raw)
        object.__setattr__(self, "_check", check)
        return check

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"PublicKey is frozen: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"PublicKey is frozen: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not PublicKey:
            return NotImplemented
        return (self.kid, self.alg, self.raw) == (other.kid, other.alg, other.raw)

    def __hash__(self) -> int:
        return hash((self.kid, self.alg, self.raw))

    def __repr__(self) -> str:
        return f"PublicKey(kid={self.kid!r}, alg={self.alg!r}, raw={self.raw.hex()!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return PublicKey, (self.kid, self.alg, self.raw)


def _verifier(alg: Algorithm, raw: bytes) -> Callable[[bytes, bytes], None]:
    if alg == "Ed25519":
        from carnet.formats.primitives import load_ed25519_verifier

        return load_ed25519_verifier(raw)
    from carnet.formats.jose_keys import verifier

    return verifier(alg, raw)


def _invalid_signature() -> type[Exception]:
    from cryptography.exceptions import InvalidSignature

    return InvalidSignature


def check_kid(kid: object) -> str:
    """
    *kid* itself, when it is a key id: 1 to 64 of ``A-Z a-z 0-9 _ -`` (SEC-02).

    Raises:
        MalformedError: ``bad_kid``.
    """
    if type(kid) is str and 0 < len(kid) <= MAX_KID and _KID_CHARACTERS.issuperset(kid):
        return kid
    raise MalformedError("bad_kid", "A key id must be 1 to 64 letters, digits, '_' or '-'.", _FIX_KEY)


def thumbprint(raw: bytes) -> str:
    """The RFC 7638 thumbprint of an Ed25519 key (RFC 8037 §2, appendix A.3), which is the id of every key we make."""
    return sha256_b64url(b'{"crv":"Ed25519","kty":"OKP","x":"%b"}' % b64url_encode(raw).encode())


def load_ed25519(raw: bytes, kid: str | None = None) -> PublicKey:
    """
    Check an Ed25519 public key and make its record (SEC-06).

    Args:
        raw: 32 bytes, the canonical encoding of a point (RFC 8032 §5.1.5); not one of low order.
        kid: The key's id where it is not the thumbprint: keys of others only.

    Raises:
        MalformedError: ``bad_key``: another size, a y coordinate of 2^255 - 19 or more, or a point of low order;
            ``bad_kid``.

    Does not check that the bytes are on the curve: what is not on it verifies nothing.
    """
    if len(raw) != 32:
        raise MalformedError("bad_key", f"An Ed25519 public key has 32 bytes; this has {len(raw)}.", _FIX_KEY)
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P:
        raise MalformedError("bad_key", "This Ed25519 public key is not in its canonical encoding.", _FIX_KEY)
    if y in _LOW_ORDER_Y:
        raise MalformedError("bad_key", "This Ed25519 public key is a point of low order; anyone can sign.", _FIX_KEY)
    return PublicKey(thumbprint(raw) if kid is None else check_kid(kid), "Ed25519", bytes(raw))


def public_key_from_jwk(jwk: Any) -> PublicKey:
    """
    Read a public JSON Web Key (RFC 7517, RFC 8037 §2, RFC 7518 §6) and check the key (SEC-06).

    Args:
        jwk: The parsed object: `kty` OKP with `crv` Ed25519 and `x`, or EC with `crv` P-256, `x` and `y`, or RSA with
            `n` and `e`; where present, `kid` is a key id, `alg` is the key's (`EdDSA` or `Ed25519` for the first),
            `use` is `sig` and `key_ops` holds `verify`. Other public members are ignored (RFC 7517 §4).

    Raises:
        MalformedError: ``private_key``: it holds the private member `d`; ``bad_key``; ``bad_kid``.
    """
    if type(jwk) is not dict:
        raise MalformedError("bad_key", "A JSON Web Key must be an object.", _FIX_KEY)
    if "keys" in jwk and "kty" not in jwk:
        raise MalformedError("bad_key", "This is a set of keys, not one JSON Web Key.", "Give one member of its keys.")
    if not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise MalformedError(
            "private_key",
            "This is a private key; a public one is wanted here.",
            "Consider that key leaked, replace it, and use the public part of the new one.",
        )
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or type(operations) is not list or "verify" not in operations:
        raise MalformedError("bad_key", "This JSON Web Key is not for verifying signatures.", _FIX_KEY)
    kid = check_kid(jwk["kid"]) if "kid" in jwk else None
    if jwk.get("kty") in ("EC", "RSA"):
        from carnet.formats.jose_keys import jose_key_from_jwk

        return jose_key_from_jwk(jwk, kid)
    encoded = jwk.get("x")
    if (
        jwk.get("kty") != "OKP"
        or jwk.get("crv") != "Ed25519"
        or type(encoded) is not str
        or jwk.get("alg", "EdDSA") not in ("EdDSA", "Ed25519")
    ):
        raise MalformedError("bad_key", "This JSON Web Key is of no kind that Carnet verifies with.", _FIX_KEY)
    return load_ed25519(b64url_decode(encoded, "A key's x"), kid)


_PRIVATE_MEMBERS: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


class TrustedKey(Struct):
    """A public key, what it may sign, and where it stands in its life."""

    role: Role
    key: PublicKey
    state: KeyState = "active"


class KeyRing:
    """
    The public keys that are trusted here, by role and key id. Frozen.

    No id names two keys and no key has two ids (SEC-06). One key may serve several roles: kinds of artifact are told
    apart by their `typ`, which the signature covers (SEC-03).
    """

    __slots__ = ("_roles", "headers")

    _roles: dict[str, dict[str, TrustedKey]]
    headers: dict[tuple[str, str], dict[bytes, PublicKey]]
    """For `jws`: by role and `typ`, the canonical header that each usable key writes. Never holds a verdict."""

    def __init__(self, keys: Iterable[TrustedKey]) -> None:
        """
        Take *keys* as trusted.

        Raises:
            MalformedError: ``duplicate_key``: a key stands twice in a role, an id names two keys, a key has two ids;
                ``bad_key``: an algorithm that its role does not have (SEC-01).
        """
        self._roles = {}
        self.headers = {}
        by_kid: dict[str, bytes] = {}
        by_raw: dict[bytes, str] = {}
        for trusted in keys:
            kid, raw = trusted.key.kid, trusted.key.raw
            if trusted.key.alg != "Ed25519" and trusted.role not in COMPATIBLE_ROLES:
                raise MalformedError("bad_key", f"A key for {trusted.role} must be an Ed25519 key.", _FIX_KEY)
            role = self._roles.setdefault(trusted.role, {})
            if kid in role or by_kid.setdefault(kid, raw) != raw or by_raw.setdefault(raw, kid) != kid:
                raise MalformedError("duplicate_key", f"The key {kid} is listed twice.", _FIX_KEY)
            role[kid] = trusted

    @classmethod
    def single(cls, role: Role, key: PublicKey) -> KeyRing:
        """A ring of one pinned key, for people who trust one key and no root."""
        return cls((TrustedKey(role=role, key=key),))

    def find(self, role: Role, kid: str) -> PublicKey:
        """
        The key with id *kid* that may sign as *role*.

        Raises:
            NotGenuineError: ``unknown_key``: none; ``retired_key``, ``compromised_key``: it may not any more.
        """
        trusted = self._roles.get(role, {}).get(kid)
        if trusted is None:
            raise NotGenuineError(
                "unknown_key",
                f"It is signed with the key {kid}, which is not trusted for this purpose.",
                "Check that it comes from this vendor; if the vendor has new keys, connect once to learn them.",
            )
        if trusted.state not in _VERIFYING:
            raise NotGenuineError(
                f"{trusted.state}_key",
                f"It is signed with the key {kid}, which is {trusted.state}.",
                "Connect once, or fetch it again from the vendor.",
            )
        return trusted.key

    def usable(self, role: Role) -> tuple[PublicKey, ...]:
        """The keys that `find` returns for *role*."""
        return tuple(trusted.key for trusted in self._roles.get(role, {}).values() if trusted.state in _VERIFYING)

    def keys(self) -> tuple[TrustedKey, ...]:
        """Every key, by role and id in the order they were given."""
        return tuple(trusted for keys in self._roles.values() for trusted in keys.values())


class Signer(Protocol):
    """Whatever signs: a sealed file, a token, a service. Knows its public key; never shows the private one."""

    @property
    def kid(self) -> str:
        """The key's id."""
        ...

    @property
    def public_key(self) -> PublicKey:
        """The public half, checked as any other."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over exactly *message*."""
        ...


class Ed25519Signer:
    """A signer whose private key is in memory: 32 bytes of seed (RFC 8032 §5.1.5). Costs as much as one signature."""

    __slots__ = ("_sign", "public_key")

    public_key: PublicKey

    def __init__(self, seed: bytes, kid: str | None = None) -> None:
        """
        Load the key.

        Args:
            seed: 32 random bytes, the private key.
            kid: An id other than the thumbprint, for keys that others named.

        Raises:
            UsageError: ``bad_seed``: not 32 bytes.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if len(seed) != 32:
            raise UsageError("bad_seed", "An Ed25519 private key is a seed of 32 bytes.")
        private = Ed25519PrivateKey.from_private_bytes(seed)
        self._sign = private.sign
        self.public_key = load_ed25519(private.public_key().public_bytes_raw(), kid)

    @property
    def kid(self) -> str:
        """The key's id: the thumbprint of its public half, unless another was given."""
        return self.public_key.kid

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over *message*; the same message gives the same bytes (RFC 8032 §5.1.6)."""
        return self._sign(message)

    def __repr__(self) -> str:
        return f"Ed25519Signer(kid={self.kid!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("A private key is not copied or stored this way.")
