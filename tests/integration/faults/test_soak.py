"""
REL-13: many requests with kills inside: nothing acknowledged is lost, memory does not grow. Speed is reported, not
asserted: it says more about the machine than about the server.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from support.campaigns import LONG
from support.faults import START_SECONDS, faults_in
from support.faults_killing import admin_token, rows_of
from support.faults_load import Client, Shop, load
from support.installations import settings_in
from support.ledger import Ledger

REQUESTS = 1_000_000 if LONG else 6_000
KILLS = 20 if LONG else 5
GROWTH = 0.05
"""REL-13: memory grows by less than this after warm-up."""


@pytest.mark.sqlite_file
def test_rel_13_a_soak_with_kills_loses_nothing_and_does_not_grow(tmp_path: Path, record_property: Any) -> None:
    settings = settings_in(tmp_path)
    ledger, token = Ledger(), admin_token(settings)
    with faults_in(settings) as servers:
        server = servers.start()
        opening = Client(servers.target, ledger, token)
        shop = Shop(opening)
        opening.close()
        tenths: list[float] = []
        with load(servers.target, ledger, token, shop):
            for kill in range(1, KILLS + 1):  # in the first half
                ledger.wait_for(REQUESTS // 2 * kill // (KILLS + 1), 600)
                server.kill()
                server = servers.start()
            ledger.wait_for(REQUESTS * 7 // 10, 600)  # this one is warm now
            warm = server.memory_kib()
            for tenth in range(8, 11):
                since = time.monotonic()
                ledger.wait_for(REQUESTS * tenth // 10, 600)
                tenths.append(REQUESTS / 10 / (time.monotonic() - since))
            grown = server.memory_kib()
        server.kill()
        assert ledger.unexpected == []
        assert ledger.compare(rows_of(settings)) == []
        assert servers.slowest < START_SECONDS
        record_property("requests", ledger.acknowledged)
        record_property("answers a second", tenths)
        record_property("memory KiB", (warm, grown))
        assert grown <= warm * (1 + GROWTH), (warm, grown)
