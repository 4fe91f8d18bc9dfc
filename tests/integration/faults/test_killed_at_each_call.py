"""
REL-04: killed at every k-th call that changes something outside the process, of one activation, for all k: nothing
acknowledged is lost, no seat leaks. REL-03: the commit is on the disk before the answer is on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from support.databases import Kind
from support.faults import START_SECONDS, Servers, faults_in
from support.faults_killing import admin_token, rows_of
from support.faults_load import Client, Shop
from support.faults_shim import HOWS, How, Shim
from support.installations import settings_in
from support.ledger import Ledger
from support.vendor import fingerprint


class Desk:
    """One client and a server under orders."""

    def __init__(self, servers: Servers, shim: Shim, ledger: Ledger, token: str) -> None:
        self.servers = servers
        self.shim = shim
        self.ledger = ledger
        self.client = Client(servers.target, ledger, token)
        self.license: Any = None

    def open_shop(self) -> None:
        self.license = Shop(self.client, count=1).licenses[0]
        self.ask("warm")  # what is done once only is done

    def body(self, device: str) -> dict[str, Any]:
        return {"product": "hustl", "license_key": self.license["key"], "device": {"fingerprint": fingerprint(device)}}

    def ask(self, device: str) -> dict[str, Any] | None:
        what = ("activate", self.license["id"], fingerprint(device))
        return self.client.ask(what, "POST", "/v1/activate", self.body(device))

    def ask_once(self, device: str) -> bool:
        """One attempt; whether it was answered, which goes into the ledger."""
        what = ("activate", self.license["id"], fingerprint(device))
        self.ledger.asking(*what)
        try:
            status, answer = self.client.once("POST", "/v1/activate", self.body(device))
        except OSError:
            return False
        assert status == 201, answer
        self.ledger.answered(what, answer)
        return True


@pytest.fixture(params=HOWS)
def how(request: pytest.FixtureRequest) -> How:
    found: How = request.param
    return found


@pytest.fixture
def desk(tmp_path: Path, database: Kind, how: How) -> Iterator[Desk]:
    settings = settings_in(tmp_path)
    shim = Shim(tmp_path, how)
    with faults_in(settings, shim) as servers:
        desk = Desk(servers, shim, Ledger(), admin_token(settings))
        servers.start()
        desk.open_shop()
        yield desk
        desk.client.close()
        if servers.running is not None:
            servers.running.kill()
        assert desk.ledger.unexpected == []
        assert desk.ledger.compare(rows_of(settings)) == []


def test_rel_04_killed_at_each_call_of_an_activation_nothing_is_lost_and_no_seat_leaks(desk: Desk) -> None:
    for number in count(1):
        desk.shim.order("kill", number)
        was_answered = desk.ask_once(f"device {number}")
        desk.shim.rest()
        assert desk.servers.running is not None
        if was_answered:  # it has no k-th call, or that one came after the answer
            break
        desk.servers.running.wait()
        desk.servers.start()
        if number % 2:  # the others leave it as it is: what was not answered may have happened, whole, or not at all
            assert desk.ask(f"device {number}") is not None
    assert desk.servers.back_after() < START_SECONDS
    assert number > 5, "an activation has more calls than that: nothing was counted"
    print(f"REL-04: killed at each of {number - 1} calls, {desk.ledger.acknowledged} acknowledged, 0 lost")  # noqa: T201


def _is_durable_first(calls: str) -> bool:
    """Whether nothing was written to a file between the last sync and the last word on the wire."""
    before_answer = calls[: calls.rindex("n")]
    return "s" in before_answer and "w" not in before_answer[before_answer.rindex("s") :]


@pytest.mark.parametrize(("plant", "durable"), [("", True), ("no sync", False)] if "calls" in HOWS else [("", True)])
def test_rel_03_the_commit_is_on_the_disk_before_the_answer_is_on_the_wire(
    tmp_path: Path, plant: str, *, durable: bool
) -> None:
    settings = settings_in(tmp_path)
    shim = Shim(tmp_path, HOWS[0])
    with faults_in(settings, shim) as servers:
        desk = Desk(servers, shim, Ledger(), admin_token(settings))
        servers.start(plant)
        desk.open_shop()
        shim.order("none", 1)
        assert desk.ask_once("counted")
        calls = shim.rest()
        desk.client.close()
    if HOWS[0] == "calls":
        assert _is_durable_first(calls) is durable, calls
    else:  # statements: COMMIT is the last one, and the answer comes after it
        assert calls.rindex("w") < calls.rindex("n"), calls
