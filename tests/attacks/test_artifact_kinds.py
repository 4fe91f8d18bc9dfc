"""SEC-03: no kind of artifact passes as another, even under one key that is trusted for every role."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError
from carnet.core.instant import Instant
from carnet.formats.answer import Answer, issue_answer, verify_answer
from carnet.formats.app_manifest import AppManifest, issue_app_manifest, verify_app_manifest
from carnet.formats.base32_groups import read_groups, write_groups
from carnet.formats.bundle import Bundle, read_bundle, write_bundle
from carnet.formats.device_proof import make_device_proof, verify_device_proof
from carnet.formats.dsse import sign_envelope
from carnet.formats.encoding import armor, b64_decode, b64_encode, b64url_decode, b64url_encode, dearmor
from carnet.formats.keys import ROLES, PublicKey
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.machine_file import open_machine_file, seal_machine_file
from carnet.formats.offline_token import issue_offline_token, verify_offline_token
from carnet.formats.root import PAYLOAD_TYPE, build_root, read_root, sign_root
from carnet.formats.signed_key import issue_signed_key, verify_signed_key
from carnet.formats.status_list import StatusList, issue_status_list, verify_status_list
from carnet.formats.strict_json import dump_json, parse_object
from carnet.formats.time_answer import TimeAnswer, issue_time_answer, verify_time_answer
from support import machine_files, offline_tokens, roots, signed_keys
from support.attack_judging import documented_codes
from support.tokens import GRANT, ISSUED_AT, SIGNER, ring_of

RING = ring_of(*ROLES)
KEY, DEVICE = machine_files.LICENSE_KEY, machine_files.FINGERPRINT

LISTED = StatusList(
    issuer="i",
    uri="https://license.example.com/v1/status/0",
    version=(0, 1),
    issued_at=ISSUED_AT,
    expires_at=Instant(ISSUED_AT + 60),
    ttl_seconds=60,
    bits=1,
    statuses=bytes(2),
)


class Recorder:
    """The one signer of every kind, which keeps what it signed."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    @property
    def kid(self) -> str:
        return SIGNER.kid

    @property
    def public_key(self) -> PublicKey:
        return SIGNER.public_key

    def sign(self, message: bytes) -> bytes:
        self.messages.append(message)
        return SIGNER.sign(message)


def answer() -> Answer:
    return Answer(id="a", issuer="i", nonce="n", action="validate", outcome="granted", at=ISSUED_AT, product="hustl")


def made(kind: str) -> tuple[bytes, bytes]:
    """An artifact of *kind* and what its signature covers."""
    signer = Recorder()
    keys = dict.fromkeys(ROLES, (SIGNER.public_key,))
    root = build_root(version=1, issuer="i", issued_at=ISSUED_AT, expires_at=roots.EXPIRES_AT, keys=keys)
    makers: dict[str, Callable[[], str | bytes]] = {
        "license token": lambda: issue_license_token(GRANT, signer),
        "answer": lambda: issue_answer(answer(), signer),
        "time answer": lambda: issue_time_answer(TimeAnswer(id="t", issuer="i", nonce="n", at=ISSUED_AT), signer),
        "device proof": lambda: make_device_proof(signer, method="POST", path="/", body=b"", at=ISSUED_AT, nonce="n"),
        "status list": lambda: issue_status_list(LISTED, signer),
        "root": lambda: sign_root(root, [signer]),
        "machine file": lambda: seal_machine_file(
            replace(machine_files.GRANT, kid=None),
            license_key=KEY,
            device_name="",
            platform="",
            signer=signer,
            entropy=bytes(32),
        ),
        "signed key": lambda: issue_signed_key(signed_keys.key_grant(kid=SIGNER.kid), signer),
        "offline token": lambda: issue_offline_token(offline_tokens.GRANT, license_key=KEY, signer=signer),
        "app manifest": lambda: issue_app_manifest(
            AppManifest(issuer="i", product="hustl", version="1", issued_at=ISSUED_AT, files=(("a", "0" * 64),)), signer
        ),
    }
    artifact = makers[kind]()
    return artifact if isinstance(artifact, bytes) else artifact.encode(), signer.messages[0]


