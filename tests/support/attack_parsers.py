"""Every parser of outside bytes, as the fuzz campaigns see it: seeds, a call, genuine re-signing, a second opinion."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any, Final

from carnet.core.instant import Instant
from carnet.core.lease_terms import LeaseHolder
from carnet.formats.answer import Answer, issue_answer, verify_answer
from carnet.formats.app_manifest import MAGIC, TYP, AppManifest, issue_app_manifest, verify_app_manifest
from carnet.formats.base32_groups import read_groups, write_groups
from carnet.formats.bundle import LABEL, Bundle, read_bundle, write_bundle
from carnet.formats.detect import detect
from carnet.formats.device_proof import make_device_proof, verify_device_proof
from carnet.formats.encoding import armor, b64_encode, sha256_b64url, sha256_hex
from carnet.formats.jose_keys import public_key_from_pem, public_pem
from carnet.formats.jws import unverified_jws
from carnet.formats.keys import public_key_from_jwk
from carnet.formats.lease import LeaseToken, issue_lease_token, verify_lease_token
from carnet.formats.license_key import heal_license_key
from carnet.formats.license_token import verify_license_token
from carnet.formats.offline_token import verify_offline_token
from carnet.formats.signed_key import canonical_signed_key, issue_signed_key, verify_signed_key
from carnet.formats.status_list import StatusList, issue_status_list, verify_status_list
from carnet.formats.strict_json import dump_json, parse_json, parse_object
from carnet.formats.support_code import Symptoms, read_support_code, write_support_code
from carnet.formats.time_answer import TimeAnswer, issue_time_answer, verify_time_answer
from support import (
    attack_files,
    attack_inspection,
    attack_logs,
    attack_profiles,
    machine_file_oracle,
    machine_files,
    offline_token_oracle,
    offline_tokens,
    roots,
    signed_key_oracle,
)
from support import signed_keys as keys
from support.attack_judging import Parser, UndocumentedError
from support.attack_mutators import Mutator
from support.token_oracle import Refused, read_strictly
from support.token_oracle import verify as verify_by_the_book
from support.tokens import HEADER, ISSUED_AT, RING, SIGNER, TOKEN, forge, ring_of


def text_of(data: bytes) -> str:
    """*data* as a text that may hold anything a Python text can, half surrogates among it."""
    return data.decode("utf-8", "surrogateescape")


# ── crafting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _resigned_jws(token: str) -> Callable[[Mutator], bytes]:
    header, payload = (base64.urlsafe_b64decode(part + "==") for part in token.split(".")[:2])

    def craft(mutator: Mutator) -> bytes:
        head, claims = json.loads(header), json.loads(payload)
        if mutator.random.random() < 0.15:
            head = mutator.of_json(head)
        else:
            claims = mutator.of_json(claims)
        return forge(mutator.text_of(head), mutator.text_of(claims)).encode()

    return craft


def _repacked_status_list(mutator: Mutator) -> bytes:
    """A list whose claims were changed, or whose stream was, under a genuine seal."""
    if mutator.random.random() < 0.5:
        return _resigned_jws(_STATUS_LIST)(mutator)
    header, payload = (base64.urlsafe_b64decode(part + "==") for part in _STATUS_LIST.split(".")[:2])
    claims = json.loads(payload)
    stream = base64.urlsafe_b64decode(claims["status_list"]["lst"] + "==")
    if mutator.random.random() < 0.5:
        size = mutator.random.choice((16, 16, 64, 4096, 67_108_864))
        stream, claims["size"] = zlib.compress(bytes(size * 2 // 8 % 65_536)), size
    packed = mutator.of_bytes(stream, stream, 4096) if mutator.random.random() < 0.8 else stream
    claims["status_list"]["lst"] = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    return forge(header, json.dumps(claims).encode()).encode()


def _crafted_bundle(mutator: Mutator) -> bytes:
    members = mutator.of_json({"format": 1, "roots": ["a", "b"], "token": "t", "machine_file": "m", "answer": "a"})
    text = mutator.text_of(members) if mutator.random.random() < 0.3 else _canonical(members)
    return armor(LABEL, text).encode()


def _resealed(mutator: Mutator) -> bytes:
    extras = mutator.random.random() < 0.8
    claims = machine_files.claims_of() if extras else machine_files.contract_claims(included=True)
    return machine_files.seal_json(mutator.text_of(mutator.of_json(claims)))


def _resigned_offline_token(mutator: Mutator) -> bytes:
    token = mutator.of_json(json.loads(json.dumps(offline_tokens.TOKEN)))
    canonical = json.dumps(token, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    raw = canonical.encode("utf-8", "surrogatepass")
    signature = {"algorithm": "Ed25519", "key_id": "org-2026-a", "value": b64_encode(offline_tokens.SIGNER.sign(raw))}
    whole: Any = {"object": "offline_token", "token": token, "signature": signature, "canonical": canonical}
    if mutator.random.random() < 0.1:
        whole = mutator.of_json(whole)
    return json.dumps(whole).encode()


def _resigned_key(mutator: Mutator) -> bytes:
    payload, other = mutator.random.choice(_PAYLOADS), mutator.random.choice(_PAYLOADS)
    payload = payload[:2] + mutator.of_bytes(payload[2:], other, 220)
    return payload + keys.SIGNER.sign(b"carnet/v1/license-key\0" + keys.SIGNER.kid.encode() + b"\0" + payload)


def _mistyped_key(mutator: Mutator) -> bytes:
    text = list(machine_files.LICENSE_KEY)
    for _ in range(mutator.random.randrange(4)):
        text[mutator.random.randrange(len(text))] = mutator.random.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZoil- _")
    return "".join(text).encode()


def _crafted_json(mutator: Mutator) -> bytes:
    return mutator.text_of(mutator.of_json(json.loads(json.dumps(offline_tokens.TOKEN))))


def _crafted_key(mutator: Mutator) -> bytes:
    return mutator.text_of(mutator.of_json(json.loads(mutator.random.choice(_JWKS))))


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


# ── second opinions ──────────────────────────────────────────────────────────────────────────────────────────────────


def _opinion(read: Callable[[bytes], object]) -> Callable[[bytes], bool]:
    def accepts(data: bytes) -> bool:
        try:
            return read(data) is not None
        except Refused:
            return False

    return accepts


def _read_json_by_the_book(data: bytes) -> object:
    return (read_strictly(data),)


# ── parsers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_key(data: bytes) -> object:
    if data.startswith(b"{"):
        return public_key_from_jwk(parse_object(data, max_bytes=65536, what="The key"))
    return public_key_from_pem(data)


def _heal(data: bytes) -> object:
    healed = heal_license_key(text_of(data))
    if healed is not None and heal_license_key(healed.key) is None:
        raise UndocumentedError("a healed key does not heal to itself")
    return healed


def _read_signed_key(data: bytes) -> object:
    return _read_typed_key(write_groups(data or b"\x00").encode())


def _read_typed_key(data: bytes) -> object:
    text = text_of(data)
    grant = verify_signed_key(text, keys.RING)
    canonical = canonical_signed_key(text)
    if canonical is None or verify_signed_key(canonical, keys.RING) != grant:
        raise UndocumentedError("two readings of one key differ")
    return grant


def _read_status_list(data: bytes) -> object:
    listed = verify_status_list(data, ring_of("status-list"))
    statuses = [listed.status(index) for index in {0, listed.size // 2, listed.size - 1}]
    if listed.size * listed.bits != len(listed.statuses) * 8 or not all(0 <= status <= 3 for status in statuses):
        raise UndocumentedError("a list that is not what it says")
    return listed


def _open_machine_file(data: bytes) -> object:
    return machine_files.open_here(data)


def _inspect(data: bytes) -> object:
    if detect(data) == "token":
        return unverified_jws(data.strip(), max_bytes=8192, what="It")
    return None


_ANSWER: Final = issue_answer(
    Answer(
        id="a-1",
        issuer="installation-1",
        nonce="n-1",
        action="refresh",
        outcome="refused",
        at=ISSUED_AT,
        product="hustl",
        code="license_revoked",
        reasons=("license_revoked", "license_expired"),
        device="d",
        license_id="l",
        activation_id="act",
        artifacts=(("token", "A" * 43),),
    ),
    SIGNER,
)
_PROOF: Final = make_device_proof(SIGNER, method="POST", path="/v1/refresh", body=b"{}", at=ISSUED_AT, nonce="n-1")
_TIME: Final = issue_time_answer(TimeAnswer(id="t", issuer="i", nonce="n-1", at=ISSUED_AT), SIGNER)
_LEASE: Final = issue_lease_token(
    LeaseToken(
        id="j",
        issuer="i",
        product="hustl",
        license_id="l",
        lease_id="s",
        holder=LeaseHolder(kind="process", id="render-07/4711"),
        issued_at=ISSUED_AT,
        expires_at=Instant(ISSUED_AT + 660),
        is_borrowed=True,
    ),
    SIGNER,
)
_STATUS_LIST: Final = issue_status_list(
    StatusList(
        issuer="i",
        uri="https://license.example.com/v1/status/0",
        version=(1, 17),
        issued_at=ISSUED_AT,
        expires_at=Instant(ISSUED_AT + 86400),
        ttl_seconds=60,
        bits=2,
        statuses=bytes((0x89, 0x44, 0x99, 0x00)),
    ),
    SIGNER,
)
_SIGNED_KEYS: Final = tuple(
    issue_signed_key(keys.key_grant(**changes), keys.SIGNER)
    for changes in ({}, {"policy": keys.RULES["policy"]}, {"entitlements": keys.FACTS["entitlements"]}, keys.FACTS)
)
_PAYLOADS: Final = tuple(read_groups(key)[:-64] for key in _SIGNED_KEYS)
_P256: Final = {  # RFC 7515 appendix A.3
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
_RSA_MODULUS: Final = (  # RFC 7638 §3.1
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
)
_PUBLIC_KEYS: Final = (
    SIGNER.public_key,
    public_key_from_jwk(_P256),
    public_key_from_jwk({"kty": "RSA", "n": _RSA_MODULUS, "e": "AQAB"}),
)
_JWKS: Final = tuple(json.dumps(key.to_jwk()) for key in _PUBLIC_KEYS)
_MACHINE_FILE: Final = machine_files.seal().encode()
_OFFLINE: Final = json.dumps(offline_tokens.CONTRACT, ensure_ascii=False).encode()

_FILES = (("app/flightlog", sha256_hex(b"one")), ("app/lib/Überflug.so", sha256_hex(b"two")), ("z", sha256_hex(b"")))
_MANIFEST = issue_app_manifest(
    AppManifest(issuer="i", product="hustl", version="2.1", issued_at=ISSUED_AT, files=_FILES), SIGNER
)
_SUPPORT_CODES = tuple(
    write_support_code(Symptoms(state=state, access="none", root_version=version)).encode()
    for version, state in enumerate(("active", "grace", "wrong_device"))
)


def _resealed_manifest(mutator: Mutator) -> bytes:
    """A list that was changed, or claims that were, under a genuine seal."""
    listed = _MANIFEST.split(b"\n", 2)[2]
    if mutator.random.random() < 0.7:
        listed = mutator.of_bytes(listed, _MANIFEST, 4096)
    claims: Any = {"iss": "i", "aud": "hustl", "iat": int(ISSUED_AT), "ver": "2.1", "files": listed.count(b"\n")}
    claims["list"] = sha256_b64url(listed)
    if mutator.random.random() < 0.3:
        claims = mutator.of_json(claims)
    seal = forge(mutator.text_of({"alg": "EdDSA", "kid": SIGNER.kid, "typ": TYP}), mutator.text_of(claims))
    return MAGIC + seal.encode() + b"\n" + listed


PARSERS: Final[dict[str, Parser]] = {
    "license token": Parser(
        seeds=(TOKEN.encode(), forge(HEADER, {}).encode()),
        read=lambda data: verify_license_token(data, RING),
        craft=_resigned_jws(TOKEN),
        opinion=_opinion(lambda data: verify_by_the_book(data, {SIGNER.kid: SIGNER.public_key.raw})),
    ),
    "answer": Parser(
        seeds=(_ANSWER.encode(), TOKEN.encode()),
        read=lambda data: verify_answer(data, ring_of("answer")),
        craft=_resigned_jws(_ANSWER),
    ),
    "time answer": Parser(
        seeds=(_TIME.encode(), _ANSWER.encode()),
        read=lambda data: verify_time_answer(data, ring_of("time"), nonce="n-1"),
        craft=_resigned_jws(_TIME),
    ),
    "lease": Parser(
        seeds=(_LEASE.encode(), _TIME.encode()),
        read=lambda data: verify_lease_token(data, ring_of("lease")),
        craft=_resigned_jws(_LEASE),
    ),
    "status list": Parser(
        seeds=(_STATUS_LIST.encode(), _LEASE.encode()),
        read=_read_status_list,
        craft=_repacked_status_list,
    ),
    "device proof": Parser(
        seeds=(_PROOF.encode(), _TIME.encode()),
        read=lambda data: verify_device_proof(
            data, SIGNER.public_key, method="POST", path="/v1/refresh", body=b"{}", now=ISSUED_AT
        ),
        craft=_resigned_jws(_PROOF),
    ),
    "bundle": Parser(
        seeds=(write_bundle(Bundle(roots=("r",), token=TOKEN, answer=_ANSWER)).encode(), _MACHINE_FILE),
        read=read_bundle,
        craft=_crafted_bundle,
    ),
    "machine file": Parser(
        seeds=(_MACHINE_FILE, machine_files.seal_claims(machine_files.contract_claims(included=True))),
        read=_open_machine_file,
        craft=_resealed,
        opinion=_opinion(
            lambda data: machine_file_oracle.open_by_the_book(
                data,
                {"org-2026-a": SIGNER.public_key.raw},
                machine_files.LICENSE_KEY,
                machine_files.FINGERPRINT,
            )
        ),
    ),
    "app manifest": Parser(
        seeds=(_MANIFEST, TOKEN.encode()),
        read=lambda data: verify_app_manifest(data, ring_of("license-key"), product="hustl"),
        craft=_resealed_manifest,
    ),
    "support code": Parser(
        seeds=_SUPPORT_CODES,
        read=lambda data: read_support_code(text_of(data)),
        craft=lambda mutator: mutator.random.choice(_SUPPORT_CODES),
    ),
    "strict JSON": Parser(
        seeds=(dump_json(roots.MEMBERS), dump_json(machine_files.claims_of())),
        read=lambda data: parse_json(data, max_bytes=65536, what="It"),
        craft=_crafted_json,
        opinion=_opinion(_read_json_by_the_book),
    ),
    "JSON with fractions": Parser(
        seeds=(b'{"a":[1.5,-2e-3,1E+2,0.0,-0.0]}', dump_json(roots.MEMBERS)),
        read=lambda data: parse_json(data, max_bytes=65536, what="It", allow_floats=True),
        craft=_crafted_json,
    ),
    "license key": Parser(
        seeds=(machine_files.LICENSE_KEY.encode(), b"0123456789abcdefghjkdf2mm"), read=_heal, craft=_mistyped_key
    ),
    "signed key": Parser(
        seeds=tuple(map(read_groups, _SIGNED_KEYS)),
        read=_read_signed_key,
        craft=_resigned_key,
        opinion=_opinion(lambda data: signed_key_oracle.read(write_groups(data), keys.TRUSTED)),
    ),
    "signed key as typed": Parser(
        # The shorter ones: what the search for typing errors costs grows with a key, what it can get wrong does not.
        seeds=tuple(sorted((key.encode() for key in _SIGNED_KEYS), key=len)[:2]),
        read=_read_typed_key,
        craft=lambda mutator: write_groups(_resigned_key(mutator)).encode(),
        opinion=_opinion(lambda data: signed_key_oracle.read(text_of(data), keys.TRUSTED)),
    ),
    "offline token": Parser(
        seeds=(_OFFLINE,),
        read=lambda data: verify_offline_token(data, offline_tokens.RING),
        craft=_resigned_offline_token,
        opinion=_opinion(
            # The oracle leaves NUL, half surrogates and the limits to the strict reader's own oracle.
            lambda data: (
                offline_token_oracle.read(data, {"org-2026-a": offline_tokens.SIGNER.public_key.raw})
                if read_strictly(data)
                else None
            )
        ),
    ),
    "public key": Parser(
        seeds=(*(jwk.encode() for jwk in _JWKS), *(public_pem(key).encode() for key in _PUBLIC_KEYS)),
        read=_read_key,
        craft=_crafted_key,
    ),
    "any artifact": Parser(
        seeds=(TOKEN.encode(), _MACHINE_FILE, roots.ROOT_FILE, machine_files.LICENSE_KEY.encode()),
        read=_inspect,
        craft=_crafted_bundle,
    ),
    **attack_logs.PARSERS,
    **attack_profiles.PARSERS,
    **attack_files.PARSERS,
    **attack_inspection.PARSERS,
}
