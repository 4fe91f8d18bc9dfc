"""
What a new license is: the command, its policy and what exists become records to store. Pure.

One license and a batch go the same way: what all of a batch share is worked out once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from carnet.core._base import Struct
from carnet.core.conditions import Conditions, conditions_to_json, override_conditions
from carnet.core.errors import UsageError
from carnet.core.instant import Instant
from carnet.core.overage import seat_ceiling
from carnet.core.policies import override, policy_to_json
from carnet.core.progress import with_updates
from carnet.formats.license_key import last_four
from carnet.server.domain.activations.issuing import check_fits, issuance_of
from carnet.server.domain.artifacts.signed_keys import SignedKeys, dated_back
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import check_metadata, invalid
from carnet.server.domain.customers.service import customer_not_found
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.commands import CreateLicense
from carnet.server.domain.licenses.terms import Wanted, check_wanted, first_term
from carnet.server.domain.policies.service import policy_not_found
from carnet.server.domain.products.service import product_not_found
from carnet.server.ports import LicenseContext, NewLicense, NextIndex
from carnet.server.records import Actor, Issuance, License, StoredPolicy


class Identity(Struct):
    """What sets a new license apart from its like: its id and its key, hashed and sealed."""

    license_id: str
    key: str
    lookup: bytes
    sealed: bytes

    def __repr__(self) -> str:
        return f"Identity(license_id={self.license_id!r})"  # never the license key


def draw_up(
    command: CreateLicense,
    identities: Sequence[Identity],
    context: LicenseContext,
    next_index: NextIndex,
    *,
    ids: Ids,
    now: Instant,
    actor: Actor,
    signed_keys: SignedKeys,
    batch: str | None,
) -> tuple[NewLicense, ...]:
    """
    The licenses of *command*, one for each of *identities*, with their audit rows and what will be signed for them.

    Args:
        command: What they are.
        identities: Made before the transaction; at least one.
        context: What exists, read inside the transaction.
        next_index: Gives status list positions.
        ids: For events.
        now: The server's time.
        actor: Who makes them.
        signed_keys: Draws up signed keys, where the command asks for them.
        batch: The id that the audit rows of a batch share.

    Raises:
        UsageError: ``invalid_argument``, ``bad_policy``, ``bad_grant``, ``product_not_found``, ``policy_not_found``,
            ``customer_not_found``, ``quota_exceeded``.
    """
    if not context.product_known:
        raise product_not_found(command.product)
    if context.policy is None:
        raise policy_not_found(command.product, command.policy)
    if command.customer is not None and not context.customer_known:
        raise customer_not_found()
    policy = context.policy.policy
    effective = override(policy, command.overrides or {})
    conditions, own_conditions = own_values_of(context.policy, command.conditions or {})
    _check_quota(context, context.policy, len(identities))
    wanted = check_wanted(
        Wanted(
            type=command.type,
            starts_at=command.starts_at,
            expires_at=command.expires_at,
            duration_seconds=command.duration_seconds,
            duration_months=command.duration_months,
        )
    )
    term = first_term(wanted, context.policy, conditions, now)
    plain = policy_to_json(effective)
    overrides = {member: plain[member] for member in command.overrides or {}}  # in their one spelling
    for member, value in term.own.items():
        if member not in overrides:
            overrides[member] = value
            effective = override(effective, {member: value})
    if command.signed is not None and term.progress.pending is not None:
        # A signed key says when the license ends, and that is not known before its term begins.
        raise invalid("signed", "left out for a license whose term begins with its first activation or use")
    effective = with_updates(effective, term.progress.updates_until)
    check_fits(effective)
    kind, starts_at, expires_at = term.type, term.starts_at, term.expires_at
    metadata = check_metadata("metadata", command.metadata)
    issued_at = None if command.signed is None else dated_back(now, expires_at)
    made: list[NewLicense] = []
    for identity in identities:
        stored = License(
            id=identity.license_id,
            product=command.product,
            policy_id=context.policy.id,
            policy=policy,
            customer=command.customer,
            type=kind,
            status="active",
            key_lookup=identity.lookup,
            key_sealed=identity.sealed,
            key_last_four=last_four(identity.key),
            overrides=overrides,
            effective=effective,
            metadata=metadata,
            created_at=now,
            starts_at=starts_at,
            expires_at=expires_at,
            seat_limit=seat_ceiling(effective.seat_limit, conditions.overage_percent),
            seats_used=0,
            seats_over=0,
            status_index=next_index(),
            conditions=conditions,
            own_conditions=own_conditions,
            progress=term.progress,
        )
        audit = entry(
            now,
            actor,
            "license.created",
            stored.id,
            product=stored.product,
            policy=policy.name,
            customer=stored.customer,
            type=kind,
            starts_at=starts_at,
            expires_at=expires_at,
            overrides=overrides or None,
            conditions=own_conditions or None,
            key_last_four=stored.key_last_four,
            imported=True if command.license_key is not None else None,
            signed=True if command.signed is not None else None,
            batch=batch,
        )
        issuances: tuple[Issuance, ...] = ()
        if command.signed is not None and issued_at is not None:
            grant = signed_keys.draw(stored, command.signed, issued_at)
            if not made:  # the others differ from it in their ids and places only
                signed_keys.check(grant)
            issuances = (issuance_of(grant, "license-key"),)
        told = event(ids, now, "license.created", stored.id, stored.product, policy=policy.name, type=kind)
        made.append(NewLicense(license=stored, audit=audit, issuances=issuances, events=(told,)))
    return tuple(made)


def own_values_of(policy: StoredPolicy, own: Mapping[str, Any]) -> tuple[Conditions, dict[str, Any]]:
    """
    The conditions of a license with *own* values under *policy*, and its own ones in their one spelling.

    Raises:
        UsageError: ``bad_policy``.
    """
    conditions = override_conditions(policy.conditions, own)
    plain = conditions_to_json(conditions)
    return conditions, {member: plain[member] for member in own}


def _check_quota(context: LicenseContext, policy: StoredPolicy, more: int) -> None:
    """Refuse licenses beyond what the vendor lets a policy have (R-29)."""
    quota = policy.conditions.license_quota
    if quota is not None and context.in_use + more > quota:
        raise UsageError(
            "quota_exceeded",
            f"The policy {policy.policy.name!r} may have no more licenses than {quota}, and has {context.in_use}.",
            "Revoke licenses that are not needed, or raise the policy's license_quota.",
        )
