"""What may come back over a network instead of an answer, for tests of the SDK against a vendor in memory (REL-16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carnet.client.wire import MAX_ANSWER, HttpAnswer, HttpRequest
from carnet.core.errors import TransportError
from carnet.core.instant import DAY
from carnet.formats.answer import Answer, issue_answer
from carnet.formats.keys import Ed25519Signer
from carnet.formats.strict_json import dump_json, parse_object
from support.issuing import NOW, SIGNERS, Vendor

Twist = Callable[[Vendor, HttpRequest], HttpAnswer]


def raw(status: int, body: bytes) -> Twist:
    """Always this status and body."""
    return lambda _vendor, _request: HttpAnswer(status=status, body=body)


def changed(change: Callable[[dict[str, Any]], object]) -> Twist:
    """The genuine answer with its members changed on the way."""

    def twist(vendor: Vendor, request: HttpRequest) -> HttpAnswer:
        answer = vendor.answer(request)
        if request.method == "GET":
            return answer
        members = parse_object(answer.body, max_bytes=MAX_ANSWER, what="The answer", max_string=MAX_ANSWER)
        change(members)
        return HttpAnswer(status=answer.status, body=dump_json(members))

    return twist


def proven(change: Callable[[dict[str, Any]], object], signer: Ed25519Signer = SIGNERS["answer"]) -> Twist:
    """A refusal with a proof of its own, whose fields *change* may alter."""

    def twist(vendor: Vendor, request: HttpRequest) -> HttpAnswer:
        if request.method == "GET":  # a root file, which may name the key of the proof
            return vendor.answer(request)
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


def cut(vendor: Vendor, request: HttpRequest) -> HttpAnswer:
    """The genuine answer without its last byte."""
    answer = vendor.answer(request)
    return HttpAnswer(status=answer.status, body=answer.body[:-1])


def no_network(_vendor: Vendor, _request: HttpRequest) -> HttpAnswer:
    """No route."""
    raise TransportError("server_unreachable", "No route.")


def broken_transport(_vendor: Vendor, _request: HttpRequest) -> HttpAnswer:
    """A transport of the host with a mistake."""
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
    "too many requests for years": lambda _v, _r: HttpAnswer(status=429, body=b"{}", retry_after_seconds=999_999),
    "come back later": lambda _v, _r: HttpAnswer(status=503, body=b"", retry_after_seconds=3600),
    "in flight for ever": raw(409, b'{"code":"request_in_flight","retryable":true}'),
    "an unsigned conflict": raw(409, b'{"code":"seat_limit_reached"}'),
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
