"""
The tables, once, for every database: SQLAlchemy Core metadata, from which migrations are made and tested.

Belongs here: columns, keys, constraints, indexes. Not here: queries, mapping, drivers.

Invariants that the database itself holds:
* `licenses.seats_used` never exceeds `seat_limit` by more than the seats that were held when the limit was lowered
  (design.md §2 rule 6); the storage also raises it only by a conditional update.
* one held seat per license and device: the partial unique index `uq_activations_seat`; and per license and user where
  seats belong to users: `uq_activations_account`.
* one trial per product and device, and one count per license and usage event: their primary keys.
* one active compatibility key per product: the partial unique index `uq_compatibility_keys_active`.
* one active signing key for the same roles: the partial unique index `uq_signing_keys_active`.
* one lease per slot and per holder of a pool, each slot within the limit it was given under (`leases`).
* one delivery of an event to a destination; one holder of a job.
* a status list position belongs to one subject for ever (SEC-26).

`revision` counts the vendor's changes of a row, from 1; what devices do (seats taken and given back) does not raise it.

Times are Unix seconds, JSON is canonical text (`formats.strict_json.dump_json`), ids are text.
"""

from __future__ import annotations

from carnet.server.storage.tables.access import api_keys, compatibility_keys
from carnet.server.storage.tables.base import NAMES, SEQUENCE, metadata
from carnet.server.storage.tables.catalog import customer_products, customers, installation, policies, products
from carnet.server.storage.tables.jobs import deliveries, destinations, jobs, limit_marks
from carnet.server.storage.tables.leases import lease_endings, lease_pools, lease_terms, leases, service_clock
from carnet.server.storage.tables.licenses import activations, licenses, status_indices
from carnet.server.storage.tables.models import enrolments, events, trials, usage, usage_events
from carnet.server.storage.tables.never_issued import never_issued
from carnet.server.storage.tables.proof import audit_chain, log_leaves, log_state, log_tiles
from carnet.server.storage.tables.register import audit, issuances, seen_proofs
from carnet.server.storage.tables.status import status_lists
from carnet.server.storage.tables.traffic import day_counts, last_seen, rate_limits, remembered_requests
from carnet.server.storage.tables.trust import roots, signing_keys

__all__ = [
    "NAMES",
    "REVISION",
    "SEQUENCE",
    "activations",
    "api_keys",
    "audit",
    "audit_chain",
    "compatibility_keys",
    "customer_products",
    "customers",
    "day_counts",
    "deliveries",
    "destinations",
    "enrolments",
    "events",
    "installation",
    "issuances",
    "jobs",
    "last_seen",
    "lease_endings",
    "lease_pools",
    "lease_terms",
    "leases",
    "licenses",
    "limit_marks",
    "log_leaves",
    "log_state",
    "log_tiles",
    "metadata",
    "never_issued",
    "policies",
    "products",
    "rate_limits",
    "remembered_requests",
    "roots",
    "seen_proofs",
    "service_clock",
    "signing_keys",
    "status_indices",
    "status_lists",
    "trials",
    "usage",
    "usage_events",
]

REVISION = "0015"
"""The newest migration: with those before it, it makes these tables. A database at it needs no look at the scripts."""
