"""
Everything that is not on the hot path, in SQLAlchemy Core, the same for every database (design.md §9).

A driver says how a unit of work gets a connection inside a write transaction (`_write`) or a reading one (`_read`).
Each unit takes the row it changes for itself before it decides; on SQLite the write lock already does that, elsewhere
`FOR UPDATE` does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from carnet.core._base import replace
from carnet.server.ports import (
    ApiKeyChange,
    Details,
    IndexPlace,
    KeyContext,
    LicenseChange,
    LicenseContext,
    LicenseFilter,
    NewLicense,
    NextIndex,
    PolicyChange,
)
from carnet.server.records import (
    Activation,
    ApiKey,
    AuditEntry,
    CompatibilityKey,
    Customer,
    Issuance,
    License,
    Product,
    StoredPolicy,
)
from carnet.server.storage import rows
from carnet.server.storage.tables import (
    activations,
    api_keys,
    audit,
    compatibility_keys,
    customers,
    issuances,
    licenses,
    policies,
    products,
    status_indices,
)

_T = TypeVar("_T")

_LICENSE = sa.select(licenses, policies.c.body).join(policies, licenses.c.policy_id == policies.c.id)
_ACTIVATION = sa.select(activations, licenses.c.product_id).join(licenses, activations.c.license_id == licenses.c.id)


class CoreStore(ABC):
    """The part of `ports.Storage` that devices do not wait for."""

    def __init__(self, place: IndexPlace) -> None:
        self._place = place

    @abstractmethod
    async def _write(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Run *work* in a write transaction; return after the commit."""

    @abstractmethod
    async def _read(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Run *work* on one snapshot."""

    @abstractmethod
    def _last_sequence(self, connection: sa.Connection) -> int:
        """The last number that the status sequence gave, 0 before the first; holds the right to give the next."""

    # ── products, policies, customers ────────────────────────────────────────────────────────────────────────────────

    async def add_product(self, product: Product, presets: tuple[StoredPolicy, ...], entry: AuditEntry) -> bool:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> bool:
            if not _insert(connection, products, rows.product_values(product)):
                return False
            for policy in presets:
                connection.execute(sa.insert(policies), rows.policy_values(policy))
            _add_audit(connection, entry)
            return True

        return await self._write(work)

    async def product(self, product: str) -> Product | None:
        """See `ports.Storage`."""
        return await self._one(sa.select(products).where(products.c.id == product), rows.product_from)

    async def products(self, *, after: str | None, limit: int) -> tuple[Product, ...]:
        """See `ports.Storage`."""
        query = sa.select(products).order_by(products.c.id).limit(limit)
        return await self._all(query if after is None else query.where(products.c.id > after), rows.product_from)

    async def add_policy(self, policy: StoredPolicy, entry: AuditEntry) -> bool:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> bool:
            if not _insert(connection, policies, rows.policy_values(policy)):
                return False
            _add_audit(connection, entry)
            return True

        return await self._write(work)

    async def policy(self, product: str, name: str) -> StoredPolicy | None:
        """See `ports.Storage`."""
        return await self._one(_policy(product, name), rows.policy_from)

    async def policies(self, product: str, *, after: str | None, limit: int) -> tuple[StoredPolicy, ...]:
        """See `ports.Storage`."""
        query = sa.select(policies).where(policies.c.product_id == product).order_by(policies.c.name).limit(limit)
        return await self._all(query if after is None else query.where(policies.c.name > after), rows.policy_from)

    async def change_policy(
        self, product: str, name: str, change: Callable[[StoredPolicy, tuple[Details, ...]], PolicyChange]
    ) -> StoredPolicy | None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> StoredPolicy | None:
            row = connection.execute(_policy(product, name).with_for_update()).first()
            if row is None:
                return None
            old = rows.policy_from(row)
            overridden = connection.scalars(
                sa.select(licenses.c.overrides).where(licenses.c.policy_id == old.id).distinct()
            )
            made = change(old, tuple(rows.read_json(overrides) for overrides in overridden))
            stored = made.policy
            connection.execute(sa.update(policies).where(policies.c.id == stored.id), rows.policy_values(stored))
            limit = stored.policy.seat_limit
            # users-ask 10: seats that are held stay held when the limit sinks below them; only new ones are refused.
            over = sa.case((licenses.c.seats_used > limit, licenses.c.seats_used - limit), else_=0) if limit else 0
            connection.execute(
                sa.update(licenses)
                .where(
                    licenses.c.policy_id == stored.id,
                    licenses.c.seat_limit_is_own == 0,
                    licenses.c.seat_limit.is_distinct_from(limit),
                )
                .values(seat_limit=limit, seats_over=over)
            )
            _add_audit(connection, made.audit)
            return stored

        return await self._write(work)

    async def add_customer(self, customer: Customer, entry: AuditEntry) -> None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(customers), rows.customer_values(customer))
            _add_audit(connection, entry)

        await self._write(work)

    async def customer(self, customer_id: str) -> Customer | None:
        """See `ports.Storage`."""
        return await self._one(sa.select(customers).where(customers.c.id == customer_id), rows.customer_from)

    async def customers(self, *, after: str | None, limit: int) -> tuple[Customer, ...]:
        """See `ports.Storage`."""
        return await self._newest(sa.select(customers), customers.c.id, after, limit, rows.customer_from)

    # ── licenses ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def add_license(
        self,
        *,
        product: str,
        policy: str,
        customer: str | None,
        build: Callable[[LicenseContext, NextIndex], NewLicense],
    ) -> License:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> License:
            row = connection.execute(_policy(product, policy).with_for_update(read=True)).first()
            context = LicenseContext(
                product_known=_exists(connection, products.c.id == product),
                policy=None if row is None else rows.policy_from(row),
                customer_known=customer is not None and _exists(connection, customers.c.id == customer),
            )
            sequences: dict[int, int] = {}

            def next_index() -> int:
                sequence = self._last_sequence(connection) + len(sequences) + 1
                position = self._place(sequence - 1)
                sequences[position] = sequence
                return position

            made = build(context, next_index)
            stored = made.license
            connection.execute(
                sa.insert(status_indices),
                {
                    "sequence": sequences[stored.status_index],
                    "position": stored.status_index,
                    "subject": "license",
                    "subject_id": stored.id,
                },
            )
            connection.execute(sa.insert(licenses), rows.license_values(stored))
            _add_audit(connection, made.audit)
            return stored

        return await self._write(work)

    async def license(self, license_id: str) -> License | None:
        """See `ports.Storage`."""
        return await self._one(_LICENSE.where(licenses.c.id == license_id), rows.license_from)

    async def license_by_key(self, lookups: tuple[bytes, ...]) -> License | None:
        """See `ports.Storage`."""
        found = await self._all(_LICENSE.where(licenses.c.key_lookup.in_(lookups)), rows.license_from)
        return min(found, key=lambda each: lookups.index(each.key_lookup), default=None)

    async def licenses(self, which: LicenseFilter, *, after: str | None, limit: int) -> tuple[License, ...]:
        """See `ports.Storage`."""
        query = _LICENSE
        if which.product is not None:
            query = query.where(licenses.c.product_id == which.product)
        if which.customer is not None:
            query = query.where(licenses.c.customer_id == which.customer)
        if which.status is not None:
            query = query.where(licenses.c.status == which.status)
        if which.type is not None:
            query = query.where(licenses.c.type == which.type)
        return await self._newest(query, licenses.c.id, after, limit, rows.license_from)

    async def change_license(self, license_id: str, change: Callable[[License], LicenseChange]) -> License | None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> License | None:
            query = _LICENSE.where(licenses.c.id == license_id).with_for_update(of=licenses)
            row = connection.execute(query).first()
            if row is None:
                return None
            made = change(rows.license_from(row))
            if made.audit is not None:
                connection.execute(
                    sa.update(licenses)
                    .where(licenses.c.id == license_id)
                    .values(status=made.license.status, expires_at=made.license.expires_at)
                )
                _add_audit(connection, made.audit)
            return made.license

        return await self._write(work)

    # ── activations and the register ─────────────────────────────────────────────────────────────────────────────────

    async def activation(self, activation_id: str) -> Activation | None:
        """See `ports.Storage`."""
        return await self._one(_ACTIVATION.where(activations.c.id == activation_id), rows.activation_from)

    async def activations(
        self, license_id: str, *, include_deactivated: bool, after: str | None, limit: int
    ) -> tuple[Activation, ...]:
        """See `ports.Storage`."""
        query = _ACTIVATION.where(activations.c.license_id == license_id)
        if not include_deactivated:
            query = query.where(activations.c.deactivated_at.is_(None))
        return await self._newest(query, activations.c.id, after, limit, rows.activation_from)

    async def issuance(self, jti: str) -> Issuance | None:
        """See `ports.Storage`."""
        return await self._one(sa.select(issuances).where(issuances.c.jti == jti), rows.issuance_from)

    # ── audit and API keys ───────────────────────────────────────────────────────────────────────────────────────────

    async def add_audit(self, entry: AuditEntry) -> None:
        """See `ports.Storage`."""
        await self._write(lambda connection: _add_audit(connection, entry))

    async def audit_entries(
        self, *, object_id: str | None, action: str | None, before: int | None, limit: int
    ) -> tuple[AuditEntry, ...]:
        """See `ports.Storage`."""
        query = sa.select(audit).order_by(audit.c.seq.desc()).limit(limit)
        if object_id is not None:
            query = query.where(audit.c.object_id == object_id)
        if action is not None:
            query = query.where(audit.c.action == action)
        if before is not None:
            query = query.where(audit.c.seq < before)
        return await self._all(query, rows.audit_from)

    async def add_api_key(self, api_key: ApiKey, entry: AuditEntry) -> None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(api_keys), rows.api_key_values(api_key))
            _add_audit(connection, entry)

        await self._write(work)

    async def api_keys(self, *, after: str | None, limit: int) -> tuple[ApiKey, ...]:
        """See `ports.Storage`."""
        return await self._newest(sa.select(api_keys), api_keys.c.id, after, limit, rows.api_key_from)

    async def change_api_key(self, api_key_id: str, change: Callable[[ApiKey], ApiKeyChange]) -> ApiKey | None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> ApiKey | None:
            row = connection.execute(sa.select(api_keys).where(api_keys.c.id == api_key_id).with_for_update()).first()
            if row is None:
                return None
            made = change(rows.api_key_from(row))
            if made.audit is not None:
                values = rows.api_key_values(made.api_key)
                connection.execute(sa.update(api_keys).where(api_keys.c.id == api_key_id).values(values))
                _add_audit(connection, made.audit)
            return made.api_key

        return await self._write(work)

    # ── compatibility keys ───────────────────────────────────────────────────────────────────────────────────────────

    async def add_compatibility_key(
        self, key: CompatibilityKey, decide: Callable[[KeyContext], tuple[AuditEntry, ...]]
    ) -> CompatibilityKey | None:
        """See `ports.Storage`."""
        table = compatibility_keys

        def work(connection: sa.Connection) -> CompatibilityKey | None:
            # The product's row is the lock under which its active key changes.
            product = sa.select(products.c.id).where(products.c.id == key.product).with_for_update()
            is_same = sa.or_(table.c.kid == key.kid, table.c.public_pem == key.public_pem)
            is_active = sa.and_(table.c.product_id == key.product, table.c.state == "active")
            product_known = connection.execute(product).first() is not None
            row = connection.execute(sa.select(table).where(is_active)).first()
            active = None if row is None else rows.compatibility_key_from(row)
            context = KeyContext(product_known=product_known, is_taken=_exists(connection, is_same), active=active)
            entries = decide(context)
            former = None if active is None else replace(active, state="verify-only", replaced_at=key.created_at)
            if former is not None:
                values = rows.compatibility_key_values(former)
                connection.execute(sa.update(table).where(table.c.id == former.id).values(values))
            connection.execute(sa.insert(table), rows.compatibility_key_values(key))
            for entry in entries:
                _add_audit(connection, entry)
            return former

        return await self._write(work)

    async def compatibility_key(self, kid: str) -> CompatibilityKey | None:
        """See `ports.Storage`."""
        query = sa.select(compatibility_keys).where(compatibility_keys.c.kid == kid)
        return await self._one(query, rows.compatibility_key_from)

    async def compatibility_keys(
        self, product: str | None, *, after: str | None, limit: int
    ) -> tuple[CompatibilityKey, ...]:
        """See `ports.Storage`."""
        table = compatibility_keys
        query = sa.select(table) if product is None else sa.select(table).where(table.c.product_id == product)
        return await self._newest(query, table.c.id, after, limit, rows.compatibility_key_from)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _one(self, query: sa.Select[Any], mapped: Callable[[Any], _T]) -> _T | None:
        def work(connection: sa.Connection) -> _T | None:
            row = connection.execute(query).first()
            return None if row is None else mapped(row)

        return await self._read(work)

    async def _all(self, query: sa.Select[Any], mapped: Callable[[Any], _T]) -> tuple[_T, ...]:
        return await self._read(lambda connection: tuple(mapped(row) for row in connection.execute(query)))

    async def _newest(
        self,
        query: sa.Select[Any],
        key: sa.Column[Any],
        after: str | None,
        limit: int,
        mapped: Callable[[Any], _T],
    ) -> tuple[_T, ...]:
        query = query.order_by(key.desc()).limit(limit)
        return await self._all(query if after is None else query.where(key < after), mapped)


def _policy(product: str, name: str) -> sa.Select[Any]:
    return sa.select(policies).where(policies.c.product_id == product, policies.c.name == name)


def _exists(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> bool:
    return bool(connection.scalar(sa.select(sa.exists().where(condition))))


def _insert(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert one row; False if its key is taken, and then nothing has happened."""
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(table), values)
    except IntegrityError:
        return False
    return True


def _add_audit(connection: sa.Connection, entry: AuditEntry) -> None:
    connection.execute(sa.insert(audit), rows.audit_values(entry))
