"""`carnet serve` as a real process: how it starts, what it says when it cannot, how it stops."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from carnet.cli.doctor.inside import look_inside
from carnet.core._base import replace
from carnet.core.errors import CarnetError
from carnet.server.domain.keys.commands import CreateKey
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import InitOptions, create_installation, open_installation
from carnet.server.records import OPERATOR, CompatibilityKey
from carnet.server.serve import bind
from carnet.server.settings import Settings

SERVE = [sys.executable, "-m", "carnet.cli", "serve"]
PASSPHRASE = b"correct horse battery staple"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    create_installation(Settings(data=folder / "data"), InitOptions(root_keys=folder / "root"))
    return folder / "data"


def _environment(data: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARNET_")}
    return {**kept, "CARNET_DATA": str(data), "CARNET_PORT": "0", **more}


@contextmanager
def _serving(
    environment: dict[str, str], said: list[dict[str, Any]] | None = None
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A serving process and its line that says where it listens; *said* gets the lines before that one too."""
    with subprocess.Popen(
        SERVE, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                event = json.loads(line)
                if said is not None:
                    said.append(event)
                if event["event"] == "server.listening":
                    yield process, event
                    break
        finally:
            if process.poll() is None:
                process.terminate()
            last_resort = threading.Timer(120, process.kill)
            last_resort.start()
            process.stderr.read()
            process.wait(120)
            last_resort.cancel()


def _refused(environment: dict[str, str]) -> str:
    done = subprocess.run(SERVE, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode not in {0, -signal.SIGKILL}
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_in_a_pipe_it_speaks_json_lines_and_answers_where_it_says(data: Path) -> None:
    with _serving(_environment(data)) as (process, event):
        assert event["data"] == str(data)
        assert len(event["anchor"]) == 64
        assert event["level"] == "info"
        answer = httpx2.get(f"{event['address']}/readyz", timeout=120)
        assert answer.json()["ready"] is True
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        rest = [json.loads(line) for line in process.stderr]
        assert process.wait(120) == 0
    assert [line["event"] for line in rest][-2:] == ["server.stopping", "server.stopped"]


def test_sec_25_a_broken_compatibility_key_is_said_at_the_start_and_the_server_serves(data: Path) -> None:
    async def made() -> CompatibilityKey:
        async with open_installation(Settings(data=data)) as installation:
            await installation.products.create(CreateProduct(id="broken"), OPERATOR)
            return (await installation.keys.create(CreateKey(product="broken", alg="ES256"), OPERATOR)).key

    key = asyncio.run(made())
    file = data / "keys" / f"compatibility-{key.id}.key"
    whole = file.read_bytes()
    file.write_bytes(b"{}")
    said: list[dict[str, Any]] = []
    try:
        with _serving(_environment(data), said) as (_, event):
            (line,) = [each for each in said if each["event"] == "key.broken"]
            assert (line["kid"], line["product"], line["level"]) == (key.kid, "broken", "error")
            assert httpx2.get(f"{event['address']}/readyz", timeout=120).status_code == 200
    finally:
        file.write_bytes(whole)


def test_an_admin_token_that_came_too_late_is_said_and_one_that_works_is_not(tmp_path: Path) -> None:
    first, late = "first-9f4c1d6f0e7b4a0c8f5d2b3a1e6c7d88", "late-4c4c4544004235108052b3c04f4b4e32"
    place = Settings(data=tmp_path / "data", admin_token=first)
    create_installation(place, InitOptions(root_keys=tmp_path / "root"))

    async def found(token: str | None) -> list[str]:
        async with open_installation(replace(place, admin_token=token)) as installation:
            listed = await look_inside(installation)
            used = await installation.apikeys.last_used((await installation.apikeys.list()).items)
            assert used == {}, "to look is not to use"
        return [each.message for each in listed if "CARNET_ADMIN_TOKEN" in each.message]

    assert asyncio.run(found(None)) == asyncio.run(found(first)) == []
    (message,) = asyncio.run(found(late))
    assert "carnet init only" in message
    assert late not in message

    for token, lines in ((first, 0), (late, 1)):
        said: list[dict[str, Any]] = []
        with _serving(_environment(place.data, CARNET_ADMIN_TOKEN=token), said):
            told = [each for each in said if each["event"] == "setting.ignored"]
            assert len(told) == lines
            assert token not in json.dumps(said)
    assert (told[0]["name"], told[0]["level"]) == ("CARNET_ADMIN_TOKEN", "warning")
    assert "carnet init only" in told[0]["note"]


def test_in_a_terminal_it_greets_with_a_banner(data: Path) -> None:
    master, slave = pty.openpty()
    environment = _environment(data, TERM="xterm")
    with subprocess.Popen(SERVE, env=environment, stderr=slave, stdout=subprocess.DEVNULL) as process:
        os.close(slave)
        said = b""
        try:
            while b"Ctrl-C" not in said:
                said += os.read(master, 4096)
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0
        finally:
            process.kill()
            os.close(master)
    text = said.decode()
    assert "http://127.0.0.1:" in text
    assert str(data) in text
    assert "anchor" in text
    assert "carnet license create" in text


def test_rel_14_sigterm_during_requests_is_an_orderly_stop(data: Path) -> None:
    with _serving(_environment(data)) as (process, event):
        statuses: list[int] = []

        def ask() -> None:
            with httpx2.Client(base_url=event["address"], timeout=120) as http:
                for _ in range(10_000):
                    try:
                        statuses.append(http.post("/v1/validate", json={}).status_code)
                    except httpx2.TransportError:
                        return

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(statuses) < 50:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        for thread in threads:
            thread.join(120)
    assert set(statuses) == {400}


def test_a_taken_port_is_said_in_a_sentence(data: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        said = _refused(_environment(data, CARNET_PORT=port))
    assert port in said
    assert "taken" in said
    assert "CARNET_PORT" in said


def test_a_data_directory_without_an_installation_is_said_in_a_sentence(tmp_path: Path) -> None:
    assert "carnet init" in _refused(_environment(tmp_path / "nothing"))


def test_a_wrong_or_missing_passphrase_is_said_in_a_sentence(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", passphrase=PASSPHRASE)
    create_installation(settings, InitOptions(root_keys=tmp_path / "root"))
    for given in ({}, {"CARNET_PASSPHRASE": "wrong horse"}):
        said = _refused(_environment(settings.data, **given))
        assert "passphrase" in said.lower()
        assert "horse" not in said
    (tmp_path / "pass").write_bytes(PASSPHRASE + b"\n")
    with _serving(_environment(settings.data, CARNET_PASSPHRASE_FILE=str(tmp_path / "pass"))) as (_, event):
        assert httpx2.get(f"{event['address']}/livez", timeout=120).status_code == 200


@pytest.mark.parametrize(
    ("host", "code"), [("203.0.113.1", "host_not_here"), ("no such host", "host_not_here"), ("::zz", "host_not_here")]
)
def test_an_address_that_is_not_ours_is_said_in_a_sentence(host: str, code: str) -> None:
    with pytest.raises(CarnetError) as caught:
        bind(host, 0)
    assert caught.value.code == code
    assert "CARNET_HOST" in caught.value.fix


def test_a_port_in_use_is_recognised_and_one_that_was_just_left_is_not() -> None:
    first = bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    with pytest.raises(CarnetError) as caught:
        bind("127.0.0.1", port)
    assert caught.value.code == "port_taken"
    first.close()
    bind("127.0.0.1", port).close()


def test_it_listens_on_ipv6_too() -> None:
    try:
        listening = bind("::1", 0)
    except CarnetError:
        pytest.skip("this machine has no IPv6 loopback")
    listening.close()
