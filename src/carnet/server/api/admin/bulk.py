"""Many licenses at once over the admin API (specs/http-api.md §7): issue, change, import, export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from carnet.core.errors import CarnetError
from carnet.core.model import LicenseStatus
from carnet.core.renewals import RenewalBasis
from carnet.formats.limits import MAX_IMPORT_BODY
from carnet.formats.strict_json import dump_json
from carnet.server.api import wire
from carnet.server.api.admin import views
from carnet.server.api.admin.license_model_bodies import Months
from carnet.server.api.admin.licenses import license_command
from carnet.server.api.admin.models import CreateLicensesRequest, Why
from carnet.server.api.auth import actor_of
from carnet.server.api.reach import within
from carnet.server.api.spool import SpoolRoom
from carnet.server.api.wire import Seconds, WrittenTime
from carnet.server.domain.bulk.commands import MAX_CHANGED, BulkAction, ChangeLicenses, ImportOptions
from carnet.server.domain.bulk.importing import MAX_ROWS, ImportService
from carnet.server.domain.bulk.service import BulkService
from carnet.server.domain.licenses.service import LicenseService
from carnet.server.ports import LicenseFilter
from carnet.server.records import Actor

_TAGS: Final = ["Admin"]
_WRITE: Final = ("invalid_argument", "unknown_member", "unavailable")
_LINES: Final = "application/x-ndjson"
_CSV: Final = "text/csv"
MAX_BULK: Final = 100_000

FormatParameter = Annotated[
    Literal["csv", "jsonl"], QueryParameter(name="format", description="CSV with a header, or one JSON object a line.")
]


class BulkIssueRequest(CreateLicensesRequest, kw_only=True, forbid_unknown_fields=True):
    """Many licenses of one kind, each with a fresh key; members as for a batch."""

    example: ClassVar[dict[str, Any]] = {"product": "hustl", "policy": "consumer", "count": 10}

    count: Annotated[int, Meta(ge=1, le=MAX_BULK)]


class BulkChangeRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One thing to do to many licenses: to all of them or to none. `ids`, or filters (`product`, `policy`, `customer`,
    `status`) of which at least one, say which. `expires_at`, `duration_seconds`, `duration_months` and `basis` are for
    `renew`.
    """

    example: ClassVar[dict[str, Any]] = {"action": "suspend", "product": "hustl", "reason": "unpaid", "dry_run": True}

    action: BulkAction
    ids: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=MAX_CHANGED)] | None = None
    product: Annotated[str, Meta(max_length=100)] | None = None
    policy: Annotated[str, Meta(max_length=100)] | None = None
    customer: Annotated[str, Meta(max_length=64)] | None = None
    status: LicenseStatus | None = None
    reason: Why | None = None
    expires_at: WrittenTime | None = None
    duration_seconds: Seconds | None = None
    duration_months: Months | None = None
    basis: RenewalBasis | None = None
    dry_run: bool = False


class RefusalReply(msgspec.Struct, kw_only=True):
    """A license that the change does not fit, and why."""

    license_id: str
    code: str
    message: str


class BulkChangeReply(msgspec.Struct, kw_only=True):
    """What happened, or would have. `done` is false for a dry run, and where one license refused or is missing."""

    done: bool
    chosen: int
    changed: int
    unchanged: int
    refused: list[RefusalReply]
    refused_total: int
    missing: list[str]


class BadLineReply(msgspec.Struct, kw_only=True):
    """A line that could not be imported, counted from 1 with the header."""

    line: int
    code: str
    message: str


class ImportReply(msgspec.Struct, kw_only=True):
    """What an import did. `done`: every line is a license now. `stopped` says why it ended in the middle, if it did."""

    done: bool
    lines: int
    imported: int
    skipped: int
    bad: list[BadLineReply]
    bad_total: int
    stopped: str


