"""What may come back over a network instead of an answer: nothing of it removes or makes a grant (REL-16, SEC-30)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from carnet import Carnet
from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core._base import replace
from carnet.core.errors import TransportError
from carnet.core.instant import DAY
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.strict_json import dump_json, parse_object
from carnet.testing import MemoryTransport
from support.hostile_answers import FOR_GRANTS, HOSTILE, Twist
from support.issuing import LICENSE_KEY, NOW, ROOT, SIGNERS, make_root
from support.sdk import Desk, wait_for_background


def always(answer: HttpAnswer) -> Callable[[HttpRequest], HttpAnswer]:
    return lambda _: answer


def call_activate(app: Carnet) -> Any:
    return app.activate(LICENSE_KEY)


CALLS: dict[str, Callable[[Carnet], Any]] = {
    "activate": call_activate,
    "refresh": Carnet.refresh,
    "deactivate": Carnet.deactivate,
    "start": Carnet.start,
    "prepare_offline": lambda app: app.prepare_offline(days=3),
}


@pytest.fixture(autouse=True)
def _quick_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.client.flows._PAUSE_SECONDS", 0.001)


@pytest.mark.parametrize(("name", "twist"), [*HOSTILE.items(), *FOR_GRANTS.items()], ids=[*HOSTILE, *FOR_GRANTS])
def test_rel_16_a_hostile_answer_to_any_call_leaves_the_grant_as_it_was(desk: Desk, name: str, twist: Twist) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(2 * DAY)
    decision = desk.app().check()
    before = desk.files()
    for call_name, call in CALLS.items():
        if name in FOR_GRANTS and call_name == "deactivate":
            continue  # an answer to it carries no artifacts
        app = desk.app(transport=MemoryTransport(lambda request: twist(desk.vendor, request)))
        answer = call(app)
        wait_for_background(app)
        assert answer == decision, call_name
        assert desk.files() == before, call_name
        assert app.last_problem is not None, call_name
        assert app.last_problem.fix or name == "no network"
    assert desk.app().check() == decision


@pytest.mark.parametrize(("name", "twist"), [*HOSTILE.items(), *FOR_GRANTS.items()], ids=[*HOSTILE, *FOR_GRANTS])
def test_sec_30_a_hostile_answer_never_makes_a_grant(desk: Desk, name: str, twist: Twist) -> None:
    app = desk.app(transport=MemoryTransport(lambda request: twist(desk.vendor, request)))
    decision = app.activate(LICENSE_KEY)
    assert (decision.state, decision.access) == ("not_activated", "none"), name
    assert decision.reasons[0].code == "not_activated"
    assert len(decision.reasons) == 2, "the problem is told beside it"
    assert app.check().state == "not_activated"


def test_sec_30_a_recorded_answer_is_worth_nothing_when_it_is_played_again(desk: Desk) -> None:
    recorded: list[HttpAnswer] = []

    def record(request: HttpRequest) -> HttpAnswer:
        recorded.append(desk.vendor.answer(request))
        return recorded[-1]

    app = desk.app(transport=MemoryTransport(record))
    app.activate(LICENSE_KEY)
    desk.vendor.status = "license_revoked"
    app.refresh()
    desk.vendor.status = "active"
    app.refresh()
    before = desk.files()
    for answer in recorded:
        replay = desk.app(transport=MemoryTransport(always(answer)))
        for call in CALLS.values():
            call(replay)
            assert replay.last_problem is None or replay.last_problem.code == "answer_not_authentic"
    assert desk.files() == before
    assert desk.app().check().state == "active"


def test_sec_30_genuine_artifacts_of_another_device_are_not_taken(desk: Desk) -> None:
    """The vendor's own server, made to bind this device's answer to another device's artifacts."""
    other = desk.vendor.issue("cd" * 32)

    def twist(request: HttpRequest) -> HttpAnswer:
        body = parse_object(request.body, max_bytes=20_000, what="The request")
        members = {**other, "proof": desk.vendor.proof(body, "activate", None, other)}
        return HttpAnswer(status=200, body=dump_json(members))

    app = desk.app(transport=MemoryTransport(twist))
    assert app.activate(LICENSE_KEY).state == "not_activated"
    assert app.last_problem is not None
    assert app.last_problem.code == "answer_not_authentic"


