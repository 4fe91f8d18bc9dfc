"""
What `check_vectors.py` knows of keys: written from `specs/keys.md`, importing nothing of Carnet.

Ed25519 is PyNaCl's; ES256 and RS256 are done here, in the plainest arithmetic, so that they share no code with the
library that Carnet verifies with. Nothing here is constant in time: it handles public values only.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any, Final

import nacl.exceptions
import nacl.signing

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from tools.independent_reading import Bad, base64url, check, is_kid, to_base64url  # noqa: E402 - the path is set above

PRIME: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3), as the three below."""
B: Final = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
BASE: Final = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
SHA_256: Final = bytes.fromhex("3031300d060960864801650304020105000420")
ALGORITHMS: Final = {"OKP": "Ed25519", "EC": "ES256", "RSA": "RS256"}
NAMES: Final = {"OKP": ("EdDSA", "Ed25519"), "EC": ("ES256",), "RSA": ("RS256",)}
Point = tuple[int, int] | None


# ── loading, §3 and §4 ───────────────────────────────────────────────────────────────────────────────────────────────


def load_key(text: str) -> bytes:
    """An Ed25519 public key that passes §3."""
    return load_raw(base64url(text))


def load_raw(raw: bytes) -> bytes:
    """The same, from its bytes."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    low = (
        0,
        1,
        2**255 - 20,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    )
    check(len(raw) == 32 and y < 2**255 - 19 and y not in low, "bad_key")
    return raw


def thumbprint(x: str) -> str:
    """The id of an Ed25519 key (§2)."""
    return _digest(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}')


def load_jwk(jwk: dict[str, Any]) -> str:
    """The id of a key that passes §3 and §4."""
    check(not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & jwk.keys(), "private_key")
    check(jwk.get("use", "sig") == "sig" and "verify" in jwk.get("key_ops", ["verify"]), "bad_key")
    check("kid" not in jwk or is_kid(jwk["kid"]), "bad_kid")
    kty = jwk.get("kty")
    check(kty in NAMES and jwk.get("alg", NAMES[kty][0]) in NAMES[kty], "bad_key")
    if kty == "OKP":
        check(jwk.get("crv") == "Ed25519" and isinstance(jwk.get("x"), str), "bad_key")
        load_key(jwk["x"])
        made = thumbprint(jwk["x"])
    elif kty == "EC":
        check(jwk.get("crv") == "P-256", "bad_key")
        x, y = (_bytes_of(jwk, name) for name in "xy")
        check(len(x) == len(y) == 32 and _is_on_curve(_number(x), _number(y)), "bad_key")
        made = _digest(f'{{"crv":"P-256","kty":"EC","x":"{jwk["x"]}","y":"{jwk["y"]}"}}')
    else:
        n, e = (_bytes_of(jwk, name) for name in "ne")
        check(n and e and n[0] and e[0], "bad_key")
        check(_number(e) == 65537 and _number(n) % 2 and 2048 <= _number(n).bit_length() <= 4096, "bad_key")
        made = _digest(f'{{"e":"AQAB","kty":"RSA","n":"{jwk["n"]}"}}')
    return str(jwk.get("kid", made))


def _bytes_of(jwk: dict[str, Any], name: str) -> bytes:
    check(isinstance(jwk.get(name), str), "bad_key")
    return base64url(jwk[name])


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _digest(text: str) -> str:
    return to_base64url(hashlib.sha256(text.encode()).digest())


# ── verifying, §5 ────────────────────────────────────────────────────────────────────────────────────────────────────


def fits(jwk: dict[str, str], signature: bytes, message: bytes) -> bool:
    """Whether *signature* over *message* is the key's."""
    if jwk["kty"] == "EC":
        key = (_number(base64url(jwk["x"])), _number(base64url(jwk["y"])))
        return len(signature) == 64 and _ecdsa(key, _number(signature[:32]), _number(signature[32:]), message)
    if jwk["kty"] == "RSA":
        return _pkcs1(_number(base64url(jwk["n"])), signature, message)
    try:
        check(len(signature) == 64, "bad_signature")
        nacl.signing.VerifyKey(base64url(jwk["x"])).verify(message, signature)
    except (Bad, nacl.exceptions.BadSignatureError):
        return False
    return True


