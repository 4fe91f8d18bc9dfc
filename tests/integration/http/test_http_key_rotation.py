"""Two server processes on one database: both follow a rotation and a lost key within seconds, and no request fails."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from carnet.formats.jws import unverified_jws
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR
from support.ceremonies import announced, installed, key_of
from support.installations import environment_of, fingerprint, licensed, settings_in
from support.ports import own_port

ALLOWED_SECONDS = 120
"""Of a machine that is busy with other tests; five are promised, and what it took is recorded."""

pytestmark = pytest.mark.usefixtures("database")


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[int]:
    """A `carnet serve` process of its own; its port."""
    port = own_port()
    given = {**environment, "CARNET_PORT": str(port), "CARNET_RATE_LIMITS": "off", "CARNET_JOBS": "off"}
    with subprocess.Popen(
        [sys.executable, "-m", "carnet.cli", "serve"],
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until(lambda: _answers(port))
            yield port
        finally:
            process.terminate()
            process.wait(120)


def _answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/livez")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def until(is_so: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < ALLOWED_SECONDS
        time.sleep(0.05)
    return time.monotonic() - began


class Customers(threading.Thread):
    """Activates on every server, again and again, until told to stop; notes what did not go well."""

    def __init__(self, ports: list[int], key: str) -> None:
        super().__init__(daemon=True)
        self.asked, self.failed = 0, list[tuple[int, dict[str, Any]]]()
        self.over = threading.Event()
        device = {"fingerprint": fingerprint("one")}
        self._body = {"license_key": key, "product": "hustl", "device": device, "nonce": "n", "root_version": 1}
        self._ports = ports

    def run(self) -> None:
        while not self.over.wait(0.02):  # of two cores, the servers want some too
            for port in self._ports:
                status, body = ask(port, "POST", "/v1/activate", self._body)
                self.asked += 1
                if status not in {200, 201}:
                    self.failed.append((status, body))

    def end(self) -> None:
        self.over.set()
        self.join(120)


def test_r_18_every_process_follows_and_no_request_fails_because_of_the_switch(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    settings = settings_in(tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARNET_")}
    environment |= {name: value for name, value in environment_of(settings).items() if name.startswith("CARNET_")}
    took: list[float] = []

    def signs(port: int) -> str:
        token = ask(port, "GET", "/v1/time?nonce=n")[1]["token"]
        return str(unverified_jws(token, max_bytes=8192, what="The time")[0]["kid"])

    async def change(work: Callable[[Installation], Any]) -> str:
        async with open_installation(settings) as installation:
            await work(installation)
            return key_of(installation, "time").kid

    def follows(kid: str, ports: list[int]) -> None:
        took.append(max(until(lambda port=port: signs(port) == kid) for port in ports))  # type: ignore[misc]

    async def rotated(installation: Installation) -> None:
        await announced(installation)
        installation.ceremonies.announce_seconds = 0
        await installation.ceremonies.rotate(None, OPERATOR)

    async def lost(installation: Installation) -> None:
        for role in ("time", "token"):
            kid = key_of(installation, role).kid
            await installed(installation, await installation.ceremonies.compromise(kid))

    async def sold() -> str:
        async with open_installation(settings) as installation:
            return (await licensed(installation)).key

    key = asyncio.run(sold())
    with serving(environment) as one, serving(environment) as other:
        ports = [one, other]
        customers = Customers(ports, key)
        customers.start()
        follows(asyncio.run(change(rotated)), ports)
        follows(asyncio.run(change(lost)), ports)
        for port in ports:
            # The two lost keys are two roots: whoever follows the first may not have heard of the second.
            until(lambda port=port: ask(port, "GET", "/v1/root/4")[0] == 200)  # type: ignore[misc]
            assert ask(port, "GET", "/v1/root")[0] == 200
            assert ask(port, "GET", "/v1/root/5")[0] == 404
            kids = {each["kid"] for each in ask(port, "GET", "/.well-known/jwks.json")[1]["keys"]}
            assert signs(port) in kids
        refused = ask(one, "POST", "/v1/activate", {**customers._body, "license_key": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"})
        assert len(refused[1]["roots"]) == 3  # a proof under a key that only those name
        customers.end()
    assert customers.failed == []
    assert customers.asked > 10
    record_property("slowest of two processes to follow, seconds", round(max(took), 1))
    record_property("activations meanwhile, none failed", customers.asked)
