"""SEC-21, SEC-22: the doctor on a device tells of root files that contradict each other, and of one that has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnet import Carnet
from carnet.cli.doctor.device import look_at_device
from carnet.cli.doctor.finding import Finding
from carnet.core.instant import DAY
from support.issuing import LICENSE_KEY, NOW
from support.root_worlds import MALLORY, STOLEN, root_file
from support.sdk import Desk

ROOT = root_file(1, expires_at=NOW + 30 * DAY)


def found(app: Carnet) -> Finding:
    findings, _ = look_at_device(app)
    (finding,) = [each for each in findings if each.name == "root"]
    return finding


@pytest.mark.parametrize(
    ("other", "health", "told"),
    [
        (ROOT, "ok", "until"),
        (root_file(1, online=STOLEN), "problem", "the vendor's root keys signed it too"),
        (root_file(1, holders=(MALLORY,)), "warning", "others than the vendor"),
    ],
)
def test_sec_21_another_root_of_a_known_version_is_told(tmp_path: Path, other: str, health: str, told: str) -> None:
    desk = Desk(tmp_path)
    desk.vendor.published, desk.vendor.roots = (ROOT,), (other,)
    app = desk.app(root=ROOT, server="http://127.0.0.1:9")
    app.activate(LICENSE_KEY)
    assert app.check().access == "full"
    finding = found(app)
    assert finding.health == health
    assert told in finding.message


def test_sec_22_a_root_that_has_ended_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    app = desk.app(root=ROOT, server="http://127.0.0.1:9")
    desk.pass_time(30 * DAY - 1)
    assert found(app).health == "ok"
    desk.pass_time(1)
    assert found(app).health == "warning"
    assert "ended" in found(app).message
