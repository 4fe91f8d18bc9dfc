"""
What a request touches, for admin tokens that are limited to products (SEC-36, specs/http-api.md §7).

Everything is read from the call's own parameters: ids in its address and its query, `product` and `customer` in its
body. A call that names nothing of one product is refused to such tokens, unless `FILTERED` says that its handler shows
and does only what is within reach. So a new call is closed to them until somebody has thought of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler

from carnet.core.errors import CarnetError
from carnet.server.domain.activations.vendor import activation_not_found
from carnet.server.domain.apikeys.reach import ReachService
from carnet.server.domain.customers.service import customer_not_found
from carnet.server.domain.enrolment.service import enrolment_not_found
from carnet.server.domain.keys.service import key_not_found
from carnet.server.domain.leases.deciding import lease_not_found
from carnet.server.domain.licenses.service import license_not_found
from carnet.server.domain.policies.service import policy_not_found
from carnet.server.domain.products.service import product_not_found
from carnet.server.ports.access import SubjectKind
from carnet.server.records import ApiKey

FILTERED: Final = frozenset(
    {
        "bulkChange",
        "checkArtifact",
        "createCustomer",
        "exportKeys",
        "exportLicenses",
        "findLicense",
        "importLicenses",
        "listCustomers",
        "listKeys",
        "listLicenses",
        "listNeverIssued",
        "listProducts",
    }
)
"""Calls whose handlers leave out what `within` does not hold."""

_SUBJECTS: Final[Mapping[str, tuple[SubjectKind, Callable[[], CarnetError]]]] = {
    "license_id": ("license", license_not_found),
    "activation_id": ("activation", activation_not_found),
    "enrolment_id": ("enrolment", enrolment_not_found),
    "lease_id": ("lease", lease_not_found),
    "kid": ("key", key_not_found),
}
"""Parameters that name what belongs to one product."""

_KNOWN: Final = frozenset({*_SUBJECTS, "product", "name", "customer_id"})
_IN_PATH: Final = re.compile(r"{(\w+)(?::\w+)?}")


def is_open_to_limited(handler: BaseRouteHandler) -> bool:
    """Whether a token that is limited to products may make this call at all."""
    if str(handler.operation_id) in FILTERED:  # type: ignore[attr-defined]
        return True
    in_path = {name for path in handler.paths for name in _IN_PATH.findall(path)}
    return in_path <= _KNOWN and bool(in_path or _in_query(handler) or _named_in_body(handler))


def within(request: Request[Any, Any, Any]) -> tuple[str, ...] | None:
    """The products that the caller may touch; None: all of them."""
    record: ApiKey = request.auth
    return record.products


async def require_reach(request: Request[Any, Any, Any], products: tuple[str, ...], reach: ReachService) -> None:
    """
    Refuse what is out of the caller's reach: as if it did not exist, or because it concerns the whole installation.

    Args:
        request: After its token and its scope were judged; its body is read here if it names a product.
        products: What the token is limited to.
        reach: Knows what belongs to which product.

    Raises:
        CarnetError: ``token_limited``; what the call raises for an object that does not exist; what its body is
            refused for.
    """
    handler = request.route_handler
    if not is_open_to_limited(handler):
        raise CarnetError(
            "token_limited",
            "This admin token is limited to some products, and this call concerns the whole installation.",
            "Use a token without that limit.",
        )
    named = dict(request.path_params)
    for name, (kind, not_found) in _SUBJECTS.items():
        # Each value of a parameter that is given twice: whichever of them the handler takes, it was judged.
        for value in [*([named[name]] if name in named else ()), *_queried(request, handler, name)]:
            if not await reach.holds(products, kind, str(value)):
                raise not_found()
    for product in [*([named["product"]] if "product" in named else ()), *_queried(request, handler, "product")]:
        if product not in products:
            raise policy_not_found(product, named["name"]) if "name" in named else product_not_found(product)
    if "customer_id" in named and not await reach.knows(products, named["customer_id"]):
        raise customer_not_found()
    if _named_in_body(handler):
        body = await request.json()
        if body.product not in products:
            raise product_not_found(body.product)
        customer = getattr(body, "customer", None)
        if customer is not None and not await reach.knows(products, customer):
            raise customer_not_found()


def _in_query(handler: BaseRouteHandler) -> set[str]:
    """The parameters of a query that name what the call is about: it cannot be made without them."""
    found = handler.parsed_fn_signature.parameters
    in_path = {name for path in handler.paths for name in _IN_PATH.findall(path)}
    return {
        name for name in (*_SUBJECTS, "product") if name in found and name not in in_path and found[name].is_required
    }


def _queried(request: Request[Any, Any, Any], handler: BaseRouteHandler, name: str) -> list[str]:
    return request.query_params.getall(name, []) if name in _in_query(handler) else []


def _named_in_body(handler: BaseRouteHandler) -> bool:
    """Whether the body says which product the call is about."""
    body = getattr(handler, "parsed_data_field", None)
    if body is None or str(handler.operation_id) in FILTERED:  # type: ignore[attr-defined]
        return False
    kind = body.annotation
    fields = msgspec.structs.fields(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else ()
    return any(field.name == "product" and field.required for field in fields)
