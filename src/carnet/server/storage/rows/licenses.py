"""
Rows of licenses and activations, to records and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from carnet.core.instant import Instant
from carnet.core.progress import progress_to_json, with_updates
from carnet.core.refresh_stamps import Stamps
from carnet.server.records import NO_DETAILS, Activation, License
from carnet.server.storage.rows.values import (
    conditions_of,
    instant,
    overridden,
    policy_of,
    progress_of,
    read_json,
    write_json,
)

LICENSE_WIDTH = 22
"""Columns of `licenses`; those of its policy follow them."""

POLICY_COLUMNS = ("body", "revision", "conditions")
"""What a license's row takes along of its policy, in this order."""


def license_from(row: Sequence[Any]) -> License:
    """A row of `licenses`, then `POLICY_COLUMNS` of `policies`."""
    (
        license_id,
        product,
        policy_id,
        customer,
        kind,
        status,
        lookup,
        sealed,
        last_four,
        overrides,
        metadata,
        created_at,
        starts_at,
        expires_at,
        seat_limit,
        _own_limit,
        seats_used,
        seats_over,
        status_index,
        revision,
        own_conditions,
        progress_text,
        body,
        policy_revision,
        conditions,
    ) = row
    policy = policy_of(body)
    progress = progress_of(progress_text)
    effective = policy if overrides == "{}" else overridden(body, overrides)
    return License(
        id=license_id,
        product=product,
        policy_id=policy_id,
        policy=policy,
        customer=customer,
        type=kind,
        status=status,
        key_lookup=lookup,
        key_sealed=sealed,
        key_last_four=last_four,
        overrides={} if overrides == "{}" else read_json(overrides),
        effective=effective if progress.updates_until is None else with_updates(effective, progress.updates_until),
        metadata={} if metadata == "{}" else read_json(metadata),
        created_at=Instant(created_at),
        starts_at=instant(starts_at),
        expires_at=instant(expires_at),
        seat_limit=seat_limit,
        seats_used=seats_used,
        seats_over=seats_over,
        status_index=status_index,
        revision=revision,
        policy_revision=policy_revision,
        conditions=conditions_of(conditions, own_conditions),
        own_conditions=NO_DETAILS if own_conditions == "{}" else read_json(own_conditions),
        progress=progress,
    )


def license_values(stored: License) -> dict[str, Any]:
    """The columns of *stored*."""
    return {
        "id": stored.id,
        "product_id": stored.product,
        "policy_id": stored.policy_id,
        "customer_id": stored.customer,
        "type": stored.type,
        "status": stored.status,
        "key_lookup": stored.key_lookup,
        "key_sealed": stored.key_sealed,
        "key_last_four": stored.key_last_four,
        "overrides": write_json(dict(stored.overrides)),
        "metadata": write_json(dict(stored.metadata)),
        "created_at": int(stored.created_at),
        "starts_at": stored.starts_at,
        "expires_at": stored.expires_at,
        "seat_limit": stored.seat_limit,
        "seat_limit_is_own": int(has_own_ceiling(stored.overrides, stored.own_conditions)),
        "seats_used": stored.seats_used,
        "seats_over": stored.seats_over,
        "status_index": stored.status_index,
        "conditions": write_json(dict(stored.own_conditions)),
        "progress": write_json(progress_to_json(stored.progress)),
    }


def has_own_ceiling(overrides: Mapping[str, Any], own_conditions: Mapping[str, Any]) -> bool:
    """Whether a license's ceiling of seats is not simply its policy's."""
    return "seat_limit" in overrides or "overage_percent" in own_conditions


ACTIVATION_WIDTH = 21
"""Columns of `activations`; the license's product follows them."""


def activation_from(row: Sequence[Any]) -> Activation:
    """A row of `activations`, then the license's product."""
    return Activation(
        id=row[0],
        license_id=row[1],
        fingerprint=row[2],
        device_name=row[3],
        platform=row[4],
        public_key=row[5],
        components=() if row[6] == "[]" else tuple((kind, digest) for kind, digest in read_json(row[6])),
        user=row[7],
        domain=row[8],
        app_version=row[9],
        created_at=Instant(row[10]),
        refreshed_at=Instant(row[11]),
        covered_until=Instant(row[12]),
        deactivated_at=instant(row[13]),
        status_index=row[14],
        account=row[15],
        enrolment=row[16],
        group=row[17],
        stamps=Stamps(newest=row[18], shown=row[19], forks=row[20]),
        product=row[21],
    )


def activation_values(activation: Activation) -> tuple[Any, ...]:
    """The columns of *activation*, in the table's order."""
    return (
        activation.id,
        activation.license_id,
        activation.fingerprint,
        activation.device_name,
        activation.platform,
        activation.public_key,
        write_json([list(component) for component in activation.components]) if activation.components else "[]",
        activation.user,
        activation.domain,
        activation.app_version,
        activation.created_at,
        activation.refreshed_at,
        activation.covered_until,
        activation.deactivated_at,
        activation.status_index,
        activation.account,
        activation.enrolment,
        activation.group,
        activation.stamps.newest,
        activation.stamps.shown,
        activation.stamps.forks,
    )
