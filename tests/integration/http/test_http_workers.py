"""`carnet serve` with several processes on a real PostgreSQL: they answer together, are replaced, and stop together."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from carnet.server.domain.licenses.commands import CreateLicense
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import InitOptions, create_installation, open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.signing.sealing import ScryptCost
from carnet.server.workers import MAX_WAIT_SECONDS, STEADY_SECONDS, Workers, _Worker
from support.campaigns import LONG
from support.databases import cluster

WRONG_KEYS = 10_000 if LONG else 2_500
PASSPHRASE = b"correct horse battery staple"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("workers")
    settings = Settings(data=folder / "data", postgres=cluster().fresh(), passphrase=PASSPHRASE)
    create_installation(settings, InitOptions(root_keys=folder / "root"), cost=ScryptCost(log2_n=10))
    return settings


def _environment(settings: Settings, workers: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARNET_")}
    assert settings.postgres is not None
    return {
        **kept,
        "CARNET_DATA": str(settings.data),
        "CARNET_PORT": "0",
        "CARNET_DATABASE_URL": settings.postgres.url,
        "CARNET_WORKERS": str(workers),
        "CARNET_PASSPHRASE": PASSPHRASE.decode(),
        **more,
    }


class Serving:
    """A serving parent; its lines are read by a thread."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.events.append(json.loads(line))

    def named(self, event: str) -> list[dict[str, Any]]:
        return [each for each in list(self.events) if each["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        until(lambda: len(self.named(event)) >= count)
        return self.named(event)[count - 1]

    def ended(self) -> int:
        status = self.process.wait(120)
        self._thread.join(120)
        return status


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def _serving(settings: Settings, workers: int, **more: str) -> Iterator[Serving]:
    with subprocess.Popen(
        [sys.executable, "-m", "carnet.cli", "serve"],
        env=_environment(settings, workers, **more),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        serving = Serving(process)
        try:
            yield serving
        finally:
            if process.poll() is None:
                process.terminate()
            last_resort = threading.Timer(120, process.kill)
            last_resort.start()
            serving.ended()
            last_resort.cancel()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _sold(settings: Settings) -> dict[str, Any]:
    """A product and a license of it, made without a server."""

    async def made() -> dict[str, Any]:
        async with open_installation(settings) as installation:
            await installation.products.create(CreateProduct(id="guessed"), OPERATOR)
            wanted = CreateLicense(product="guessed", policy="consumer")
            return {"license_key": (await installation.licenses.create(wanted, OPERATOR)).key, "product": "guessed"}

    return asyncio.run(made())


def test_sec_35_wrong_keys_end_in_429_in_every_worker_and_the_right_key_works_from_elsewhere(
    installed: Settings, record_property: Any
) -> None:
    right, workers, allowed = _sold(installed), 3, 300
    counted: Counter[int] = Counter()
    limits = {"CARNET_RATE_LIMITS": f"misses={allowed}/3600", "CARNET_FLUSH_SECONDS": "1"}
    with _serving(installed, workers, **limits) as serving, ExitStack() as stack:
        address = serving.wait_for("server.listening")["address"]
        serving.wait_for("worker.started", workers)

        def client(local: str) -> httpx2.Client:
            transport = httpx2.HTTPTransport(local_address=local)
            return stack.enter_context(httpx2.Client(base_url=address, transport=transport, timeout=120))

        attackers = [client("127.0.0.66") for _ in range(4 * workers)]  # a connection stays with one worker
        for number in range(WRONG_KEYS):
            body = {"license_key": f"WRONG-{number:05}-00000-00000-00000", "product": "guessed"}
            counted[attackers[number % len(attackers)].post("/v1/validate", json=body).status_code] += 1
        assert set(counted) == {404, 429}
        # Each worker may let through what one alone would, and what the others have not told it of yet.
        assert allowed <= counted[404] <= allowed * workers + 60
        assert {each.post("/v1/validate", json=right).status_code for each in attackers} == {429}
        for _ in range(4 * workers):
            assert client("127.0.0.2").post("/v1/validate", json=right).status_code == 200
    record_property(f"of {WRONG_KEYS} wrong keys to {workers} workers, refused with 429", counted[429])


def test_rel_14_workers_are_replaced_when_they_die_and_stop_in_order_under_requests(installed: Settings) -> None:
    with _serving(installed, 2) as serving:
        address = serving.wait_for("server.listening")["address"]
        dead = serving.wait_for("worker.started", 2)["pid"]
        statuses: list[int] = []
        broken: list[Exception] = []

        def ask() -> None:
            while serving.process.poll() is None:
                try:
                    with httpx2.Client(base_url=address, timeout=120) as http:
                        statuses.extend(http.post("/v1/validate", json={}).status_code for _ in range(20))
                except httpx2.TransportError as error:  # its worker was killed, or the server stops
                    broken.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        until(lambda: len(statuses) > 50)
        os.kill(dead, signal.SIGKILL)
        assert serving.wait_for("worker.died")["status"] == -signal.SIGKILL
        serving.wait_for("worker.started", 3)
        answered = len(statuses)
        until(lambda: len(statuses) > answered + 200)
        workers = [event["pid"] for event in serving.named("worker.started")]
        serving.process.send_signal(signal.SIGTERM)
        assert serving.ended() == 0
        for thread in threads:
            thread.join(120)
    assert set(statuses) == {400}
    assert not any(map(_is_running, workers))
    assert {event["cut_off"] for event in serving.named("server.stopped")} == {0}


def test_workers_whose_parent_is_killed_stop_by_themselves(installed: Settings) -> None:
    with _serving(installed, 2) as serving:
        serving.wait_for("server.listening")
        serving.wait_for("worker.started", 2)
        workers = [event["pid"] for event in serving.named("worker.started")]
        serving.process.kill()
        until(lambda: not any(map(_is_running, workers)))


def _refused(environment: dict[str, str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "carnet.cli", "serve"]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_what_is_wrong_is_said_once_before_anybody_serves(installed: Settings) -> None:
    alone = _refused(_environment(installed, 1, CARNET_PASSPHRASE="wrong horse"))
    status, said = _refused(_environment(installed, 3, CARNET_PASSPHRASE="wrong horse"))
    assert status == alone[0] != 0
    assert said.count("The passphrase does not open") == 1
    assert said.count("worker.started") == 1


def test_the_embedded_database_is_served_by_one_process_and_says_so(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", postgres=cluster().fresh())
    environment = _environment(settings, 2)
    del environment["CARNET_DATABASE_URL"]
    status, said = _refused(environment)
    assert status == 2
    assert "CARNET_WORKERS is 2" in said
    assert "CARNET_DATABASE_URL" in said


def test_a_worker_that_ends_before_it_is_ready_ends_the_start() -> None:
    script = (
        "from carnet.core.errors import CarnetError\n"
        "from carnet.server.workers import Workers\n"
        "try: Workers(2, lambda post: 3).run(print)\n"
        "except CarnetError as error: print(error.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["worker_died"]


def test_workers_that_die_young_are_started_ever_more_slowly() -> None:
    workers = Workers(2, lambda _: 0)
    for wait in (0.5, 1, 2, 4, 8, 16, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS):
        began = time.monotonic()
        workers._note_death(_Worker(pid=1, told=0, since=began), 1, {})
        noted = workers._again_at[-1] - wait
        assert began <= noted <= time.monotonic(), wait
    workers._note_death(_Worker(pid=1, told=0, since=time.monotonic() - STEADY_SECONDS), 1, {})
    assert workers._again_at[-1] <= time.monotonic()
