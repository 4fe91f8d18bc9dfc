"""The load generator says what was answered, and the report what was reached: figures stand on both."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.load import Load, percentile, read_requests, request, write_requests
from bench.report import Row, print_rows

from support.vendor import Vendor, fingerprint

ROOT = Path(__file__).parents[3]


def _validations(vendor: Vendor, count: int) -> list[bytes]:
    license_ = vendor.license()
    body = {"license_key": license_["key"], "product": license_["product"]}
    wrong = {**body, "license_key": "00000-00000-00000-00000-00000"}
    return [
        request("POST", "/v1/validate", json.dumps(wrong if number % 10 == 9 else body).encode())
        for number in range(count)
    ]


def test_every_answer_is_counted_once_by_its_status(vendor: Vendor) -> None:
    load = Load(vendor.live.port, 4, _validations(vendor, 100), again=False)
    try:
        figures = load.run(60)
    finally:
        load.close()
    assert figures["requests"] == 100
    assert figures["statuses"] == {"200": 90, "404": 10}
    assert 0 < figures["p50_ms"] <= figures["p90_ms"] <= figures["p99_ms"] <= figures["max_ms"] < 60_000
    assert 0 < figures["generator_cpu"] <= 1.1


def test_requests_are_sent_again_until_the_time_is_over(vendor: Vendor) -> None:
    load = Load(vendor.live.port, 2, _validations(vendor, 3))
    try:
        figures = load.run(0.3)
    finally:
        load.close()
    assert figures["requests"] > 3


def test_the_generator_is_a_process_of_its_own(vendor: Vendor, tmp_path: Path) -> None:
    path = tmp_path / "requests"
    body = {"license_key": "x", "product": "y", "device": {"fingerprint": fingerprint()}}
    write_requests(path, [request("POST", "/v1/validate", json.dumps(body).encode())] * 20)
    assert len(read_requests(path)) == 20
    command = [sys.executable, "-m", "bench.load", str(path), "--port", str(vendor.live.port)]
    command += ["--clients", "2", "--rounds", "1", "--seconds", "30", "--once", "--skip", "5"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=120)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["statuses"] == {"404": 15}


def test_a_percentile_is_a_value_that_was_measured() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert [percentile(ordered, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0


@pytest.mark.parametrize(
    ("value", "at_least", "is_reached"),
    [(0.24, True, False), (0.25, True, True), (0.26, True, True), (0.24, False, True), (0.26, False, False)],
)
def test_a_row_is_reached_on_the_right_side_of_its_bound(
    value: float,
    at_least: bool,  # noqa: FBT001
    is_reached: bool,  # noqa: FBT001
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = Row("a figure", value, 0.25, at_least=at_least)
    assert row.is_reached is is_reached
    assert print_rows([row]) == (not is_reached)
    assert ("NOT REACHED" in capsys.readouterr().out) is not is_reached