KINDS = (
    "license token",
    "answer",
    "time answer",
    "device proof",
    "status list",
    "root",
    "machine file",
    "signed key",
    "offline token",
    "app manifest",
)
VERIFIERS: dict[str, Callable[[bytes], object]] = {
    "license token": lambda data: verify_license_token(data, RING),
    "answer": lambda data: verify_answer(data, RING),
    "time answer": lambda data: verify_time_answer(data, RING, nonce="n"),
    "device proof": lambda data: verify_device_proof(
        data, SIGNER.public_key, method="POST", path="/", body=b"", now=ISSUED_AT
    ),
    "status list": lambda data: verify_status_list(data, RING, uri=LISTED.uri),
    "root": read_root,
    "machine file": lambda data: open_machine_file(data, RING, license_key=KEY, fingerprint=DEVICE),
    "signed key": lambda data: verify_signed_key(data.decode(), RING),
    "offline token": lambda data: verify_offline_token(data, RING),
    "app manifest": lambda data: verify_app_manifest(data, RING, product="hustl"),
}
JWS = KINDS[:5]


def with_signature(kind: str, artifact: bytes, signature: bytes) -> bytes:
    """*artifact* with another signature in its place."""
    if kind in JWS:
        return artifact[: artifact.rindex(b".") + 1] + b64url_encode(signature).encode()
    if kind == "app manifest":
        magic, seal, listed = artifact.split(b"\n", 2)
        return b"\n".join((magic, with_signature("answer", seal, signature), listed))
    if kind == "signed key":
        data = read_groups(artifact.decode())
        return write_groups(data[:-64] + signature).encode()
    if kind == "machine file":
        envelope = parse_object(dearmor("MACHINE FILE", artifact, max_bytes=10**6), max_bytes=10**6, what="It")
        return armor("MACHINE FILE", dump_json({**envelope, "sig": b64url_encode(signature)})).encode()
    members: dict[str, Any] = parse_object(artifact, max_bytes=10**6, what="It")
    if kind == "root":
        return dump_json({**members, "signatures": [{"keyid": SIGNER.kid, "sig": b64_encode(signature)}]})
    return dump_json({**members, "signature": {**members["signature"], "value": b64_encode(signature)}})


def test_sec_03_every_kind_is_read_by_its_own_verifier_only() -> None:
    refused = 0
    for kind in KINDS:
        artifact, _ = made(kind)
        for asked, verify in VERIFIERS.items():
            if asked == kind:
                verify(artifact)
                continue
            with pytest.raises((MalformedError, NotGenuineError)) as raised:
                verify(artifact)
            assert raised.value.code in documented_codes(), (kind, asked)
            if kind in JWS and asked in JWS:
                assert raised.value.code == "wrong_type", (kind, asked)
            refused += 1
    assert refused == len(KINDS) * (len(KINDS) - 1)
    sys.stdout.write(f"{refused} pairs of kind and verifier refused\n")


def test_sec_03_no_signature_fits_in_the_place_of_another_kinds() -> None:
    artifacts = {kind: made(kind) for kind in KINDS}
    for kind, (artifact, message) in artifacts.items():
        VERIFIERS[kind](with_signature(kind, artifact, SIGNER.sign(message)))
        for other, (_, foreign) in artifacts.items():
            if other != kind:
                with pytest.raises(NotGenuineError) as raised:
                    VERIFIERS[kind](with_signature(kind, artifact, SIGNER.sign(foreign)))
                assert raised.value.code in {"bad_signature", "below_threshold"}, (kind, other)


def test_sec_03_what_each_kind_signs_can_be_no_other_kinds_text() -> None:
    """By their first bytes: a token's header is base64url of its typ, the others have prefixes of their own."""
    starts = {}
    for kind in KINDS:
        _, message = made(kind)
        if kind in (*JWS, "app manifest"):
            header = parse_object(b64url_decode(message.split(b".")[0], "It"), max_bytes=1024, what="It")
            starts[kind] = str(header["typ"]).encode()
            assert message.startswith(b"eyJ")
        else:
            starts[kind] = message[:8]
    assert len(set(starts.values())) == len(KINDS)
    assert starts["root"] == b"DSSEv1 3"
    assert starts["machine file"] == b"machine/"
    assert starts["signed key"] == b"carnet/v"
    assert starts["offline token"].startswith(b"{")


def test_sec_03_an_envelope_of_another_type_is_no_root() -> None:
    artifact, _ = made("root")
    payload = parse_object(artifact, max_bytes=10**6, what="It")["payload"]
    for other in ("application/json", "application/vnd.in-toto+json", PAYLOAD_TYPE + " ", PAYLOAD_TYPE.upper(), ""):
        with pytest.raises(MalformedError) as raised:
            read_root(sign_envelope(other, b64_decode(payload, "It"), [SIGNER]))
        assert raised.value.code == "wrong_type"


def test_a_bundle_lends_no_trust_to_what_is_in_it() -> None:
    for kind in KINDS:
        artifact, _ = made(kind)
        opened = read_bundle(write_bundle(Bundle(token=artifact.decode())).encode())
        assert opened.token is not None
        if kind != "license token":
            with pytest.raises(CarnetError):
                verify_license_token(opened.token, RING)
