"""
The composition root of the HTTP edge: the only place that wires handlers, services and limits together.
"""

from __future__ import annotations

import msgspec
from litestar import Router
from litestar.di import Provide

from carnet.formats.limits import MAX_ADMIN_BODY, MAX_PUBLIC_BODY
from carnet.server.api.admin.apikeys import APIKEY_HANDLERS
from carnet.server.api.admin.artifacts import ARTIFACT_HANDLERS
from carnet.server.api.admin.bulk import BULK_HANDLERS
from carnet.server.api.admin.catalog import CATALOG_HANDLERS
from carnet.server.api.admin.events import EVENT_HANDLERS
from carnet.server.api.admin.keys import KEY_HANDLERS
from carnet.server.api.admin.leases import LEASE_ADMIN_HANDLERS
from carnet.server.api.admin.license_models import MODEL_HANDLERS
from carnet.server.api.admin.licenses import LICENSE_HANDLERS
from carnet.server.api.admin.register import REGISTER_HANDLERS
from carnet.server.api.auth import AdminGuard
from carnet.server.api.body import StrictRequest
from carnet.server.api.caching import SHORT, Cacheable
from carnet.server.api.edge import EdgeApp
from carnet.server.api.explain import EXPLAIN_HANDLERS
from carnet.server.api.health import HEALTH_HANDLERS, Readiness
from carnet.server.api.idempotency import REMADE, EdgeIdempotency
from carnet.server.api.limits import EdgeLimits
from carnet.server.api.logs import tell_alert, tell_clock, tell_stranger
from carnet.server.api.metrics import Metrics
from carnet.server.api.openapi import document
from carnet.server.api.problems import EXCEPTION_HANDLERS
from carnet.server.api.scraping import Scraping
from carnet.server.api.spool import SpoolRoom
from carnet.server.api.v1.checkpoint import CHECKPOINT_HANDLERS
from carnet.server.api.v1.devices import DEVICE_HANDLERS, hot_device_calls
from carnet.server.api.v1.leases import LEASE_HANDLERS, hot_lease_calls
from carnet.server.api.v1.status import STATUS_HANDLERS, ServedLists
from carnet.server.api.v1.trust import TRUST_HANDLERS, Published
from carnet.server.api.v1.usage import USAGE_HANDLERS
from carnet.server.installation import Installation
from carnet.server.siblings import Siblings


def _given(value: object) -> Provide:
    """A dependency that is always *value*."""
    return Provide(lambda: value, sync_to_thread=False)


def create_app(installation: Installation, siblings: Siblings | None = None) -> EdgeApp:
    """
    The server's ASGI application over an open installation.

    Args:
        installation: Open for as long as the application answers; whoever opened it closes it.
        siblings: The other processes that answer on the same address; None: there are none.

    Returns:
        A Litestar application that answers on any host name (users-ask 2). It reads no environment and holds no state
        but counters.
    """
    metrics = Metrics(
        installation.storage_stats,
        installation.statistics,
        installation.flusher,
        installation.lists,
        installation.time,
        seen=installation.seen,
    )
    installation.statistics.on_alert(tell_alert)
    installation.seen.on_stranger(tell_stranger)
    installation.clock.guard.on_change(tell_clock)
    admin = Router(
        "/v1/admin",
        route_handlers=[
            *CATALOG_HANDLERS,
            *LICENSE_HANDLERS,
            *ARTIFACT_HANDLERS,
            *KEY_HANDLERS,
            *LEASE_ADMIN_HANDLERS,
            *APIKEY_HANDLERS,
            *BULK_HANDLERS,
            *MODEL_HANDLERS,
            *EVENT_HANDLERS,
            *REGISTER_HANDLERS,
        ],
        guards=[AdminGuard(installation.apikeys, installation.reach)],
        request_max_body_size=MAX_ADMIN_BODY,
        dependencies={
            "products": _given(installation.products),
            "policies": _given(installation.policies),
            "customers": _given(installation.customers),
            "licenses": _given(installation.licenses),
            "artifacts": _given(installation.artifacts),
            "keys": _given(installation.keys),
            "audit": _given(installation.audit),
            "apikeys": _given(installation.apikeys),
            "bulk": _given(installation.bulk),
            "imports": _given(installation.imports),
            "spools": _given(SpoolRoom(installation.settings.data)),
            "leases": _given(installation.leases),
            "activations": _given(installation.activations),
            "changes": _given(installation.changes),
            "enrolments": _given(installation.enrolments),
            "outbox": _given(installation.outbox),
            "checking": _given(installation.checking),
            "never_issued": _given(installation.never_issued),
        },
    )
    contract: list[Cacheable] = []

    def the_contract() -> Cacheable:
        return contract[0]

    app = EdgeApp(
        metrics=metrics,
        limits=EdgeLimits(installation.limiter, installation.settings.trusted_proxies, installation.flusher),
        idempotency=EdgeIdempotency(installation),
        https=installation.settings.base_url.startswith("https://"),
        route_handlers=[
            *DEVICE_HANDLERS,
            *USAGE_HANDLERS,
            *LEASE_HANDLERS,
            *TRUST_HANDLERS,
            *CHECKPOINT_HANDLERS,
            *STATUS_HANDLERS,
            *HEALTH_HANDLERS,
            *EXPLAIN_HANDLERS,
            admin,
        ],
        dependencies={
            "activations": _given(installation.activations),
            "leases": _given(installation.leases),
            "metering": _given(installation.metering),
            "trust": _given(installation.trust),
            "published": _given(Published(installation.trust)),
            "checkpoints": _given(installation.checkpoints),
            "served": _given(ServedLists(installation.lists)),
            "readiness": _given(Readiness(installation)),
            "scraping": _given(Scraping(metrics, installation.store, siblings)),
            "contract": Provide(the_contract, sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        request_class=StrictRequest,
        request_max_body_size=MAX_PUBLIC_BODY,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    app.take_over(*hot_device_calls(installation.activations), *hot_lease_calls(installation.leases))
    contract.append(
        Cacheable(
            msgspec.json.encode(document(app, idempotent=REMADE)), media_type="application/json", cache_control=SHORT
        )
    )
    return app
