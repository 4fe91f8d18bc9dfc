"""Files of licenses, larger than any other body: in pieces, looked at whole, repeated safely; on both databases."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from carnet.formats.limits import MAX_ADMIN_BODY, MAX_IMPORT_BODY
from carnet.server.api import protocol
from carnet.server.api.admin import bulk
from carnet.server.api.spool import Spool
from carnet.server.domain.bulk import lines as import_lines
from carnet.server.domain.bulk.lines import read_lines
from support.campaigns import LONG
from support.vendor import Vendor

HEAD = (
    "POST /v1/admin/licenses/import HTTP/1.1\r\nHost: x\r\n"
    "Authorization: Bearer {token}\r\nContent-Length: {size}\r\n\r\n"
)
ROWS = 250_000 if LONG else 6_000


def send(vendor: Vendor, content: Any, query: str, *, token: str | None = None, **headers: str) -> httpx2.Response:
    shown = {"Authorization": f"Bearer {token or vendor.admin_token}", "Content-Type": "text/csv", **headers}
    return vendor.http.post(f"/v1/admin/licenses/import?{query}", content=content, headers=shown, timeout=600)


def key(product: str, number: int) -> str:
    return f"{product}-{number:06d}-Zt5Wq-Kx9Lm-Pv3Rb"


def test_a_file_beyond_a_mebibyte_is_imported_whole_and_repeated_safely(vendor: Vendor) -> None:
    product = vendor.product()
    rows = ["key,policy,metadata"]
    rows += [f'{key(product, n)},consumer,"{{""note"": ""{"x" * 150}""}}"' for n in range(ROWS)]
    text = "\n".join(rows).encode()
    assert len(text) > MAX_ADMIN_BODY

    def pieces() -> Iterator[bytes]:
        for begin in range(0, len(text), 100_001):
            yield text[begin : begin + 100_001]

    query = f"product={product}"
    answer = send(vendor, pieces(), query).json()
    assert answer == {
        "done": True, "lines": ROWS, "imported": ROWS, "skipped": 0, "bad": [], "bad_total": 0, "stopped": "",
    }  # fmt: skip
    again = send(vendor, text, f"{query}&skip_known=true").json()
    assert (again["done"], again["imported"], again["skipped"]) == (True, 0, ROWS)
    found = vendor.made("/licenses/find", {"license_key": key(product, ROWS - 1)})
    assert found["metadata"] == {"note": "x" * 150}


def test_one_bad_line_at_the_end_of_a_large_file_stops_all_of_it_and_is_told_with_its_number(vendor: Vendor) -> None:
    product = vendor.product()
    rows = [json.dumps({"key": key(product, n), "metadata": {"n": n}}) for n in range(2_500)]
    rows.append(json.dumps({"key": key(product, 0)}))
    text = "\n".join(rows)
    query = f"format=jsonl&product={product}&policy=consumer"
    answer = send(vendor, text, query).json()
    assert (answer["imported"], answer["bad_total"], answer["lines"]) == (0, 1, 2_501)
    assert answer["bad"] == [{"line": 2_501, "code": "already_exists", "message": "Line 1 has the same key."}]
    assert vendor.admin("GET", f"/licenses?product={product}").json()["items"] == []
    skipped = send(vendor, text, f"{query}&skip_bad=true").json()
    assert (skipped["done"], skipped["imported"], skipped["bad_total"]) == (False, 2_500, 1)


def test_a_file_may_have_as_many_lines_as_it_may_and_no_more(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_ROWS", 30)
    product = vendor.product()

    def file(count: int) -> str:
        return "\n".join(["key", *(key(product, n) for n in range(count))])

    query = f"product={product}&policy=consumer&skip_known=true"
    for count, status in ((29, 200), (30, 200), (31, 400)):
        answer = send(vendor, file(count), query)
        assert answer.status_code == status, answer.text
    assert answer.json()["code"] == "bad_import"
    assert "more than 30 lines" in answer.json()["detail"]


def test_sec_10_a_file_that_is_too_large_is_refused_before_it_is_read(vendor: Vendor) -> None:
    for token, size, status in ((vendor.admin_token, MAX_IMPORT_BODY + 1, b"413"), ("wrong", 1_000, b"401")):
        with vendor.live.connect() as connection:
            connection.sendall(HEAD.format(token=token, size=size).encode())
            assert connection.recv(4_096).split(b" ")[1] == status


def test_sec_49_a_file_may_be_larger_than_other_bodies_only_until_it_is_answered(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_DRAINED_BYTES", 100_000)
    product = vendor.product()
    text = "\n".join(["key,metadata", *(f'{key(product, n)},"{{""n"": ""{"y" * 400}""}}"' for n in range(500))])
    assert len(text) > 2 * 100_000
    assert send(vendor, text, f"product={product}&policy=consumer").json()["imported"] == 500
    sent = 0
    with vendor.live.connect() as connection:
        connection.sendall(HEAD.format(token="wrong", size=MAX_IMPORT_BODY).encode())
        assert connection.recv(4_096).split(b" ")[1] == b"401"
        with contextlib.suppress(OSError):
            while sent < MAX_IMPORT_BODY:
                sent += connection.send(b"x" * 65_536)
    assert sent < MAX_IMPORT_BODY


def test_sec_49_a_file_that_comes_slowly_but_surely_is_waited_for(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol.BoundedProtocol, "receive_seconds", 2.0)
    monkeypatch.setattr(protocol, "_SLOWEST_FILE", 1)  # every byte buys a second
    product = vendor.product()
    text = "\n".join(["key", *(key(product, n) for n in range(40))]).encode()

    def slowly() -> Iterator[bytes]:
        yield text[:400]
        until = time.monotonic() + 3.0
        while time.monotonic() < until:
            vendor.http.get("/livez")
            time.sleep(0.05)
        yield text[400:]

    with httpx2.Client(base_url=vendor.live.url, timeout=120) as http:
        headers = {"Authorization": f"Bearer {vendor.admin_token}"}
        path = f"/v1/admin/licenses/import?product={product}&policy=consumer"
        assert http.post(path, content=slowly(), headers=headers).json()["imported"] == 40
        try:
            status = http.post("/v1/admin/licenses/batch", content=slowly(), headers=headers).status_code
        except httpx2.TransportError:  # it was closed while it was still sending
            status = 408
        assert status == 408


def test_a_compressed_file_is_refused(vendor: Vendor) -> None:
    answer = send(vendor, b"key\n", "product=p&policy=consumer", **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "compressed_body")


def test_several_imports_at_once_are_all_done(vendor: Vendor) -> None:
    products = [vendor.product() for _ in range(4)]

    def one(product: str) -> int:
        text = "\n".join(["key", *(key(product, n) for n in range(300))])
        with httpx2.Client(base_url=vendor.live.url, timeout=120) as http:
            path = f"/v1/admin/licenses/import?product={product}&policy=consumer"
            answer = http.post(path, content=text, headers={"Authorization": f"Bearer {vendor.admin_token}"})
            imported: int = answer.json()["imported"]
            return imported

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, products)) == [300] * 4


def test_the_same_file_twice_at_once_makes_no_license_twice(vendor: Vendor) -> None:
    product = vendor.product()
    text = "\n".join(["key", *(key(product, n) for n in range(1_500))])

    def one(_: int) -> tuple[int, int]:
        with httpx2.Client(base_url=vendor.live.url, timeout=120) as http:
            path = f"/v1/admin/licenses/import?product={product}&policy=consumer&skip_known=true"
            answer = http.post(path, content=text, headers={"Authorization": f"Bearer {vendor.admin_token}"}).json()
            return answer["imported"], answer["skipped"]

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, range(2))) == [(0, 1_500), (1_500, 0)]


# ── what is read ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_sec_32_what_waits_on_the_disk_is_not_in_clear_and_comes_back_as_it_was(tmp_path: Path, size: int) -> None:
    content = (b"key,policy\r\nSECRET-LICENSE-KEY\n" * (size // 30 + 1))[:size]
    with Spool(tmp_path) as spool:
        for begin in range(0, size, 7_001):
            spool.write(content[begin : begin + 7_001])
        spool.finish()
        assert list(tmp_path.iterdir()) == []
        kept = os.pread(spool._file.fileno(), 2 * size + 100, 0)
        assert len(kept) >= size
        assert b"SECRET" not in kept
        for _ in range(2):
            with spool.text() as text:
                assert text.read().encode() == content


def test_a_line_without_an_end_is_told_and_the_next_ones_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_lines, "_MAX_LINE", 100)
    good = '{"key": "ABCDE-FGHIJ-KLMNO-PQRST", "product": "p", "policy": "q"}'
    text = "\n".join([good, "x" * 99, "x" * 100, "x" * 1_000, good])
    found = list(read_lines(io.StringIO(text, newline=""), "jsonl"))
    assert [each.number for each in found] == [1, 2, 3, 4, 5]
    assert [type(each).__name__ for each in found] == ["Line", "Unreadable", "Unreadable", "Unreadable", "Line"]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_any_line_ends_are_taken_and_counted(ends: str) -> None:
    text = ends.join(["key,product,policy", "A,p,q", "", "B,p,q", ""])
    found = list(read_lines(io.StringIO("\ufeff" + text, newline=""), "csv"))
    assert [each.number for each in found] == [2, 4]


def test_sec_10_a_row_that_never_ends_is_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_lines, "_MAX_LINE", 1_000)
    text = io.StringIO("key\n" + '"\n",' * 100_000, newline="")
    found = list(read_lines(text, "csv"))
    assert [type(each).__name__ for each in found] == ["Unreadable"]
    assert text.tell() < 2_000


def test_many_licenses_at_once_keep_their_months_and_conditions(vendor: Vendor) -> None:
    body = {
        "product": vendor.product(),
        "policy": "consumer",
        "count": 2,
        "type": "timed",
        "starts_at": "2027-01-31T00:00:00Z",
        "duration_months": 1,
        "conditions": {"moves_per_year": 7},
    }
    made = vendor.admin("POST", "/licenses/bulk", body)
    assert made.status_code == 201, made.text
    for line in made.text.splitlines()[:-1]:
        shown = vendor.admin("GET", f"/licenses/{json.loads(line)['id']}").json()
        assert (shown["expires_at"], shown["conditions"]["moves_per_year"]) == ("2027-02-28T00:00:00Z", 7)


def test_many_licenses_are_renewed_by_months_from_where_it_is_said(vendor: Vendor) -> None:
    product = vendor.product()
    vendor.license(product, type="timed", starts_at="2027-01-31T00:00:00Z", duration_months=1)
    change = {"action": "renew", "product": product, "duration_months": 1, "basis": "anchor_day"}
    assert vendor.made("/licenses/bulk-change", change)["changed"] == 1
    (renewed,) = vendor.admin("GET", f"/licenses?product={product}").json()["items"]
    assert renewed["expires_at"] == "2027-03-31T00:00:00Z"  # and not on the 28th, where February put it
    refused = vendor.admin("POST", "/licenses/bulk-change", {**change, "action": "suspend"})
    assert refused.status_code == 400
