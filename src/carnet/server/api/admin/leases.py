"""Floating leases, as the vendor sees and ends them, and the terms of pools (specs/http-api.md §4.7)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import msgspec
from litestar import Request, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from carnet.core.lease_terms import HOLDER_KINDS, HolderKind, LeaseTerms, lease_terms_from_json, lease_terms_to_json
from carnet.server.api.admin import views
from carnet.server.api.admin.models import Why
from carnet.server.api.admin.params import PAGE_SIZE, Cursor, LicensePath, Limit, PolicyPath, ProductPath
from carnet.server.api.auth import actor_of
from carnet.server.api.wire import Time, text
from carnet.server.domain.leases.commands import LeaseView, TermsView
from carnet.server.domain.leases.service import LeaseService

_TAGS: Final = ["Admin"]
_WRITE: Final = ("invalid_argument", "unknown_member", "unavailable")


class LeaseHolderReply(msgspec.Struct, kw_only=True):
    """Who holds a lease, and what people know it as."""

    kind: HolderKind
    id: str
    name: str


class HeldLeaseReply(msgspec.Struct, kw_only=True):
    """A lease. `claimed_at` is since when, `renewed_at` when its holder was last seen."""

    id: str
    license_id: str
    slot: int
    holder: LeaseHolderReply
    borrowed: bool
    claimed_at: Time
    renewed_at: Time
    expires_at: Time
    released_at: Time | None


class HeldLeasesReply(msgspec.Struct, kw_only=True):
    """Live leases, newest first."""

    items: list[HeldLeaseReply]
    has_more: bool
    next_cursor: str | None


class EndLeaseRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why a lease is taken away; its holder is told."""

    example: ClassVar[dict[str, Any]] = {"reason": "The laptop was lost."}

    reason: Why | None = None


