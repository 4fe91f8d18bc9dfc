"""
REL-03 after what is no crash: the clock is set back and forth under load, and an old backup is put back. The ledger of
what clients were told is compared with the database afterwards, on both databases.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.instant import DAY, HOUR, MINUTE, Instant
from carnet.server.backup.restoring import restore_backup, start_epoch
from carnet.server.domain.limits.rules import rate_limits_from_text
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from support.campaigns import LONG
from support.databases import Kind, cluster
from support.faults_killing import rows_of
from support.faults_load import Client, Shop, Target, load
from support.installations import settings_in
from support.ledger import Ledger
from support.served import served
from support.vendor import Vendor

STEPS = (-10 * 365 * DAY, -DAY, -HOUR, -5 * MINUTE - 1, HOUR, DAY, 365 * DAY) * (10 if LONG else 1)
NO_LIMITS = rate_limits_from_text("off")
REQUESTS = 2000 if LONG else 150


def working(vendor: Vendor, ledger: Ledger, product: str) -> tuple[Target, Shop]:
    target = Target()
    target.move(vendor.live.port)
    opening = Client(target, ledger, vendor.admin_token)
    shop = Shop(opening, product=product)
    opening.close()
    return target, shop


@pytest.mark.timeout(3600 if LONG else 300)
def test_sec_31_a_clock_that_steps_under_load_loses_nothing_acknowledged(tmp_path: Path, database: Kind) -> None:
    ledger = Ledger()
    with served(tmp_path, rate_limits=NO_LIMITS) as vendor:
        target, shop = working(vendor, ledger, "hustl")
        guard = vendor.installation.clock.guard
        with load(target, ledger, vendor.admin_token, shop):
            for step in STEPS:
                ledger.wait_for(ledger.acknowledged + 20)
                with vendor.later(step):  # at its end the clock is right again, and an operator says so
                    if step < 0:
                        while guard.doubt() is None:
                            ledger.wait_for(ledger.acknowledged + 1)
                    else:
                        ledger.wait_for(ledger.acknowledged + 20)
            ledger.wait_for(ledger.acknowledged + 20)
    assert ledger.unexpected == []
    assert ledger.compare(rows_of(settings_in(tmp_path))) == []
    print(f"SEC-31 {database}: {len(STEPS)} steps of the clock, {ledger.acknowledged} acknowledged, 0 lost")  # noqa: T201


def restored(settings: Settings, file: Path, now: Instant) -> Settings:
    """*file* put back, over the SQLite file or into a new PostgreSQL database, and a new epoch begun."""
    if settings.postgres is not None:
        settings = replace(settings, postgres=cluster().fresh())
    restore_backup(settings, file, replace=True, now=now)
    start_epoch(settings, now=now)
    return settings


def test_rel_11_what_was_acknowledged_before_a_backup_is_there_after_it_was_put_back(
    tmp_path: Path, database: Kind
) -> None:
    before, after, again = Ledger(), Ledger(), Ledger()
    file = tmp_path / "old.backup"
    with served(tmp_path, rate_limits=NO_LIMITS) as vendor:
        target, shop = working(vendor, before, "hustl")
        with load(target, before, vendor.admin_token, shop):
            before.wait_for(REQUESTS)
        vendor.on_the_servers_loop(vendor.installation.backups.create(file, OPERATOR))
        with load(target, after, vendor.admin_token, shop, seed=2):
            after.wait_for(REQUESTS)
        now = vendor.clock.now()
    rows = rows_of(settings_in(tmp_path))
    assert before.unexpected == after.unexpected == []
    given = {row[0] for row in rows("SELECT position FROM status_indices")}
    issued = {row[0] for row in rows("SELECT jti FROM issuances")}
    settings = restored(settings_in(tmp_path), file, now)
    rows = rows_of(settings)
    assert before.compare(rows) == []
    kept = (
        {row[0] for row in rows("SELECT position FROM status_indices")},
        {row[0] for row in rows("SELECT jti FROM issuances")},
    )
    # Who took a seat after the backup takes it again, and gets nothing that was somebody's already.
    with served(tmp_path, rate_limits=NO_LIMITS, postgres=settings.postgres) as vendor:
        target.move(vendor.live.port)
        client = Client(target, again, vendor.admin_token)
        devices = [device for license_id, device in after._devices if license_id == shop.licenses[0]["id"]]
        for device in devices:
            asked: dict[str, Any] = {"product": "hustl", "license_key": shop.licenses[0]["key"]}
            asked["device"] = {"fingerprint": device}
            what = ("activate", shop.licenses[0]["id"], device)
            assert client.ask(what, "POST", "/v1/activate", asked) is not None, again.unexpected
        client.close()
    new_positions = {row[0] for row in rows("SELECT position FROM status_indices")} - kept[0]
    new_artifacts = {row[0] for row in rows("SELECT jti FROM issuances")} - kept[1]
    assert not new_positions & given
    assert not new_artifacts & issued
    assert len(new_positions) >= len(devices) > 10
    forgotten = len(given - kept[0])
    print(  # noqa: T201
        f"REL-11 {database}: {before.acknowledged} acknowledged before the backup, all there;"
        f" {after.acknowledged} after it; {len(new_positions)} numbers since, none of the {forgotten} forgotten ones"
    )
