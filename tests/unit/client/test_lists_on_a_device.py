"""Status lists in a device's life: brought, fetched, kept, checked day by day (R-15, R-83, SEC-22, SEC-27, SEC-28)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carnet import Carnet
from carnet.client.events import Event
from carnet.client.state_file import DeviceState
from carnet.client.upkeep import Rest
from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core._base import replace
from carnet.core.errors import TransportError
from carnet.core.instant import DAY, HOUR, Instant
from carnet.core.model import Policy
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.keys import Ed25519Signer, KeyRing, PublicKey, Role
from carnet.formats.root import build_root, read_root, sign_root
from carnet.formats.status_list import issue_status_list, verify_status_list
from carnet.testing import Lab, MemoryTransport
from carnet.testing.lists import PATH, URI

AGE = 10 * DAY
CHECKED = Policy(
    name="checked",
    offline_ttl_seconds=365 * DAY,
    max_offline_ttl_seconds=365 * DAY,
    refresh_after_seconds=30 * DAY,
    max_revocation_age_seconds=AGE,
    warn_before_seconds=0,
)
MIRROR = "https://lists.example.net"


@pytest.fixture(autouse=True)
def _quick_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.client.flows._PAUSE_SECONDS", 0.0)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A device that is activated under a policy that minds revocations, with `lab.server.licenses[0]`."""
    made = Lab(tmp_path / "state", policy=CHECKED)
    assert made.activate().state == "active"
    return made


def stored(app: Carnet) -> DeviceState:
    return app._device.look().state


def put(app: Carnet, token: str) -> None:
    """Write *token* into the state in place of the lists there."""
    anchors = app._device.look().identity.anchors
    app._device.store.update(anchors, lambda found: replace(found.state, status_lists=(token,)))


