"""REL-07: delays, losses and resets after the commit: whoever asks again gets one activation, and the same one."""

from __future__ import annotations

import random
from collections import Counter
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from carnet import Carnet
from support.campaigns import LONG
from support.databases import Kind
from support.faults_killing import rows_of
from support.faults_load import Client, Target
from support.faults_proxy import FAULTS, Fault, Proxy, proxied
from support.installations import settings_in
from support.ledger import Ledger
from support.served import served
from support.vendor import Vendor, fingerprint

REQUESTS = 20_000 if LONG else 200
APPS = 500 if LONG else 12
WEIGHTS: dict[Fault, int] = {
    "none": 30,
    "slow": 10,
    "refused": 15,
    "cut request": 10,
    "cut answer": 10,
    "reset after request": 20,
    "half closed": 5,
}


@pytest.fixture(autouse=True)
def _no_settings_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRODUCT", "SERVER", "ROOT", "LICENSE_KEY", "DEVICE_ID", "STATE"):
        monkeypatch.delenv(f"CARNET_{name}", raising=False)


def through(proxy: Proxy, ledger: Ledger, token: str) -> Client:
    target = Target()
    target.move(proxy.port)
    return Client(target, ledger, token)


def license_of(vendor: Vendor) -> Any:
    return vendor.license(overrides={"seat_limit": 100_000})


def test_rel_07_raw_requests_repeated_through_a_bad_network_give_one_activation_each(
    tmp_path: Path, database: Kind
) -> None:
    ledger, chance = Ledger(), random.Random(7)  # noqa: S311 - which request gets a key
    with served(tmp_path) as vendor, proxied(lambda: vendor.live.port, WEIGHTS) as proxy:
        license_ = license_of(vendor)
        client = through(proxy, ledger, vendor.admin_token)
        for number in range(REQUESTS // 2 if database == "postgres" and not LONG else REQUESTS):
            device = fingerprint(f"device {number}")
            body = {"product": license_["product"], "license_key": license_["key"], "device": {"fingerprint": device}}
            headers = {"Idempotency-Key": f"r-{number}"} if chance.random() < 0.5 else {}
            client.close()  # a fault is drawn for each connection
            answer = client.ask(("activate", license_["id"], device), "POST", "/v1/activate", body, headers)
            assert answer is not None, ledger.unexpected
            if chance.random() < 0.3:
                client.close()
                client.ask(("deactivate", license_["id"], device), "POST", "/v1/deactivate", body)
        client.close()
        attempts = client.attempts
        assert set(proxy.drawn) == set(FAULTS)
        assert attempts > ledger.acknowledged
    assert ledger.unexpected == []
    rows = rows_of(settings_in(tmp_path))
    assert ledger.compare(rows) == []
    # Seats given back may have been taken anew by a late repetition of nothing: each device has exactly one activation.
    taken = Counter(row[0] for row in rows("SELECT fingerprint FROM activations"))
    assert set(taken.values()) == {1}


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
        with pytest.raises((OSError, HTTPException)):
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


def test_rel_07_the_sdk_keeps_one_seat_however_often_its_answers_are_lost(tmp_path: Path, database: Kind) -> None:
    with served(tmp_path) as vendor, proxied(lambda: vendor.live.port, WEIGHTS, seed=3) as proxy:
        license_ = license_of(vendor)
        for number in range(APPS):
            tries = 0
            while True:
                tries += 1
                app = Carnet(
                    product=license_["product"],
                    server=f"http://127.0.0.1:{proxy.port}",
                    root=vendor.installation.roots[0],
                    state=tmp_path / f"state-{number}",
                    device_id=f"device-{number}",
                )
                if app.activate(license_["key"]).state == "active":
                    break
                assert tries < 60
        assert proxy.drawn["reset after request"] > 0
    rows = rows_of(settings_in(tmp_path))
    held = rows("SELECT fingerprint FROM activations WHERE deactivated_at IS NULL")
    assert len(held) == len(set(held)) == APPS
    assert rows("SELECT count(*) FROM activations") == [(APPS,)]
    assert Ledger().compare(rows) == [
        f"activation {row[0]} holds a seat that nobody was told of" for row in rows("SELECT id FROM activations")
    ], "nothing else is wrong: no count, no index"
    assert database