@post(
    "/licenses/bulk",
    media_type=_LINES,
    operation_id="bulkIssue",
    tags=_TAGS,
    response_description="One JSON object a line: each license with its keys once it is durable; last `done`, `count`.",
    opt={
        "problems": (
            *_WRITE,
            "bad_time",
            "bad_policy",
            "bad_grant",
            "product_not_found",
            "policy_not_found",
            "customer_not_found",
            "quota_exceeded",
        )
    },
)
async def bulk_issue(
    request: Request[Any, Any, Any], data: JSONBody[BulkIssueRequest], licenses: NamedDependency[LicenseService]
) -> Stream:
    """
    Issue up to 100,000 licenses, some thousands at a time.

    Each lot is stored whole, and sent once it is durable. An answer whose last line is not `done` was cut off: the
    licenses that came are there, and the audit lists the others of the last lot under the same batch.
    """
    command = license_command(data)
    lots = licenses.create_many(command, data.count, actor_of(request))
    first = await anext(lots)  # whatever is wrong with the request is found here, and answered as a problem

    async def lines() -> AsyncIterator[bytes]:
        made = 0
        lot = first
        while True:
            made += len(lot)
            yield b"".join(msgspec.json.encode(views.issued_license(each)) + b"\n" for each in lot)
            try:
                lot = await anext(lots)
            except StopAsyncIteration:
                yield dump_json({"done": True, "count": made}) + b"\n"
                return
            except CarnetError as error:
                yield dump_json({"done": False, "count": made, "code": error.code, "message": error.message}) + b"\n"
                return

    return Stream(lines(), status_code=201, media_type=_LINES)


@post(
    "/licenses/bulk-change",
    status_code=200,
    operation_id="bulkChange",
    tags=_TAGS,
    response_description="What happened, or would have.",
    opt={"problems": (*_WRITE, "bad_time")},
)
async def bulk_change(
    request: Request[Any, Any, Any], data: JSONBody[BulkChangeRequest], bulk: NamedDependency[BulkService]
) -> Response[BulkChangeReply]:
    """Suspend, reinstate, revoke or renew up to 10,000 licenses in one transaction: all of them or none."""
    command = ChangeLicenses(
        action=data.action,
        ids=None if data.ids is None else tuple(data.ids),
        product=data.product,
        policy=data.policy,
        customer=data.customer,
        status=data.status,
        reason=data.reason,
        expires_at=wire.instant(data.expires_at),
        duration_seconds=data.duration_seconds,
        duration_months=data.duration_months,
        basis=data.basis,
        dry_run=data.dry_run,
        within=within(request),
    )
    made = await bulk.change(command, actor_of(request))
    return Response(
        BulkChangeReply(
            done=made.done,
            chosen=made.chosen,
            changed=made.changed,
            unchanged=made.unchanged,
            refused=[RefusalReply(license_id=r.license_id, code=r.code, message=r.message) for r in made.refused],
            refused_total=made.refused_total,
            missing=list(made.missing),
        )
    )


@post(
    "/licenses/import",
    status_code=200,
    request_max_body_size=MAX_IMPORT_BODY,
    operation_id="importLicenses",
    tags=_TAGS,
    response_description="What was imported, and every line that was not.",
    opt={"raw_body": (_CSV, _LINES), "problems": ("invalid_argument", "bad_import", "bad_utf8", "unavailable")},
)
async def import_licenses(
    request: Request[Any, Any, Any],
    *,
    imports: NamedDependency[ImportService],
    spools: NamedDependency[SpoolRoom],
    form: FormatParameter = "csv",
    product: Annotated[
        str | None, QueryParameter(name="product", max_length=100, description="For lines that name none.")
    ] = None,
    policy: Annotated[
        str | None, QueryParameter(name="policy", max_length=100, description="For lines that name none.")
    ] = None,
    skip_known: Annotated[
        bool, QueryParameter(name="skip_known", description="Pass over keys that a license has already.")
    ] = False,
    skip_bad: Annotated[
        bool, QueryParameter(name="skip_bad", description="Import the good lines although there are bad ones.")
    ] = False,
    dry_run: Annotated[bool, QueryParameter(name="dry_run", description="Only look.")] = False,
) -> Response[ImportReply]:
    """
    Take over licenses of another system, with their keys as they are.

    Columns: `key` and any of `product`, `policy`, `customer`, `type`, `status`, `starts_at`, `expires_at`,
    `duration_seconds`, `seat_limit`, `metadata`. Up to 64 MiB and 250,000 lines. Every line is looked at before the
    first is imported; then they are stored 1,000 at a time. The same file again with `skip_known` does what is left.
    """
    options = ImportOptions(
        form=form,
        product=product,
        policy=policy,
        skip_known=skip_known,
        skip_bad=skip_bad,
        dry_run=dry_run,
        most=MAX_ROWS,
        within=within(request),
    )
    with await spools.receive(request) as spool:
        made = await imports.import_lines(spool.text, actor_of(request), options)
    return Response(
        ImportReply(
            done=made.done,
            lines=made.lines,
            imported=made.imported,
            skipped=made.skipped,
            bad=[BadLineReply(line=each.line, code=each.code, message=each.message) for each in made.bad],
            bad_total=made.bad_total,
            stopped=made.stopped,
        )
    )


