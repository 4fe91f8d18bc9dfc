"""Licenses: create, show, list, renew, suspend, reinstate, revoke, reveal the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import LicenseStatus, LicenseType
from carnet.core.policies import override, policy_to_json
from carnet.formats.license_key import generate_license_key, last_four
from carnet.server.domain.activations.issuing import check_fits
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import (
    MAX_DURATION_SECONDS,
    check_instant,
    check_license_key,
    check_metadata,
    check_optional_text,
    check_page,
    check_seconds,
    invalid,
)
from carnet.server.domain.customers.service import customer_not_found
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.commands import (
    CreatedLicense,
    CreateLicense,
    LicenseView,
    RenewLicense,
    SeatCount,
)
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.pages import page_of
from carnet.server.domain.policies.service import policy_not_found
from carnet.server.domain.products.service import product_not_found
from carnet.server.ports import (
    Clock,
    LicenseChange,
    LicenseContext,
    LicenseFilter,
    NewLicense,
    NextIndex,
    Random,
    Storage,
)
from carnet.server.records import Actor, License, Page, StoredPolicy

_Change: TypeAlias = Callable[[License], LicenseChange]

_MAX_REASON = 500


class LicenseService:
    """What can be done with licenses."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids, vault: KeyVault, random: Random) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._random = random

    async def create(self, command: CreateLicense, actor: Actor) -> CreatedLicense:
        """
        Issue a license with a fresh key.

        Raises:
            UsageError: ``invalid_argument``, ``bad_policy`` (an override), ``product_not_found``, ``policy_not_found``,
                ``customer_not_found``.
        """
        now = self._clock.now()
        license_id = self._ids.new(now)
        metadata = check_metadata("metadata", command.metadata)
        key = generate_license_key(self._random)

        def build(context: LicenseContext, next_index: NextIndex) -> tuple[NewLicense, ...]:
            if not context.product_known:
                raise product_not_found(command.product)
            if context.policy is None:
                raise policy_not_found(command.product, command.policy)
            if command.customer is not None and not context.customer_known:
                raise customer_not_found()
            effective = override(context.policy.policy, command.overrides or {})
            check_fits(effective)
            plain = policy_to_json(effective)
            overrides = {member: plain[member] for member in command.overrides or {}}  # in their one spelling
            kind, starts_at, expires_at = _term(command, context.policy, now)
            made = License(
                id=license_id,
                product=command.product,
                policy_id=context.policy.id,
                policy=context.policy.policy,
                customer=command.customer,
                type=kind,
                status="active",
                key_lookup=self._vault.lookup(key),
                key_sealed=self._vault.seal(key, license_id),
                key_last_four=last_four(key),
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
                license_id,
                product=made.product,
                policy=made.policy.name,
                customer=made.customer,
                type=made.type,
                starts_at=made.starts_at,
                expires_at=made.expires_at,
                overrides=overrides or None,
                key_last_four=made.key_last_four,
            )
            return (NewLicense(license=made, audit=audit),)

        (stored,) = await self._storage.add_licenses(
            product=command.product, policy=command.policy, customer=command.customer, build=build
        )
        return CreatedLicense(license=license_view(stored.license), key=key)

    async def get(self, license_id: str) -> LicenseView:
        """
        One license by its id.

        Raises:
            UsageError: ``license_not_found``.
        """
        found = await self._storage.license(license_id)
        if found is None:
            raise license_not_found()
        return license_view(found)

    async def find(self, license_key: str) -> LicenseView:
        """
        One license by its key, as typed or in its canonical form. For the vendor; devices call the activation service.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``.
        """
        found = await self._storage.license_by_key(self._vault.lookups(check_license_key(license_key)))
        if found is None:
            raise license_not_found()
        return license_view(found)

    async def list(
        self,
        *,
        product: str | None = None,
        customer: str | None = None,
        status: LicenseStatus | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[LicenseView]:
        """Licenses, newest first, at most *limit* (1 to 500) older than the id *after*."""
        which = LicenseFilter(product=product, customer=customer, status=status)
        found = await self._storage.licenses(which, after=after, limit=check_page(limit) + 1)
        return page_of(tuple(license_view(each) for each in found), limit, lambda view: view.id)

    async def renew(self, command: RenewLicense, actor: Actor) -> LicenseView:
        """
        Give a license a later end. Its key, seats and devices stay; devices learn of it at their next contact.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``; ``conflict``: revoked, or it has no end.
        """
        now = self._clock.now()
        if command.expires_at is not None and command.duration_seconds is not None:
            raise invalid("expires_at", "left out where duration_seconds is given")
        check_instant("expires_at", command.expires_at)
        check_seconds("duration_seconds", command.duration_seconds, most=MAX_DURATION_SECONDS)
        context = await self._storage.license(command.license_id)
        if context is None:
            raise license_not_found()
        policy = await self._storage.policy(context.product, context.policy.name)
        usual = None if policy is None else policy.duration_seconds

        def change(old: License) -> LicenseChange:
            if old.status == "revoked":
                raise _conflict("A revoked license cannot be renewed.", "Issue a new one.")
            if old.expires_at is None:
                raise _conflict("This license has no end to move.", "A perpetual license needs no renewal.")
            expires_at = _renewed(command, old.expires_at, now, usual)
            audit = entry(now, actor, "license.renewed", old.id, before=old.expires_at, after=expires_at)
            return LicenseChange(license=replace(old, expires_at=expires_at), audit=audit)

        return await self._change(command.license_id, change)

    async def suspend(self, license_id: str, actor: Actor, *, reason: str | None = None) -> LicenseView:
        """
        Stop a license until it is reinstated. Suspending twice changes nothing.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``; ``conflict``: it is revoked.
        """
        return await self._set_status(license_id, "suspended", "license.suspended", actor, reason)

    async def reinstate(self, license_id: str, actor: Actor, *, reason: str | None = None) -> LicenseView:
        """
        Lift a suspension. Reinstating an active license changes nothing.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``; ``conflict``: it is revoked, which is final.
        """
        return await self._set_status(license_id, "active", "license.reinstated", actor, reason)

    async def revoke(self, license_id: str, actor: Actor, *, reason: str | None = None) -> LicenseView:
        """
        Stop a license for good. Revoking twice changes nothing.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``.
        """
        return await self._set_status(license_id, "revoked", "license.revoked", actor, reason)

    async def reveal_key(self, license_id: str, actor: Actor) -> str:
        """
        The license key in clear, for re-issue; an audit row records who asked, before it is shown.

        Raises:
            UsageError: ``license_not_found``.
            StateError: ``key_does_not_open``.
        """
        found = await self._storage.license(license_id)
        if found is None:
            raise license_not_found()
        key = self._vault.open(found.key_sealed, found.id)
        await self._storage.add_audit(entry(self._clock.now(), actor, "license.key_revealed", found.id))
        return key

    async def _set_status(
        self, license_id: str, status: LicenseStatus, action: str, actor: Actor, reason: str | None
    ) -> LicenseView:
        now = self._clock.now()
        check_optional_text("reason", reason, most=_MAX_REASON)

        def change(old: License) -> LicenseChange:
            if old.status == status:
                return LicenseChange(license=old, audit=None)
            if old.status == "revoked":
                raise _conflict("This license is revoked, and that is final.", "Issue a new license.")
            audit = entry(now, actor, action, old.id, before=old.status, reason=reason)
            return LicenseChange(license=replace(old, status=status), audit=audit)

        return await self._change(license_id, change)

    async def _change(self, license_id: str, change: _Change) -> LicenseView:
        changed = await self._storage.change_license(license_id, change)
        if changed is None:
            raise license_not_found()
        return license_view(changed)


def license_view(stored: License) -> LicenseView:
    """*stored* without what must not be shown."""
    return LicenseView(
        id=stored.id,
        product=stored.product,
        policy=stored.policy.name,
        type=stored.type,
        status=stored.status,
        created_at=stored.created_at,
        starts_at=stored.starts_at,
        expires_at=stored.expires_at,
        seats=SeatCount(limit=stored.seat_limit, used=stored.seats_used),
        entitlements=stored.effective.entitlements,
        customer=stored.customer,
        key_last_four=stored.key_last_four,
        overrides=stored.overrides,
        metadata=stored.metadata,
        effective=stored.effective,
    )


def license_not_found() -> UsageError:
    """The error for a license that does not exist, to the vendor."""
    return UsageError("license_not_found", "There is no such license.", "Check its id or key.")


def _conflict(message: str, fix: str) -> UsageError:
    return UsageError("conflict", message, fix)


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


def _renewed(command: RenewLicense, old_end: Instant, now: Instant, usual: int | None) -> Instant:
    """The new end: later than the old one, and not over already."""
    if command.expires_at is not None:
        new_end = int(command.expires_at)
    else:
        duration = command.duration_seconds or usual
        if duration is None:
            raise invalid("duration_seconds", "given, because the policy has no usual duration")
        new_end = duration + (old_end if command.basis == "expiry" else now)
    if new_end <= old_end:
        raise invalid("expires_at", f"later than the present end, {old_end}")
    if new_end <= now:
        raise invalid("basis", "now, because the renewed license would be over already")
    if new_end > MAX_INSTANT:
        raise invalid("duration_seconds", "shorter: the end would be after the year 9999")
    return Instant(new_end)