@pytest.mark.parametrize("wrong", ["device", "product", "activation"])
def test_sec_18_a_token_and_a_machine_file_that_do_not_belong_together_are_not_taken(desk: Desk, wrong: str) -> None:
    def twist(request: HttpRequest) -> HttpAnswer:
        body = parse_object(request.body, max_bytes=20_000, what="The request")
        artifacts = desk.vendor.issue(body["device"]["fingerprint"])
        token = verify_license_token(artifacts["token"], ROOT.ring())
        change: dict[str, Any] = {
            "device": {"device": "cd" * 32},
            "product": {"product": "inkwell"},
            "activation": {"activation_id": "activation-of-another"},
        }[wrong]
        artifacts["token"] = issue_license_token(replace(token, **change), SIGNERS["token"])
        members = {**artifacts, "proof": desk.vendor.proof(body, "activate", None, artifacts)}
        return HttpAnswer(status=200, body=dump_json(members))

    app = desk.app(transport=MemoryTransport(twist))
    assert app.activate(LICENSE_KEY).state == "not_activated"
    assert app.last_problem is not None
    assert app.last_problem.code == "answer_not_authentic"


def test_sec_45_an_answer_lost_on_the_way_does_not_lose_the_device_key(desk: Desk) -> None:
    def lost(request: HttpRequest) -> HttpAnswer:
        desk.vendor.answer(request)
        raise TransportError("server_unreachable", "Reset.")

    app = desk.app(transport=MemoryTransport(lost))
    assert app.activate(LICENSE_KEY).state == "not_activated"
    assert app.check().state == "not_activated"
    assert desk.app().activate(LICENSE_KEY).state == "active"
    assert len({body["device"]["public_key"] for body in desk.vendor.bodies}) == 1


def test_sec_21_a_root_that_does_not_continue_the_chain_is_not_followed(desk: Desk) -> None:
    stranger = {name: Ed25519Signer(bytes([index] * 32)) for index, name in enumerate(SIGNERS, 50)}
    _, forged = make_root(3, stranger)
    desk.vendor.roots = (forged,)
    desk.vendor.signers = stranger
    app = desk.app()
    assert app.activate(LICENSE_KEY).state == "not_activated"
    assert app.info().root_version == 1


