"""
The one way a request body becomes a typed value: size, strict JSON (SEC-09), then exact types. Nothing is coerced.

The content type is not looked at: these addresses take JSON and nothing else, and refusing curl's default
``application/x-www-form-urlencoded`` label would help nobody. A content *encoding* is refused, because a compressed
body could be larger than it looks (SEC-49).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException

from carnet.core.errors import CarnetError, MalformedError
from carnet.formats.limits import MAX_PUBLIC_BODY
from carnet.formats.strict_json import parse_object

_PLACE: Final = re.compile(r"(?s)(?P<what>.*?)(?: - at `(?:key in )?\$\.?(?P<where>.*)`)?\Z")
_QUOTED: Final = re.compile(r"(?s)\AObject (?P<kind>missing required|contains unknown) field `(?P<name>.*)`\Z")
_SHOWN: Final = 64
_READ: Final = "carnet_body"
_JSON_FIX: Final = "Send one JSON object in UTF-8, without repeated names, numbers with fractions or NUL."


class StrictRequest(Request[Any, Any, Any]):
    """
    Litestar's request with our body reader: `json()` gives the handler's own body type, checked without coercion.

    Litestar reads ``data: JSONBody[T]`` through `json()`, so handlers declare `T` once, for the reader and for OpenAPI.
    """

    __slots__ = ()

    async def body(self) -> bytes:
        """
        The body exactly as received.

        Raises:
            MalformedError: ``bad_request``: the client went away in the middle.
            RequestEntityTooLarge: It is larger than the call takes.
        """
        try:
            return await super().body()
        except InternalServerException:  # Litestar's word for that
            raise MalformedError("bad_request", "The request ended before its body did.", "Send all of it.") from None

    async def json(self) -> Any:
        """
        The body as the type that the handler declares. Where it may be absent, Litestar does not ask for an empty one.

        Raises:
            MalformedError: Not strict JSON, or not that type; ``missing_member``, ``bad_member``, ``unknown_member``.
            CarnetError: ``compressed_body``, ``rate_limited``.
        """
        if _READ in self.scope:
            return self.scope[_READ]  # type: ignore[typeddict-item]
        encoding = self.headers.get("content-encoding", "identity")
        if encoding.strip().lower() not in {"identity", ""}:
            raise CarnetError("compressed_body", "The body is compressed.", "Send it without a Content-Encoding.")
        field = self.route_handler.parsed_data_field
        if field is None:  # a handler without `data` has no business here
            raise TypeError("this handler takes no body")
        limit = self.route_handler.resolve_request_max_body_size() or MAX_PUBLIC_BODY
        body = read_body(await self.body(), field.annotation, max_bytes=limit)
        admit = getattr(self.app, "admit_body", None)  # where there is an edge, it has limits
        if admit is not None:
            admit(body)
        self.scope[_READ] = body  # type: ignore[typeddict-unknown-key]
        return body


def read_body(content: bytes, kind: Any, *, max_bytes: int) -> Any:
    """
    Decode *content* as *kind*.

    Args:
        content: The body exactly as received.
        kind: A `msgspec.Struct` type, or one or None.
        max_bytes: The limit of this call.

    Raises:
        MalformedError: As `parse_object`; ``missing_member``, ``bad_member``, ``unknown_member``.
    """
    try:
        value = parse_object(content, max_bytes=max_bytes, what="The request body")
    except MalformedError as error:
        raise MalformedError(error.code, error.message, _JSON_FIX) from None
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None


def _explain(text: str) -> MalformedError:
    """Say msgspec's sentence in ours; values are left out, because they may be secrets (SEC-33)."""
    found = _PLACE.match(text)
    what, where = (found["what"], found["where"]) if found else (text, None)
    named = _QUOTED.match(what)
    if named:
        path = f"{where}.{named['name']}" if where else named["name"]
        if named["kind"] == "missing required":
            return MalformedError("missing_member", f"The body lacks {_shown(path)}.", "Add it; see /openapi.json.")
        return MalformedError(
            "unknown_member",
            f"The body has {_shown(path)}, which this call does not know.",
            "Leave it out, or check its spelling.",
        )
    problem = "holds a value that is not allowed" if what.startswith("Invalid ") else what[:1].lower() + what[1:]
    subject = _shown(where) if where else "the body"
    return MalformedError("bad_member", f"In the request, {subject}: {problem}.", "Correct it; see /openapi.json.")


def _shown(path: str) -> str:
    """An attacker may have written this name: short, and without control characters (SEC-39)."""
    text = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"
    return repr(text)
