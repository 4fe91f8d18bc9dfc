"""Telling artifacts apart by their outer form."""

from __future__ import annotations

import json
import time
from typing import get_args

import pytest

from carnet.core.errors import MalformedError
from carnet.formats.answer import Answer, issue_answer
from carnet.formats.app_manifest import MAGIC, MAX_MANIFEST, issue_app_manifest
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.detect import Kind, detect, profile_of
from carnet.formats.device_proof import make_device_proof
from carnet.formats.lease import issue_lease_token
from carnet.formats.license_key import ALPHABET
from carnet.formats.signed_key import issue_signed_key, looks_like_signed_key
from carnet.formats.status_list import issue_status_list
from carnet.formats.time_answer import TimeAnswer, issue_time_answer
from support import offline_tokens, profile_tokens
from support.every_artifact import EVERY, LEASE, MANIFEST, STATUS_LIST
from support.machine_files import seal
from support.roots import ROOT_FILE
from support.signed_keys import FACTS, key_grant
from support.signed_keys import SIGNER as KEY_SIGNER
from support.tokens import HEADER, ISSUED_AT, SIGNER, TOKEN, forge

ANSWER = issue_answer(
    Answer(id="a", issuer="i", nonce="n", action="validate", outcome="granted", at=ISSUED_AT, product="hustl"), SIGNER
)
TIME = issue_time_answer(TimeAnswer(id="t", issuer="i", nonce="n", at=ISSUED_AT), SIGNER)
PROOF = make_device_proof(SIGNER, method="POST", path="/v1/refresh", body=b"{}", at=ISSUED_AT, nonce="n")
SIGNED_KEY = issue_signed_key(key_grant(**FACTS), KEY_SIGNER)
SHORT_SIGNED_KEY = issue_signed_key(key_grant(product="a", license_id="a"), KEY_SIGNER)
OFFLINE_TOKEN = json.dumps(offline_tokens.CONTRACT, ensure_ascii=False, indent=1).encode()
KINDS: list[tuple[bytes, Kind]] = [
    (TOKEN.encode(), "token"),
    (ANSWER.encode(), "answer"),
    (TIME.encode(), "time"),
    (PROOF.encode(), "device-proof"),
    (issue_lease_token(LEASE, SIGNER).encode(), "lease"),
    (issue_status_list(STATUS_LIST, SIGNER).encode(), "status-list"),
    (issue_app_manifest(MANIFEST, SIGNER), "app-manifest"),
    (seal().encode(), "machine-file"),
    (write_bundle(Bundle(token=TOKEN)).encode(), "bundle"),
    (ROOT_FILE, "root"),
    (b"01234-56789-ABCDE-FGHJK-DF2MM", "license-key"),
    (SIGNED_KEY.encode(), "signed-key"),
    (SHORT_SIGNED_KEY.encode(), "signed-key"),
    (OFFLINE_TOKEN, "offline-token"),
    (profile_tokens.KEYFORGE_TOKEN.encode(), "keyforge-token"),
    (profile_tokens.ORCHESTRATOR_TOKEN.encode(), "traffic-orchestrator-token"),
    (EVERY["checkpoint"].encode(), "checkpoint"),
    (EVERY["log-proof"].encode(), "log-proof"),
    (EVERY["root-draft"].encode(), "root-draft"),
]


@pytest.mark.parametrize(("data", "kind"), KINDS, ids=[f"{n}-{kind}" for n, (_, kind) in enumerate(KINDS)])
def test_each_kind_is_told_whatever_mail_did_to_it(data: bytes, kind: Kind) -> None:
    assert detect(data) == kind
    assert detect(b"\xef\xbb\xbf\r\n " + data.replace(b"\n", b"\r\n") + b" \r\n") == kind
    assert detect(data.decode().encode("utf-16")) == kind


def test_a_manifest_is_told_that_is_larger_than_any_other_kind() -> None:
    assert detect(MAGIC + b"0" * MAX_MANIFEST) == "app-manifest"
    with pytest.raises(MalformedError, match="none of Carnet"):
        detect(MAGIC[1:] + b"0" * MAX_MANIFEST)


def test_no_kind_is_left_out() -> None:
    assert {kind for _, kind in KINDS} == set(get_args(Kind))


@pytest.mark.parametrize(
    "typed",
    [
        SIGNED_KEY.lower(),
        SIGNED_KEY.replace("-", ""),
        SIGNED_KEY.replace("-", "\u2013"),
        SIGNED_KEY.replace("-", " . "),
        SIGNED_KEY.replace("-", "\n", 20),
        f"\N{LEFT DOUBLE QUOTATION MARK}{SIGNED_KEY}\N{RIGHT DOUBLE QUOTATION MARK}",
        SIGNED_KEY.replace("0", "O").replace("1", "l"),
    ],
    ids=["small", "no separators", "dashes", "dots", "lines", "quoted", "aliases"],
)
def test_a_signed_key_is_told_however_it_was_typed(typed: str) -> None:
    assert detect(typed.encode()) == "signed-key"


