"""REL-07: delays, losses and resets after the commit: whoever asks again gets one activation, and the same one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from carnet import Carnet
from support.campaigns import LONG
from support.databases import Kind
from support.faults_killing import rows_of
from support.faults_load import Client, Target
from support.faults_proxy import FAULTS, LOST, Fault, Proxy, proxied
from support.installations import settings_in
from support.ledger import Ledger
from support.served import served
from support.vendor import Vendor, fingerprint

pytestmark = pytest.mark.timeout(7200 if LONG else 300)

REQUESTS = 20_000 if LONG else 200
CLIENTS = 200 if LONG else 150
"""At once: most of the time they wait."""

APPS = 500 if LONG else 12
SLOWEST_SECONDS = 5.0
PATIENCE_SECONDS = 5.5
WEIGHTS: dict[Fault, int] = {
    "none": 19,
    "slow": 15,
    "lost request": 18,
    "lost answer": 18,
    "refused": 5,
    "cut request": 5,
    "cut answer": 5,
    "reset after request": 12,
    "half closed": 3,
}
"""REL-07: 36 of 100 are lost, others slow by up to five seconds, reset after the commit, or cut."""


@pytest.fixture(autouse=True)
def _no_settings_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRODUCT", "SERVER", "ROOT", "LICENSE_KEY", "DEVICE_ID", "STATE"):
        monkeypatch.delenv(f"CARNET_{name}", raising=False)


def through(proxy: Proxy, ledger: Ledger, token: str) -> Client:
    target = Target()
    target.move(proxy.port)
    client = Client(target, ledger, token)
    client.patience_seconds, client.silence_is_usual = PATIENCE_SECONDS, True
    return client


def license_of(vendor: Vendor) -> Any:
    return vendor.license(overrides={"seat_limit": 100_000})


def change_seats(client: Client, license_: Any, numbers: Iterator[int]) -> None:
    """Take the seats of the devices with *numbers*, and give some back."""
    for number in numbers:
        chance = random.Random(number)  # noqa: S311 - which request gets a key, which seat is given back
        device = fingerprint(f"device {number}")
        body = {"product": license_["product"], "license_key": license_["key"], "device": {"fingerprint": device}}
        is_keyed = chance.random() < 0.5
        headers = {"Idempotency-Key": f"r-{number}"} if is_keyed else {}
        client.close()  # a fault is drawn for each connection
        assert client.ask(("activate", license_["id"], device), "POST", "/v1/activate", body, headers) is not None
        # Without a key nothing tells a late copy of the request, which arrives after this, from a new one.
        if is_keyed and chance.random() < 0.6:
            client.close()
            client.ask(("deactivate", license_["id"], device), "POST", "/v1/deactivate", body)
    client.close()


def test_rel_07_raw_requests_repeated_through_a_bad_network_give_one_activation_each(
    tmp_path: Path, database: Kind
) -> None:
    ledger, numbers = Ledger(), iter(range(REQUESTS))
    with served(tmp_path) as vendor, proxied(lambda: vendor.live.port, WEIGHTS, slowest=SLOWEST_SECONDS) as proxy:
        license_ = license_of(vendor)
        clients = [through(proxy, ledger, vendor.admin_token) for _ in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as threads:
            for done in [threads.submit(change_seats, client, license_, numbers) for client in clients]:
                done.result()
        attempts, drawn = sum(client.attempts for client in clients), proxy.drawn
        assert set(drawn) == set(FAULTS)
        lost = sum(drawn[fault] for fault in LOST) / drawn.total()
        assert 0.3 < lost < 0.45
        assert max(proxy.delays) > 0.8 * SLOWEST_SECONDS
    assert ledger.unexpected == []
    rows = rows_of(settings_in(tmp_path))
    assert ledger.compare(rows) == []
    # Late copies of requests have taken nothing anew: each device has exactly one activation.
    taken = Counter(row[0] for row in rows("SELECT fingerprint FROM activations"))
    assert set(taken.values()) == {1}
    assert len(taken) == REQUESTS
    print(  # noqa: T201 - the campaign's counts
        f"REL-07 {database}: {REQUESTS} activations of {ledger.acknowledged} requests in {attempts} attempts,"
        f" {lost:.0%} lost, slow by up to {max(proxy.delays):.1f} s, {drawn['reset after request']} resets after the"
        " commit; one activation each"
    )


def test_rel_07_a_key_gives_the_very_same_answer_after_the_first_was_lost(tmp_path: Path, database: Kind) -> None:
    ledger = Ledger()
    with served(tmp_path) as vendor, proxied(lambda: vendor.live.port, {"reset after request": 1}) as proxy:
        license_ = license_of(vendor)
        client, direct = through(proxy, ledger, vendor.admin_token), Target()
        direct.move(vendor.live.port)
        body = {
            "product": license_["product"],
            "license_key": license_["key"],
            "device": {"fingerprint": fingerprint(1)},
        }
        with pytest.raises(ConnectionError):
            client.once("POST", "/v1/activate", body, {"Idempotency-Key": "once"})
        (issued,) = rows_of(settings_in(tmp_path))("SELECT jti FROM issuances WHERE kind = 'token'")
        heard = Client(direct, ledger, vendor.admin_token)
        what = ("activate", license_["id"], fingerprint(1))
        assert heard.ask(what, "POST", "/v1/activate", body, {"Idempotency-Key": "once"}) is not None
        heard.close()
        rows = rows_of(settings_in(tmp_path))
        assert ledger.compare(rows) == []
        assert rows("SELECT jti FROM issuances WHERE kind = 'token'") == [issued], "the same token, not another"
    assert database


def activate_app(folder: Path, vendor: Vendor, license_: Any, port: int, number: int) -> int:
    """An app that is started again until it is active; how often that was."""
    for tries in range(1, 60):
        app = Carnet(
            product=license_["product"],
            server=f"http://127.0.0.1:{port}",
            root=vendor.installation.roots[0],
            state=folder / f"state-{number}",
            device_id=f"device-{number}",
        )
        if app.activate(license_["key"]).state == "active":
            return tries
    raise AssertionError


def test_rel_07_the_sdk_keeps_one_seat_however_often_its_answers_are_lost(tmp_path: Path, database: Kind) -> None:
    with served(tmp_path) as vendor, proxied(lambda: vendor.live.port, WEIGHTS, seed=3) as proxy:
        license_ = license_of(vendor)
        with ThreadPoolExecutor(12) as threads:  # each has three seconds for an exchange
            apps = [
                threads.submit(activate_app, tmp_path, vendor, license_, proxy.port, number) for number in range(APPS)
            ]
            tries = sum(app.result() for app in apps)
        assert proxy.drawn["reset after request"] > 0
        drawn = proxy.drawn.total()
    rows = rows_of(settings_in(tmp_path))
    held = rows("SELECT fingerprint FROM activations WHERE deactivated_at IS NULL")
    assert len(held) == len(set(held)) == APPS
    assert rows("SELECT count(*) FROM activations") == [(APPS,)]
    assert set(Ledger().compare(rows)) == {
        f"activation {row[0]} holds a seat that nobody was told of" for row in rows("SELECT id FROM activations")
    }, "nothing else is wrong: no count, no index"
    print(f"REL-07 {database}: {APPS} apps, {tries} starts, {drawn} connections, one seat each")  # noqa: T201
