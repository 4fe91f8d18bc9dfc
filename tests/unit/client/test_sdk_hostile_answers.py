"""What may come back over a network instead of an answer: nothing of it removes or makes a grant (REL-16, SEC-30)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from carnet import Carnet
from carnet.client.wire import MAX_ANSWER, HttpAnswer, HttpRequest
from carnet.core._base import replace
from carnet.core.errors import TransportError
from carnet.core.instant import DAY
from carnet.formats.answer import Answer, issue_answer
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.strict_json import dump_json, parse_object
from carnet.testing import MemoryTransport
from support.issuing import LICENSE_KEY, NOW, ROOT, SIGNERS, Vendor, make_root
from support.sdk import Desk, wait_for_background

Twist = Callable[[Vendor, HttpRequest], HttpAnswer]


def raw(status: int, body: bytes) -> Twist:
    return lambda _vendor, _request: HttpAnswer(status=status, body=body)


def changed(change: Callable[[dict[str, Any]], object]) -> Twist:
    """The genuine answer with its members changed on the way."""

    def twist(vendor: Vendor, request: HttpRequest) -> HttpAnswer:
        answer = vendor.answer(request)
        members = parse_object(answer.body, max_bytes=MAX_ANSWER, what="The answer", max_string=MAX_ANSWER)
        change(members)
        return HttpAnswer(status=answer.status, body=dump_json(members))

    return twist


def proven(change: Callable[[dict[str, Any]], object], signer: Ed25519Signer = SIGNERS["answer"]) -> Twist:
    """A refusal with a proof of its own, whose fields *change* may alter."""

    def twist(_vendor: Vendor, request: HttpRequest) -> HttpAnswer:
        body = parse_object(request.body, max_bytes=20_000, what="The request")
        fields: dict[str, Any] = {
            "id": "answer-x",
            "issuer": "installation-1",
            "nonce": body["nonce"],
            "action": request.path.removeprefix("/v1/"),
            "outcome": "refused",
            "code": "license_revoked",
            "reasons": ("license_revoked",),
            "at": NOW + DAY,
            "product": "hustl",
            "device": body["device"]["fingerprint"],
            "license_id": "license-1",
        }
        change(fields)
        return HttpAnswer(status=403, body=dump_json({"proof": issue_answer(Answer(**fields), signer)}))

    return twist


def always(answer: HttpAnswer) -> Callable[[HttpRequest], HttpAnswer]:
    return lambda _: answer


def cut(vendor: Vendor, request: HttpRequest) -> HttpAnswer:
    answer = vendor.answer(request)
    return HttpAnswer(status=answer.status, body=answer.body[:-1])


def no_network(_vendor: Vendor, _request: HttpRequest) -> HttpAnswer:
    raise TransportError("server_unreachable", "No route.")


def broken_transport(_vendor: Vendor, _request: HttpRequest) -> HttpAnswer:
    raise ZeroDivisionError


HOSTILE: dict[str, Twist] = {
    "no network": no_network,
    "a transport that breaks": broken_transport,
    "a login page": raw(200, b"<!DOCTYPE html><title>Hotel Wi-Fi</title>"),
    "a redirect": raw(302, b""),
    "a permanent redirect with a page": raw(301, b"<a href='https://elsewhere'>moved</a>"),
    "an empty 200": raw(200, b""),
    "no content": raw(204, b""),
    "an unsigned revocation": raw(403, b'{"code":"license_revoked","reasons":[{"code":"license_revoked"}]}'),
    "an unsigned 404": raw(404, b'{"code":"license_not_found"}'),
    "gone": raw(410, b'{"code":"license_revoked"}'),
    "unauthorized": raw(401, b'{"code":"device_proof_required"}'),
    "too many requests": raw(429, b'{"code":"rate_limited"}'),
    "a server error": raw(500, b"Internal Server Error"),
    "a bad gateway": raw(502, b"<html>Bad Gateway</html>"),
    "unavailable": raw(503, b"{}"),
    "null": raw(200, b"null"),
    "a list": raw(200, b"[]"),
    "foreign JSON": raw(200, b'{"valid":true,"license":{"status":"active"}}'),
    "foreign JSON that says no": raw(200, b'{"valid":false,"error":"revoked"}'),
    "JSON with a name twice": raw(200, b'{"proof":"a","proof":"b"}'),
    "JSON nested deep": raw(200, b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "half a body": cut,
    "noise": raw(200, bytes(range(256)) * 8),
    "a gigantic body": raw(200, b"{" + b" " * (MAX_ANSWER + 1)),
    "a proof that is a number": raw(200, b'{"proof":7}'),
    "a proof that is no token": raw(200, b'{"proof":"a.b.c"}'),
    "no proof": changed(lambda members: members.pop("proof")),
    "roots that are no list": changed(lambda members: members.update(roots="x")),
    "roots that are no texts": changed(lambda members: members.update(roots=[7])),
    "a proof under another key": proven(lambda _: None, Ed25519Signer(bytes(32))),
    "a proof under the token key": proven(lambda _: None, SIGNERS["token"]),
    "a proof for another nonce": proven(lambda fields: fields.update(nonce="AAAAAAAAAAAAAAAAAAAAAA")),
    "a proof for another product": proven(lambda fields: fields.update(product="inkwell")),
    "a proof for another device": proven(lambda fields: fields.update(device="ab" * 32)),
    "a proof for no device": proven(lambda fields: fields.update(device=None)),
    "a proof for another action": proven(lambda fields: fields.update(action="validate")),
    "a proof over artifacts that are not there": proven(lambda fields: fields.update(artifacts=(("token", "A" * 43),))),
}
FOR_GRANTS: dict[str, Twist] = {
    "a token left out": changed(lambda members: members.pop("token")),
    "a machine file left out": changed(lambda members: members.pop("machine_file")),
    "no artifacts": changed(lambda members: [members.pop("token"), members.pop("machine_file")]),
    "a changed token": changed(lambda members: members.update(token=members["token"][:-4] + "AAAA")),
    "a machine file with other line ends": changed(
        lambda members: members.update(machine_file=members["machine_file"].replace("\n", "\r\n"))
    ),
}


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
