"""
Attack tokens (SEC-01 to SEC-13): each built from a genuine one, each with the code that must refuse it.

Made from structure, not collected: every list below is crossed with the algorithms, parts or claims that it concerns.
Where it makes the attack stronger, the token is signed by the genuine key, so that only the rule in question stops it.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from carnet.core._base import Struct
from carnet.core.instant import MAX_INSTANT
from carnet.formats.encoding import b64url_encode
from carnet.formats.jose_keys import generate_private_pem, public_pem, signer_from_pem
from carnet.formats.jws import unverified_jws
from carnet.formats.keys import Ed25519Signer, KeyRing, KeyState, Signer, TrustedKey
from carnet.formats.license_token import TYP
from carnet.formats.limits import MAX_LIFETIME_SECONDS, MAX_TOKEN
from carnet.formats.strict_json import dump_json
from support.tokens import OTHER_SIGNER, SIGNER, TOKEN

CLAIMS: Final = unverified_jws(TOKEN, max_bytes=8192, what="It")[1]
IAT: Final = CLAIMS["iat"]
EDDSA: Final = "EdDSA"
ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Attack(Struct):
    """A token that must be refused with exactly *code*, and the rule that says so."""

    rule: str
    name: str
    token: str | bytes
    code: str
    ring: KeyRing


@functools.cache
def rsa_pem() -> str:
    """One RSA key per run: making them is slow."""
    return generate_private_pem("RS256")


@functools.cache
def signers() -> dict[str, Signer]:
    """A genuine signer for each algorithm."""
    return {
        EDDSA: SIGNER,
        "ES256": signer_from_pem(generate_private_pem("ES256")),
        "RS256": signer_from_pem(rsa_pem()),
    }


@functools.cache
def ring(state: KeyState = "active") -> KeyRing:
    """All of them, trusted for tokens."""
    return KeyRing(TrustedKey(role="token", key=signer.public_key, state=state) for signer in signers().values())


def header_of(alg: str) -> dict[str, Any]:
    """What a genuine token of *alg* has as its header."""
    return {"alg": alg, "kid": signers()[alg].kid, "typ": TYP}


def compact(header: Any, payload: Any, signer: Signer) -> str:
    """A compact JWS of any header and payload, JSON values or bytes, genuinely signed."""
    parts = [b64url_encode(part if isinstance(part, bytes) else dump_json(part)) for part in (header, payload)]
    return resigned(".".join(parts), signer)


def resigned(signed: str, signer: Signer) -> str:
    """Any two parts with the signature that fits them."""
    return f"{signed}.{b64url_encode(signer.sign(signed.encode('utf-8')))}"


def genuine(alg: str) -> str:
    """A token that must be accepted."""
    return compact(header_of(alg), CLAIMS, signers()[alg])


# ── SEC-01: the algorithm ────────────────────────────────────────────────────────────────────────────────────────────

_ALGORITHMS: Final[tuple[Any, ...]] = (
    "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "ES384", "ES512", "ES256K", "RS384", "RS512",
    "PS256", "PS384", "PS512", "Ed448", "dir", None, True, 0, [], {},
)  # fmt: skip


def _algorithms() -> Iterator[tuple[str, str | bytes, str]]:
    for alg, signer in signers().items():
        header = header_of(alg)
        others = [
            name for name in ("EdDSA", "Ed25519", "ES256", "RS256") if name not in {alg, "Ed25519"[: len(alg) + 1]}
        ]
        named = (*_ALGORITHMS, *(other for other in others if not (alg == EDDSA and other == "Ed25519")))
        for other in (*named, alg.lower(), alg.upper() + " ", f" {alg}", [alg], alg + "\u200b"):
            yield f"{alg} key, alg {other!r}", compact({**header, "alg": other}, CLAIMS, signer), "wrong_algorithm"
        yield f"{alg} key, unsigned", _unsigned({**header, "alg": "none"}), "wrong_algorithm"
        yield f"{alg} key, unsigned, alg kept", _unsigned(header), "bad_signature"
        key = signer.public_key
        secrets = {
            "raw": key.raw, "PEM": public_pem(key).encode(), "PEM without end": public_pem(key).strip().encode(),
            "JWK": json.dumps(key.to_jwk()).encode(), "kid": key.kid.encode(), "empty": b"",
        }  # fmt: skip
        for secret_name, secret in secrets.items():
            for name, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
                mac = _mac({**header, "alg": name}, secret, digest)
                yield f"{alg} public key as {name} secret: {secret_name}", mac, "wrong_algorithm"
            kept = _mac(header, secret, "sha512")
            yield f"{alg} public key as secret: {secret_name}, alg kept", kept, "bad_signature"


def _mixed() -> Iterator[tuple[str, str | bytes, str]]:
    for named, owner in signers().items():
        for alg in signers():
            for used, signer in signers().items():
                if not named == alg == used:
                    token = compact({"alg": alg, "kid": owner.kid, "typ": TYP}, CLAIMS, signer)
                    code = "bad_signature" if named == alg else "wrong_algorithm"
                    yield f"kid of the {named} key, alg {alg}, signed with {used}", token, code


def _unsigned(header: dict[str, Any]) -> str:
    return f"{b64url_encode(dump_json(header))}.{b64url_encode(dump_json(CLAIMS))}."


def _mac(header: dict[str, Any], secret: bytes, digest: str) -> str:
    signed = _unsigned(header)[:-1]
    return f"{signed}.{b64url_encode(hmac.digest(secret, signed.encode(), digest))}"


# ── SEC-02, SEC-03, SEC-12: the header ───────────────────────────────────────────────────────────────────────────────

_KEY_MATERIAL: Final[tuple[dict[str, Any], ...]] = (
    {"jwk": OTHER_SIGNER.public_key.to_jwk()}, {"jwk": None}, {"jku": "https://attacker.example/jwks.json"},
    {"jku": "file:///etc/passwd"}, {"x5u": "https://attacker.example/cert.pem"}, {"x5c": ["MIIB"]}, {"x5c": []},
    {"x5t": "AAAA"}, {"x5t#S256": "AAAA"}, {"crit": []}, {"crit": ["exp"]}, {"crit": ["b64"], "b64": False},
    {"crit": None}, {"b64": False}, {"b64": True}, {"zip": "DEF"}, {"enc": "A256GCM"}, {"cty": "JWT"}, {"p2c": 10**9},
    {"epk": {}}, {"iv": "AAAA"}, {"url": "https://attacker.example"}, {"nonce": "n"}, {"Alg": "none"}, {"KID": "x"},
    {"": ""}, {"typ ": TYP},
)  # fmt: skip
_KIDS: Final[tuple[Any, ...]] = (
    "", "x" * 65, "../../etc/passwd", "/dev/null", "https://attacker.example/key", "a b", "a\n",
    "k'; DROP TABLE keys--",
    "k\x7f", "ké", "k.pem", "k=", None, 7, True, [SIGNER.kid], {"kid": SIGNER.kid},
)  # fmt: skip
_TYPES: Final[tuple[Any, ...]] = (
    "JWT", "jwt", "", "at+jwt", TYP.upper(), f"{TYP} ", f" {TYP}", f"application/{TYP}", TYP[:-4], "carnet-answer+jwt",
    "carnet-time+jwt", "carnet-device-proof+jwt", "application/vnd.carnet.root+json", None, 1, True, [TYP], {},
)  # fmt: skip


def _headers() -> Iterator[tuple[str, str | bytes, str]]:
    header = header_of(EDDSA)
    for extra in _KEY_MATERIAL:
        name = json.dumps(extra)[:40]
        yield f"header with {name}", compact({**header, **extra}, CLAIMS, SIGNER), "bad_header"
        brought = {**header, "kid": OTHER_SIGNER.kid, **extra}
        yield f"attacker's key and header with {name}", compact(brought, CLAIMS, OTHER_SIGNER), "bad_header"
    for missing in header:
        some = {name: value for name, value in header.items() if name != missing}
        yield f"header without {missing}", compact(some, CLAIMS, SIGNER), "bad_header"


def _kids() -> Iterator[tuple[str, str | bytes, str]]:
    header = header_of(EDDSA)
    for kid in _KIDS:
        yield f"kid {kid!r:.40}", compact({**header, "kid": kid}, CLAIMS, SIGNER), "bad_kid"
    for kid in (OTHER_SIGNER.kid, SIGNER.kid.swapcase(), SIGNER.kid[:-1], SIGNER.kid + "A", "0", "none", "root"):
        yield f"unknown kid {kid}", compact({**header, "kid": kid}, CLAIMS, SIGNER), "unknown_key"
    yield (
        "attacker's key under his own kid",
        compact({**header, "kid": OTHER_SIGNER.kid}, CLAIMS, OTHER_SIGNER),
        ("unknown_key"),
    )
    yield "attacker's key under our kid", compact(header, CLAIMS, OTHER_SIGNER), "bad_signature"


def _types() -> Iterator[tuple[str, str | bytes, str]]:
    for typ in _TYPES:
        token = compact({**header_of(EDDSA), "typ": typ}, CLAIMS, SIGNER)
        yield f"typ {typ!r}", token, "wrong_type"


# ── SEC-08, SEC-12: the text ─────────────────────────────────────────────────────────────────────────────────────────


def _spellings() -> Iterator[tuple[str, str | bytes, str]]:
    head, payload, signature = parts = TOKEN.split(".")
    for count in (0, 1, 2, 4, 5, 6, 12):
        yield f"{count} parts", ".".join((parts * 20)[:count]), "bad_compact"
    yield "JWE with five parts", f"{head}..{payload}.{signature}.AAAA", "bad_compact"
    jwe = b64url_encode(b'{"alg":"dir","enc":"A256GCM"}')
    yield "JWE, direct key", f"{jwe}..AAAAAAAAAAAAAAAA.{payload}.AAAAAAAAAAAAAAAAAAAAAA", "bad_compact"
    flat = {"payload": payload, "protected": head, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": head, "signature": signature}]}
    for name, value in (("flattened", flat), ("general", general)):
        yield f"{name} JSON serialisation", json.dumps(value), "bad_compact"
    yield "flattened JSON serialisation with three parts", json.dumps({**flat, "x": ".."}), "bad_base64"
    yield "leading dot", f".{TOKEN}", "bad_compact"
    yield "trailing dot", f"{TOKEN}.", "bad_compact"
    for name, scheme in (("Bearer", "Bearer "), ("JWT", "JWT "), ("quote", '"'), ("BOM", "\ufeff")):
        yield f"{name} before it", f"{scheme}{TOKEN}", "bad_compact" if scheme == "\ufeff" else "bad_base64"
    for name, data in (
        ("UTF-16", TOKEN.encode("utf-16")),
        ("UTF-8 with a mark", TOKEN.encode("utf-8-sig")),
        ("a byte above 127", TOKEN.encode() + b"\x80"),
        ("an overlong dot", f"{head}.{payload}".encode() + b"\xc0\xae" + signature.encode()),
    ):
        yield name, data, "bad_compact"
    for blank in (" ", "\n", "\t", "\r\n", "\x00", "\x0b", "\x0c"):
        for index, part in enumerate(("header", "payload", "signature")):
            for place in ("before", "inside", "after"):
                at = {"before": 0, "inside": 8, "after": len(parts[index])}[place]
                changed = [*parts]
                changed[index] = parts[index][:at] + blank + parts[index][at:]
                # The signature is checked before the payload is decoded; blanks in it must not even get that far.
                code = "bad_signature" if part == "payload" else "bad_base64"
                yield f"{blank!r} {place} the {part}", ".".join(changed), code
    for junk in ("=", "==", "+", "/", "%3D", "*", "~", "é"):
        for index, part in enumerate(("header", "payload", "signature")):
            changed = [*parts]
            changed[index] += junk
            code = "bad_compact" if junk == "é" else "bad_signature" if part == "payload" else "bad_base64"
            yield f"{junk} after the {part}", ".".join(changed), code
    # … and with a genuine signature over the odd spelling, so that nothing but the spelling is wrong.
    for junk in ("=", "==", " ", "\n", "+", "\x00"):
        yield f"signed payload ending in {junk!r}", resigned(f"{head}.{payload}{junk}", SIGNER), "bad_base64"
        yield f"signed header ending in {junk!r}", resigned(f"{head}{junk}.{payload}", SIGNER), "bad_base64"


def _tails() -> Iterator[tuple[str, str | bytes, str]]:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    head, _, signature = TOKEN.split(".")
    for size in (1, 2):  # a payload whose last character has 4 or 2 unused bits
        payload = b64url_encode(dump_json(CLAIMS) + b" " * ((size - len(dump_json(CLAIMS))) % 3))
        same = 16 if len(payload) % 4 == 2 else 4
        first = alphabet.index(payload[-1])
        for other in range(first + 1, first + same):
            signed = f"{head}.{payload[:-1]}{alphabet[other]}"
            yield f"payload's last character {other - first} of {same}", resigned(signed, SIGNER), "bad_base64"
    first = alphabet.index(signature[-1])
    for other in range(first + 1, first + 16):
        yield f"signature's last character {other - first}", TOKEN[:-1] + alphabet[other], "bad_base64"


# ── SEC-09, SEC-10: JSON and size ────────────────────────────────────────────────────────────────────────────────────

_JSON: Final[tuple[tuple[bytes, str], ...]] = (
    (b"", "bad_json"), (b"null", "not_an_object"), (b"[]", "not_an_object"), (b'"x"', "not_an_object"),
    (b"1", "not_an_object"), (b"{", "bad_json"), (b"{}{}", "bad_json"), (b"{}\x00", "bad_json"), (b"{'a':1}",
    "bad_json"),
    (b'{"a":1,}', "bad_json"), (b'{"a":1}//', "bad_json"), (b"\xef\xbb\xbf{}", "bad_utf8"),
    (b"\xff\xfe{\x00}\x00", "bad_utf8"),
    (b'{"a":"\xff"}', "bad_utf8"), (b'{"a":"\xed\xa0\x80"}', "bad_utf8"), (b'{"a":"\xc0\x80"}', "bad_utf8"),
    (b'{"a":1,"a":1}', "duplicate_name"), (b'{"a":1,"\\u0061":2}', "duplicate_name"),
    (b'{"a":{"b":1,"b":2}}', "duplicate_name"), (b'{"a":NaN}', "bad_number"), (b'{"a":-Infinity}', "bad_number"),
    (b'{"a":1.0}', "bad_number"), (b'{"a":1e2}', "bad_number"), (b'{"a":9007199254740992}', "bad_number"),
    (b'{"a":' + b"9" * 400 + b"}", "bad_number"), (b'{"a":01}', "bad_json"), (b'{"a":+1}', "bad_json"),
    (b'{"a":"\\ud800"}', "bad_string"), (b'{"a":"\\u0000"}', "bad_string"), (b'{"a":"\x00"}', "bad_json"),
    (b'{"a":"\n"}', "bad_json"), (b'{"a":"\\x41"}', "bad_json"), (b'{"a":' + b"[" * 20 + b"]" * 20 + b"}", "too_deep"),
)  # fmt: skip


def _json() -> Iterator[tuple[str, str | bytes, str]]:
    for text, code in _JSON:
        yield f"header {text[:30]!r}", compact(text, CLAIMS, SIGNER), code
        yield f"payload {text[:30]!r}", compact(header_of(EDDSA), text, SIGNER), code
    written = dump_json(CLAIMS)
    for name in ("exp", "aud", "sub", "iat"):
        twice = b'{"%b":1,' % name.encode() + written[1:]
        yield f"{name} twice", compact(header_of(EDDSA), twice, SIGNER), "duplicate_name"
    for name in ("alg", "kid", "typ"):
        twice = b'{"%b":"x",' % name.encode() + dump_json(header_of(EDDSA))[1:]
        yield f"{name} twice", compact(twice, CLAIMS, SIGNER), "duplicate_name"
    padded = dump_json({**header_of(EDDSA), "x": "y" * 1024})
    yield "header beyond 1 KiB", compact(padded, CLAIMS, SIGNER), "too_large"
    yield "token beyond 8 KiB", compact(header_of(EDDSA), {**CLAIMS, "x": "y" * MAX_TOKEN}, SIGNER), "too_large"
    yield "a megabyte of dots", "." * 2**20, "too_large"
    yield "8 KiB of dots", "." * MAX_TOKEN, "bad_compact"


# ── SEC-04: the claims ───────────────────────────────────────────────────────────────────────────────────────────────

_NO_TEXTS: Final[tuple[Any, ...]] = ("", "x" * 256, "a\nb", "\x7f", "\u200b", 1, True, None, [], ["hustl"], {})
_NO_TIMES: Final[tuple[Any, ...]] = (0, -1, MAX_INSTANT + 1, str(IAT), "", True, False, [IAT], {})
_NO_SECONDS: Final[tuple[Any, ...]] = (-1, MAX_LIFETIME_SECONDS + 1, "1", True, None, [])

_NO_OBJECTS: Final[tuple[Any, ...]] = (None, [], "x", 1)
_NO_MEMBERS: Final[tuple[tuple[str, tuple[Any, ...]], ...]] = (
        ("access", ("none", "FULL", None, 1)), ("clock", ("on", None, True)), ("name", ("", None, 1)),
        ("essential", ("open", [], [1], [""], {"open": 1})), ("domains", ("example.com", [], [None])),
        ("edition", ("", 1, None)), ("below", ("", 4, None)),
)  # fmt: skip
_NO_ENTITLEMENTS: Final[tuple[Any, ...]] = (
        None, {}, "x", [1], [{}], [{"key": ""}], [{"key": "A"}], [{"key": "a"}, {"key": "a"}], [{"key": "a",
        "exp": None}],
        [{"key": "a", "exp": "1"}], [{"key": "a", "exp": 0}], [{"key": "a", "below": ""}], [{"key": ["a"]}],
)  # fmt: skip
_NO_STATUS: Final[tuple[Any, ...]] = (
    None, [], {}, {"status_list": None}, {"status_list": {"idx": -1, "uri": "u"}}, {"status_list": [0, "u"]},
                   {"status_list": {"idx": 2**31, "uri": "u"}}, {"status_list": {"idx": True, "uri": "u"}},
                   {"status_list": {"idx": 0, "uri": ""}}, {"status_list": {"idx": 0}}
)  # fmt: skip
_NO_LIST_VERSION: Final[tuple[Any, ...]] = (
    None, 17, "0.17", [], [17], [0, 17, 1], [0, -1], [-1, 0], [0, True], [0, "17"], [0, None], [[0, 17]], {"0": 17}
)  # fmt: skip
_NO_ACT_STATUS: Final[tuple[Any, ...]] = (None, [], {}, {"idx": -1}, {"idx": "0"}, {"idx": 0, "uri": ""})


def _claims() -> Iterator[tuple[str, str | bytes, str]]:
    def token(**changes: Any) -> str:
        return compact(header_of(EDDSA), {**CLAIMS, **changes}, SIGNER)

    for name in ("iss", "aud", "sub", "jti", "iat", "nbf", "exp", "lic_exp", "pol", "ent"):
        some = {each: value for each, value in CLAIMS.items() if each != name}
        yield f"without {name}", compact(header_of(EDDSA), some, SIGNER), "missing_claim"
    for name in ("iss", "aud", "sub", "jti", "act", "dev", "cus"):
        for text in _NO_TEXTS:
            yield f"{name} {text!r:.20}", token(**{name: text}), "bad_claim"
    for name in ("iat", "nbf", "exp", "lic_nbf", "lic_exp"):
        for time in _NO_TIMES:
            yield f"{name} {time!r}", token(**{name: time}), "bad_claim"
    for name in ("iat", "nbf", "exp", "lic_nbf"):
        yield f"{name} null", token(**{name: None}), "bad_claim"
    for iat, nbf, exp in (
        (IAT, IAT - 1, IAT + 10), (IAT, IAT + 10, IAT + 10), (IAT, IAT + 11, IAT + 10), (IAT + 10, IAT + 10, IAT),
        (IAT, IAT, IAT), (IAT, IAT, IAT + MAX_LIFETIME_SECONDS + 1), (1, 1, MAX_INSTANT),
    ):  # fmt: skip
        yield f"iat {iat - IAT:+}, nbf {nbf - IAT:+}, exp {exp - IAT:+}", token(iat=iat, nbf=nbf, exp=exp), "bad_times"
    yield "iat and exp swapped", token(iat=CLAIMS["exp"], exp=IAT), "bad_times"
    yield "nbf and exp swapped", token(nbf=CLAIMS["exp"], exp=CLAIMS["nbf"]), "bad_times"
    for other in _NO_OBJECTS:
        yield f"pol {other!r}", token(pol=other), "bad_claim"
    policy = CLAIMS["pol"]
    for name in ("name", "ttl", "grace", "term_grace", "refresh"):
        some = {each: value for each, value in policy.items() if each != name}
        yield f"pol without {name}", token(pol=some), "missing_claim"
    for name in ("ttl", "grace", "term_grace", "refresh", "warn", "status_age"):
        for seconds in _NO_SECONDS:
            yield f"pol.{name} {seconds!r}", token(pol={**policy, name: seconds}), "bad_claim"
    for name, values in _NO_MEMBERS:
        for value in values:
            yield f"pol.{name} {value!r}", token(pol={**policy, name: value}), "bad_claim"
    for entitlements in _NO_ENTITLEMENTS:
        yield f"ent {entitlements!r}", token(ent=entitlements), "bad_entitlements"
    for status in _NO_STATUS:
        yield f"status {status!r}", token(status=status), "bad_status"
    for version in _NO_LIST_VERSION:
        yield f"status_min {version!r}", token(status_min=version), "bad_status"
        own = {"idx": 0, "uri": "u", "min": version}
        yield f"act_status min {version!r}", token(act_status=own), "bad_status"
    for status in _NO_ACT_STATUS:
        yield f"act_status {status!r}", token(act_status=status), "bad_status"


# ── SEC-08, SEC-13: signatures ───────────────────────────────────────────────────────────────────────────────────────


def _signatures() -> Iterator[tuple[str, str | bytes, str]]:
    for alg, signer in signers().items():
        signed = genuine(alg).rpartition(".")[0]
        signature = signer.sign(signed.encode())
        for name, other in (*_any_signatures(signature), *_VARIANTS[alg](signature, signed.encode())):
            yield f"{alg} signature: {name}", f"{signed}.{b64url_encode(other)}", "bad_signature"


def _any_signatures(signature: bytes) -> Iterator[tuple[str, bytes]]:
    size = len(signature)
    yield from (
        ("empty", b""), ("one byte", b"\x00"), ("zeros", bytes(size)), ("ones", b"\xff" * size),
        ("cut by one", signature[:-1]), ("without its first byte", signature[1:]), ("half", signature[: size // 2]),
        ("a zero more", signature + b"\x00"), ("a zero before", b"\x00" + signature), ("twice", signature * 2),
        ("reversed", signature[::-1]), ("halves swapped", signature[size // 2 :] + signature[: size // 2]),
        ("first bit", bytes((signature[0] ^ 0x80,)) + signature[1:]), ("last bit",
        signature[:-1] + bytes((signature[-1] ^ 1,))),
    )  # fmt: skip


def _ed25519_signatures(signature: bytes, signed: bytes) -> Iterator[tuple[str, bytes]]:
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    for factor in range(1, 16):
        if s + factor * ED25519_ORDER < 2**256:
            yield f"S + {factor}L", r + (s + factor * ED25519_ORDER).to_bytes(32, "little")
    yield "S = L", r + ED25519_ORDER.to_bytes(32, "little")
    yield "S = 0", r + bytes(32)
    yield "L - S", r + (ED25519_ORDER - s).to_bytes(32, "little")
    yield "-R", r[:31] + bytes((r[31] ^ 0x80,)) + signature[32:]
    for name, point in (
        ("identity", b"\x01" + bytes(31)),
        ("zero", bytes(32)),
        ("order 2", b"\xec" + b"\xff" * 30 + b"\x7f"),
    ):
        yield f"R = {name}, S = 0", point + bytes(32)
        yield f"R = {name}", point + signature[32:]
    yield "pre-hashed text", SIGNER.sign(hashlib.sha512(signed).digest())
    yield "another text", SIGNER.sign(signed + b".")


def _es256_signatures(signature: bytes, signed: bytes) -> Iterator[tuple[str, bytes]]:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    chosen = {
        "0": 0,
        "1": 1,
        "n - 1": P256_ORDER - 1,
        "n": P256_ORDER,
        "n + 1": P256_ORDER + 1,
        "2^256 - 1": 2**256 - 1,
    }
    for name, number in chosen.items():
        yield f"r = {name}", number.to_bytes(32, "big") + signature[32:]
        yield f"s = {name}", signature[:32] + number.to_bytes(32, "big")
        for other_name, other in chosen.items():
            yield f"r = {name}, s = {other_name}", number.to_bytes(32, "big") + other.to_bytes(32, "big")
    yield "DER", encode_dss_signature(r, s)
    yield "DER of -s", encode_dss_signature(r, P256_ORDER - s)
    yield "r + n in 33 bytes", (r + P256_ORDER).to_bytes(33, "big") + signature[32:]
    yield "-r", (P256_ORDER - r).to_bytes(32, "big") + signature[32:]
    yield "little endian", signature[:32][::-1] + signature[32:][::-1]
    yield "33 bytes each", b"\x00" + signature[:32] + b"\x00" + signature[32:]
    yield "another text", signers()["ES256"].sign(signed + b".")


def _rs256_signatures(signature: bytes, signed: bytes) -> Iterator[tuple[str, bytes]]:
    private = load_pem_private_key(rsa_pem().encode(), None)
    assert isinstance(private, RSAPrivateKey)
    numbers = private.private_numbers()
    modulus, exponent, size = numbers.public_numbers.n, numbers.d, len(signature)
    number = int.from_bytes(signature, "big")

    def raised(block: bytes) -> bytes:
        return pow(int.from_bytes(block, "big"), exponent, modulus).to_bytes(size, "big")

    digest = hashlib.sha256(signed).digest()
    info = bytes.fromhex("3031300d060960864801650304020105000420") + digest
    bare = bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest
    whole = b"\x00\x01" + b"\xff" * (size - 3 - len(info)) + b"\x00" + info
    assert raised(whole) == signature
    garbage = bytes(size - 11 - len(info))
    blocks = {
        "no NULL in the digest's parameters": b"\x00\x01" + b"\xff" * (size - 3 - len(bare)) + b"\x00" + bare,
        "short padding and garbage at the end": b"\x00\x01" + b"\xff" * 8 + b"\x00" + info + garbage,
        "block type 0": b"\x00\x00" + b"\x00" * (size - 3 - len(info)) + b"\x00" + info,
        "block type 2": b"\x00\x02" + b"\xff" * (size - 3 - len(info)) + b"\x00" + info,
        "a hole in the padding": whole[:20] + b"\x00" + whole[21:],
        "another byte in the padding": whole[:20] + b"\xfe" + whole[21:],
        "no digest info": b"\x00\x01" + b"\xff" * (size - 3 - 32) + b"\x00" + digest,
        "no separator": b"\x00\x01" + b"\xff" * (size - 2 - len(info)) + info,
        "another digest": whole[:-1] + bytes((whole[-1] ^ 1,)),
    }
    for name, block in blocks.items():
        yield name, raised(block)
    for name, other in (("0", 0), ("1", 1), ("n - 1", modulus - 1), ("n", modulus), ("n - s", modulus - number)):
        yield f"s = {name}", other.to_bytes(size, "big")
    yield "s + n", (number + modulus).to_bytes(size + 1, "big")
    for algorithm in (hashes.SHA1(), hashes.SHA384(), hashes.SHA512()):  # noqa: S303 - the attack
        yield f"{algorithm.name} instead", private.sign(signed, padding.PKCS1v15(), algorithm)
    yield "PSS", private.sign(signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    yield "another text", private.sign(signed + b".", padding.PKCS1v15(), hashes.SHA256())


_VARIANTS: Final[dict[str, Callable[[bytes, bytes], Iterator[tuple[str, bytes]]]]] = {
    EDDSA: _ed25519_signatures,
    "ES256": _es256_signatures,
    "RS256": _rs256_signatures,
}

_FAMILIES: Final[tuple[tuple[str, Callable[[], Iterator[tuple[str, str | bytes, str]]]], ...]] = (
    ("SEC-01", _algorithms),
    ("SEC-01", _mixed),
    ("SEC-02", _headers),
    ("SEC-02", _kids),
    ("SEC-03", _types),
    ("SEC-04", _claims),
    ("SEC-08", _spellings),
    ("SEC-08", _tails),
    ("SEC-09", _json),
    ("SEC-13", _signatures),
)


def attacks() -> list[Attack]:
    """Every attack token."""
    made = [
        Attack(rule=rule, name=name, token=token, code=code, ring=ring())
        for rule, family in _FAMILIES
        for name, token, code in family()
    ]
    states: tuple[KeyState, ...] = ("retired", "compromised")
    made += [
        Attack(rule="SEC-02", name=f"{alg} key {state}", token=genuine(alg), code=f"{state}_key", ring=ring(state))
        for alg in signers()
        for state in states
    ]
    for signer in (Ed25519Signer(bytes(32)), OTHER_SIGNER):
        foreign = KeyRing.single("token", signer.public_key)
        made.append(Attack(rule="SEC-02", name="another vendor's ring", token=TOKEN, code="unknown_key", ring=foreign))
    answers = KeyRing.single("answer", SIGNER.public_key)
    made.append(Attack(rule="SEC-03", name="a key of another role", token=TOKEN, code="unknown_key", ring=answers))
    return made
