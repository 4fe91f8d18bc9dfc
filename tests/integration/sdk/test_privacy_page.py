"""
R-43, R-67, SEC-48: every byte that leaves a device in its life, and every file that stays, is on the privacy page.

Between the SDK and a real server stands a relay that writes down what comes by; both directions are compared: what is
sent is in the table, and what is in the table is sent.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from carnet import Carnet
from carnet.client import attempts, journal, privacy, reminders, tpm
from carnet.client.leases import KEPT
from carnet.client.list_operations import recheck
from carnet.client.state import COPIES
from carnet.client.state_file import DeviceState
from carnet.client.state_locking import LOCK, MARKER
from support.machines import RecordedMachine, expected_parts, recorded
from support.status_lists import publish
from support.vendor import Vendor, vendor_at

REQUEST = re.compile(rb"(?:^|(?<=\}))([A-Z]+) (/\S*) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")


class Relay:
    """Carries connections to a server, and writes down what the client says."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.connections: list[bytearray] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def said(self) -> bytes:
        """Everything that was sent, one connection after the other."""
        return b"".join(self.connections)

    def requests(self) -> list[tuple[str, str, dict[str, str], dict[str, Any]]]:
        """Method, path, headers and body of each request; nothing else was said on any connection."""
        found = []
        for connection in self.connections:
            rest = bytes(connection)
            while rest:
                match = REQUEST.match(rest)
                assert match, rest
                lines = match[3].decode().splitlines()
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                end = match.end() + int(headers.get("content-length", 0))
                body = json.loads(rest[match.end() : end] or b"{}")
                found.append((match[1].decode(), match[2].decode(), headers, body))
                rest = rest[end:]
        return found

    def close(self) -> None:
        """Called when every client has hung up."""
        self._listening.shutdown(socket.SHUT_RDWR)
        while self._threads:
            self._threads.pop(0).join(120)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            said = bytearray()
            self.connections.append(said)
            self._threads.append(threading.Thread(target=self._carry, args=(client, said)))
            self._threads[-1].start()

    def _carry(self, client: socket.socket, said: bytearray) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            back = threading.Thread(target=_pump, args=(server, client, bytearray()))
            back.start()
            _pump(client, server, said)
            back.join(120)


def _pump(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            kept += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


MAPS = {"status_versions"}
"""Members whose own members are no names but values."""


def members(body: Any, prefix: str = "") -> Iterator[str]:
    """The names of all values in *body*, as the table writes them."""
    for name, value in body.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and name not in MAPS:
            yield from members(value, f"{path}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                yield from members(item, f"{path}[].")
        else:
            yield path


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor_at(tmp_path_factory.mktemp("privacy")) as vendor:
        yield vendor


@pytest.fixture
def relay(vendor: Vendor) -> Iterator[Relay]:
    relay = Relay(vendor.live.port)
    yield relay
    relay.close()


def app_of(vendor: Vendor, relay: Relay, sold: Any, state: Path, machine: RecordedMachine, **settings: Any) -> Carnet:
    app = Carnet(
        product=sold["product"],
        server=relay.url,
        root=vendor.installation.roots[0],
        state=state,
        timeout_seconds=120,
        **settings,
    )
    app._device.machine = machine
    return app


def live(vendor: Vendor, relay: Relay, state: Path) -> Any:
    """The whole life of a device whose app tells all that an app can tell."""
    product = vendor.product()
    sold = vendor.license(product, overrides={"max_revocation_age_seconds": 86400})
    vendor.on_the_servers_loop(publish(vendor.installation))
    machine = recorded("linux-laptop-root")
    told: dict[str, Any] = {"domain": "app.example.com", "app_version": "2.1"}
    with app_of(vendor, relay, sold, state, machine, **told) as app:
        app.check()
        assert app.activate(sold["key"], device_name="Line 4", user="user-7").state == "active"
        assert app.start().state == "active"
        assert app.refresh().state == "active"
        assert app.prepare_offline(days=20).access == "full"
        app._contact(lambda: recheck(app._device))
        terms = {"terms": {"limit": 2, "max_borrow_seconds": 3600}}
        assert vendor.admin("PUT", f"/licenses/{sold['id']}/lease-terms", terms).is_success
        with app.lease(kind="process", ttl_seconds=600, name="render-1", borrow=True) as seat:
            assert seat.held, seat.reasons
            seat.release()
        app.deactivate()
    return sold


def test_r_67_what_is_sent_is_exactly_what_the_page_says(vendor: Vendor, relay: Relay, tmp_path: Path) -> None:
    sold = live(vendor, relay, tmp_path)
    requests = relay.requests()
    calls = {re.sub(r"/[0-9a-f-]{30,}$", "/id", path) for _, path, _, _ in requests}
    asked = {"/v1/activate", "/v1/refresh", "/v1/deactivate", "/v1/leases", "/v1/leases/id", "/v1/status/0"}
    assert calls == asked
    sent = {member for _, _, _, body in requests for member in members(body)}
    assert sent - privacy.SENT.keys() == set(), "what is not on the page is not sent"
    assert privacy.SENT.keys() - sent == set(), "what is on the page is sent"
    headers = {name for _, _, told, _ in requests for name in told}
    assert headers == set(privacy.HEADERS)
    assert all("?" not in path and sold["key"] not in path for _, path, _, _ in requests)


def test_sec_19_a_packet_capture_of_a_life_holds_no_raw_identifier(
    vendor: Vendor, relay: Relay, tmp_path: Path
) -> None:
    live(vendor, relay, tmp_path)
    raw = [value for _, value in expected_parts("linux-laptop-root")]
    said = relay.said.lower()
    for value in raw:
        for spelling in {value, value.replace("-", ""), value.replace(":", ""), value.encode().hex()}:
            assert spelling.lower().encode() not in said, spelling


def test_r_43_an_app_that_tells_nothing_sends_the_least_and_a_check_sends_nothing(
    vendor: Vendor, relay: Relay, tmp_path: Path
) -> None:
    sold = vendor.license()
    with app_of(vendor, relay, sold, tmp_path, recorded("docker")) as app:
        for _ in range(3):
            app.check()
            app.info()
        assert relay.connections == []
        app.activate(sold["key"])
        assert len(relay.requests()) == 1
        for _ in range(20):
            app.start()
            app.check()
        assert len(relay.requests()) == 1, "no telemetry: nothing is sent without being due"
    ((_, _, _, body),) = relay.requests()
    assert set(members(body)) <= {
        "license_key",
        "product",
        "nonce",
        "root_version",
        "device.fingerprint",
        "device.platform",
        "device.public_key",
        "device.components[].kind",
        "device.components[].digest",
    }


def test_what_is_kept_is_exactly_what_the_page_says(vendor: Vendor, relay: Relay, tmp_path: Path) -> None:
    sold = vendor.license()
    with app_of(vendor, relay, sold, tmp_path, recorded("docker")) as app:
        app.activate(sold["key"])
        app.refresh()
    named = {name for names in privacy.FILES for name in names.split(", ")}
    assert {path.name for path in (tmp_path / sold["product"]).iterdir()} <= named
    assert {path.name for path in tmp_path.iterdir()} == {sold["product"], "volume-id"}
    for line in (tmp_path / sold["product"] / "log.jsonl").read_text().splitlines():
        assert set(json.loads(line)) <= set(privacy.LOG)
        assert sold["key"] not in line
    constants = (*COPIES, LOCK, MARKER, attempts.FILE, reminders.FILE, journal.FILE, tpm.FILE, KEPT)
    assert named == set(constants), "every file that the SDK's code names is on the page"
    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "privacy.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in DeviceState.__fields__)
