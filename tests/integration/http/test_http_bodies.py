"""Bad bodies over real HTTP: a coded 4xx in a sentence, and nothing changed (SEC-09, SEC-10, SEC-49)."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.vendor import Vendor, fingerprint

GOOD: dict[str, Any] = {"license_key": "k", "product": "p", "device": {"fingerprint": fingerprint("good")}}


def _with(text: str) -> bytes:
    """A good body with *text* as one more member, verbatim."""
    return json.dumps(GOOD)[:-1].encode() + b"," + text.encode() + b"}"


BAD_BODIES: tuple[tuple[str, bytes, str], ...] = (
    ("empty", b"", "bad_json"),
    ("blank", b"   ", "bad_json"),
    ("text", b"hello", "bad_json"),
    ("form", b"license_key=k&product=p", "bad_json"),
    ("xml", b"<a/>", "bad_json"),
    ("null", b"null", "not_an_object"),
    ("array", b"[]", "not_an_object"),
    ("string", b'"x"', "not_an_object"),
    ("truncated", json.dumps(GOOD).encode()[:-1], "bad_json"),
    ("truncated in a string", b'{"license_key": "k', "bad_json"),
    ("trailing", json.dumps(GOOD).encode() + b"{}", "bad_json"),
    ("trailing comma", b'{"license_key": "k",}', "bad_json"),
    ("single quotes", b"{'license_key': 'k'}", "bad_json"),
    ("comment", b'{"license_key": "k" /* x */}', "bad_json"),
    ("byte order mark", b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), "bad_utf8"),
    ("latin-1", b'{"license_key": "caf\xe9"}', "bad_utf8"),
    ("utf-16", json.dumps(GOOD).encode("utf-16"), "bad_utf8"),
    ("overlong utf-8", b'{"license_key": "\xc0\xaf"}', "bad_utf8"),
    ("utf-8 surrogate", b'{"license_key": "\xed\xa0\x80"}', "bad_utf8"),
    ("name twice", _with('"product": "q"'), "duplicate_name"),
    ("name twice by escape", _with('"p\\u0072oduct": "q"'), "duplicate_name"),
    ("name twice below", b'{"device": {"fingerprint": "a", "fingerprint": "b"}}', "duplicate_name"),
    ("NaN", _with('"x": NaN'), "bad_number"),
    ("Infinity", _with('"x": -Infinity'), "bad_number"),
    ("fraction", _with('"x": 1.5'), "bad_number"),
    ("exponent", _with('"x": 1e3'), "bad_number"),
    ("huge number", _with('"x": 9007199254740992'), "bad_number"),
    ("endless number", _with('"x": ' + "9" * 5000), "bad_number"),
    ("half surrogate", _with('"x": "\\ud800"'), "bad_string"),
    ("NUL", _with('"x": "\\u0000"'), "bad_string"),
    ("raw control character", _with('"x": "\n"'), "bad_json"),
    ("deep", _with('"x": ' + "[" * 30 + "]" * 30), "too_deep"),
    ("very deep", _with('"x": ' + "[" * 7000), "too_deep"),
    ("many values", _with('"x": [' + ",".join(["1"] * 5000) + "]"), "too_many_values"),
    ("too large", b'{"x": "' + b"a" * 16384 + b'"}', "too_large"),
    ("far too large", b'{"x": "' + b"a" * 1_000_000 + b'"}', "too_large"),
    ("no members", b"{}", "missing_member"),
    ("wrong type", _with('"app_version": 31'), "bad_member"),
    ("boolean for text", _with('"nonce": true'), "bad_member"),
    ("null where needed", b'{"license_key": null, "product": "p", "device": {"fingerprint": "a"}}', "bad_member"),
)


@pytest.fixture(scope="module", autouse=True)
def unchanged(vendor: Vendor) -> Iterator[None]:
    """Whatever this module sends, nothing is made and nothing is written to the audit."""
    vendor.product()
    before = vendor.counts()
    yield
    assert vendor.counts() == before


def _refused(answer: httpx2.Response, code: str) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == answer.status_code
    assert body["detail"].endswith(".")
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("body", "code"), [pytest.param(body, code, id=name) for name, body, code in BAD_BODIES])
@pytest.mark.parametrize("call", ["activate", "validate"])
def test_sec_09_a_bad_body_is_a_coded_refusal(vendor: Vendor, call: str, body: bytes, code: str) -> None:
    answer = vendor.http.post(f"/v1/{call}", content=body)
    _refused(answer, code)
    assert answer.status_code == (413 if code == "too_large" else 400)


@pytest.mark.parametrize("call", ["refresh", "deactivate"])
@pytest.mark.parametrize(("body", "code"), [(b"", "bad_json"), (b"{}", "missing_member"), (b"[]", "not_an_object")])
def test_every_device_call_reads_bodies_the_same_way(vendor: Vendor, call: str, body: bytes, code: str) -> None:
    _refused(vendor.http.post(f"/v1/{call}", content=body), code)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x", ""],
)
def test_any_content_type_is_taken(vendor: Vendor, content_type: str) -> None:
    body = {**GOOD, "product": "unknown"}
    answer = vendor.http.post("/v1/validate", content=json.dumps(body), headers={"Content-Type": content_type})
    assert answer.status_code == 404
    assert answer.json()["code"] == "license_not_found"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "zstd"])
def test_sec_49_a_compressed_body_is_refused_unread(vendor: Vendor, encoding: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    answer = vendor.http.post("/v1/activate", content=bomb[:16000], headers={"Content-Encoding": encoding})
    _refused(answer, "compressed_body")
    assert answer.status_code == 415


def test_a_body_of_exactly_the_limit_is_read(vendor: Vendor) -> None:
    body = {**GOOD, "user": ""}
    room = 16384 - len(json.dumps(body))
    for length, code in ((room, "bad_member"), (room + 1, "too_large")):
        content = json.dumps({**body, "user": "u" * length}).encode()
        _refused(vendor.http.post("/v1/activate", content=content), code)


def test_a_chunked_body_without_a_length_is_bounded_too(vendor: Vendor) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 1000

    _refused(vendor.http.post("/v1/activate", content=chunks()), "too_large")


def test_admin_bodies_may_be_larger_but_not_endless(vendor: Vendor) -> None:
    big = {"name": "x", "metadata": {"note": "a" * 20_000}}
    answer = vendor.admin("POST", "/customers", big)
    assert answer.json()["code"] in {"string_too_long", "invalid_argument"}
    huge = {"name": "x", "metadata": {"note": ["a" * 10_000] * 110}}
    answer = vendor.admin("POST", "/customers", huge)
    _refused(answer, "too_large")


@pytest.mark.parametrize(
    "worst",
    [
        b'{"x":' + b"[" * 8000 + b"]" * 8000 + b"}",
        b'{"x": [' + b"0," * 8000 + b"0]}",
        b'{"x": "' + b"\\u0041" * 2700 + b'"}',
        b'{"' + b'a":0,"' * 2600 + b'b":0}',
        b'{"x": ' + b"9" * 16000 + b"}",
        b"\xff" * 16384,
    ],
)
def test_sec_10_the_worst_body_within_the_limit_is_refused_quickly(vendor: Vendor, worst: bytes) -> None:
    def spend() -> float:
        started = time.perf_counter()
        assert 400 <= vendor.http.post("/v1/activate", content=worst).status_code < 500
        return time.perf_counter() - started

    assert any(spend() < 0.05 for _ in range(50)), "a busy machine spoils some tries"


@given(st.binary(max_size=300))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_answered_with_a_coded_4xx(vendor: Vendor, content: bytes) -> None:
    answer = vendor.http.post("/v1/validate", content=content)
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"]


@pytest.mark.parametrize("bad", ["", "A" * 64, "g" * 64, "a" * 63, "a" * 65, "0" * 64, " " + "a" * 63, "\uff41" * 64])
def test_sec_16_a_bad_fingerprint_is_refused(vendor: Vendor, bad: str) -> None:
    body = {**GOOD, "device": {"fingerprint": bad}}
    answer = vendor.http.post("/v1/activate", json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] in {"bad_fingerprint", "placeholder_fingerprint", "bad_member"}


@pytest.mark.parametrize(
    "members",
    [
        {"nonce": "a b"},
        {"nonce": "é"},
        {"nonce": "n" * 129},
        {"license_key": "k" * 513},
        {"product": ""},
        {"user": "u" * 256},
        {"root_version": -1},
        {"ttl_seconds": -5},
        {"device": {"fingerprint": fingerprint("d"), "name": "a\u0007b"}},
        {"device": {"fingerprint": fingerprint("d"), "public_key": "AAAA"}},
        {"device": {"fingerprint": fingerprint("d"), "public_key": "A" * 43}},
        {"device": {"fingerprint": fingerprint("d"), "components": [{"kind": "disk"}]}},
    ],
)
def test_a_value_out_of_its_bounds_is_a_coded_400(vendor: Vendor, members: dict[str, Any]) -> None:
    answer = vendor.http.post("/v1/activate", json={**GOOD, "device": {"fingerprint": fingerprint("d")}, **members})
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] != "bad_request"