def _wrong(place: int) -> str:
    other = ALPHABET[(ALPHABET.index(SIGNED_KEY[place]) + 1) % 32]
    return SIGNED_KEY[:place] + other + SIGNED_KEY[place + 1 :]


MISTYPED = {
    "wrong symbol": _wrong(3),
    "wrong symbol at the end": _wrong(len(SIGNED_KEY) - 1),
    "unreadable": SIGNED_KEY[:50] + "U" + SIGNED_KEY[51:],
    "symbol left out at the start": SIGNED_KEY[1:],
    "symbol left out": SIGNED_KEY[:100] + SIGNED_KEY[101:],
    "symbol too many": SIGNED_KEY[:10] + "7" + SIGNED_KEY[10:],
    "group left out": SIGNED_KEY[:18] + SIGNED_KEY[27:],
    "group twice": SIGNED_KEY[:18] + SIGNED_KEY[9:],
    "cut off": SIGNED_KEY[:200],
}


@pytest.mark.parametrize("typed", MISTYPED.values(), ids=MISTYPED.keys())
def test_a_mistyped_signed_key_is_still_told_as_one(typed: str) -> None:
    assert detect(typed.encode()) == "signed-key"


PROSE = "The quick brown fox jumps over the lazy dog, and whoever reads this gets no license from it at all. " * 3


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "0" * 300,
        "A" * 300,
        "0123456789ABCDEF" * 12,
        SIGNED_KEY[:126],
        SIGNED_KEY[9:] + SIGNED_KEY[:9] * 30,
        SIGNED_KEY[::-1],
        (SIGNED_KEY + "-") * 3,
        "k.e.y" * 60,
    ],
    ids=["prose", "zeros", "letters", "digits", "too short", "shuffled", "backwards", "too long", "dots"],
)
def test_r_80_what_only_has_letters_of_a_key_is_none(text: str) -> None:
    assert not looks_like_signed_key(text)


def test_a_jwt_is_told_by_its_claims() -> None:
    assert profile_of({"license": {}}) == "keyforge-token"
    assert profile_of({"license": "x", "aud": []}) == "traffic-orchestrator-token"
    assert profile_of({"aud": "license-offline"}) is None
    without_kid = forge({"alg": "ES256", "typ": "JWT"}, {"license": {}})
    assert detect(without_kid.encode()) == "keyforge-token"


def test_telling_costs_little_whatever_it_is_given() -> None:
    """A few milliseconds at most for what is no larger than a key or token; a quadratic reader would take seconds."""
    for data in (b"0" * 512, PROSE.encode(), b"-" * 2048, b"." * 8192, b"{" * 8192, b"eyJ.." * 1600):
        begun = time.thread_time()
        with pytest.raises(MalformedError):
            detect(data)
        assert time.thread_time() - begun < 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"{",
        b'{"payloadType":"other"}',
        b'{"object":"other"}',
        b'{"object":["offline_token"]}',
        b"a.b.c",
        forge({**HEADER, "typ": "JWT"}, {}).encode(),
        forge({**HEADER, "typ": ["carnet-license+jwt"]}, {}).encode(),
        forge({**HEADER, "typ": "carnet-license+JWT"}, {}).encode(),
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        b"01234-56789-ABCDE-FGHJK-DF2MN",
        b"\x00" * 100,
        b"\xff\xfe\x00\xd8",
        b"\x7fELF" + bytes(range(256)) * 50_000,
        b"PK\x03\x04" + b"x" * 9_000_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_anything_else_is_unknown(data: bytes) -> None:
    with pytest.raises(MalformedError) as raised:
        detect(data)
    assert raised.value.code == "unknown_artifact"


@pytest.mark.parametrize(
    "typed",
    [
        "01234-56789-ABCDE-FGHJK-DF2MN",
        "0I234-56789-ABCDE-FGHJK-DF2M",
        "01234-56789-ABCDE-FGHJK-DF2MMX",
        "\ufeff 0123 456789 ABCDE FGHJ* DF2MM\r\n",
    ],
)
def test_sec_33_a_mistyped_license_key_is_named_as_one_and_not_shown(typed: str) -> None:
    with pytest.raises(MalformedError) as raised:
        detect(typed.encode())
    assert "carnet key heal" in raised.value.fix
    assert "6789" not in raised.value.message + raised.value.fix


@pytest.mark.parametrize("other", [b"", b"hello", b"11111-11111-ABCDE-FGHJK-DF2MM", b"\xff" * 29, b"A" * 2049])
def test_what_is_far_from_every_license_key_is_not_called_one(other: bytes) -> None:
    with pytest.raises(MalformedError) as raised:
        detect(other)
    assert "heal" not in raised.value.fix
