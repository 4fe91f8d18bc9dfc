"""
`/openapi.json`: the contract that this server keeps, made from the running handlers themselves (OpenAPI 3.1).

Paths, methods, parameters and types come from the handlers' signatures; schemas are msgspec's own, because msgspec is
what decodes and encodes; whether a call needs an admin token is read from the guard that enforces it; statuses of
problems come from the one table in `problems.py`. So the document cannot promise what the server does not do.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Collection, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, ParameterKwarg, PathParameter, QueryParameter
from litestar.response import Stream
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from carnet._version import __version__
from carnet.server.api.auth import AdminGuard, needed_scope
from carnet.server.api.links import links_of
from carnet.server.api.preconditions import CHANGED, SHOWN
from carnet.server.api.problem_kinds import PROBLEMS, is_retryable, problem_type
from carnet.server.api.problems import PROBLEM_MEDIA_TYPE, Problem
from carnet.server.api.reach import is_open_to_limited

_REF: Final = "#/components/schemas/{name}"

_DESCRIPTION: Final = """\
Self-hosted software licensing that keeps working offline. The normative text is specs/http-api.md.

Times are RFC 3339 in UTC with whole seconds; durations are `…_seconds`. Bodies are strict JSON in UTF-8 whatever the
`Content-Type` says: no repeated names, no fractions, at most 16 KiB (1 MiB under `/v1/admin`). Errors are RFC 9457
problems with a stable `code`. Every answer carries `X-Request-Id`.
"""

_TAGS: Final = {
    "Devices": "What apps and SDKs call. The license key is the credential; a registered device key proves itself.",
    "Leases": "Floating seats: claimed for a while, renewed, given back. The license key or the token proves it.",
    "Trust": "What lets anybody check the vendor's seals. Public and cacheable, but for the signed time.",
    "Admin": "What the vendor does. Needs an admin token.",
    "Operation": "Health, metrics and this document.",
}

_GUARDED: Final = ("admin_token_required", "admin_token_refused", "scope_required")
_LIMITED: Final = "token_limited"
_BODIED: Final = (
    "bad_json",
    "bad_utf8",
    "not_an_object",
    "duplicate_name",
    "bad_number",
    "bad_string",
    "string_too_long",
    "too_deep",
    "too_many_values",
    "missing_member",
    "bad_member",
    "too_large",
    "compressed_body",
)
_REPEATED: Final = ("invalid_argument", "request_in_flight", "idempotency_mismatch", "conflict")
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A fresh random text for every change. For 24 hours, the same request with the same key has the "
    "outcome of the first (`Idempotency-Replayed: true`), and another request with it is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` that the caller has; 304 if it is still that.",
    "schema": {"type": "string", "maxLength": 1024},
}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` that the caller read. If the vendor changed the record since, nothing is done (412); "
    "what devices did since does not matter.",
    "schema": {"type": "string", "maxLength": 1024},
}
_ALWAYS: Final = ("bad_request", "rate_limited", "internal_error")


def reply(kind: Any, description: str, *, media_type: str = "application/json") -> ResponseSpec:
    """A further 2xx or 304 of a handler, for its `responses=`; the first comes from its return type."""
    return ResponseSpec(data_container=kind, description=description, media_type=media_type, generate_examples=False)


_PLACES: Final = {PathParameter: "path", QueryParameter: "query", HeaderParameter: "header"}


class _Document:
    """Collects the operations of one app and the schemas that they name."""

    def __init__(self, idempotent: Collection[str]) -> None:
        self._idempotent = idempotent
        self._kinds: set[Any] = {Problem}
        self.paths: dict[str, dict[str, Any]] = {}

    def add(self, path: str, handler: HTTPRouteHandler) -> None:
        for method in sorted(handler.http_methods):
            self.paths.setdefault(path, {})[method.lower()] = self._operation(handler)

    def _operation(self, handler: HTTPRouteHandler) -> dict[str, Any]:
        doc = inspect.getdoc(handler.fn) or ""
        title, _, rest = doc.partition("\n")
        operation: dict[str, Any] = {
            "operationId": handler.operation_id,
            "summary": title.rstrip("."),
            "tags": sorted(handler.resolve_tags() if hasattr(handler, "resolve_tags") else handler.tags or ()),
        }
        if rest.strip():
            operation["description"] = rest.strip()
        codes = [*_ALWAYS, *handler.opt.get("problems", ())]
        guarded = any(isinstance(guard, AdminGuard) for guard in handler.resolve_guards())
        if guarded:
            codes += _GUARDED
        operation["security"] = [{"AdminToken": []}] if guarded else []
        if guarded:
            operation["x-carnet-scope"] = needed_scope(handler)
            operation["x-carnet-limited-tokens"] = is_open_to_limited(handler)
            codes += () if is_open_to_limited(handler) else (_LIMITED,)
        parameters = list(self._parameters(handler))
        if any(parameter["name"] == "cursor" for parameter in parameters):
            codes.append("invalid_argument")
        if handler.operation_id in self._idempotent:
            parameters.append(_IDEMPOTENCY_KEY)
            codes += _REPEATED
        if handler.operation_id in SHOWN:
            parameters.append(_IF_NONE_MATCH)
        if handler.operation_id in CHANGED:
            parameters.append(_IF_MATCH)
            codes.append("precondition_failed")
        if parameters:
            operation["parameters"] = parameters
        body = handler.parsed_data_field
        if body is not None:
            codes += _BODIED
            operation["requestBody"] = {
                "required": not body.is_optional,
                "content": {"application/json": self._content(_without_none(body.annotation))},
            }
        raw = handler.opt.get("raw_body", ())
        if raw:
            codes += ("too_large", "compressed_body")
            operation["requestBody"] = {
                "required": True,
                "content": {media_type: {"schema": {"type": "string"}} for media_type in raw},
            }
        operation["responses"] = responses = self._responses(handler, codes)
        if handler.operation_id in SHOWN | CHANGED:
            responses["200"]["headers"]["ETag"] = {"$ref": "#/components/headers/ETag"}
        if handler.operation_id in SHOWN:
            responses["304"] = {
                "description": "It is as `If-None-Match` says.",
                "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "ETag")},
            }
        return operation

    def _parameters(self, handler: HTTPRouteHandler) -> Iterator[dict[str, Any]]:
        for name, field in handler.parsed_fn_signature.parameters.items():
            marker = field.kwarg_definition
            where = _PLACES.get(type(marker)) if isinstance(marker, ParameterKwarg) else None
            if where is None or not isinstance(marker, ParameterKwarg):
                continue  # the body, a dependency, the request itself
            shown: dict[str, Any] = {
                "name": marker.name or name,
                "in": where,
                "required": where == "path" or (field.is_required and not field.is_optional),
                "schema": _parameter_schema(field, marker),
            }
            if marker.description:
                shown["description"] = marker.description
            yield shown

    def _responses(self, handler: HTTPRouteHandler, codes: Iterable[str]) -> dict[str, Any]:
        main = ResponseSpec(
            data_container=_returned(handler.parsed_fn_signature.return_type),
            description=handler.response_description or "Done.",
            media_type=str(getattr(handler.media_type, "value", handler.media_type) or "application/json"),
        )
        shown: dict[str, Any] = {}
        for status, spec in sorted({handler.status_code: main, **(handler.responses or {})}.items()):
            shown[str(status)] = {
                "description": spec.description,
                "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
            }
            links = links_of(str(handler.operation_id)) if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES else {}
            if links:
                shown[str(status)]["links"] = links
            if spec.data_container is not None:
                shown[str(status)]["content"] = {str(spec.media_type): self._content(spec.data_container)}
        content = shown[str(handler.status_code)].get("content", {})
        content |= {media_type: {"schema": {"type": "string"}} for media_type in handler.opt.get("media_types", ())}
        by_status: dict[int, list[str]] = {}
        for code in dict.fromkeys(codes):
            by_status.setdefault(PROBLEMS[code].status, []).append(code)
        for status, listed in sorted(by_status.items()):
            headers = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
            if any(is_retryable(code) for code in listed):
                headers["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
            if "rate_limited" in listed:
                headers |= {
                    name: {"$ref": f"#/components/headers/{name}"} for name in ("RateLimit", "RateLimit-Policy")
                }
            shown[str(status)] = {
                "description": ", ".join(f"`{code}`" for code in listed) + ".",
                "headers": headers,
                "content": {
                    PROBLEM_MEDIA_TYPE: {
                        "schema": {"$ref": _REF.format(name="Problem")},
                        "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in listed},
                    }
                },
            }
        return shown

    def _content(self, kind: Any) -> dict[str, Any]:
        if kind is bytes or kind is str:
            return {"schema": {"type": "string"}}
        if kind in {dict, typing.Any}:
            return {"schema": {"type": "object"}}
        self._kinds.add(kind)
        (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
        content: dict[str, Any] = {"schema": schema}
        if (example := getattr(kind, "example", None)) is not None:
            content["examples"] = {"typical": {"value": example}}
        return content

    def schemas(self) -> dict[str, Any]:
        """Every named schema, sorted."""
        _, components = msgspec.json.schema_components(list(self._kinds), ref_template=_REF)
        return dict(sorted(components.items()))


def _returned(field: FieldDefinition) -> Any:
    if field.is_subclass_of(Stream):
        return str
    if field.is_subclass_of(Response) and field.inner_types:
        return field.inner_types[0].annotation
    return None if field.annotation is None or field.is_none_type else field.annotation


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        rest = [each for each in typing.get_args(annotation) if each is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def _parameter_schema(field: FieldDefinition, marker: ParameterKwarg) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.schema(_without_none(field.annotation))
    bounds = {
        "minimum": marker.ge,
        "maximum": marker.le,
        "minLength": marker.min_length,
        "maxLength": marker.max_length,
        "pattern": marker.pattern,
    }
    schema.update({name: bound for name, bound in bounds.items() if bound is not None})
    if field.has_default and field.default is not None:
        schema["default"] = field.default
    return schema


def _example(code: str) -> dict[str, Any]:
    kind = PROBLEMS[code]
    return {
        "type": problem_type(code),
        "title": kind.title,
        "status": kind.status,
        "detail": f"{kind.title}.",
        "instance": "5f2b8f1c0d9e4a7b6c3d2e1f",
        "code": code,
        "reasons": [{"code": code, "message": f"{kind.title}.", "fix": ""}],
        "retryable": is_retryable(code),
    }


def documented(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Every (path template, handler) of *app* that belongs into its document."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.resolve_include_in_schema():
                    yield route.path_format, handler


def _published(value: Any) -> Any:
    """*value* with the schemas' names as outsiders know them: `Device`, where the code says `DeviceWire`."""
    if isinstance(value, dict):
        return {_public_name(name): _published(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_published(item) for item in value]
    return _public_name(value) if isinstance(value, str) else value


def _public_name(text: str) -> str:
    return text.removesuffix("Wire")


def document(app: Litestar, *, idempotent: Collection[str] = ()) -> dict[str, Any]:
    """
    The OpenAPI 3.1 document of *app*, as plain JSON values.

    Args:
        app: The application.
        idempotent: The operations that take an Idempotency-Key.
    """
    made = _Document(idempotent)
    for path, handler in sorted(documented(app), key=lambda found: found[0]):
        made.add(path, handler)
    published: dict[str, Any] = _published(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Carnet",
                "version": __version__,
                "summary": "Software licensing that keeps working offline.",
                "description": _DESCRIPTION,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/", "description": "The server that gave you this document."}],
            "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
            "paths": made.paths,
            "components": {
                "schemas": made.schemas(),
                "examples": {code: {"summary": kind.title, "value": _example(code)} for code, kind in PROBLEMS.items()},
                "headers": {
                    "X-Request-Id": {
                        "description": "The request's id: yours if you sent one of 1 to 64 letters, digits, `-_.`.",
                        "schema": {"type": "string"},
                    },
                    "ETag": {"description": "The record's revision and how it is shown.", "schema": {"type": "string"}},
                    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
                    "RateLimit": {
                        "description": "The limit that was met, as draft-ietf-httpapi-ratelimit-headers has it; may "
                        "change as the draft does.",
                        "schema": {"type": "string"},
                    },
                    "RateLimit-Policy": {
                        "description": "That limit's size and time, of the same draft.",
                        "schema": {"type": "string"},
                    },
                },
                "securitySchemes": {
                    "AdminToken": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "An admin token. `carnet init` shows the first one. Each operation says which "
                        "scope it needs (`x-carnet-scope`); the scope `admin` opens all of them.",
                    }
                },
            },
        }
    )
    return published
