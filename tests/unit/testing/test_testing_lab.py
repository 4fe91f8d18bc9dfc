"""The lab for app developers: every state is reached, and the fake server refuses what the real one refuses."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from carnet import AsyncCarnet, Carnet
from carnet.client.wire import HttpRequest
from carnet.core.decision import State
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, HOUR, Instant
from carnet.core.model import Entitlement, Policy
from carnet.testing import Lab
from carnet.testing.states import BY_LIST, STATES


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_of_a_decision_can_be_canned(carnet_lab: Lab, state: State) -> None:
    app = carnet_lab.in_state(state)
    decision = app.check()
    assert decision.state == state
    assert carnet_lab.network == "cut"


def test_what_is_canned_stays_so_while_the_network_is_cut(carnet_lab: Lab) -> None:
    assert carnet_lab.in_state("grace").start().state == "grace"


def test_the_states_are_those_of_the_design_and_no_others() -> None:
    assert set(STATES) == set(get_args(State))


@pytest.mark.parametrize(
    ("state", "code"),
    [("revoked", "license_revoked"), ("suspended", "license_suspended"), ("not_activated", "deactivated")],
)
def test_what_a_status_list_ends_can_be_canned(carnet_lab: Lab, state: State, code: str) -> None:
    app = carnet_lab.in_state(state, by_list=True)
    decision = app.check()
    assert (decision.state, decision.access, decision.reasons[0].code) == (state, "none", code)
    assert carnet_lab.network == "cut"
    assert carnet_lab.transport.requests[-1].path == "/v1/activate"  # nobody told it over the network


def test_a_list_ends_three_states_and_no_others(carnet_lab: Lab) -> None:
    assert set(BY_LIST) == {"revoked", "suspended", "not_activated"}
    with pytest.raises(UsageError, match="No status list has the state 'grace'"):
        carnet_lab.in_state("grace", by_list=True)


def test_a_seat_that_is_taken_anew_has_another_place_in_the_list(carnet_lab: Lab) -> None:
    carnet_lab.in_state("not_activated", by_list=True)
    carnet_lab.go_online()
    assert carnet_lab.activate(carnet_lab.server.licenses[0]).state == "active"
    carnet_lab.update_app()
    carnet_lab.pass_time(days=1)
    assert carnet_lab.app().check().state == "active"


def test_a_license_that_is_reinstated_is_so_for_who_comes_in_the_very_second(carnet_lab: Lab) -> None:
    app = carnet_lab.in_state("suspended", by_list=True)
    carnet_lab.server.licenses[0].reinstate()
    carnet_lab.go_online()
    assert app.refresh().state == app.check().state == "active"
    carnet_lab.update_app()
    assert carnet_lab.app().check().state == "active"


def test_a_state_that_does_not_exist_is_named(carnet_lab: Lab) -> None:
    with pytest.raises(UsageError, match="on_fire") as caught:
        carnet_lab.in_state("on_fire")  # type: ignore[arg-type]
    assert caught.value.code == "unknown_state"
    assert "grace" in caught.value.fix


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(30 * DAY - 1, "expiring"), (30 * DAY, "grace"), (37 * DAY - 1, "grace"), (37 * DAY, "expired")],
)
def test_the_lab_keeps_to_the_second(carnet_lab: Lab, seconds: int, state: str) -> None:
    carnet_lab.activate()
    # Windows begin a minute before they are issued (SEC-04).
    carnet_lab.pass_time(seconds=seconds - 60)
    assert carnet_lab.app().check().state == state


def test_an_app_that_makes_its_own_client_is_taken_over(carnet_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Carnet.__init__
    with pytest.MonkeyPatch.context() as patch:
        carnet_lab.take_over(patch)
        carnet_lab.in_state("grace")
        own = Carnet(product="hustl", server="https://elsewhere.example.com", root="{}", edition="studio")
        assert own.start().state == "grace"
        assert own.check().product == "hustl"

        async def on_a_loop() -> str:
            async with AsyncCarnet(server="https://elsewhere.example.com", root="{}") as own:
                return (await own.start()).state

        assert asyncio.run(on_a_loop()) == "grace"
    assert Carnet.__init__ is before


def test_the_async_face_lives_in_the_lab_too(carnet_lab: Lab) -> None:
    async def story() -> list[str]:
        async with carnet_lab.async_app() as app:
            first = (await app.activate(carnet_lab.server.license().key)).state
            carnet_lab.server.licenses[0].suspend()
            second = (await app.refresh()).state
            carnet_lab.server.licenses[0].reinstate()
            return [first, second, (await app.refresh()).state]

    assert asyncio.run(story()) == ["active", "suspended", "active"]


@pytest.mark.parametrize("network", ["cut", "captive_portal", "server_error"])
def test_rel_16_what_is_no_answer_changes_nothing(carnet_lab: Lab, network: str) -> None:
    carnet_lab.activate()
    carnet_lab.network = network  # type: ignore[assignment]
    app = carnet_lab.app()
    assert app.refresh().state == "active"
    assert app.last_problem is not None
    carnet_lab.go_online()
    assert app.refresh().state == "active"
    assert app.last_problem is None


def test_the_fake_server_holds_the_rules_of_the_real_one(carnet_lab: Lab) -> None:
    """Seats, terms, domains, unknown keys and returned seats, each refused with its own code."""
    server = carnet_lab.server
    single = server.license(policy=Policy(name="single", seat_limit=1))
    first = carnet_lab.app()
    assert first.activate(single.key).state == "active"
    assert first.activate(single.key).state == "active"  # the same device, the same seat
    assert len(single.seats) == 1

    other = carnet_lab.other_device("b")
    assert other.activate(single.key).reasons[0].code == "seat_limit_reached"
    assert other.activate("XXXXX-XXXXX-XXXXX-XXXXX-XXXXX").reasons[0].code == "license_not_found"
    over = server.license(expires_at=carnet_lab.now)
    assert other.activate(over.key).reasons[0].code == "license_expired"
    later = server.license(starts_at=Instant(carnet_lab.now + 1))
    assert other.activate(later.key).reasons[0].code == "license_not_started"

    single.free_seats()
    assert first.refresh().reasons[0].code == "deactivated"
    assert first.activate(single.key).state == "active"
    assert first.deactivate().state == "not_activated"
    assert single.seats == {}


def test_sec_45_another_device_cannot_refresh_with_a_stolen_id(carnet_lab: Lab, tmp_path: Path) -> None:
    license_ = carnet_lab.server.license()
    carnet_lab.activate(license_)
    genuine = next(r for r in carnet_lab.transport.requests if r.path == "/v1/activate")
    bare = HttpRequest(method="POST", path="/v1/refresh", body=genuine.body)
    assert b"device_proof_required" in carnet_lab.server.answer(bare).body
    carnet_lab.app().refresh()
    sent = carnet_lab.transport.requests[-1]
    assert b"device_proof_invalid" in carnet_lab.server.answer(sent).body  # the same proof, a second time


def test_a_term_can_be_renewed_while_the_app_runs(carnet_lab: Lab) -> None:
    license_ = carnet_lab.server.license(expires_at=Instant(carnet_lab.now + 10 * DAY))
    carnet_lab.activate(license_)
    carnet_lab.pass_time(days=11)
    assert carnet_lab.app().check().reasons[0].code == "license_expired"
    license_.renew(None)
    assert carnet_lab.app().refresh().state == "active"


def test_features_have_ends_and_versions_of_their_own(carnet_lab: Lab) -> None:
    ends = Instant(carnet_lab.now + HOUR)
    sold = ("open", Entitlement(key="pro", expires_at=ends), Entitlement(key="sync", below_version="2.0"))
    app = carnet_lab.app(app_version="1.9", license_key=carnet_lab.server.signed_key(entitlements=sold))
    assert [app.check().allows(key) for key in ("open", "pro", "sync")] == [True, True, True]
    assert app.activate(carnet_lab.server.license(entitlements=sold).key).allows("pro")
    assert not carnet_lab.app(app_version="2.0").check().allows("sync")
    carnet_lab.pass_time(hours=1, seconds=-1)
    assert app.check().allows("pro")
    carnet_lab.pass_time(seconds=1)
    assert [app.check().allows(key) for key in ("open", "pro", "sync")] == [True, False, True]


def test_prepared_for_a_long_flight(carnet_lab: Lab) -> None:
    carnet_lab.activate()
    carnet_lab.app().prepare_offline(days=90)
    carnet_lab.go_offline()
    carnet_lab.power_off(days=45, hours=1)
    assert carnet_lab.app().check().state == "active"


def test_unknown_calls_are_no_answers(carnet_lab: Lab) -> None:
    assert carnet_lab.server.answer(HttpRequest(method="GET", path="/v1/elsewhere")).status == 404
    assert carnet_lab.server.answer(HttpRequest(method="POST", path="/v1/activate", body=b"{}")).status == 400
    stranger = carnet_lab.app()
    carnet_lab.activate()
    carnet_lab.server.licenses.clear()  # the server lost its memory
    assert stranger.refresh().state == "active"


def test_the_lab_needs_no_server_extra_and_the_plugin_nothing_at_all() -> None:
    code = (
        "import sys, carnet.testing.plugin; early = set(sys.modules)\n"
        "from carnet.testing import Lab; import tempfile\n"
        "Lab(tempfile.mkdtemp()).in_state('grace')\n"
        "heavy = {'carnet.server', 'litestar', 'msgspec', 'sqlalchemy', 'httpx2'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert not {name for name in early if name.startswith('carnet.') and not name.startswith('carnet.testing')}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_lab_begins_where_it_is_told(tmp_path: Path) -> None:
    lab = Lab(tmp_path, product="another", now=1_900_000_000, policy=Policy(name="short", offline_ttl_seconds=HOUR))
    assert lab.in_state("grace").check().product == "another"
    assert lab.now > 1_900_000_000
    assert repr(lab.server.licenses[0]) == "FakeLicense('license-1', active, 1 seats used)"