def journal(lab: Lab) -> list[tuple[str, str, str | None]]:
    path = Path(lab.settings["state"], "hustl", "log.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["event"], line["outcome"], line["code"]) for line in lines]


def asked(lab: Lab) -> list[str]:
    """The paths that were asked for since the last time."""
    paths = [request.path for request in lab.transport.requests]
    lab.transport.requests.clear()
    return paths


def live(app: Carnet, lab: Lab, *, days: float) -> None:
    """The app runs for so long, with its background as it plans itself."""
    upkeep, end = app._planned(), lab.now + int(days * DAY)
    while lab.now < end:
        plan = upkeep.next()
        if isinstance(plan, Rest):
            lab.pass_time(seconds=max(1, min(int(plan.seconds or DAY) + 1, end - lab.now)))
        else:
            app._contact(plan)


# ── what an app brings ───────────────────────────────────────────────────────────────────────────────────────────────


def test_r_83_an_update_of_the_app_tells_a_device_without_a_network(lab: Lab) -> None:
    lab.go_offline()
    lab.server.licenses[0].revoke()
    lab.pass_time(days=1)
    assert lab.app().check().state == "active"
    lab.update_app()
    decision = lab.app().check()
    assert (decision.state, decision.access, decision.reasons[0].code) == ("revoked", "none", "license_revoked")
    assert any(each.startswith(URI) for each in decision.evidence_ids)


def test_sec_27_what_the_app_brought_is_kept_and_an_older_app_takes_nothing_back(lab: Lab) -> None:
    lab.go_offline()
    old = lab.server.status_list().encode()
    lab.server.licenses[0].suspend()
    lab.pass_time(days=1)
    lab.update_app()
    assert lab.app().check().state == "suspended"
    assert journal(lab)[-1] == ("status_lists", "kept", None)
    lines = len(journal(lab))
    for given in (None, old, b"", b"<html>"):
        assert lab.app(status_lists=given).check().state == "suspended"
    assert [line[1] for line in journal(lab)[lines:]] == ["problem", "problem"]
    lab.server.licenses[0].reinstate()
    lab.update_app()
    assert lab.app().check().state == "active"
    assert len(stored(lab.app()).status_lists) == 1


def test_a_file_of_lists_is_written_down_once(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "lists.jwt"
    path.write_text(lab.server.status_list() + "\n")
    app = lab.app(status_lists=path)
    app.check()
    first = Path(lab.settings["state"], "hustl", "state.0").read_bytes()
    for _ in range(3):
        app.check()
    assert Path(lab.settings["state"], "hustl", "state.0").read_bytes() == first
    lab.server.licenses[0].revoke()
    lab.pass_time(hours=0.01)
    path.write_text(lab.server.status_list() + "\n")
    os.utime(path, ns=(1, 1))
    assert app.check().state == "revoked"


def test_where_nothing_can_be_written_the_list_counts_all_the_same(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from carnet.client.state import StateStore
    from carnet.core.errors import StateError

    def full(*_: Any, **__: Any) -> None:
        raise StateError("state_not_writable", "The disk is full.")

    lab.server.licenses[0].revoke()
    lab.pass_time(hours=0.02)
    lab.update_app()
    monkeypatch.setattr(StateStore, "update", full)
    for _ in range(2):
        assert lab.app().check().state == "revoked"
    assert stored(lab.app()).status_lists == ()


def test_the_environment_may_name_the_file_for_an_air_gapped_device(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stick" / "lists.jwt"
    monkeypatch.setenv("CARNET_STATUS_LISTS", str(path))
    assert lab.app().check().state == "active"
    assert journal(lab)[-1] == ("status_lists", "problem", "status_lists_unreadable")
    lab.server.licenses[0].revoke()
    lab.pass_time(hours=0.02)
    path.parent.mkdir()
    path.write_text(lab.server.status_list())
    assert lab.app().check().state == "revoked"


def test_r_32_a_ui_is_told_when_a_list_ends_the_license_while_the_app_runs(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "lists.jwt"
    app = lab.app(status_lists=path)
    events: list[Event] = []
    app._told().add(events.append)
    app._told()._post = lambda call: call()
    app.check()
    lab.server.licenses[0].revoke()
    lab.pass_time(hours=0.02)
    path.write_text(lab.server.status_list())
    app.check()
    assert [event.kind for event in events] == ["decision_changed", "notice_due"]
    assert [events[0].decision.state, events[1].decision.state] == ["revoked", "revoked"]


def test_sec_23_a_spoiled_bit_of_a_kept_list_neither_grants_nor_refuses(lab: Lab) -> None:
    app = lab.app()
    lab.pass_time(days=9)
    lab.update_app()
    lab.app().check()
    del lab.settings["status_lists"]
    (token,) = stored(app).status_lists
    lab.pass_time(days=2)
    assert app.check().state == "active"  # checked two days ago
    for place in range(0, len(token), len(token) // 24):
        spoiled = token[:place] + chr(ord(token[place]) ^ 1) + token[place + 1 :]
        put(app, spoiled)
        assert app.check().state == "needs_refresh"


# ── what is sent along, and what is fetched ──────────────────────────────────────────────────────────────────────────


def test_answers_bring_newer_lists_where_the_policy_minds(lab: Lab) -> None:
    lab.app().refresh()
    body = json.loads(lab.transport.requests[-1].body)
    assert body["status_versions"] == {}
    (token,) = stored(lab.app()).status_lists
    lab.app().refresh()
    assert json.loads(lab.transport.requests[-1].body)["status_versions"] == {URI: [1, 1]}
    assert stored(lab.app()).status_lists != (token,)


def test_r_43_who_does_not_mind_is_sent_no_lists_and_sends_no_versions(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "state")
    lab.activate()
    lab.app().refresh()
    assert "status_versions" not in json.loads(lab.transport.requests[-1].body)
    assert stored(lab.app()).status_lists == ()
    live(lab.app(), lab, days=20)
    assert PATH not in asked(lab)


def test_giving_the_seat_back_forgets_the_lists(lab: Lab) -> None:
    lab.app().refresh()
    lab.app().deactivate()
    assert stored(lab.app()).status_lists == ()


def test_sec_28_the_background_fetches_the_list_before_the_check_is_too_old(lab: Lab) -> None:
    app = lab.app()
    asked(lab)
    live(app, lab, days=4.9)
    assert asked(lab) == []
    live(app, lab, days=24)
    paths = asked(lab)
    assert set(paths) == {PATH}
    assert 4 <= len(paths) <= 5  # every five days and a bit: half of the ten that the policy allows
    assert journal(lab)[-1] == ("status_lists", "kept", None)
    live(app, lab, days=3)
    assert "/v1/refresh" in asked(lab)


def test_sec_28_revoked_at_the_vendor_a_running_app_stops_within_its_policy(lab: Lab) -> None:
    app = lab.app()
    lab.server.licenses[0].revoke()
    live(app, lab, days=5.5)
    assert app.check().state == "revoked"


def test_a_mirror_is_asked_in_place_of_the_server_and_goes_on_while_that_one_is_down(lab: Lab) -> None:
    app = lab.app(status_mirror=MIRROR)
    lab.network = "server_error"
    states = set()
    for _ in range(32):
        live(app, lab, days=1)
        states.add(app.check().state)
    assert states == {"active"}
    assert {request.mirror for request in lab.transport.requests if request.path == PATH} == {MIRROR}
    assert {request.mirror for request in lab.transport.requests if request.path != PATH} <= {None}


def test_the_environment_may_name_the_mirror(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARNET_STATUS_MIRROR", MIRROR)
    asked(lab)
    live(lab.app(), lab, days=6)
    assert [request.mirror for request in lab.transport.requests] == [MIRROR]


@pytest.mark.parametrize("mirror", ["http://lists.example.net", "ftp://lists.example.net", "https://", "lists"])
def test_a_mirror_that_cannot_be_one_costs_the_lists_and_not_the_refresh(lab: Lab, mirror: str) -> None:
    asked(lab)
    live(lab.app(status_mirror=mirror), lab, days=6)
    assert asked(lab) == ["/v1/refresh"]
    assert ("status_lists", "problem", "bad_mirror") in journal(lab)


HOSTILE: dict[str, Callable[[Lab, HttpRequest], HttpAnswer]] = {
    "a login page": lambda _, __: HttpAnswer(status=200, body=b"<!doctype html><form>Log in</form>"),
    "a redirect": lambda _, __: HttpAnswer(status=302, body=b""),
    "not found": lambda _, __: HttpAnswer(status=404, body=b"{}"),
    "gone": lambda _, __: HttpAnswer(status=410, body=b'{"code": "license_revoked"}'),
    "not modified": lambda _, __: HttpAnswer(status=304, body=b""),
    "nothing": lambda _, __: HttpAnswer(status=200, body=b""),
    "bytes": lambda _, __: HttpAnswer(status=200, body=bytes(range(256)) * 16),
    "far too much": lambda _, __: HttpAnswer(status=200, body=b"a" * (65 * 1024)),
    "half of it": lambda lab, _: HttpAnswer(status=200, body=lab.server.status_list().encode()[:-40]),
    "another vendor's": lambda lab, _: HttpAnswer(
        status=200, body=type(lab.server)("hustl", lambda: lab.now).status_list().encode()
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_rel_16_what_is_no_genuine_list_decides_nothing_and_a_refresh_checks_instead(lab: Lab, name: str) -> None:
    def answer(request: HttpRequest) -> HttpAnswer:
        return HOSTILE[name](lab, request) if request.path == PATH else lab.server.answer(request)

    wire = MemoryTransport(answer)
    app = lab.app(transport=wire)
    before = stored(app)
    live(app, lab, days=5.5)
    assert [request.path for request in wire.requests] == [PATH, "/v1/refresh"]
    assert app.check().state == "active"
    assert stored(app).machine_file != before.machine_file
    assert next(line for line in journal(lab) if line[0] == "status_lists")[1] == "problem"


def test_rel_16_an_old_list_on_the_way_changes_nothing_and_is_no_check(lab: Lab) -> None:
    frozen = lab.server.status_list().encode()
    lab.server.licenses[0].revoke()
    seen: list[str] = []

    def answer(request: HttpRequest) -> HttpAnswer:
        seen.append(request.path)
        if request.path == PATH:
            return HttpAnswer(status=200, body=frozen)
        raise TransportError("server_unreachable", "Somebody lets lists through and nothing else.")

    app = lab.app(transport=MemoryTransport(answer))
    live(app, lab, days=5.4)
    lab.pass_time(days=4.5)
    assert app.check().state == "active"
    live(app, lab, days=0.2)
    assert app.check().state == "needs_refresh"
    assert (app.check().access, set(seen)) == ("limited", {PATH, "/v1/refresh"})


def test_rel_17_a_failing_list_is_asked_for_ever_more_seldom(lab: Lab) -> None:
    app = lab.app()
    live(app, lab, days=5.4)
    lab.pass_time(days=4)
    lab.go_offline()
    asked(lab)
    live(app, lab, days=1)
    assert len([path for path in asked(lab) if path == PATH]) <= 24 + 6


def test_a_start_without_a_recent_check_takes_the_list_where_the_server_is_down(lab: Lab) -> None:
    lab.pass_time(days=11)
    lab.network = "server_error"
    assert lab.app().check().state == "needs_refresh"
    assert lab.app(status_mirror=MIRROR).start().state == "active"


def test_the_async_face_takes_lists_too(lab: Lab) -> None:
    lab.pass_time(days=11)
    lab.network = "server_error"

    async def story() -> list[str]:
        async with lab.async_app(status_mirror=MIRROR) as app:
            states = [(await app.check()).state, (await app.start()).state]
        lab.server.licenses[0].revoke()
        lab.pass_time(hours=0.02)
        lab.update_app()
        async with lab.async_app() as app:
            return [*states, (await app.check()).state]

    assert asyncio.run(story()) == ["needs_refresh", "active", "revoked"]


def test_two_apps_on_a_device_fetch_one_list(lab: Lab) -> None:
    one, other = lab.app(), lab.app()
    lab.pass_time(days=6)
    asked(lab)
    for app in (one, other):
        plan = app._planned().next()
        if not isinstance(plan, Rest):
            app._contact(plan)
    assert asked(lab) == [PATH]


# ── under another root ───────────────────────────────────────────────────────────────────────────────────────────────


NEW_KEY = Ed25519Signer(b"the next key of the lists" + bytes(7))


def next_root(lab: Lab, *keys: Ed25519Signer, days: float = 1000) -> str:
    """The root after the embedded one, in which *keys* are those of the status lists."""
    server, first = lab.server, read_root(lab.server.root)
    held: dict[Role, list[PublicKey]] = {role.role: list(first.role_keys(role.role)) for role in first.roles}
    root = build_root(
        version=2,
        issuer=first.issuer,
        issued_at=lab.now,
        expires_at=Instant(lab.now + int(days * DAY)),
        keys={**held, "status-list": [key.public_key for key in keys]},
    )
    return sign_root(root, [server._root_signer]).decode()


def signed(lab: Lab, version: tuple[int, int], signer: Ed25519Signer) -> str:
    """The list of this moment in any version, by any key."""
    ring = KeyRing.single("status-list", lab.server._signers["status-list"].public_key)
    listed = verify_status_list(lab.server.status_list(), ring)
    return issue_status_list(replace(listed, version=version), signer)


def bundle(*lists: str, roots: tuple[str, ...] = ()) -> bytes:
    return write_bundle(Bundle(roots=roots, status_lists=lists)).encode()


def test_sec_27_a_list_that_was_driven_far_ahead_is_overcome_by_a_root_in_the_same_bundle(lab: Lab) -> None:
    """The key of the lists was stolen, and its thief made a list that no list of the vendor's reaches."""
    old = lab.server._signers["status-list"]
    lab.go_offline()
    lab.app(status_lists=signed(lab, (2**53 - 1, 2**53 - 1), old).encode()).check()
    lab.server.licenses[0].revoke()
    lab.pass_time(days=1)
    genuine = signed(lab, (1, 9), NEW_KEY)
    root = next_root(lab, NEW_KEY)
    assert lab.app(status_lists=bundle(genuine)).check().state == "active"  # nobody vouches for that key
    assert lab.app(status_lists=bundle(genuine, roots=(lab.server.root, root))).check().state == "revoked"
    after = stored(lab.app())
    assert (after.status_lists, after.roots) == ((genuine,), (root,))
    # Neither the thief's list nor the older root comes back.
    lab.pass_time(days=1)
    stolen = signed(lab, (2**53 - 1, 2**53 - 1), old)
    for given in (None, stolen.encode(), bundle(stolen, roots=(lab.server.root,))):
        assert lab.app(status_lists=given).check().state == "revoked"


def test_sec_20_an_ordinary_change_of_keys_goes_unnoticed(lab: Lab) -> None:
    old = lab.server._signers["status-list"]
    lab.app().refresh()
    root = next_root(lab, old, NEW_KEY)
    lab.go_offline()
    for number, key in ((5, old), (6, NEW_KEY), (7, NEW_KEY)):
        lab.pass_time(days=9)
        token = signed(lab, (1, number), key)
        assert lab.app(status_lists=bundle(token, roots=(root,))).check().state == "active"
        assert stored(lab.app()).status_lists == (token,)


def test_sec_22_an_expired_root_vouches_for_no_key_that_is_new_here(lab: Lab) -> None:
    old = lab.server._signers["status-list"]
    lab.app().refresh()
    root = next_root(lab, old, NEW_KEY, days=1)
    lab.go_offline()
    lab.server.licenses[0].revoke()
    lab.pass_time(days=2)
    by_new, by_old = (signed(lab, (1, 9), key) for key in (NEW_KEY, old))
    assert lab.app(status_lists=bundle(by_new, roots=(root,))).check().state == "active"
    assert lab.app(status_lists=bundle(by_old, roots=(root,))).check().state == "revoked"


# ── a year offline ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_sec_28_four_hundred_days_without_any_contact_never_stop_the_app_silently(lab: Lab) -> None:
    """Needs refresh, then grace, then over: told a day at a time, and full again with one contact."""
    lab.go_offline()
    app = lab.app()
    issued = lab.now - 60
    for day in range(400):
        decision = app.check()
        passed = lab.now - issued
        if passed < AGE:
            expected = ("active", "full")
        elif passed < 372 * DAY:  # the offline window and its grace
            expected = ("needs_refresh", "limited")
        else:
            expected = ("expired", "none")
        assert (decision.state, decision.access) == expected, day
        assert (decision.notice is None) == (decision.state == "active")
        lab.pass_time(days=1)
    lab.go_online()
    assert app.refresh().state == "active"


def test_sec_28_updates_now_and_then_keep_a_device_without_a_network_at_full_access(lab: Lab) -> None:
    lab.go_offline()
    states = []
    for day in range(364):
        if day % 8 == 7:
            lab.update_app()
            states.append(lab.app().check().state)
        lab.pass_time(days=1)
    assert states == ["active"] * 45


def test_sec_28_revoked_in_the_middle_of_a_year_it_stops_with_the_next_update(lab: Lab) -> None:
    lab.go_offline()
    states = []
    for day in range(40):
        if day == 20:
            lab.server.licenses[0].revoke()
        if day and day % 7 == 0:
            lab.update_app()
        states.append(lab.app().check().state)
        lab.pass_time(days=1)
    assert states == ["active"] * 21 + ["revoked"] * 19


def test_a_clock_that_is_set_back_does_not_make_a_list_younger(lab: Lab) -> None:
    lab.go_offline()
    lab.pass_time(days=9)
    lab.update_app()
    assert lab.app().check().state == "active"
    lab.pass_time(days=11)
    lab.power_off(hours=1)
    lab.clock.set_wall(lab.now - 300 * DAY)
    # The list is signed: it was at least its time, whatever the clock says.
    assert lab.app().check().checked_at >= lab.now - 11 * DAY - HOUR
