"""`carnet worker` and `carnet events` as an operator uses them, with real processes on both databases."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cli_runs import carnet, environment
from support.databases import cluster


def until(is_so: Callable[[], bool]) -> None:
    ends_at, moment = time.monotonic() + 120, threading.Event()
    while not is_so():
        assert time.monotonic() < ends_at
        moment.wait(0.1)


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    """An installation on PostgreSQL with a license, and an event log that nothing was written to yet."""
    env = {
        "CARNET_DATA": str(tmp_path / "data"),
        "CARNET_DATABASE_URL": cluster().fresh().url,
        "CARNET_EVENT_LOG": str(tmp_path / "events.jsonl"),
    }
    assert carnet("init", "--root-keys", tmp_path / "root", env=env).code == 0
    assert carnet("product", "create", "hustl", env=env).code == 0
    return env


def log_of(env: dict[str, str]) -> list[str]:
    path = Path(env["CARNET_EVENT_LOG"])
    return [json.loads(line)["kind"] for line in path.read_text().splitlines()] if path.exists() else []


def test_a_worker_delivers_until_it_is_stopped_and_its_jobs_are_free_at_once(here: dict[str, str]) -> None:
    command = [sys.executable, "-m", "carnet.cli", "worker"]
    with subprocess.Popen(command, env=environment(here), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if json.loads(line)["event"] == "worker.ready":
                break
        rest = threading.Thread(target=process.stderr.read)
        rest.start()
        sold = carnet("license", "create", "--product", "hustl", "--policy", "consumer", "--json", env=here).json
        until(lambda: log_of(here) == ["license.created"])
        assert carnet("worker", "--once", "--json", env=here).json == {"ok": True, "done": [], "problems": {}}
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        rest.join(120)
    assert carnet("license", "revoke", sold["id"], env=here).code == 0
    once = carnet("worker", "--once", "--json", env=here)
    assert once.code == 0
    assert set(once.json["done"]) >= {"hand-out", "deliver:log", "terms", "pools", "forget-events"}
    assert log_of(here) == ["license.created", "license.revoked"]

    listed = carnet("events", "list", "--object", sold["id"], "--json", env=here).json["items"]
    assert [each["kind"] for each in listed] == ["license.revoked", "license.created"]
    tailed = carnet("events", "tail", "--lines", "1", env=here)
    assert (tailed.code, tailed.out.split()[1:3]) == (0, ["license.revoked", sold["id"]])
    assert carnet("events", "tail", "--after", str(listed[1]["seq"]), "--json", env=here).json == listed[0]
    (where,) = carnet("events", "destinations", "--json", env=here).json["items"]
    assert (where["name"], where["waiting"], where["dead"]) == ("log", 0, 0)
    health = {each["name"]: each["health"] for each in carnet("doctor", "--json", env=here).json["checks"]}
    assert (health["jobs"], health["outbox"]) == ("ok", "ok")


def test_what_cannot_be_delivered_is_said_and_can_be_given_up(here: dict[str, str], tmp_path: Path) -> None:
    away = {**here, "CARNET_EVENT_LOG": str(tmp_path / "nowhere" / "events.jsonl")}
    assert carnet("worker", "--once", env=away).code == 0  # from now on events go there
    assert carnet("license", "create", "--product", "hustl", "--policy", "consumer", env=away).code == 0
    assert carnet("worker", "--once", env=away).code == 0
    (waiting,) = carnet("events", "deliveries", "--state", "waiting", "--json", env=away).json["items"]
    assert waiting["problem"] == "The event log cannot be written (No such file or directory)."
    assert (waiting["attempts"], waiting["destination"]) == (1, "log")
    assert "No delivery is dead." in carnet("events", "deliveries", env=away).out
    missing = carnet("events", "retry", waiting["id"], "--json", env=away)
    assert (missing.code, missing.problem["code"]) == (3, "delivery_not_found")
    assert carnet("events", "stop", "log", env=away).code == 0
    assert carnet("events", "destinations", "--json", env=away).json["items"] == []
    again = carnet("events", "stop", "log", "--json", env=away)
    assert (again.code, again.problem["code"]) == (3, "destination_not_found")
