"""SEC-28: how old the status lists on a device are, as `info()` and the doctor tell it, by the rule of the decision."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnet import Carnet
from carnet.cli.doctor.device import look_at_device
from carnet.cli.doctor.finding import Finding
from carnet.client.info import HeldList
from carnet.core._base import replace
from carnet.core.instant import DAY, HOUR
from carnet.core.model import Policy
from carnet.testing import Lab
from carnet.testing.lists import URI

AGE = 10 * DAY
BACK = 60
"""The server dates what it signs back by so much."""

CHECKED = Policy(
    name="checked",
    offline_ttl_seconds=365 * DAY,
    max_offline_ttl_seconds=365 * DAY,
    refresh_after_seconds=300 * DAY,
    max_revocation_age_seconds=AGE,
    warn_before_seconds=0,
)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "state", policy=CHECKED)
    assert made.activate().state == "active"
    return made


def held(app: Carnet) -> HeldList:
    (only,) = app.info().status_lists
    return only


def diagnosed(lab: Lab) -> list[Finding]:
    findings, _ = look_at_device(lab.app(server="http://127.0.0.1:9"))
    return [each for each in findings if each.name == "status-lists"]


def test_a_device_without_a_list_was_checked_when_its_license_was_issued(lab: Lab) -> None:
    begun = lab.now - BACK
    lab.pass_time(days=3)
    info = lab.app().info()
    assert (info.status_lists, info.revocation_checked_at, info.revocation_check_by) == ((), begun, begun + AGE)
    (finding,) = diagnosed(lab)
    assert finding.health == "ok"
    assert finding.message.startswith("no list is here; the license was last checked for revocation on ")
    assert finding.message.endswith(f"which is enough until {info.revocation_check_by}")


def test_sec_28_a_list_grows_too_old_in_the_second_in_which_the_decision_says_so(lab: Lab) -> None:
    lab.pass_time(days=4)
    begun = lab.now
    lab.update_app()
    assert lab.app().check().state == "active"
    lab.go_offline()
    lab.pass_time(seconds=DAY + HOUR)
    assert held(lab.app()) == HeldList(
        uri=URI, version=held(lab.app()).version, issued_at=begun, age_seconds=DAY + HOUR, is_too_old=False
    )
    (finding,) = diagnosed(lab)
    assert (finding.health, "1 day old;" in finding.message) == ("ok", True)
    lab.pass_time(seconds=begun + AGE - 1 - lab.now)
    for age, state, health in ((AGE - 1, "active", "ok"), (AGE, "needs_refresh", "warning"), (AGE + 1, "needs_refresh", "warning")):  # noqa: E501 # fmt: skip
        app = lab.app()
        assert (held(app).age_seconds, held(app).is_too_old) == (age, state != "active")
        assert (app.info().revocation_checked_at, app.info().revocation_check_by) == (begun, begun + AGE)
        assert app.check().state == state
        (finding,) = diagnosed(lab)
        assert finding.health == health
        assert ("more than the policy allows" in finding.message) is (state != "active")
        lab.pass_time(seconds=1)
    assert f"The list {URI} is of " in finding.message
    assert "newer list" in finding.fix


def test_an_old_list_beside_a_license_that_was_issued_later_is_old_and_enough(lab: Lab) -> None:
    lab.update_app()
    lab.app().check()
    lab.pass_time(days=11)
    assert lab.app(status_lists=None).check().state == "needs_refresh"
    anchors, store = lab.app()._device.look().identity.anchors, lab.app()._device.store
    old = lab.app()._device.look().state.status_lists
    assert lab.app(status_lists=None).refresh()
    store.update(anchors, lambda found: replace(found.state, status_lists=old))
    info = lab.app(status_lists=None).info()
    assert [(each.age_seconds, each.is_too_old) for each in info.status_lists] == [(11 * DAY, True)]
    assert (info.revocation_checked_at, info.revocation_check_by) == (lab.now - BACK, lab.now - BACK + AGE)
    (finding,) = diagnosed(lab)
    assert (finding.health, "11 days old, which is more than the policy allows" in finding.message) == ("ok", True)


def test_where_the_policy_asks_for_no_lists_none_is_too_old(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "state", policy=replace(CHECKED, max_revocation_age_seconds=None))
    assert Carnet.info(lab.app()).revocation_checked_at is None
    assert diagnosed(lab) == []
    lab.activate()
    assert "no list is here; the policy asks for none" in diagnosed(lab)[0].message
    lab.update_app()
    lab.app().check()
    lab.pass_time(days=300)
    info = lab.app().info()
    assert [(each.age_seconds, each.is_too_old) for each in info.status_lists] == [(300 * DAY, False)]
    assert info.revocation_check_by is None
    assert diagnosed(lab)[0].health == "ok"


def test_of_several_lists_the_newest_genuine_one_is_told(lab: Lab) -> None:
    old = lab.server.status_list()
    lab.pass_time(days=1)
    new, begun = lab.server.status_list(), lab.now
    broken = new[:-8] + "AAAAAAAA"
    app = lab.app()
    anchors = app._device.look().identity.anchors

    def keep(*lists: str) -> None:
        app._device.store.update(anchors, lambda found: replace(found.state, status_lists=lists))

    for lists in ((old, new), (new, old), (broken, old, new)):
        keep(*lists)
        assert (held(app).issued_at, held(app).age_seconds) == (begun, 0)
    keep(broken)
    assert app.info().status_lists == ()


def test_sec_29_a_clock_that_is_set_back_makes_no_list_young(lab: Lab) -> None:
    lab.update_app()
    lab.app().check()
    lab.go_offline()
    lab.pass_time(days=11)
    assert lab.app().check().state == "needs_refresh"
    lab.clock.set_wall(lab.now - 400 * DAY)
    assert held(lab.app()).age_seconds == 11 * DAY
    assert held(lab.app()).is_too_old
    lab.clock.set_wall(lab.now - 12 * DAY)
    assert held(lab.app()).age_seconds >= 0
