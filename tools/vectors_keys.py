"""
Makes the vectors of keys: `specs/vectors/keys/`.

`python tools/vectors_keys.py` writes them; `tests/unit/formats/test_format_vectors.py` makes them again, compares, and
runs them. The inputs are written here by hand, with fixed keys; the outcomes are what `carnet.formats` says, and are
reviewed as text and by tools/check_vectors.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.formats.encoding import b64url_decode, b64url_encode  # noqa: E402 - found on the path that is set above
from carnet.formats.keys import load_ed25519  # noqa: E402
from support.format_scenarios import ANSWER_SIGNER, TOKEN_SIGNER, Scenario, scenario, write  # noqa: E402
from support.jose_scenarios import (  # noqa: E402
    ES256,
    OTHER_ES256,
    P256_PRIME,
    RS256,
    RSA_1024_MODULUS,
    RSA_MODULUS,
    es256_variants,
    rs256_above_modulus,
    rs256_variants,
)
from support.vector_keys import STATES, record  # noqa: E402

_FIELD = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_Y_OF_ZERO = 0x66485C780E2F83D72433BD5D84A06BB6541C2AF31DAE871728BF856A174F93F4
"""The point of P-256 with x = 0 has this y."""
_RFC_7638_N = (  # RFC 7638 §3.1
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
    "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
    "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
    "nqDKgw"
)


def keys() -> Iterator[Scenario]:
    """Public keys as bytes and as JWK, and bare signatures."""

    def raw(name: str, section: str, catches: str, key: bytes) -> Scenario:
        return scenario(f"keys/{name}", section, catches, {"public_key_hex": key.hex()})

    rfc = b64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "The key")
    yield raw("rfc-8037", "2", "A thumbprint over other members, another order, or with blanks.", rfc)
    yield raw("of-seed-01", "2", "Another derivation of the public key than RFC 8032's.", TOKEN_SIGNER.public_key.raw)
    low = {
        "identity": 1,
        "order-2": _FIELD - 1,
        "order-4": 0,
        "order-8-a": 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        "order-8-b": 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    }
    for name, y in low.items():
        for sign in (0, 1):
            yield raw(
                f"low-order-{name}-{sign}",
                "3",
                "Loading a point of low order, under which one signature fits many messages.",
                (y | sign << 255).to_bytes(32, "little"),
            )
    for name, y in (("p", _FIELD), ("p-plus-1", _FIELD + 1), ("p-plus-2", _FIELD + 2), ("all-ones", 2**255 - 1)):
        yield raw(
            f"non-canonical-{name}",
            "3",
            "Reducing y instead of refusing it: two encodings of a key.",
            y.to_bytes(32, "little"),
        )
    for size in (0, 31, 33, 64):
        yield raw(f"size-{size}", "3", "Padding, cutting or hashing a key of another size.", bytes([7]) * size)

    def jwk(name: str, catches: str, change: dict[str, Any], without: str = "") -> Scenario:
        value = {**TOKEN_SIGNER.public_key.to_jwk(), **change}
        value.pop(without, None)
        return scenario(f"keys/{name}", "4", catches, {"jwk": value})

    yield jwk("jwk", "Refusing a key as we publish it ourselves.", {})
    yield jwk("jwk-no-kid", "Needing a kid where the thumbprint is the key's id.", {}, "kid")
    yield jwk("jwk-own-kid", "Overwriting the id that another vendor gave its key.", {"kid": "org-2026-a"})
    yield jwk("jwk-alg-ed25519", "Knowing only one of the two names of the algorithm.", {"alg": "Ed25519"})
    yield jwk("jwk-alg-es256", "Taking the key's type from one member and its use from another.", {"alg": "ES256"})
    yield jwk("jwk-private", "Loading a private key where a public one belongs, and so spreading it.", {"d": "AAAA"})
    yield jwk("jwk-use-enc", "Verifying with a key that is for encryption.", {"use": "enc"})
    yield jwk("jwk-key-ops-sign", "Ignoring key_ops.", {"key_ops": ["sign"]})
    yield jwk("jwk-crv-x25519", "Taking any 32 bytes of an OKP key for Ed25519.", {"crv": "X25519"})
    yield jwk(
        "jwk-x-padded",
        "Decoding x with padding: two spellings of a key.",
        {"x": TOKEN_SIGNER.public_key.to_jwk()["x"] + "="},
    )
    yield jwk(
        "jwk-x-low-order", "Checking raw keys but not those from a JWK.", {"x": b64url_encode(b"\x01" + bytes(31))}
    )
    yield jwk("jwk-kid-path", "Using a kid as a path or in a query.", {"kid": "../../etc/passwd"})
    yield jwk("jwk-kid-65", "Having no bound on the length of a kid.", {"kid": "x" * 65})

    message, signature = "carnet", TOKEN_SIGNER.sign(b"carnet")

    def signed(name: str, catches: str, value: bytes, text: str = message) -> Scenario:
        given = {"public_key_hex": TOKEN_SIGNER.public_key.raw.hex(), "message": text, "signature_hex": value.hex()}
        return scenario(f"keys/{name}", "5", catches, given)

    larger = (int.from_bytes(signature[32:], "little") + _ORDER).to_bytes(32, "little")
    yield signed("signature", "Refusing a genuine signature.", signature)
    yield signed("signature-other-message", "Not looking at the message.", signature, "carneT")
    yield signed("signature-large-s", "Taking S modulo the group order: a second spelling.", signature[:32] + larger)
    yield signed("signature-short", "Reading past the end of a short signature.", signature[:63])
    yield signed("signature-long", "Ignoring what follows a signature.", signature + b"\x00")
    yield signed("signature-zero", "Taking an empty signature for a good one.", bytes(64))
    for part in (_p256_keys, _rsa_keys, _jose_signatures, _key_states):
        yield from part()


def _jwk(name: str, catches: str, value: dict[str, Any], section: str = "3") -> Scenario:
    present = {member: said for member, said in value.items() if said is not None}
    return scenario(f"keys/{name}", section, catches, {"jwk": present})


def _p256_keys() -> Iterator[Scenario]:
    good = ES256.public_key.to_jwk()
    material = {name: good[name] for name in ("kty", "crv", "x", "y")}
    y = int.from_bytes(b64url_decode(good["y"], "y"), "big")

    def p256(name: str, catches: str, change: dict[str, Any], section: str = "3") -> Scenario:
        return _jwk(f"p256-{name}", catches, {**material, **change}, section)

    def number(value: int, size: int = 32) -> str:
        return b64url_encode(value.to_bytes(size, "big"))

    yield _jwk("p256", "Refusing an ES256 key as we publish it ourselves.", good, "4")
    yield p256("thumbprint", "A thumbprint over other members, another order, or without y.", {}, "2")
    yield p256("x-zero", "Refusing a point of the curve because its x is 0.", {"x": number(0), "y": number(_Y_OF_ZERO)})
    yield p256(
        "x-prime",
        "Reducing x instead of refusing it: two spellings of a key.",
        {"x": number(P256_PRIME), "y": number(_Y_OF_ZERO)},
    )
    yield p256("off-curve", "Computing with a point of another curve, which gives keys away.", {"y": number(y ^ 1)})
    yield p256("infinity", "Taking two zeros for the point at infinity.", {"x": number(0), "y": number(0)})
    yield p256("x-31", "Padding a coordinate that is too short.", {"x": number(7, 31)})
    yield p256("y-33", "Stripping zeros of a coordinate that is too long.", {"y": number(y, 33)})
    yield p256("x-padded", "Decoding coordinates with padding: two spellings.", {"x": material["x"] + "="}, "4")
    yield p256("no-y", "Taking x alone for a compressed point.", {"y": None}, "4")
    yield p256("crv-p384", "Taking the curve from the length of the coordinates.", {"crv": "P-384"}, "4")
    yield p256("crv-secp256k1", "Taking any curve of 256 bits.", {"crv": "secp256k1"}, "4")
    yield p256("alg-es384", "Taking any ECDSA algorithm for ES256.", {"alg": "ES384"}, "4")
    yield p256("alg-es256k", "Taking names that begin alike for ES256.", {"alg": "ES256K"}, "4")
    yield p256("private", "Loading a private key where a public one belongs.", {"d": number(7)}, "4")
    yield p256("kty-okp", "Looking at the curve's name and not at the kind.", {"kty": "OKP"}, "4")


def _rsa_keys() -> Iterator[Scenario]:
    good = RS256.public_key.to_jwk()
    material = {name: good[name] for name in ("kty", "n", "e")}

    def big(value: int) -> str:
        return b64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    def rsa(name: str, catches: str, change: dict[str, Any], section: str = "3") -> Scenario:
        return _jwk(f"rsa-{name}", catches, {**material, **change}, section)

    yield _jwk("rsa", "Refusing an RS256 key as we publish it ourselves.", good, "4")
    yield rsa("thumbprint", "A thumbprint over other members or in another order.", {"n": _RFC_7638_N}, "2")
    yield rsa(
        "1024-bits", "Trusting a modulus that has been in reach of attackers for years.", {"n": big(RSA_1024_MODULUS)}
    )
    for bits in (2047, 2048, 4096, 4097):
        catches = "Counting bytes instead of bits." if bits < 3000 else "Having no bound on the work of a verification."
        yield rsa(f"{bits}-bits", catches, {"n": big(1 << bits - 1 | 1)})
    yield rsa("even", "Taking an even modulus, which anyone factors.", {"n": big(RSA_MODULUS - 1)})
    for exponent in (1, 3, 65536, 65539, 2**32 + 1):
        yield rsa(
            f"exponent-{exponent}", "Taking any exponent: with 1 or 3 signatures are forged.", {"e": big(exponent)}
        )
    yield rsa("exponent-zero-byte", "Two spellings of one exponent.", {"e": b64url_encode(b"\x00\x01\x00\x01")}, "4")
    yield rsa(
        "modulus-zero-byte",
        "Two spellings of one modulus, and so two ids of one key.",
        {"n": b64url_encode(b"\x00" + RSA_MODULUS.to_bytes(256, "big"))},
        "4",
    )
    yield rsa("modulus-empty", "Failing on nothing with another error than the documented one.", {"n": ""}, "4")
    yield rsa("no-exponent", "Giving the exponent a default.", {"e": None}, "4")
    for alg in ("PS256", "RS384", "RSA-OAEP"):
        yield rsa(f"alg-{alg.lower()}", "Taking any RSA key for RS256.", {"alg": alg}, "4")
    for member in ("d", "p", "qi"):
        yield rsa(f"private-{member}", "Looking for d only, or loading a private key.", {member: "AQAB"}, "4")
    yield _jwk("oct", "Loading a secret of HMAC where a public key belongs.", {"kty": "oct", "k": "AQAB"}, "4")


def _jose_signatures() -> Iterator[Scenario]:
    message = b"carnet"

    def signed(name: str, catches: str, jwk: dict[str, str], signature: bytes, text: str = "carnet") -> Scenario:
        given = {"jwk": jwk, "message": text, "signature_hex": signature.hex()}
        return scenario(f"keys/{name}", "5", catches, given)

    for name, signer, variants in (("es256", ES256, es256_variants), ("rs256", RS256, rs256_variants)):
        jwk, genuine = signer.public_key.to_jwk(), signer.sign(message)
        yield signed(f"{name}-signature", "Refusing a genuine signature.", jwk, genuine)
        yield signed(f"{name}-other-message", "Not looking at the message.", jwk, genuine, "carneT")
        for variant, catches, signature in variants(message):
            yield signed(f"{name}-{variant}", catches, jwk, signature)
    text, larger = rs256_above_modulus()
    catches = "Reducing a signature modulo n: a second spelling."
    yield signed("rs256-above-modulus", catches, RS256.public_key.to_jwk(), larger, text)
    yield signed("es256-of-another-key", "Taking any key.", OTHER_ES256.public_key.to_jwk(), ES256.sign(message))


def _key_states() -> Iterator[Scenario]:
    """Keys are found by role and id, and verify in three of their five states."""

    def found(name: str, catches: str, keys: dict[str, list[Any]], role: str = "token", section: str = "6") -> Scenario:
        given = {"find": {"role": role, "kid": TOKEN_SIGNER.kid}}
        return scenario(f"keys/{name}", section, catches, given, keys=keys)

    token, answer = TOKEN_SIGNER.public_key, ANSWER_SIGNER.public_key
    named = load_ed25519(token.raw, "another-name")
    yield found("find", "Not finding a key that is there.", {"token": [answer, token]})
    for state, catches in STATES:
        yield found(f"find-{state}", catches, {"token": [record(token, state)]})
    yield found("find-unknown", "Taking the only key there is for the one that is named.", {"token": [answer]})
    yield found("find-other-role", "Looking up keys without their role.", {"answer": [token], "token": [answer]})
    yield found("find-two-roles", "Letting a key have one role only.", {"answer": [token], "token": [token]})
    yield found(
        "find-retired-in-one-role",
        "Keeping one state for a key that has two roles.",
        {"answer": [record(token, "retired")], "token": [token]},
    )
    yield found("set-key-twice", "Taking the first of two records.", {"token": [token, token]}, section="3")
    yield found(
        "set-retired-and-active",
        "Taking the record that suits: the key was retired, or it was not.",
        {"token": [record(token, "retired"), token]},
        section="3",
    )
    yield found(
        "set-two-names",
        "Letting a key have two ids: one is retired, the other lives on.",
        {"token": [token, named]},
        section="3",
    )
    impostor = load_ed25519(answer.raw, token.kid)
    yield found(
        "set-two-keys-of-one-name",
        "Letting an id name two keys.",
        {"token": [token], "answer": [impostor]},
        section="3",
    )
    for signer, name in ((ES256, "es256"), (RS256, "rs256")):
        given = {"find": {"role": "token", "kid": signer.kid}}
        catches = "Losing a key's algorithm: it must come from the record."
        yield scenario(f"keys/find-{name}", "1", catches, given, keys={"token": [token, signer.public_key]})
        for role in ("answer", "machine-file"):
            given = {"find": {"role": role, "kid": signer.kid}}
            catches = "Letting algorithms for old clients into artifacts that no old client reads."
            yield scenario(f"keys/find-{name}-for-{role}", "1", catches, given, keys={role: [signer.public_key]})


PARTS = (keys,)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of keys")