def test_sec_20_a_rotated_key_reaches_an_unmodified_app_through_the_chain(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    fresh = {name: Ed25519Signer(bytes([index] * 32)) for index, name in enumerate(SIGNERS, 50)}
    _, second = make_root(2, fresh)
    desk.vendor.roots, desk.vendor.signers = (second,), fresh
    assert app.refresh().state == "active"
    assert app.last_problem is None
    assert desk.app().info().root_version == 2
    assert desk.vendor.bodies[-1]["root_version"] == 1
    assert desk.app().refresh().state == "active"
    assert desk.vendor.bodies[-1]["root_version"] == 2
    desk.transport.online = False
    assert desk.app().check().state == "active"


def test_sec_23_what_is_stored_under_a_dropped_key_stops_granting(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    fresh = {
        **SIGNERS,
        "answer": SIGNERS["answer"],
        "token": Ed25519Signer(bytes(32)),
        "machine-file": SIGNERS["token"],
    }
    _, second = make_root(2, fresh)
    desk.vendor.roots = (second,)
    desk.vendor.status = "seat_limit_reached"  # a contact that brings the new root and no artifacts
    app.refresh()
    assert app.info().root_version == 2
    assert app.check().state == "not_genuine"
    desk.vendor.status, desk.vendor.signers = "active", fresh
    assert app.start().state == "active"


def test_stolen_license_key_and_fingerprint_refresh_nothing(desk: Desk) -> None:
    """SEC-45: another key pair than the activated one is asked for the license key, and then it is an activation."""
    app = desk.app()
    app.activate(LICENSE_KEY)
    fingerprint = app.info().fingerprint
    assert fingerprint is not None
    thief = Ed25519Signer(bytes(32))
    desk.vendor.seats[fingerprint] = thief.public_key
    assert app.refresh().state == "active", "whoever holds the license key on the device activates again"
    assert [request.path for request in desk.transport.requests[-2:]] == ["/v1/refresh", "/v1/activate"]
    assert desk.vendor.seats[fingerprint] != thief.public_key
    assert len(desk.vendor.seats) == 1


def test_a_device_whose_clock_is_off_proves_itself_with_the_servers_signed_time(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.pass_time(DAY)
    desk.clock.set_wall(NOW + 900 * DAY)
    app.refresh()
    assert app.last_problem is None
    assert [request.path for request in desk.transport.requests] == ["/v1/activate", "/v1/refresh", "/v1/refresh"]
    desk.clock.set_wall(NOW + DAY)
    assert app.check().state == "active"


def test_trouble_that_passes_is_tried_again_with_a_new_proof_each_time(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    seen: list[HttpRequest] = []

    def flaky(request: HttpRequest) -> HttpAnswer:
        seen.append(request)
        if len(seen) == 1:
            desk.vendor.answer(request)  # it arrived; the answer is lost
            raise TransportError("server_unreachable", "Reset.")
        if len(seen) == 2:
            return HttpAnswer(status=503, body=b"{}", retry_after_seconds=0)
        return desk.vendor.answer(request)

    flaky_app = desk.app(transport=MemoryTransport(flaky))
    assert flaky_app.refresh().state == "active"
    assert flaky_app.last_problem is None
    assert len({request.body for request in seen}) == 1
    assert len({dict(request.headers)["Idempotency-Key"] for request in seen}) == 1
    assert len({dict(request.headers)["Carnet-Device-Proof"] for request in seen}) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_what_will_not_pass_is_not_tried_again(desk: Desk, status: int) -> None:
    transport = MemoryTransport(lambda _: HttpAnswer(status=status, body=b"{}"))
    desk.app(transport=transport).activate(LICENSE_KEY)
    assert len(transport.requests) == 1


def test_sec_33_no_secret_shows_in_a_path_a_log_or_a_repr(desk: Desk) -> None:
    app = desk.app(license_key=LICENSE_KEY)
    app.start()
    app.refresh()
    shown = [repr(app), repr(app.info()), *desk.journal()]
    shown += [f"{request.path} {request!r}" for request in desk.transport.requests]
    secrets = [LICENSE_KEY, "line-4", json.dumps(desk.vendor.bodies[0]["device"]["fingerprint"])]
    assert not [text for text in shown for secret in secrets[:2] if secret in text]
    assert len(desk.journal()) == 2


def test_a_newer_server_may_prove_artifacts_that_this_app_does_not_know(desk: Desk) -> None:
    def newer(request: HttpRequest, *, swapped: bool = False) -> HttpAnswer:
        body = parse_object(request.body, max_bytes=20_000, what="The request")
        desk.vendor.seats[body["device"]["fingerprint"]] = None
        artifacts = {**desk.vendor.issue(body["device"]["fingerprint"]), "manifest": "from later"}
        proof = desk.vendor.proof(body, "activate", None, artifacts)
        members = {**artifacts, "manifest": "swapped" if swapped else "from later", "proof": proof}
        return HttpAnswer(status=200, body=dump_json(members))

    assert not desk.app(transport=MemoryTransport(lambda request: newer(request, swapped=True))).activate(LICENSE_KEY)
    assert desk.app(transport=MemoryTransport(newer)).activate(LICENSE_KEY).state == "active"
