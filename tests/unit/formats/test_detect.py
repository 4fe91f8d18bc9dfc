"""Telling artifacts apart by their outer form."""

from __future__ import annotations

import pytest

from carnet.core.errors import MalformedError
from carnet.formats.answer import Answer, issue_answer
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.detect import Kind, detect
from support.machine_files import seal
from support.roots import ROOT_FILE
from support.tokens import HEADER, ISSUED_AT, SIGNER, TOKEN, forge

ANSWER = issue_answer(
    Answer(id="a", issuer="i", nonce="n", action="validate", outcome="granted", at=ISSUED_AT, product="hustl"), SIGNER
)
KINDS: list[tuple[bytes, Kind]] = [
    (TOKEN.encode(), "token"),
    (ANSWER.encode(), "answer"),
    (seal().encode(), "machine-file"),
    (write_bundle(Bundle(token=TOKEN)).encode(), "bundle"),
    (ROOT_FILE, "root"),
    (b"01234-56789-ABCDE-FGHJK-DF2MM", "license-key"),
]


@pytest.mark.parametrize(("data", "kind"), KINDS, ids=[kind for _, kind in KINDS])
def test_each_kind_is_told_whatever_mail_did_to_it(data: bytes, kind: Kind) -> None:
    assert detect(data) == kind
    assert detect(b"\xef\xbb\xbf\r\n " + data.replace(b"\n", b"\r\n") + b" \r\n") == kind
    assert detect(data.decode().encode("utf-16")) == kind


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"{",
        b'{"payloadType":"other"}',
        b"a.b.c",
        forge({**HEADER, "typ": "JWT"}, {}).encode(),
        forge({**HEADER, "typ": ["carnet-license+jwt"]}, {}).encode(),
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
