"""Activating, deciding offline, and everything a license server may answer to a device (R-20 to R-24, R-30, R-80)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from carnet import Carnet, Decision
from carnet.core.instant import DAY
from carnet.errors import RefusedError, UsageError
from carnet.testing import MemoryTransport
from support.issuing import LICENSE_KEY, NOW, ROOT_TEXT
from support.sdk import Desk, wait_for_background


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_making_a_client_touches_nothing_and_needs_nothing(desk: Desk) -> None:
    Carnet()
    desk.app()
    assert not desk.state.exists()


@pytest.mark.parametrize(
    ("settings", "code", "fix"),
    [
        ({"product": None}, "product_required", "CARNET_PRODUCT"),
        ({"product": ""}, "product_required", "CARNET_PRODUCT"),
        ({"product": "../evil"}, "bad_product", "carnet product list"),
        ({"product": "-x"}, "bad_product", "carnet product list"),
        ({"product": "Hustl"}, "bad_product", "carnet product list"),
        ({"product": "x" * 101}, "bad_product", "carnet product list"),
        ({"root": None}, "root_required", "CARNET_ROOT"),
        ({"root": ""}, "root_required", "CARNET_ROOT"),
        ({"root": "/nonexistent/root.json"}, "root_unreadable", "path"),
        ({"device_id": "two\nlines"}, "bad_device_id", "same"),
        ({"device_id": "localhost"}, "bad_anchor", "CARNET_DEVICE_ID"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_says_how_to_give_it(
    desk: Desk, settings: dict[str, Any], code: str, fix: str
) -> None:
    app = desk.app(**settings)
    with pytest.raises(UsageError) as caught:
        app.check()
    assert caught.value.code == code
    assert fix in caught.value.fix


def without_server(desk: Desk, **settings: Any) -> Carnet:
    return Carnet(product="hustl", root=ROOT_TEXT, state=desk.state, device_id="line-4", clock=desk.clock, **settings)


def test_the_server_is_needed_only_to_go_online(desk: Desk) -> None:
    app = without_server(desk)
    assert app.check().state == "not_activated"
    for call in (app.refresh, app.deactivate, lambda: app.activate(LICENSE_KEY)):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code == "server_required"
    with pytest.raises(UsageError) as caught:
        without_server(desk, server="http://license.example.com").activate(LICENSE_KEY)
    assert caught.value.code == "bad_server"
    assert desk.app(server=None).activate(LICENSE_KEY).state == "active", "a transport of its own needs no address"


@pytest.mark.parametrize(("days", "state"), [(0, "active"), (5, "active"), (33, "grace"), (50, "expired")])
def test_an_air_gapped_app_that_names_no_server_starts_from_the_disk(desk: Desk, days: int, state: str) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(days * DAY)
    assert without_server(desk).start().state == state
    assert without_server(desk, license_key=LICENSE_KEY).start().state == state


def test_every_setting_may_come_from_the_environment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    root = desk.state.parent / "root.json"
    root.write_text(ROOT_TEXT)
    for name, value in {
        "PRODUCT": "hustl",
        "SERVER": "https://license.example.com",
        "ROOT": str(root),
        "LICENSE_KEY": LICENSE_KEY,
        "DEVICE_ID": "from-the-environment",
        "STATE": str(desk.state),
    }.items():
        monkeypatch.setenv(f"CARNET_{name}", value)
    app = Carnet(clock=desk.clock, transport=desk.transport)
    monkeypatch.setenv("CARNET_PRODUCT", "changed-later")
    assert app.start().state == "active"
    assert (desk.state / "hustl" / "state.0").exists()
    monkeypatch.setenv("CARNET_ROOT", ROOT_TEXT)
    monkeypatch.setenv("CARNET_PRODUCT", "hustl")
    assert Carnet(clock=desk.clock).check().state == "active"


@pytest.mark.parametrize("form", ["text", "bytes", "path", "path as text", "with a BOM and CRLF"])
def test_the_root_may_be_given_in_any_form(desk: Desk, form: str) -> None:
    path = desk.state.parent / "root.json"
    path.write_text(ROOT_TEXT)
    root: Any = {
        "text": ROOT_TEXT,
        "bytes": ROOT_TEXT.encode(),
        "path": path,
        "path as text": str(path),
        "with a BOM and CRLF": f"\ufeff{ROOT_TEXT}\r\n",
    }[form]
    assert desk.app(root=root).activate(LICENSE_KEY).state == "active"


def test_an_operator_who_gave_a_key_and_no_server_is_told(desk: Desk) -> None:
    assert codes(without_server(desk, license_key=LICENSE_KEY).start()) == ["not_activated", "server_required"]
    assert codes(without_server(desk).start()) == ["not_activated"]


# ── the boarding pass ────────────────────────────────────────────────────────────────────────────────────────────────


def test_activate_once_then_decide_offline(desk: Desk) -> None:
    app = desk.app(app_version="2.1")
    assert codes(app.check()) == ["not_activated"]
    granted = app.activate(LICENSE_KEY, device_name="Studio")
    assert (granted.state, granted.access, granted.reasons) == ("active", "full", ())
    assert granted.allows("export-pdf")
    desk.transport.online = False
    again = desk.app().check()
    assert again == granted
    assert len(desk.transport.requests) == 1
    (body,) = desk.vendor.bodies
    assert body["device"]["name"] == "Studio"
    assert body["app_version"] == "2.1"


def test_nothing_about_the_device_is_sent_but_its_fingerprint_and_key(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    (body,) = desk.vendor.bodies
    assert set(body) == {"license_key", "product", "device", "nonce", "root_version"}
    assert set(body["device"]) == {"fingerprint", "public_key", "platform", "components"}
    assert "line-4" not in json.dumps(body)


@pytest.mark.parametrize(
    ("at", "state", "access"),
    [
        (20 * DAY - 1, "active", "full"),
        (20 * DAY, "expiring", "full"),
        (30 * DAY - 1, "expiring", "full"),
        (30 * DAY, "grace", "limited"),
        (37 * DAY - 1, "grace", "limited"),
        (37 * DAY, "expired", "none"),
    ],
)
def test_rel_20_offline_each_boundary_holds_to_the_second(desk: Desk, at: int, state: str, access: str) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(at - 60)  # artifacts are dated back by 60 s
    decision = desk.app().check()
    assert (decision.state, decision.access) == (state, access)
    assert decision.allows("open") is (access != "none")
    assert decision.allows("export-pdf") is (access == "full")


def test_a_clock_that_stays_set_back_extends_nothing(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    for _ in range(40):
        desk.pass_time(DAY)
        desk.clock.set_wall(NOW)
        state = desk.app().check().state
    assert state == "expired"


def test_a_dead_clock_battery_stops_nobody(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.clock.reboot()
    desk.clock.set_wall(0)
    assert desk.app().check().state == "active"
    assert desk.app().refresh().state == "active"


def test_a_device_with_a_dead_clock_battery_activates(desk: Desk) -> None:
    desk.clock.set_wall(86400)
    decision = desk.app().activate(LICENSE_KEY)
    assert decision.state == "active"
    assert decision.checked_at >= NOW - 60


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("license_revoked", "revoked"),
        ("license_suspended", "suspended"),
        ("license_expired", "expired"),
        ("wrong_product", "wrong_product"),
        ("wrong_domain", "wrong_domain"),
        ("seat_limit_reached", "not_activated"),
        ("a_code_from_the_future", "not_activated"),
    ],
)
def test_a_refused_activation_is_a_decision_that_says_why(desk: Desk, status: str, state: str) -> None:
    desk.vendor.status = status
    app = desk.app()
    decision = app.activate(LICENSE_KEY)
    assert (decision.state, decision.access, codes(decision)) == (state, "none", [status])
    assert decision.reasons[0].fix
    assert app.last_problem is None
    assert codes(app.check()) == ["not_activated"], "nothing was activated, so nothing is remembered"


def test_seats_are_counted_and_a_full_license_says_so(desk: Desk) -> None:
    assert desk.app(device_id="one").activate(LICENSE_KEY)
    other = Desk(desk.state.parent / "other")
    other.vendor = desk.vendor
    other.transport = MemoryTransport(desk.vendor.answer)
    assert other.app(device_id="two").activate(LICENSE_KEY)
    third = Desk(desk.state.parent / "third")
    third.transport = other.transport
    assert codes(third.app(device_id="three").activate(LICENSE_KEY)) == ["seat_limit_reached"]


def test_users_ask_17_activating_again_keeps_the_seat(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    shutil.rmtree(desk.state)
    assert desk.app().activate(LICENSE_KEY).state == "active"
    assert len(desk.vendor.seats) == 1


def typo(key: str, *positions: int) -> str:
    symbols = list(key)
    for position in positions:
        symbols[position] = "7" if symbols[position] != "7" else "8"
    return "".join(symbols)


def test_r_80_a_mistyped_key_is_tried_as_typed_and_then_proposed(desk: Desk) -> None:
    typed = typo(LICENSE_KEY, 1, 9)
    decision = desk.app().activate(typed)
    assert decision.state == "not_activated"
    assert decision.reasons[0].code == "license_not_found"
    assert f"Did you mean {LICENSE_KEY}?" in decision.reasons[0].fix
    assert [body["license_key"] for body in desk.vendor.bodies] == [typed], "a proposal is never used silently"


def test_r_80_a_key_of_another_shape_or_too_far_away_is_left_alone(desk: Desk) -> None:
    for typed in ("STUDENT-2026", typo(LICENSE_KEY, 0, 7, 13)):
        decision = desk.app().activate(typed)
        assert codes(decision) == ["license_not_found"]
        assert "Did you mean" not in decision.reasons[0].fix


def test_r_80_an_imported_key_that_looks_mistyped_is_not_touched(desk: Desk) -> None:
    desk.vendor.license_key = typo(LICENSE_KEY, 3)
    desk.vendor.status = "license_revoked"
    decision = desk.app().activate(desk.vendor.license_key)
    assert codes(decision) == ["license_revoked"]
    assert "Did you mean" not in decision.reasons[0].fix


@pytest.mark.parametrize("spelling", [str.lower, lambda key: key.replace("-", " "), lambda key: f"  {key}\n"])
def test_r_80_another_spelling_of_the_key_is_the_key(desk: Desk, spelling: Any) -> None:
    app = desk.app()
    assert app.activate(spelling(LICENSE_KEY)).state == "active"
    assert app.info().license_key_hint == LICENSE_KEY[-4:]
    assert app.refresh().state == "active"


def test_an_imported_key_is_used_exactly_as_it_is(desk: Desk) -> None:
    desk.vendor.license_key = "Old-Vendor_key.2019-w7Qz8vXk2mNp"
    assert desk.app().activate(desk.vendor.license_key).state == "active"
    assert desk.app().check().state == "active"


@pytest.mark.parametrize("key", ["", "   ", "x" * 513, "bell\a", "half\ud800"])
def test_what_cannot_be_a_key_is_not_even_sent(desk: Desk, key: str) -> None:
    decision = desk.app().activate(key)
    assert codes(decision) == ["not_activated", "bad_license_key"]
    assert desk.transport.requests == []


def test_a_wrong_key_leaves_the_license_that_is_there_as_it_was(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    before = desk.files()
    assert codes(app.activate("STUDENT-2026")) == ["license_not_found"]
    assert desk.files() == before
    assert app.check().state == "active"


# ── tombstones ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("status", "state"), [("license_revoked", "revoked"), ("license_suspended", "suspended")])
def test_an_authentic_refusal_outranks_the_grant_and_survives_restarts_offline(
    desk: Desk, status: str, state: str
) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(DAY)
    desk.vendor.status = status
    assert desk.app().check().state == "active", "offline nobody knows yet"
    assert desk.app().refresh().state == state
    desk.transport.online = False
    decision = desk.app().check()
    assert (decision.state, decision.access) == (state, "none")


def test_a_refusal_right_after_the_grant_counts(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.vendor.status = "license_revoked"
    assert app.refresh().state == "revoked"


def test_a_reinstated_license_is_whole_again_at_the_next_start(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.vendor.status = "license_suspended"
    app.refresh()
    desk.pass_time(DAY)
    desk.vendor.status = "active"
    decision = desk.app().start()
    assert (decision.state, decision.reasons) == ("active", ())


def test_a_device_deactivated_by_the_vendor_is_told_to_activate_again(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.vendor.free_all()
    decision = app.refresh()
    assert (decision.state, codes(decision)[0]) == ("not_activated", "deactivated")
    assert desk.app().activate(LICENSE_KEY).state == "active"
    assert desk.app().check().reasons == ()


def test_rel_11_a_seat_that_a_restored_server_forgot_is_taken_again_at_the_next_refresh(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.vendor.seats.clear()
    assert (app.refresh().state, len(desk.vendor.seats)) == ("active", 1)
    assert desk.app().check().reasons == ()


def test_rel_11_nobody_is_stopped_by_a_server_that_forgot_the_license_or_gave_the_seat_away(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.vendor.seats.clear()
    desk.vendor.seat_limit = 0
    assert app.refresh().state == "active"
    desk.vendor.license_key = "another"
    assert app.refresh().state == "active"
    assert desk.app().check().reasons == ()


def test_a_revoked_key_typed_again_stays_revoked(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.vendor.status = "license_revoked"
    assert app.activate(LICENSE_KEY.lower()).state == "revoked"
    assert desk.app().check().state == "revoked"


def test_an_unknown_refusal_never_shortens_a_grant(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.vendor.status = "seat_limit_reached"
    decision = app.refresh()
    assert (decision.state, decision.reasons) == ("active", ())
    assert app.last_problem is not None
    assert app.last_problem.code == "seat_limit_reached"
    assert app.check().state == "active"


# ── deactivate, require, prepare, close ──────────────────────────────────────────────────────────────────────────────


def test_deactivating_gives_the_seat_back_and_forgets_the_license(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    decision = app.deactivate()
    assert (decision.state, codes(decision)) == ("not_activated", ["not_activated"])
    assert desk.vendor.seats == {}
    assert app.info().license_key_hint is None
    assert app.deactivate().state == "not_activated"
    assert len(desk.transport.requests) == 2, "without a seat nothing is asked"
    assert app.activate(LICENSE_KEY).state == "active"


def test_deactivating_without_a_network_keeps_the_seat_and_says_so(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.transport.online = False
    assert app.deactivate().state == "active"
    assert app.last_problem is not None
    assert app.last_problem.code == "server_unreachable"


def test_require_is_check_with_an_exception(desk: Desk) -> None:
    app = desk.app()
    with pytest.raises(RefusedError) as caught:
        app.require()
    assert caught.value.code == "not_activated"
    assert caught.value.decision == app.check()
    app.activate(LICENSE_KEY)
    assert app.require().state == "active"
    desk.pass_time(33 * DAY)
    assert app.require().state == "grace", "grace is no exception"


def test_r_35_a_prepared_window_is_kept_up_by_later_refreshes(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    prepared = app.prepare_offline(days=60)
    assert prepared.offline_until == NOW - 60 + 60 * DAY
    desk.pass_time(2 * DAY)
    refreshed = desk.app().refresh()
    assert refreshed.offline_until is not None
    assert refreshed.offline_until >= NOW + 60 * DAY - 60
    desk.pass_time(29 * DAY)
    assert desk.app().refresh().offline_until == NOW + 31 * DAY + 30 * DAY - 60, "then the policy's own is longer"
    assert desk.vendor.bodies[-1].get("ttl_seconds") is None
    assert app.prepare_offline(ttl_seconds=10**9).offline_until == NOW + 31 * DAY + 90 * DAY - 60, "the policy caps it"


@pytest.mark.parametrize(
    "wanted",
    [{}, {"days": 0}, {"ttl_seconds": 0}, {"days": -1}, {"days": 1, "ttl_seconds": 1}, {"days": 1.5}, {"days": "7"}],
)
def test_an_unclear_duration_is_a_usage_error(desk: Desk, wanted: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        desk.app().prepare_offline(**wanted)
    assert caught.value.code == "bad_duration"


@pytest.mark.parametrize("nothing", [None, "", "  ", 12345])
def test_what_is_no_text_is_no_license_key(desk: Desk, nothing: Any) -> None:
    decision = desk.app().activate(nothing)  # out of a variable that is not set, say
    assert [reason.code for reason in decision.reasons] == ["not_activated", "bad_license_key"]
    assert desk.transport.requests == []


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Studio", "Studio"),
        (" host\nname\t", "host name"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "x" * 64),
        ("x" * 63 + " y", "x" * 63),
        ("\U0001f469\u200d\U0001f680 Büro", "\U0001f469 \U0001f680 Büro"),
        ("   ", ""),
    ],
)
def test_a_name_for_people_is_sent_as_the_server_takes_it(desk: Desk, name: str, sent: str) -> None:
    assert desk.app().activate(LICENSE_KEY, device_name=name).state == "active"
    assert desk.vendor.bodies[-1]["device"].get("name", "") == sent


@pytest.mark.parametrize(
    ("says", "sent"),
    [
        ({}, {}),
        ({"app_version": "", "domain": ""}, {}),
        ({"app_version": "1.9.0\n", "domain": " example.com "}, {"app_version": "1.9.0", "domain": "example.com"}),
        ({"app_version": "x" * 64, "domain": "y" * 253}, {"app_version": "x" * 64, "domain": "y" * 253}),
        ({"app_version": "x" * 65, "domain": "y" * 254}, {}),
        ({"app_version": "1\n2", "domain": "a\0b"}, {}),
    ],
)
def test_whatever_an_app_says_of_itself_it_goes_online(desk: Desk, says: dict[str, Any], sent: dict[str, str]) -> None:
    assert desk.app(**says).activate(LICENSE_KEY).state == "active"
    body = desk.vendor.bodies[-1]
    assert {name: body[name] for name in ("app_version", "domain") if name in body} == sent
    assert desk.app(**says).refresh().state == "active"


@pytest.mark.parametrize("user", ["", " bob", "bob\n", "x" * 256])
def test_r_28_what_cannot_be_a_user_is_said_before_anything_is_sent(desk: Desk, user: str) -> None:
    with pytest.raises(UsageError) as caught:
        desk.app().activate(LICENSE_KEY, user=user)
    assert caught.value.code == "bad_user"
    assert desk.transport.requests == []
    assert desk.app().activate(LICENSE_KEY, user="x" * 255).state == "active"


def test_refreshing_without_a_seat_asks_nothing(desk: Desk) -> None:
    assert desk.app().refresh().state == "not_activated"
    assert desk.transport.requests == []


def test_a_closed_client_still_decides_and_goes_online_no_more(desk: Desk) -> None:
    with desk.app() as app:
        app.activate(LICENSE_KEY)
    assert app.check().state == "active"
    with pytest.raises(UsageError) as caught:
        app.refresh()
    assert caught.value.code == "closed"
    app.close()


# ── start ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_start_refreshes_in_the_background_when_it_is_due_and_not_before(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.pass_time(DAY - 61)
    app.start()
    wait_for_background(app)
    assert len(desk.transport.requests) == 1
    desk.pass_time(1)
    stale = app.start()
    wait_for_background(app)
    assert len(desk.transport.requests) == 2
    fresh = app.check()
    assert stale.offline_until is not None
    assert fresh.offline_until == stale.offline_until + DAY - 60


def test_start_with_an_activation_key_activates_once(desk: Desk) -> None:
    app = desk.app(license_key=LICENSE_KEY)
    assert app.start().state == "active"
    assert app.start().state == "active"
    assert [request.path for request in desk.transport.requests] == ["/v1/activate"]


def test_start_with_a_refused_activation_key_says_why(desk: Desk) -> None:
    assert codes(desk.app(license_key="STUDENT-2026").start()) == ["license_not_found"]
    desk.transport.online = False
    app = desk.app(license_key=LICENSE_KEY)
    assert codes(app.start()) == ["not_activated", "server_unreachable"]


def test_start_with_a_new_key_in_the_environment_replaces_a_revoked_license(desk: Desk) -> None:
    app = desk.app(license_key=LICENSE_KEY.lower())
    app.start()
    desk.vendor.status = "license_revoked"
    app.refresh()
    assert app.start().state == "revoked"
    assert desk.vendor.bodies[-1].get("license_key") is None, "the same key in another spelling is not a new one"
    desk.vendor.status = "active"
    desk.vendor.license_key = "A-bought-Again_key.w7Qz8vXk2mNp"
    assert desk.app(license_key=desk.vendor.license_key).start().state == "active"


def test_start_while_expired_waits_for_the_refresh(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(40 * DAY)
    app = desk.app()
    assert app.check().state == "expired"
    assert app.start().state == "active"


# ── several at once ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_products_in_one_process_know_nothing_of_each_other(desk: Desk, tmp_path: Path) -> None:
    app, other = desk.app(), desk.app(product="inkwell")
    app.activate(LICENSE_KEY)
    assert other.check().state == "not_activated"
    assert app.info().fingerprint != other.info().fingerprint
    shutil.copytree(desk.state / "hustl", desk.state / "inkwell")
    copied = other.check()
    assert (copied.state, codes(copied)) == ("not_activated", ["not_activated", "state_damaged"])


def test_two_clients_of_one_product_see_the_same(desk: Desk) -> None:
    one, two = desk.app(), desk.app()
    one.activate(LICENSE_KEY)
    assert two.check() == one.check()
    two.deactivate()
    assert one.check().state == "not_activated"
