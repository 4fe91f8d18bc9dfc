"""Policies: create, show, list, update."""

from __future__ import annotations

from typing import Any

from carnet.core.conditions import Conditions, check_conditions, conditions_to_json, override_conditions
from carnet.core.errors import UsageError
from carnet.core.model import LicenseType, Policy
from carnet.core.overage import seat_ceiling
from carnet.core.policies import check_policy, override, policy_to_json
from carnet.server.domain.activations.issuing import check_fits
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import MAX_DURATION_SECONDS, check_page, check_seconds, invalid
from carnet.server.domain.ids import Ids
from carnet.server.domain.keys.commands import ALGORITHMS
from carnet.server.domain.pages import after_name, page_of
from carnet.server.domain.policies.commands import CreatePolicy, TokenAlgorithm, UpdatePolicy
from carnet.server.domain.products.service import product_not_found
from carnet.server.ports import Clock, OwnValues, PolicyChange, Storage
from carnet.server.records import Actor, CompatibilityAlgorithm, Page, StoredPolicy


class PolicyService:
    """What can be done with policies."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids

    async def create(self, command: CreatePolicy, actor: Actor) -> StoredPolicy:
        """
        Make a policy.

        Raises:
            UsageError: ``bad_policy``, also for a name that no address can hold; ``invalid_argument``,
                ``product_not_found``; ``already_exists``.
        """
        now = self._clock.now()
        _check(command.policy)
        _check_name(command.policy.name)
        if await self._storage.product(command.product) is None:
            raise product_not_found(command.product)
        stored = StoredPolicy(
            id=self._ids.new(now),
            product=command.product,
            policy=command.policy,
            license_type=command.license_type,
            duration_seconds=_duration(command.license_type, command.duration_seconds),
            created_at=now,
            updated_at=now,
            token_algorithm=_algorithm(command.token_algorithm),
            conditions=_conditions(command.license_type, command.duration_seconds, command.conditions),
        )
        audit = entry(
            now,
            actor,
            "policy.created",
            stored.id,
            product=stored.product,
            license_type=stored.license_type,
            duration_seconds=stored.duration_seconds,
            token_algorithm=stored.token_algorithm,
            policy=policy_to_json(stored.policy),
            conditions=_unusual(stored.conditions),
        )
        if not await self._storage.add_policy(stored, audit):
            raise UsageError(
                "already_exists",
                f"The product {command.product} has a policy {command.policy.name!r} already.",
                "Choose another name, or update that policy.",
            )
        return stored

    async def get(self, product: str, name: str) -> StoredPolicy:
        """
        One policy of a product, by its name.

        Raises:
            UsageError: ``policy_not_found``.
        """
        found = await self._storage.policy(product, name)
        if found is None:
            raise policy_not_found(product, name)
        return found

    async def list(self, product: str, *, after: str | None = None, limit: int = 50) -> Page[StoredPolicy]:
        """
        Policies of a product by name, at most *limit* (1 to 500) after the name *after*.

        Raises:
            UsageError: ``product_not_found``, ``invalid_argument``.
        """
        check_page(limit)
        after_name(after)
        if await self._storage.product(product) is None:
            raise product_not_found(product)
        found = await self._storage.policies(product, after=after, limit=limit + 1)
        return page_of(found, limit, lambda stored: stored.policy.name)

    async def update(self, command: UpdatePolicy, actor: Actor) -> StoredPolicy:
        """
        Replace a policy's rules. Licenses under it follow at once; seats already held stay held (users-ask 10).

        Raises:
            UsageError: ``bad_policy``, ``invalid_argument``, ``policy_not_found``.
        """
        now = self._clock.now()
        _check(command.policy)
        if command.policy.name != command.name:
            raise invalid("policy.name", f"{command.name!r}, the policy that is updated; a policy keeps its name")

        def change(old: StoredPolicy, own_values: tuple[OwnValues, ...]) -> PolicyChange:
            conditions = old.conditions if command.conditions is None else command.conditions
            for own in own_values:
                _check_with(command.policy, conditions, own)
            license_type = command.license_type or old.license_type
            # A policy that becomes perpetual forgets its term; one that stays timed keeps it unless told otherwise.
            kept = old.duration_seconds if license_type != "perpetual" and conditions.duration_months is None else None
            duration = _duration(license_type, command.duration_seconds or kept)
            stored = StoredPolicy(
                id=old.id,
                product=old.product,
                policy=command.policy,
                license_type=license_type,
                duration_seconds=duration,
                created_at=old.created_at,
                updated_at=now,
                token_algorithm=old.token_algorithm
                if command.token_algorithm is None
                else _algorithm(command.token_algorithm),
                conditions=_conditions(license_type, duration, conditions),
            )
            before, after = policy_to_json(old.policy), policy_to_json(stored.policy)
            changed = {member: value for member, value in after.items() if before[member] != value}
            audit = entry(
                now,
                actor,
                "policy.updated",
                old.id,
                product=old.product,
                license_type=license_type,
                duration_seconds=stored.duration_seconds,
                token_algorithm=stored.token_algorithm,
                before={member: before[member] for member in changed},
                after=changed,
                conditions=None if stored.conditions == old.conditions else _unusual(stored.conditions) or {},
            )
            return PolicyChange(policy=stored, audit=audit, ceiling=lambda own: ceiling_of(stored, own))

        updated = await self._storage.change_policy(command.product, command.name, change)
        if updated is None:
            raise policy_not_found(command.product, command.name)
        return updated


def ceiling_of(stored: StoredPolicy, own: OwnValues) -> int | None:
    """How many seats a license with *own* values may hold at most under *stored*; None: any number."""
    limit = own.overrides.get("seat_limit", stored.policy.seat_limit)
    overage = own.conditions.get("overage_percent", stored.conditions.overage_percent)
    return seat_ceiling(limit, overage)


def policy_not_found(product: str, name: str) -> UsageError:
    """The error for a policy that does not exist."""
    return UsageError(
        "policy_not_found",
        f"The product {product[:100]!r} has no policy {name[:100]!r}.",
        "List its policies, and check the spelling.",
    )


def _check(policy: Policy) -> None:
    check_policy(policy)
    check_fits(policy)


def _check_name(name: str) -> None:
    """
    Refuse a name under which a policy could not be shown or changed any more: its name stands in its address.

    Servers and proxies take a slash for the end of a name, also where it is escaped, browsers a backslash; names of
    dots are steps in a path (RFC 3986 §5.2.4, §6.2.2.3), and blanks at the ends are easily lost.
    """
    if "/" in name or "\\" in name or not name.strip(".") or name != name.strip():
        raise UsageError(
            "bad_policy",
            f"A policy cannot be called {name!r}, because its name stands in its address.",
            "Leave out slashes, backslashes and blanks at the ends, and use more than dots.",
        )


def _algorithm(chosen: TokenAlgorithm) -> CompatibilityAlgorithm | None:
    if chosen == "any":
        return None
    if chosen not in ALGORITHMS:
        raise invalid("token_algorithm", f"any, or one of {', '.join(ALGORITHMS)}")
    return chosen


def _check_with(policy: Policy, conditions: Conditions, own: OwnValues) -> None:
    """Refuse rules that contradict what some license of the policy has of its own: it could not be used any more."""
    try:
        check_fits(override(policy, own.overrides))
        override_conditions(conditions, own.conditions)
    except UsageError as error:
        raise UsageError(
            "bad_policy",
            f"These rules contradict a license's own {', '.join(sorted((*own.overrides, *own.conditions)))}: "
            f"{error.message}",
            "Choose rules that fit them, or make another policy for new licenses.",
        ) from error


def _conditions(license_type: LicenseType, duration_seconds: int | None, conditions: Conditions) -> Conditions:
    """*conditions*, if they fit the type and the term."""
    check_conditions(conditions)
    if conditions.duration_months is not None and (license_type == "perpetual" or duration_seconds is not None):
        raise invalid("duration_months", "left out for a perpetual license, and where duration_seconds is given")
    if not conditions.updates.is_endless and license_type != "perpetual":
        raise invalid("updates_seconds and updates_months", "left out but for a perpetual license")
    return conditions


def _unusual(conditions: Conditions) -> dict[str, Any] | None:
    """The members that are not as by default, for the audit; None if all are."""
    usual = conditions_to_json(Conditions())
    return {name: value for name, value in conditions_to_json(conditions).items() if usual[name] != value} or None


def _duration(license_type: LicenseType, seconds: int | None) -> int | None:
    if license_type == "perpetual" and seconds is not None:
        raise invalid("duration_seconds", "left out for a perpetual license")
    return check_seconds("duration_seconds", seconds, most=MAX_DURATION_SECONDS)
