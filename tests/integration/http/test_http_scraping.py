"""
One scrape of `/metrics` shows every process of a server, whichever answers it; outbox and jobs are of the installation.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from carnet.server.api.scraping import by_worker
from carnet.server.installation import InitOptions, create_installation
from carnet.server.settings import Settings
from carnet.server.signing.sealing import ScryptCost
from support.databases import cluster
from support.vendor import Vendor

WORKERS = 3


def samples(text: str, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a name, by their labels' values in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("scraping")
    settings = Settings(data=folder / "data", postgres=cluster().fresh())
    create_installation(settings, InitOptions(root_keys=folder / "root"), cost=ScryptCost(log2_n=10))
    return settings


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, list[int]]]:
    """A server with several processes: its address, and a list of their process ids that grows."""
    assert settings.postgres is not None
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARNET_")}
    given = {
        "CARNET_DATA": str(settings.data),
        "CARNET_PORT": "0",
        "CARNET_DATABASE_URL": settings.postgres.url,
        "CARNET_WORKERS": str(WORKERS),
        "CARNET_REDIS_URL": "redis://localhost",
    }
    command = [sys.executable, "-m", "carnet.cli", "serve"]
    with subprocess.Popen(
        command, env={**kept, **given}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        address, pids, said = [], [], set()
        ready = threading.Event()

        def read() -> None:
            assert process.stderr is not None
            for line in process.stderr:
                event = json.loads(line)
                said.add(event["event"])
                if event["event"] == "worker.started":
                    pids.append(event["pid"])
                if event["event"] == "server.listening":
                    address.append(event["address"])
                    ready.set()
            ready.set()

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        try:
            assert ready.wait(120)
            yield address[0], pids
            assert "setting.unused" in said  # users-ask 5: no Redis, and it is said
        finally:
            process.terminate()
            process.wait(120)
            reading.join(120)


def until(is_so: Callable[[], bool]) -> None:
    ends_at, moment = time.monotonic() + 120, threading.Event()
    while not is_so():
        assert time.monotonic() < ends_at
        moment.wait(0.1)


def scrape(address: str) -> str:
    return httpx2.get(f"{address}/metrics", timeout=120).text


def test_rel_14_one_scrape_shows_all_processes_also_after_one_was_killed(installed: Settings) -> None:
    with serving(installed) as (address, pids):
        up = {(str(number),): 1.0 for number in range(WORKERS)}
        until(lambda: samples(scrape(address), "carnet_worker_up") == up)

        def asked() -> dict[tuple[str, ...], float]:
            found = samples(scrape(address), "carnet_http_requests_total")
            return {key: value for key, value in found.items() if "/v1/root" in key}

        for _ in range(60):  # a connection each, so that they come to different processes
            httpx2.get(f"{address}/v1/root", timeout=120)
        total = 60
        until(lambda: sum(asked().values()) == total)
        while len(asked()) == 1:  # on a busy machine the one that runs may take them all
            httpx2.get(f"{address}/v1/root", timeout=120)
            total += 1
        until(lambda: sum(asked().values()) == total)
        assert [sum(asked().values()) for _ in range(8)] == [total] * 8  # whoever answers
        texts = [scrape(address) for _ in range(4)]
        assert all(len(samples(text, "process_resident_memory_bytes")) == WORKERS for text in texts)
        assert all(set(samples(text, "carnet_job_late_seconds")) >= {("hand-out",), ("terms",)} for text in texts)
        assert all(text.count("# TYPE carnet_http_requests_total") == 1 for text in texts)

        os.kill(pids[1], signal.SIGKILL)
        until(lambda: len(pids) == WORKERS + 1 and samples(scrape(address), "carnet_worker_up") == up)
        numbers = {key[-1] for key in samples(scrape(address), "carnet_build_info")}
        assert numbers == {"0", "1", "2"}  # the new one took the number of the dead one

        def well() -> set[str]:
            checks = httpx2.get(f"{address}/readyz", timeout=120).json()
            return {part["name"] for part in checks["parts"] if part["ok"]}

        until(lambda: well() >= {"jobs", "outbox", "replica"})


def test_a_process_that_does_not_answer_is_shown_as_down() -> None:
    text = b'# HELP a_total A.\n# TYPE a_total counter\na_total{kind="x"} 2.0\n'
    found = {family.name: family for family in by_worker({0: text, 1: None, 2: text})}
    assert [(s.labels["worker"], s.value) for s in found["a"].samples] == [("0", 2.0), ("2", 2.0)]
    assert [(s.labels["worker"], s.value) for s in found["carnet_worker_up"].samples] == [
        ("0", 1.0),
        ("1", 0.0),
        ("2", 1.0),
    ]


def test_a_single_process_shows_itself_without_a_label_and_how_the_outbox_is(vendor: Vendor) -> None:
    vendor.license()
    text = vendor.http.get("/metrics").text
    assert samples(text, "carnet_build_info")
    assert all(len(key) == 1 for key in samples(text, "carnet_build_info"))
    assert samples(text, "carnet_outbox_age_seconds")[()] >= 0
    assert samples(text, "carnet_worker_up") == {}


def test_the_vendor_reads_events_page_by_page(vendor: Vendor) -> None:
    made = vendor.license()
    for path in ("suspend", "reinstate", "revoke"):
        vendor.admin("POST", f"/licenses/{made['id']}/{path}")
    first = vendor.admin("GET", f"/events?object_id={made['id']}&limit=3").json()
    assert [each["kind"] for each in first["items"]] == ["license.revoked", "license.reinstated", "license.suspended"]
    assert first["has_more"] is True
    rest = vendor.admin("GET", f"/events?object_id={made['id']}&cursor={first['next_cursor']}").json()
    assert [each["kind"] for each in rest["items"]] == ["license.created"]
    assert (rest["has_more"], rest["next_cursor"]) == (False, None)
    only = vendor.admin("GET", f"/events?object_id={made['id']}&kind=license.revoked").json()["items"]
    assert [each["seq"] for each in only] == [first["items"][0]["seq"]]
    assert set(only[0]) == {"id", "seq", "at", "kind", "object_id", "product", "data"}
    assert made["key"] not in json.dumps(first)
    assert vendor.admin("GET", "/events?cursor=x").json()["code"] == "invalid_argument"


def test_deliveries_are_listed_and_an_unknown_one_is_not_tried_again(vendor: Vendor) -> None:
    for state in ("dead", "waiting", "delivered"):
        assert vendor.admin("GET", f"/deliveries?state={state}").json()["items"] == []
    assert vendor.admin("GET", "/deliveries?state=lost").status_code == 400
    answer = vendor.admin("POST", "/deliveries/77/retry")
    assert (answer.status_code, answer.json()["code"]) == (404, "delivery_not_found")