class _File(Stream):
    """A stream of its own media type, whatever the handler's first one is."""

    def to_asgi_response(self, *args: Any, **options: Any) -> Any:
        """See `Stream`."""
        return super().to_asgi_response(*args, **{**options, "media_type": self.media_type})


async def _export(
    bulk: BulkService, which: LicenseFilter, form: Literal["csv", "jsonl"], actor: Actor, *, with_keys: bool
) -> Stream:
    pieces = bulk.export(which, form, actor, with_keys=with_keys)
    first = await anext(pieces)  # whatever is wrong is found here, and answered as a problem

    async def text() -> AsyncIterator[bytes]:
        yield first.encode()
        async for some in pieces:
            yield some.encode()

    return _File(
        text(),
        media_type=f"{_CSV}; charset=utf-8" if form == "csv" else _LINES,
        headers={"Content-Disposition": f'attachment; filename="licenses.{form}"'},
    )


_Product = Annotated[str | None, QueryParameter(name="product", max_length=100, description="Of this product.")]
_Customer = Annotated[str | None, QueryParameter(name="customer", max_length=64, description="Of this customer (id).")]
_Status = Annotated[LicenseStatus | None, QueryParameter(name="status", description="Of this status.")]


@get(
    "/licenses/export",
    media_type=_CSV,
    operation_id="exportLicenses",
    tags=_TAGS,
    response_description="Licenses as a file, newest first, without their keys.",
    opt={"media_types": (_LINES,), "problems": ("invalid_argument", "unavailable")},
)
async def export_licenses(
    request: Request[Any, Any, Any],
    *,
    bulk: NamedDependency[BulkService],
    form: FormatParameter = "csv",
    product: _Product = None,
    customer: _Customer = None,
    status: _Status = None,
) -> Stream:
    """Write licenses to a file, however many there are. Cells that a spreadsheet would run are defused."""
    which = LicenseFilter(product=product, customer=customer, status=status, within=within(request))
    return await _export(bulk, which, form, actor_of(request), with_keys=False)


@post(
    "/licenses/export-keys",
    status_code=200,
    media_type=_CSV,
    operation_id="exportKeys",
    tags=_TAGS,
    response_description="Licenses as a file, newest first, with their keys in clear.",
    opt={"media_types": (_LINES,), "problems": ("invalid_argument", "unavailable")},
)
async def export_keys(
    request: Request[Any, Any, Any],
    *,
    bulk: NamedDependency[BulkService],
    form: FormatParameter = "csv",
    product: _Product = None,
    customer: _Customer = None,
    status: _Status = None,
) -> Stream:
    """Write licenses to a file with their keys in clear, to import them elsewhere. The audit records who asked."""
    which = LicenseFilter(product=product, customer=customer, status=status, within=within(request))
    return await _export(bulk, which, form, actor_of(request), with_keys=True)


BULK_HANDLERS: Final = (bulk_issue, bulk_change, import_licenses, export_licenses, export_keys)
