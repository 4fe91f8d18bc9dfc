"""
Rows of products, policies and customers, to records and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carnet.core.conditions import conditions_to_json
from carnet.core.instant import Instant
from carnet.core.policies import policy_to_json
from carnet.server.records import Customer, Product, StoredPolicy
from carnet.server.storage.rows.values import conditions_of, policy_of, read_json, write_json


def product_from(row: Sequence[Any]) -> Product:
    """A row of `products`."""
    return Product(id=row[0], name=row[1], metadata=read_json(row[2]), created_at=Instant(row[3]), revision=row[4])


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
        policy=policy_of(row[3]),
        license_type=row[4],
        duration_seconds=row[5],
        created_at=Instant(row[6]),
        updated_at=Instant(row[7]),
        token_algorithm=row[8],
        revision=row[9],
        conditions=conditions_of(row[10]),
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
        "token_algorithm": stored.token_algorithm,
        "conditions": write_json(conditions_to_json(stored.conditions)),
    }


def customer_from(row: Sequence[Any]) -> Customer:
    """A row of `customers`."""
    return Customer(
        id=row[0],
        name=row[1],
        email=row[2],
        metadata=read_json(row[3]),
        created_at=Instant(row[4]),
        revision=row[5],
    )


def customer_values(customer: Customer) -> dict[str, Any]:
    """The columns of *customer*."""
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "metadata": write_json(dict(customer.metadata)),
        "created_at": int(customer.created_at),
    }
