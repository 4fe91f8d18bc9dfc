"""REL-03, REL-04: kill -9 at random moments under load: nothing acknowledged is lost, no seat leaks."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from support.campaigns import LONG
from support.databases import Kind
from support.faults import START_SECONDS, Servers, faults_in
from support.faults_killing import admin_token, rows_of
from support.faults_load import Client, Shop, load
from support.installations import settings_in
from support.ledger import Ledger

pytestmark = pytest.mark.timeout(7200 if LONG else 300)

KILLS = {"sqlite": 3000 if LONG else 70, "postgres": 3000 if LONG else 30}
"""REL-04: 100 in CI, on both databases together, so that they take a minute; 3,000 on each in a release."""


def killed(servers: Servers, settings: Any, kills: int, *, plant: str = "", seed: int = 1) -> Ledger:
    """Load, and a server that is killed *kills* times at random moments; what the clients were told."""
    ledger, token = Ledger(), admin_token(settings)
    chance, moment = random.Random(seed), threading.Event()  # noqa: S311 - when to kill
    server = servers.start()
    opening = Client(servers.target, ledger, token)
    shop = Shop(opening)
    opening.close()
    if plant:
        server.kill()
        server = servers.start(plant)
    with load(servers.target, ledger, token, shop, seed=seed):
        for _ in range(kills):
            ledger.wait_for(ledger.acknowledged + chance.randint(1, 40))
            moment.wait(chance.uniform(0, 0.01))
            server.kill()
            server = servers.start(plant)
        ledger.wait_for(ledger.acknowledged + 40)
    server.kill()
    return ledger


def test_rel_04_a_server_killed_at_random_moments_loses_nothing_and_leaks_no_seat(
    tmp_path: Path, database: Kind
) -> None:
    settings = settings_in(tmp_path)
    with faults_in(settings) as servers:
        ledger = killed(servers, settings, KILLS[database])
        assert ledger.unexpected == []
        assert ledger.compare(rows_of(settings)) == []
        assert servers.back_after() < START_SECONDS
    print(  # noqa: T201 - the campaign's counts
        f"REL-04 {database}: {KILLS[database]} kills, {ledger.acknowledged} acknowledged, 0 lost, 0 seats leaked,"
        f" back after {servers.slowest:.1f} s at most"
    )


@pytest.mark.parametrize("seed", [1])
def test_rel_03_tooth_check_an_acknowledgement_before_the_commit_is_found(tmp_path: Path, seed: int) -> None:
    settings = settings_in(tmp_path)
    with faults_in(settings) as servers:
        ledger = killed(servers, settings, 6, plant="late commit", seed=seed)
        assert any("was acknowledged and is missing" in each for each in ledger.compare(rows_of(settings)))
