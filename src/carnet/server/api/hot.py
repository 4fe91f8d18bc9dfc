"""
The calls that devices wait for, answered before the framework's router (docs/decisions/0047).

A framework spends 0.1 ms on every request to find out what is known here beforehand: which handler, which body type,
which dependencies. So these few calls are met by their exact path and go straight to the function that their Litestar
handler calls too. Same strict reader, same services, same problems; the edge around them (request id, headers, log,
metrics) is one for both.

Only the ordinary form of a request is taken: exactly that method and path, with a length within the limit, without an
encoding or an idempotency key, each header at most once. Everything else goes through the framework, as if this module
did not exist. So nothing is refused here by its form, but for one thing that the framework forgives: empty steps in a
path. What a handler's signature says remains what `/openapi.json` says, because it is the handler's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from litestar import Litestar, Request, Response
from litestar.exceptions import NotFoundException

from carnet.core.errors import CarnetError, MalformedError
from carnet.formats.device_proof import MAX_DEVICE_PROOF
from carnet.formats.limits import MAX_PUBLIC_BODY
from carnet.server.api.body import read_body
from carnet.server.api.problems import from_carnet_error, from_http_exception, from_unknown

Outcome: TypeAlias = "tuple[int, msgspec.Struct] | Response[Any]"
"""A status and its body, or a problem."""


class Received(NamedTuple):
    """A request as it came; what a device proof must fit (SEC-45). `name` is the path's last part where it is one."""

    method: str
    path: str
    body: bytes
    device_proof: str | None
    name: str = ""


class HotCall(NamedTuple):
    """
    One call.

    Attributes:
        path: Exactly; its last part may be one name in braces.
        kind: The `msgspec.Struct` of its body.
        answer: Takes the body, already read, and the request.
        method: The HTTP method.
    """

    path: str
    kind: type[msgspec.Struct]
    answer: Callable[[Any, Received], Awaitable[Outcome]]
    method: str = "POST"


_ENCODE: Final = msgspec.json.Encoder().encode
_JSON: Final = (b"content-type", b"application/json")
_NAME_CHARACTERS: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")
_METHODS: Final = frozenset(("POST", "PUT"))
_MAX_DIGITS: Final = len(str(MAX_PUBLIC_BODY))


class HotApp(Litestar):
    """A Litestar application with calls in front of its router; `take_over` names them."""

    __slots__ = ("_hot",)

    _hot: dict[tuple[str, str], HotCall]

    def __init__(self, **options: Any) -> None:
        """Without calls; *options* as `Litestar`."""
        self._hot = {}
        super().__init__(**options)

    def take_over(self, *calls: HotCall) -> None:
        """Answer *calls* here from now on. Each must also be a route: it documents them, and takes what is unusual."""
        for call in calls:
            head, _, last = call.path.rpartition("/")
            self._hot[call.method, f"{head}/" if last.startswith("{") else call.path] = call

    def admit_body(self, body: Any) -> None:
        """What is asked of a body before it is answered, here and in the framework's handlers: rate limits."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] == "http" and scope["method"] in _METHODS:
            method, path = scope["method"], scope["path"]
            call, name = self._hot.get((method, path)), ""
            if call is None:
                head, _, name = path.rpartition("/")
                call = self._hot.get((method, f"{head}/")) if name and _NAME_CHARACTERS.issuperset(name) else None
            if call is not None:
                proof = _ordinary(scope["headers"])
                if proof is not _UNUSUAL:
                    scope["path_template"] = call.path
                    await _send(send, await self._answer(call, proof, name, scope, receive))
                    return
        if scope["type"] == "http" and "//" in scope["path"]:  # the router would look away
            await _send(send, from_http_exception(self._request(scope, receive), NotFoundException()))
            return
        await super().__call__(scope, receive, send)

    async def _answer(self, call: HotCall, proof: str | None, name: str, scope: Any, receive: Any) -> Outcome:
        try:
            body = await _body(receive)
            # The reader bounds nothing that the length did not: it is asked again, because it is the rule's own place.
            data = read_body(body, call.kind, max_bytes=MAX_PUBLIC_BODY)
            self.admit_body(data)
            path = scope.get("raw_path") or scope["path"].encode()
            received = Received(call.method, path.partition(b"?")[0].decode("latin-1"), body, proof, name)
            return await call.answer(data, received)
        except CarnetError as error:
            return from_carnet_error(self._request(scope, receive), error)
        except Exception as error:  # noqa: BLE001 - as the framework's last handler: logged, answered opaquely
            return from_unknown(self._request(scope, receive), error)

    def _request(self, scope: Any, receive: Any) -> Request[Any, Any, Any]:
        scope["litestar_app"] = self
        return Request(scope, receive)


_UNUSUAL: Final = "unusual"
"""Not a device proof: those are three parts with dots between them."""


def _ordinary(headers: list[tuple[bytes, bytes]]) -> str | None:
    """The device proof of an ordinary request, None without one, `_UNUSUAL` for what the framework shall look at."""
    length = proof = None
    for name, value in headers:
        if name == b"content-length":
            if length is not None:
                return _UNUSUAL
            length = value
        elif name == b"carnet-device-proof":
            if proof is not None or len(value) > MAX_DEVICE_PROOF or value == _UNUSUAL.encode():
                return _UNUSUAL
            proof = value
        elif name in {b"content-encoding", b"transfer-encoding", b"idempotency-key"}:
            return _UNUSUAL
    if length is None or len(length) > _MAX_DIGITS or not length.isdigit() or not 0 < int(length) <= MAX_PUBLIC_BODY:
        return _UNUSUAL
    return None if proof is None else proof.decode("latin-1")


async def _body(receive: Any) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    if message["type"] != "http.request":
        raise MalformedError("bad_request", "The request ended before its body did.", "Send all of it.")
    return body


async def _send(send: Any, outcome: Outcome) -> None:
    if isinstance(outcome, Response):
        status, body = outcome.status_code or 500, bytes(outcome.content)
        headers = [(name.lower().encode(), value.encode()) for name, value in outcome.headers.items()]
        headers.append((b"content-type", str(outcome.media_type).encode()))
    else:
        status, body = outcome[0], _ENCODE(outcome[1])
        headers = [_JSON]
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
