"""
Rows to records and back: the only place that knows both.

Every reading function takes a row in the column order of its table (a license: followed by its policy's body).
Policies are parsed once per text: equal texts are equal policies, so the cache can never be stale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from carnet.core.instant import Instant
from carnet.core.model import Policy
from carnet.core.policies import override, policy_from_json, policy_to_json
from carnet.formats.limits import MAX_ADMIN_BODY
from carnet.formats.strict_json import dump_json, parse_json
from carnet.server.records import (
    Activation,
    Actor,
    ApiKey,
    AuditEntry,
    CompatibilityKey,
    Customer,
    Issuance,
    License,
    Product,
    StoredPolicy,
)

_CACHED_POLICIES = 4096


def write_json(value: Any) -> str:
    """The canonical text of *value*, as JSON columns hold it."""
    return dump_json(value).decode()


def read_json(text: str) -> Any:
    """What `write_json` wrote."""
    return parse_json(text.encode(), max_bytes=MAX_ADMIN_BODY, what="A stored value")


@lru_cache(maxsize=_CACHED_POLICIES)
def _policy(body: str) -> Policy:
    return policy_from_json(read_json(body))


@lru_cache(maxsize=_CACHED_POLICIES)
def _overridden(body: str, overrides: str) -> Policy:
    return override(_policy(body), read_json(overrides))


def _instant(value: int | None) -> Instant | None:
    return None if value is None else Instant(value)


def product_from(row: Sequence[Any]) -> Product:
    """A row of `products`."""
    return Product(id=row[0], name=row[1], metadata=read_json(row[2]), created_at=Instant(row[3]))


def product_values(product: Product) -> dict[str, Any]:
    """The columns of *product*."""
    return {
        "id": product.id,
        "name": product.name,
        "metadata": write_json(dict(product.metadata)),
        "created_at": int(product.created_at),
    }


def policy_from(row: Sequence[Any]) -> StoredPolicy:
    """A row of `policies`."""
    return StoredPolicy(
        id=row[0],
        product=row[1],
        policy=_policy(row[3]),
        license_type=row[4],
        duration_seconds=row[5],
        created_at=Instant(row[6]),
        updated_at=Instant(row[7]),
    )


def policy_values(stored: StoredPolicy) -> dict[str, Any]:
    """The columns of *stored*."""
    return {
        "id": stored.id,
        "product_id": stored.product,
        "name": stored.policy.name,
        "body": write_json(policy_to_json(stored.policy)),
        "license_type": stored.license_type,
        "duration_seconds": stored.duration_seconds,
        "created_at": int(stored.created_at),
        "updated_at": int(stored.updated_at),
    }


def customer_from(row: Sequence[Any]) -> Customer:
    """A row of `customers`."""
    return Customer(id=row[0], name=row[1], email=row[2], metadata=read_json(row[3]), created_at=Instant(row[4]))


def customer_values(customer: Customer) -> dict[str, Any]:
    """The columns of *customer*."""
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "metadata": write_json(dict(customer.metadata)),
        "created_at": int(customer.created_at),
    }


LICENSE_WIDTH = 19
"""Columns of `licenses`; the policy's body follows them."""


def license_from(row: Sequence[Any]) -> License:
    """A row of `licenses`, then `policies.body`."""
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
        body,
    ) = row
    policy = _policy(body)
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
        effective=policy if overrides == "{}" else _overridden(body, overrides),
        metadata={} if metadata == "{}" else read_json(metadata),
        created_at=Instant(created_at),
        starts_at=_instant(starts_at),
        expires_at=_instant(expires_at),
        seat_limit=seat_limit,
        seats_used=seats_used,
        seats_over=seats_over,
        status_index=status_index,
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
        "seat_limit_is_own": int("seat_limit" in stored.overrides),
        "seats_used": stored.seats_used,
        "seats_over": stored.seats_over,
        "status_index": stored.status_index,
    }


ACTIVATION_WIDTH = 15
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
        deactivated_at=_instant(row[13]),
        status_index=row[14],
        product=row[15],
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
    )


def issuance_from(row: Sequence[Any]) -> Issuance:
    """A row of `issuances`."""
    return Issuance(
        jti=row[0],
        kind=row[1],
        kid=row[2],
        license_id=row[3],
        activation_id=row[4],
        issued_at=Instant(row[5]),
        expires_at=Instant(row[6]),
        claims=row[7],
    )


def issuance_values(issuance: Issuance) -> tuple[Any, ...]:
    """The columns of *issuance*, in the table's order."""
    return (
        issuance.jti,
        issuance.kind,
        issuance.kid,
        issuance.license_id,
        issuance.activation_id,
        issuance.issued_at,
        issuance.expires_at,
        issuance.claims,
    )


def audit_from(row: Sequence[Any]) -> AuditEntry:
    """A row of `audit`."""
    return AuditEntry(
        seq=row[0],
        at=Instant(row[1]),
        actor=Actor(kind=row[2], id=row[3]),
        action=row[4],
        object_kind=row[5],
        object_id=row[6],
        details=read_json(row[7]),
    )


def audit_values(entry: AuditEntry) -> dict[str, Any]:
    """The columns of *entry*, without the sequence number that the database gives."""
    return {
        "at": int(entry.at),
        "actor_kind": entry.actor.kind,
        "actor_id": entry.actor.id,
        "action": entry.action,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "details": write_json(dict(entry.details)),
    }


def api_key_from(row: Sequence[Any]) -> ApiKey:
    """A row of `api_keys`."""
    return ApiKey(
        id=row[0],
        name=row[1],
        token_hash=row[2],
        last_four=row[3],
        scopes=tuple(read_json(row[4])),
        created_at=Instant(row[5]),
        expires_at=_instant(row[6]),
        revoked_at=_instant(row[7]),
    )


def api_key_values(api_key: ApiKey) -> Mapping[str, Any]:
    """The columns of *api_key*."""
    return {
        "id": api_key.id,
        "name": api_key.name,
        "token_hash": api_key.token_hash,
        "last_four": api_key.last_four,
        "scopes": write_json(list(api_key.scopes)),
        "created_at": int(api_key.created_at),
        "expires_at": api_key.expires_at,
        "revoked_at": api_key.revoked_at,
    }


def compatibility_key_from(row: Sequence[Any]) -> CompatibilityKey:
    """A row of `compatibility_keys`."""
    return CompatibilityKey(
        id=row[0],
        product=row[1],
        kid=row[2],
        alg=row[3],
        state=row[4],
        origin=row[5],
        public_pem=row[6],
        created_at=Instant(row[7]),
        replaced_at=_instant(row[8]),
    )


def compatibility_key_values(key: CompatibilityKey) -> Mapping[str, Any]:
    """The columns of *key*."""
    return {
        "id": key.id,
        "product_id": key.product,
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state,
        "origin": key.origin,
        "public_pem": key.public_pem,
        "created_at": int(key.created_at),
        "replaced_at": key.replaced_at,
    }