def _ecdsa(key: tuple[int, int], r: int, s: int, message: bytes) -> bool:
    """FIPS 186-5 §6.4.2."""
    if not (0 < r < ORDER and 0 < s < ORDER):
        return False
    inverse = pow(s, -1, ORDER)
    digest = _number(hashlib.sha256(message).digest())
    point = _sum(_times(digest * inverse % ORDER, BASE), _times(r * inverse % ORDER, key))
    return point is not None and point[0] % ORDER == r


def _pkcs1(n: int, signature: bytes, message: bytes) -> bool:
    """RFC 8017 §8.2.2: make the one right block, and compare."""
    size = (n.bit_length() + 7) // 8
    if len(signature) != size or _number(signature) >= n:
        return False
    content = SHA_256 + hashlib.sha256(message).digest()
    block = b"\x00\x01" + b"\xff" * (size - 3 - len(content)) + b"\x00" + content
    return pow(_number(signature), 65537, n) == _number(block)


def _is_on_curve(x: int, y: int) -> bool:
    return x < PRIME and y < PRIME and (y * y - x**3 + 3 * x - B) % PRIME == 0


def _sum(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    if one[0] == other[0] and (one[1] + other[1]) % PRIME == 0:
        return None
    rise, run = (3 * one[0] ** 2 - 3, 2 * one[1]) if one == other else (one[1] - other[1], one[0] - other[0])
    slope = rise * pow(run, -1, PRIME)
    x = (slope * slope - one[0] - other[0]) % PRIME
    return x, (slope * (one[0] - x) - one[1]) % PRIME


def _times(factor: int, point: Point) -> Point:
    total: Point = None
    while factor:
        if factor & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        factor >>= 1
    return total


# ── finding, §6 ──────────────────────────────────────────────────────────────────────────────────────────────────────


def trusted(vector: dict[str, Any], role: str, kid: str) -> dict[str, str]:
    """The key with this id among the vector's keys for *role*, in a state that verifies."""
    for jwk in vector.get("keys", {}).get(role, ()):
        if jwk["kid"] == kid:
            check(jwk.get("state") not in ("retired", "compromised"), f"{jwk.get('state')}_key")
            return dict(jwk)
    raise Bad("unknown_key")


def usable(vector: dict[str, Any], role: str) -> list[dict[str, str]]:
    """The keys for *role* that verify."""
    return [jwk for jwk in vector["keys"].get(role, ()) if jwk.get("state") not in ("retired", "compromised")]


def check_set(keys: dict[str, list[dict[str, str]]]) -> None:
    """A set of keys: §1 and the last sentence of §3."""
    ids: dict[str, str] = {}
    materials: dict[str, str] = {}
    for role, listed in keys.items():
        for jwk in listed:
            kid = load_jwk(jwk)
            check(jwk["kty"] == "OKP" or role == "token", "bad_key")
            material = jwk.get("x") or jwk["n"]
            check(ids.setdefault(kid, material) == material, "duplicate_key")
            check(materials.setdefault(material, kid) == kid, "duplicate_key")
        check(len({jwk["kid"] for jwk in listed}) == len(listed), "duplicate_key")


def keys(vector: dict[str, Any]) -> str:
    """The outcome of a vector of `keys/` (§9)."""
    given, value = vector["input"], vector["expect"].get("value", {})
    if "find" in given:
        check_set(vector["keys"])
        found = trusted(vector, given["find"]["role"], given["find"]["kid"])
        assert value == {"alg": ALGORITHMS[found["kty"]]}, "algorithm"
        return "ok"
    if "jwk" in given:
        jwk, kid = given["jwk"], load_jwk(given["jwk"])
    else:
        x = to_base64url(load_raw(bytes.fromhex(given["public_key_hex"])))
        jwk, kid = {"kty": "OKP", "x": x}, thumbprint(x)
    if "signature_hex" in given:
        signature = bytes.fromhex(given["signature_hex"])
        check(fits(jwk, signature, given["message"].encode()), "bad_signature")
    elif "value" in vector["expect"]:
        assert value["kid"] == kid, "key id"
        assert value.get("jwk", {}).get("x", jwk.get("x")) == jwk.get("x"), "key"
    return "ok"
