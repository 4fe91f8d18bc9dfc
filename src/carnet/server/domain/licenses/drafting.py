"""
What a new license is: the command, its policy and what exists become records to store. Pure.

One license and a batch go the same way: what all of a batch share is worked out once.
"""

from __future__ import annotations

from collections.abc import Sequence

from carnet.core._base import Struct
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import LicenseType
from carnet.core.policies import override, policy_to_json
from carnet.formats.license_key import last_four
from carnet.server.domain.activations.issuing import check_fits, issuance_of
from carnet.server.domain.artifacts.signed_keys import SignedKeys, dated_back
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import MAX_DURATION_SECONDS, check_instant, check_metadata, check_seconds, invalid
from carnet.server.domain.customers.service import customer_not_found
from carnet.server.domain.licenses.commands import CreateLicense
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
        now: The server's time.
        actor: Who makes them.
        signed_keys: Draws up signed keys, where the command asks for them.
        batch: The id that the audit rows of a batch share.

    Raises:
        UsageError: ``invalid_argument``, ``bad_policy``, ``bad_grant``, ``product_not_found``, ``policy_not_found``,
            ``customer_not_found``.
    """
    if not context.product_known:
        raise product_not_found(command.product)
    if context.policy is None:
        raise policy_not_found(command.product, command.policy)
    if command.customer is not None and not context.customer_known:
        raise customer_not_found()
    policy = context.policy.policy
    effective = override(policy, command.overrides or {})
    check_fits(effective)
    plain = policy_to_json(effective)
    overrides = {member: plain[member] for member in command.overrides or {}}  # in their one spelling
    kind, starts_at, expires_at = _term(command, context.policy, now)
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
            seat_limit=effective.seat_limit,
            seats_used=0,
            seats_over=0,
            status_index=next_index(),
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
        made.append(NewLicense(license=stored, audit=audit, issuances=issuances))
    return tuple(made)


def _term(
    command: CreateLicense, policy: StoredPolicy, now: Instant
) -> tuple[LicenseType, Instant | None, Instant | None]:
    """Type, start and end of a new license: what the command says, else what its policy says."""
    if command.expires_at is not None and command.duration_seconds is not None:
        raise invalid("expires_at", "left out where duration_seconds is given")
    has_own_end = command.expires_at is not None or command.duration_seconds is not None
    kind = command.type or ("timed" if has_own_end and policy.license_type == "perpetual" else policy.license_type)
    starts_at = check_instant("starts_at", command.starts_at)
    if kind == "perpetual":
        if has_own_end:
            raise invalid("expires_at and duration_seconds", "left out for a perpetual license")
        return kind, starts_at, None
    begins = now if starts_at is None else starts_at
    if command.expires_at is not None:
        expires_at = command.expires_at
    else:
        duration = command.duration_seconds
        if duration is None:
            duration = policy.duration_seconds
        if duration is None:
            raise invalid("expires_at", f"given for a {kind} license, or duration_seconds in its stead")
        check_seconds("duration_seconds", duration, most=MAX_DURATION_SECONDS)
        expires_at = Instant(begins + duration)
    if not max(begins, now) < expires_at <= MAX_INSTANT:
        raise invalid("expires_at", "in the future, after the license starts, and before the year 10000")
    return kind, starts_at, expires_at
