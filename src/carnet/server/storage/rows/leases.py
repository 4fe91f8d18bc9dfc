"""
Rows of leases and their terms, to records and back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.lease_slots import Slot
from carnet.core.lease_terms import LeaseHolder, LeaseTerms, lease_terms_from_json, lease_terms_to_json
from carnet.core.leases import Lease, LeaseEnding
from carnet.core.seats import LicenseFacts
from carnet.server.ports.leases import StoredLeaseTerms
from carnet.server.storage.rows.values import instant, overridden, policy_of, read_json, write_json

LEASE_COLUMNS = (
    "id",
    "license_id",
    "slot",
    "holder_kind",
    "holder_id",
    "name",
    "is_borrowed",
    "asked_seconds",
    "ttl_seconds",
    "claimed_at",
    "renewed_at",
    "deadline",
    "expires_at",
    "covered_until",
    "released_at",
    "jti",
    "kid",
)
"""The columns that make a `Lease`, in the order that `lease_from` reads."""

LEASE_WIDTH = len(LEASE_COLUMNS)


def lease_from(row: Sequence[Any]) -> Lease:
    """`LEASE_COLUMNS` of a row that has an id."""
    return Lease(
        id=row[0],
        license_id=row[1],
        slot=row[2],
        holder=LeaseHolder(kind=row[3], id=row[4]),
        name=row[5],
        is_borrowed=bool(row[6]),
        asked_seconds=row[7],
        ttl_seconds=row[8],
        claimed_at=Instant(row[9]),
        renewed_at=Instant(row[10]),
        deadline=row[11],
        expires_at=Instant(row[12]),
        covered_until=Instant(row[13]),
        released_at=instant(row[14]),
        jti=row[15],
        kid=row[16],
    )


def lease_values(lease: Lease) -> tuple[Any, ...]:
    """`LEASE_COLUMNS` of *lease*."""
    return (
        lease.id,
        lease.license_id,
        lease.slot,
        lease.holder.kind,
        lease.holder.id,
        lease.name,
        int(lease.is_borrowed),
        lease.asked_seconds,
        lease.ttl_seconds,
        int(lease.claimed_at),
        int(lease.renewed_at),
        lease.deadline,
        int(lease.expires_at),
        int(lease.covered_until),
        None if lease.released_at is None else int(lease.released_at),
        lease.jti,
        lease.kid,
    )


def slot_from(row: Sequence[Any], service_now: int, now: Instant) -> Slot:
    """slot, area, id, holder_kind, holder_id, deadline, covered_until, released_at: one row of a pool."""
    live = row[2] is not None and row[7] is None and (service_now < row[5] or now < row[6])
    return Slot(number=row[0], area=row[1], holder=LeaseHolder(kind=row[3], id=row[4]) if live else None)


# A term that waits has not started; a claim that is granted begins it (`core.progress`).
_STARTS_AT = f"CASE WHEN l.progress LIKE '%pending%' THEN {MAX_INSTANT} ELSE l.starts_at END"
LICENSE_FACTS = ("l.id", "l.product_id", "l.status", _STARTS_AT, "l.expires_at", "l.overrides", "p.body")
"""The columns of `license_facts_from`."""


def license_facts_from(row: Sequence[Any]) -> LicenseFacts:
    """The license of a pool, from `LICENSE_FACTS`."""
    return LicenseFacts(
        id=row[0],
        product=row[1],
        status=row[2],
        starts_at=instant(row[3]),
        expires_at=instant(row[4]),
        policy=policy_of(row[6]) if row[5] == "{}" else overridden(row[6], row[5]),
    )


ENDING_WIDTH = 7
"""How many columns make a `LeaseEnding`."""


def ending_from(row: Sequence[Any]) -> LeaseEnding:
    """A row of `lease_endings`."""
    return LeaseEnding(
        lease_id=row[0],
        license_id=row[1],
        holder=LeaseHolder(kind=row[2], id=row[3]),
        at=Instant(row[4]),
        reason=row[5],
        blocked_until=Instant(row[6]),
    )


@lru_cache(maxsize=4096)
def lease_terms_of(text: str) -> LeaseTerms:
    """The terms that *text* says."""
    return lease_terms_from_json(read_json(text))


def stored_terms_from(row: Sequence[Any]) -> StoredLeaseTerms:
    """A row of `lease_terms`."""
    return StoredLeaseTerms(subject_id=row[0], terms=lease_terms_of(row[1]), changed_at=Instant(row[3]))


def stored_terms_values(subject_id: str, terms: LeaseTerms, at: Instant) -> dict[str, Any]:
    """
    The columns of `lease_terms`.

    The mark is never 0, which stands for no terms, and equal for equal terms: whoever was judged under the same ones
    need not be judged again.
    """
    text = write_json(lease_terms_to_json(terms))
    digest = hashlib.sha256(text.encode()).digest()
    mark = int.from_bytes(digest[:8], "big") >> 2 | 1
    return {"subject_id": subject_id, "terms": text, "mark": mark, "changed_at": int(at)}
