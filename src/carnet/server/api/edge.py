"""
The outermost layer: what is done for every request, whatever it asks.

It gives the request an id, answers HEAD and OPTIONS, adds the security headers, counts and times, writes the one log
line of the outcome, and turns an exception that nobody handled into an opaque 500. It reads no body and knows no rule.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

from litestar import Response
from litestar.datastructures import State

from carnet.server.api.context import NOTED_CODE, REQUEST_ID, choose_request_id
from carnet.server.api.hot import HotApp
from carnet.server.api.idempotency import EdgeIdempotency
from carnet.server.api.limits import EdgeLimits
from carnet.server.api.logs import log, log_answer
from carnet.server.api.metrics import UNMATCHED, Metrics
from carnet.server.api.problems import PROBLEM_MEDIA_TYPE, internal_error

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_HEADERS: Final[Sequence[tuple[bytes, bytes]]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""SEC-47. What this API answers is data; a browser must neither guess its type, run it, nor frame it."""

_NO_STORE: Final = (b"cache-control", b"no-store")
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")

_QUIET: Final = frozenset((("POST", "/v1/validate"), ("PUT", "/v1/leases/{lease_id}")))
"""What is asked many times a second and is nothing new: a line only when it is refused or fails."""

_REPLACED: Final = {"HEAD": "GET", "OPTIONS": "NONE"}
"""
What the router is asked instead. HEAD is GET without the body. OPTIONS asks for a method that no address takes, because
the router's refusal names all of the address's methods, while its own OPTIONS answer forgets some and needs a token.
"""

_LOOKING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class EdgeApp(HotApp):
    """A Litestar application inside the edge."""

    __slots__ = ("edge_headers", "idempotency", "limits", "metrics")

    def __init__(
        self, *, metrics: Metrics, limits: EdgeLimits, idempotency: EdgeIdempotency, https: bool, **options: Any
    ) -> None:
        """
        Args:
            metrics: Where requests are counted.
            limits: Who may ask now.
            idempotency: What was asked before.
            https: Whether clients reach this server by https, so that browsers may be told to insist on it.
            options: As `Litestar`.
        """
        self.metrics = metrics
        self.limits = limits
        self.idempotency = idempotency
        self.edge_headers = [*_HEADERS, _HSTS] if https else [*_HEADERS]
        super().__init__(
            state=State({"metrics": metrics}, deep_copy=False), before_request=idempotency.before, **options
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        offered = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        request_id = choose_request_id(offered)
        REQUEST_ID.set(request_id)
        NOTED_CODE.set("")
        method = scope["method"]
        answer = _Answer(send, [*self.edge_headers, (b"x-request-id", request_id.encode())], method)
        started = perf_counter()
        try:
            refused = await self.limits.admit(scope)
            if method in _REPLACED:
                scope = {**scope, "method": _REPLACED[method]}
            if refused is None:
                await super().__call__(scope, receive, answer.send)
            else:
                await _send_problem(answer, refused)
        except Exception as error:  # noqa: BLE001 - the last line of defence: logged, answered, never hidden
            log.error("request.failed", kind=type(error).__name__, exc_info=error)
            if not answer.status:
                await _send_problem(answer, internal_error())
        finally:
            self._finish(scope, method, answer.status, perf_counter() - started)

    def admit_body(self, body: Any) -> None:
        """See `HotApp`."""
        self.limits.admit_body(body)

    def _finish(self, scope: Any, method: str, status: int, seconds: float) -> None:
        self.idempotency.ended(scope)
        route = scope.get("path_template") or UNMATCHED
        code = NOTED_CODE.get()
        self.metrics.observe(method if method in _METHODS else "OTHER", route, status, code, seconds)
        if code:
            self.limits.answered(scope, code)
        looks = method in _LOOKING or (method, route) in _QUIET
        if code or status >= 500 or not looks:
            log_answer(
                method=method[:16],
                route=route,
                status=status,
                code=code or None,
                ms=round(seconds * 1000, 1),
            )


class _Answer:
    """The ASGI `send` of one request, with our headers and, for HEAD, without the body (RFC 9110 §9.3.2)."""

    __slots__ = ("_headers", "_method", "_send", "status")

    def __init__(self, send: Any, headers: list[tuple[bytes, bytes]], method: str) -> None:
        self._send = send
        self._headers = headers
        self._method = method
        self.status = 0

    async def send(self, message: Any) -> None:
        """Pass *message* on."""
        if message["type"] == "http.response.start":
            own = list(message["headers"])
            if message["status"] == 405:
                own = [(name, _with_head(value) if name == b"allow" else value) for name, value in own]
                if self._method == "OPTIONS":
                    NOTED_CODE.set("")
                    message["status"] = 204
                    own = [header for header in own if header[0] == b"allow"]
            self.status = message["status"]
            if not any(name == b"cache-control" for name, _ in own):
                own.append(_NO_STORE)
            message["headers"] = own + self._headers
        elif self._method == "HEAD" or self.status == 204:
            message["body"] = b""
        await self._send(message)


def _with_head(allowed: bytes) -> bytes:
    """Where GET is answered, HEAD is (see `EdgeApp`); the router does not know."""
    methods = {each.strip() for each in allowed.split(b",")}
    return b", ".join(sorted(methods | {b"HEAD"} if b"GET" in methods else methods))


async def _send_problem(answer: _Answer, problem: Response[Any]) -> None:
    body = bytes(problem.content)
    head = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    head += [(b"content-type", PROBLEM_MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    with contextlib.suppress(OSError):  # the client may be gone by now
        await answer.send({"type": "http.response.start", "status": problem.status_code or 500, "headers": head})
        await answer.send({"type": "http.response.body", "body": body, "more_body": False})