class LeaseGroupWire(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Seats that are kept for listed holders."""

    name: str
    slots: int
    holders: Annotated[list[str], Meta(description="`kind:id` of each.")]
    max_borrow_seconds: int | None = None


class LeaseTermsWire(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The floating pool of each license (specs/lease.md §5). `limit` null: any number of leases."""

    limit: int | None
    kinds: list[HolderKind] = msgspec.field(default_factory=lambda: list(HOLDER_KINDS))
    default_ttl_seconds: int = 600
    min_ttl_seconds: int = 1
    max_ttl_seconds: int = 3600
    max_borrow_seconds: int = 0
    borrow_limit: int | None = None
    cool_down_seconds: int = 0
    registered_only: bool = False
    groups: list[LeaseGroupWire] = []
    denied: list[str] = []

    def terms(self) -> LeaseTerms:
        """As the services take it."""
        return lease_terms_from_json(msgspec.to_builtins(self))


class LeaseTermsRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """New terms; null removes them: a license follows its policy again, a policy has no pool."""

    example: ClassVar[dict[str, Any]] = {
        "terms": {
            "limit": 10,
            "max_ttl_seconds": 3600,
            "max_borrow_seconds": 604800,
            "groups": [{"name": "render farm", "slots": 2, "holders": ["device:render-07"]}],
        }
    }

    terms: LeaseTermsWire | None


class LeaseTermsReply(msgspec.Struct, kw_only=True):
    """The terms of a policy or of one license; null: it has none of its own."""

    subject_id: str
    terms: LeaseTermsWire | None
    changed_at: Time | None


@get(
    "/leases",
    operation_id="listLeases",
    tags=_TAGS,
    response_description="Live leases of the license, newest first.",
    opt={"problems": ("license_not_found",)},
)
async def list_leases(
    request: Request[Any, Any, Any],
    *,
    leases: NamedDependency[LeaseService],
    license_id: Annotated[str, QueryParameter(name="license_id", max_length=64, description="Of this license.")],
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[HeldLeasesReply]:
    """List the live leases of a license: who holds its floating seats."""
    found = await leases.list(license_id, after=cursor, limit=limit)
    return views.page(request, found, _lease, HeldLeasesReply)


@post(
    "/leases/{lease_id:str}/end",
    status_code=200,
    operation_id="endLease",
    tags=_TAGS,
    response_description="The lease, ended.",
    opt={"problems": (*_WRITE, "lease_not_found")},
)
async def end_lease(
    request: Request[Any, Any, Any],
    lease_id: Annotated[str, PathParameter(description="The lease's id.", max_length=64)],
    data: JSONBody[EndLeaseRequest | None],
    leases: NamedDependency[LeaseService],
) -> Response[HeldLeaseReply]:
    """
    Take a lease away.

    Its seat is free at once. What was signed for it still opens the app until its end where there is no network; its
    holder learns the reason at its next renewal.
    """
    reason = None if data is None else data.reason
    return Response(_lease(await leases.force(lease_id, actor_of(request), reason=reason)))


@get(
    "/policies/{product:str}/{name:str}/lease-terms",
    operation_id="getPolicyLeaseTerms",
    tags=_TAGS,
    response_description="The terms.",
    opt={"problems": ("policy_not_found",)},
)
async def get_policy_terms(
    product: ProductPath, name: PolicyPath, leases: NamedDependency[LeaseService]
) -> Response[LeaseTermsReply]:
    """Show what a policy says about floating leases."""
    return Response(_terms(await leases.terms(product=product, policy=name)))


@put(
    "/policies/{product:str}/{name:str}/lease-terms",
    status_code=200,
    operation_id="changePolicyLeaseTerms",
    tags=_TAGS,
    response_description="The new terms.",
    opt={"problems": (*_WRITE, "policy_not_found", "bad_lease_terms")},
)
async def change_policy_terms(
    request: Request[Any, Any, Any],
    product: ProductPath,
    name: PolicyPath,
    data: JSONBody[LeaseTermsRequest],
    leases: NamedDependency[LeaseService],
) -> Response[LeaseTermsReply]:
    """Change what a policy says about floating leases. Leases that are held stay held until they run out."""
    terms = None if data.terms is None else data.terms.terms()
    return Response(_terms(await leases.change_terms(terms, actor_of(request), product=product, policy=name)))


@get(
    "/licenses/{license_id:str}/lease-terms",
    operation_id="getLicenseLeaseTerms",
    tags=_TAGS,
    response_description="The license's own terms.",
    opt={"problems": ("license_not_found",)},
)
async def get_license_terms(
    license_id: LicensePath, leases: NamedDependency[LeaseService]
) -> Response[LeaseTermsReply]:
    """Show a license's own terms, which stand in place of its policy's."""
    return Response(_terms(await leases.terms(license_id=license_id)))


@put(
    "/licenses/{license_id:str}/lease-terms",
    status_code=200,
    operation_id="changeLicenseLeaseTerms",
    tags=_TAGS,
    response_description="The new terms.",
    opt={"problems": (*_WRITE, "license_not_found", "bad_lease_terms")},
)
async def change_license_terms(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    data: JSONBody[LeaseTermsRequest],
    leases: NamedDependency[LeaseService],
) -> Response[LeaseTermsReply]:
    """Give a license terms of its own, in place of its policy's."""
    terms = None if data.terms is None else data.terms.terms()
    return Response(_terms(await leases.change_terms(terms, actor_of(request), license_id=license_id)))


def _lease(view: LeaseView) -> HeldLeaseReply:
    return HeldLeaseReply(
        id=view.id,
        license_id=view.license_id,
        slot=view.slot,
        holder=LeaseHolderReply(kind=view.holder.kind, id=view.holder.id, name=view.name),
        borrowed=view.is_borrowed,
        claimed_at=str(view.claimed_at),
        renewed_at=str(view.renewed_at),
        expires_at=str(view.expires_at),
        released_at=text(view.released_at),
    )


def _terms(view: TermsView) -> LeaseTermsReply:
    return LeaseTermsReply(
        subject_id=view.subject_id,
        terms=None if view.terms is None else msgspec.convert(lease_terms_to_json(view.terms), LeaseTermsWire),
        changed_at=text(view.changed_at),
    )


LEASE_ADMIN_HANDLERS: Final = (
    list_leases,
    end_lease,
    get_policy_terms,
    change_policy_terms,
    get_license_terms,
    change_license_terms,
)
