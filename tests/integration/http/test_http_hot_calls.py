"""
The device calls in front of the framework answer exactly as the framework does (docs/decisions/0047).

The same request is sent with a length, which the hot path takes, and chunked, which it leaves to the framework.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from carnet.formats.device_proof import MAX_DEVICE_PROOF
from carnet.formats.limits import MAX_PUBLIC_BODY
from support.vendor import Vendor, fingerprint

CALLS = ("activate", "validate", "refresh", "deactivate")
FRESH = re.compile(rb'"(?:token|machine_file|proof|instance)":"[^"]*"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ')


def _chunks(body: bytes) -> Iterator[bytes]:
    yield body


def _both(vendor: Vendor, call: str, body: bytes, **headers: str) -> tuple[httpx2.Response, httpx2.Response]:
    """The hot answer, then the framework's."""
    hot = vendor.http.post(f"/v1/{call}", content=body, headers=headers)
    framed = vendor.http.post(f"/v1/{call}", content=_chunks(body), headers=headers)
    return hot, framed


def _same(hot: httpx2.Response, framed: httpx2.Response) -> None:
    assert hot.status_code == framed.status_code, (hot.text, framed.text)
    for header in ("date", "x-request-id", "content-length"):
        assert (header in hot.headers) == (header in framed.headers)
    unalike = {"date", "x-request-id", "content-length"}
    assert {n: v for n, v in hot.headers.items() if n not in unalike} == {
        n: v for n, v in framed.headers.items() if n not in unalike
    }
    assert FRESH.sub(b"", hot.content) == FRESH.sub(b"", framed.content)
    assert hot.headers["content-length"] == str(len(hot.content))


@pytest.fixture(scope="module")
def license_(vendor: Vendor) -> Any:
    """A license with a device on it."""
    made = vendor.license()
    assert vendor.ask("activate", made, fingerprint("held")).status_code == 201
    return made


def _bodies(license_: Any) -> dict[str, dict[str, Any]]:
    good = {
        "license_key": license_["key"],
        "product": license_["product"],
        "device": {"fingerprint": fingerprint("held"), "name": "Line 4"},
    }
    return {
        "granted": good,
        "with a nonce": {**good, "nonce": "n-1"},
        "unknown members": {**good, "future": [{"deep": None}]},
        "unknown key": {**good, "license_key": "00000-00000-00000-00000-00000", "nonce": "n-2"},
        "unknown product": {**good, "product": "another"},
        "another device": {**good, "device": {"fingerprint": fingerprint("stranger")}, "nonce": "n-3"},
        "placeholder": {**good, "device": {"fingerprint": "0" * 64}},
        "wrong type": {**good, "product": 7},
        "lacks a member": {"product": "hustl"},
        "too long": {**good, "nonce": "n" * 129},
        "hostile names": {**good, "device": {"fingerprint": fingerprint("held"), "name": "a\u0007"}},
    }


@pytest.mark.parametrize("case", list(_bodies({"key": "", "product": ""})))
@pytest.mark.parametrize("call", ["validate", "activate", "refresh"])
def test_a_hot_call_answers_as_the_framework_does(vendor: Vendor, license_: Any, call: str, case: str) -> None:
    body = _bodies(license_)[case]
    if case == "another device" and call == "activate":
        body = {**body, "license_key": "00000-00000-00000-00000-00001"}  # it would take a seat: 201, then 200
    _same(*_both(vendor, call, json.dumps(body).encode()))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":1,"a":2}', b'{"x":1.5}', b"\xff", b'{"x":"\\u0000"}'])
@pytest.mark.parametrize("call", CALLS)
def test_sec_09_a_hot_call_reads_bodies_as_the_framework_does(vendor: Vendor, call: str, body: bytes) -> None:
    _same(*_both(vendor, call, body))


def test_a_seat_is_given_back_once_whichever_way_it_is_asked(vendor: Vendor) -> None:
    made = vendor.license()
    vendor.ask("activate", made, fingerprint("gone"))
    body = json.dumps(
        {"license_key": made["key"], "product": made["product"], "device": {"fingerprint": fingerprint("gone")}}
    ).encode()
    hot, framed = _both(vendor, "deactivate", body)
    assert hot.json()["activation"] == framed.json()["activation"]
    _same(hot, framed)


@pytest.mark.parametrize("size", [MAX_PUBLIC_BODY - 1, MAX_PUBLIC_BODY, MAX_PUBLIC_BODY + 1])
def test_sec_49_the_limit_of_a_body_is_the_same_on_both_ways(vendor: Vendor, size: int) -> None:
    body = b'{"x":"' + b"a" * (size - 8) + b'"}'
    assert len(body) == size
    hot, framed = _both(vendor, "validate", body)
    _same(hot, framed)
    assert (hot.status_code == 413) == (size > MAX_PUBLIC_BODY)


@pytest.mark.parametrize("size", [MAX_DEVICE_PROOF, MAX_DEVICE_PROOF + 1])
def test_a_device_proof_of_any_size_is_judged_the_same(vendor: Vendor, license_: Any, size: int) -> None:
    body = json.dumps(_bodies(license_)["granted"]).encode()
    hot, framed = _both(vendor, "refresh", body, **{"Carnet-Device-Proof": "p" * size})
    _same(hot, framed)
    assert (hot.status_code == 400) == (size > MAX_DEVICE_PROOF)


@pytest.mark.parametrize("header", [("Content-Encoding", "gzip"), ("Content-Encoding", "identity")])
def test_a_labelled_body_is_the_frameworks_to_judge(vendor: Vendor, license_: Any, header: tuple[str, str]) -> None:
    body = json.dumps(_bodies(license_)["granted"]).encode()
    _same(*_both(vendor, "validate", body, **{header[0]: header[1]}))


def test_every_hot_call_is_counted_under_its_route(vendor: Vendor, license_: Any) -> None:
    for call in ("validate", "activate"):
        assert vendor.http.post(f"/v1/{call}", json=_bodies(license_)["granted"]).status_code == 200
    text = vendor.http.get("/metrics").text
    for call in ("validate", "activate"):
        assert f'carnet_http_requests_total{{method="POST",route="/v1/{call}",status="200"}}' in text
