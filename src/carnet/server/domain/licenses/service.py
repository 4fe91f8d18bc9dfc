"""Licenses: create, show, list, renew, suspend, reinstate, revoke, reveal the key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, TypeAlias

from carnet.core.errors import UsageError
from carnet.core.instant import Instant
from carnet.core.model import LicenseStatus
from carnet.formats.key_strength import check_sealing_key
from carnet.formats.license_key import generate_license_key
from carnet.server.domain.artifacts.signed_keys import SignedKeys, check_options
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import (
    check_license_key,
    check_metadata,
    check_optional_text,
    check_page,
    invalid,
)
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.commands import (
    CreatedLicense,
    CreateLicense,
    LicenseView,
    RenewLicense,
    SeatCount,
)
from carnet.server.domain.licenses.drafting import Identity, draw_up
from carnet.server.domain.licenses.terms import Wanted, check_wanted
from carnet.server.domain.licenses.transitions import renewal_change, status_change
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.pages import after_id, page_of
from carnet.server.ports import (
    Clock,
    LicenseChange,
    LicenseContext,
    LicenseFilter,
    NewLicense,
    NextIndex,
    Random,
    Storage,
    note,
)
from carnet.server.records import Actor, License, Page, StoredPolicy

_Change: TypeAlias = Callable[[License], LicenseChange]

_MAX_REASON = 500

LOT: Final = 2_000
"""Licenses in one transaction of a batch: some tenths of a second in which, on SQLite, nobody else writes."""

MAX_BATCH: Final = 1_000_000


class LicenseService:
    """
    What can be done with licenses.

    Args:
        storage: Where they are.
        clock: The server's time.
        ids: For licenses and batches.
        vault: Hashes and seals their keys.
        random: For fresh keys.
        signed_keys: Draws up and signs signed keys, where they are wanted.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        ids: Ids,
        vault: KeyVault,
        random: Random,
        signed_keys: SignedKeys,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._random = random
        self._signed_keys = signed_keys

    async def create(self, command: CreateLicense, actor: Actor) -> CreatedLicense:
        """
        Issue a license with a fresh key, or with the one it takes over.

        Raises:
            UsageError: ``invalid_argument``, ``bad_policy`` (an override, or artifacts that would be too large),
                ``product_not_found``, ``policy_not_found``, ``customer_not_found``; of a signed key ``bad_grant``; of
                a key that is taken over ``weak_license_key``, ``bad_license_key``, ``license_key_not_canonical``,
                ``already_exists``.
            MalformedError: ``bad_fingerprint``, ``placeholder_fingerprint``, of a signed key's device.
            StateError: ``signing_failed``: the license is stored, its signed key was not made.
        """
        (created,) = await self._create(command, 1, actor, None)
        return created

    async def create_many(
        self, command: CreateLicense, count: int, actor: Actor, *, lot: int = LOT
    ) -> AsyncIterator[tuple[CreatedLicense, ...]]:
        """
        Issue *count* licenses of one kind, some hundreds at a time: each lot is stored whole or not at all, and given
        out once it is durable. Whoever stops asking keeps the lots that came; their audit rows share the batch's id.

        Args:
            command: What they all are; it names no key to take over, and no device for signed keys.
            count: 1 to 1,000,000.
            actor: Who.
            lot: How many at a time; more of them are faster and keep other writers waiting for longer.

        Raises:
            UsageError, MalformedError, StateError: As `create`, before anything is stored, or at a later lot.
        """
        if type(count) is not int or not 1 <= count <= MAX_BATCH:
            raise invalid("count", f"a whole number from 1 to {MAX_BATCH}")
        if command.license_key is not None:
            raise invalid("license_key", "left out for more than one license")
        if command.signed is not None and command.signed.device is not None:
            raise invalid("device", "left out for more than one license")
        batch = self._ids.new(self._clock.now())
        sizes = [min(lot, count - begin) for begin in range(0, count, lot)]
        coming = self._coming(None, sizes[0])
        for size, next_size in zip(sizes, [*sizes[1:], 0], strict=True):
            identities = await coming
            # The keys of the next lot are made while this one is stored.
            coming = self._coming(None, next_size)
            yield await self._create(command, size, actor, batch, identities)
        await coming

    async def _create(
        self,
        command: CreateLicense,
        count: int,
        actor: Actor,
        batch: str | None,
        prepared: tuple[Identity, ...] | None = None,
    ) -> tuple[CreatedLicense, ...]:
        now = self._clock.now()
        check_metadata("metadata", command.metadata)
        if command.signed is not None:
            check_options(command.signed)
        if command.license_key is not None:
            await self._check_free(command.license_key)
        identities = prepared or await self._coming(command.license_key, count)

        def build(context: LicenseContext, next_index: NextIndex) -> tuple[NewLicense, ...]:
            made = draw_up(
                command,
                identities,
                context,
                next_index,
                ids=self._ids,
                now=now,
                actor=actor,
                signed_keys=self._signed_keys,
                batch=batch,
            )
            note(licenses=",".join(each.license.id for each in made))
            return made

        stored = await self._storage.add_licenses(
            product=command.product, policy=command.policy, customer=command.customer, build=build
        )
        signed: Sequence[str | None] = [None] * count
        if command.signed is not None:
            # Drawing is pure: the same license and time give the claims that were stored.
            options = command.signed
            grants = [
                self._signed_keys.draw(each.license, options, issuance.issued_at)
                for each in stored
                for issuance in each.issuances
            ]
            signed = await asyncio.to_thread(self._signed_keys.sign, grants)
        return tuple(
            CreatedLicense(license=license_view(each.license), key=identity.key, signed_key=signed_key)
            for each, identity, signed_key in zip(stored, identities, signed, strict=True)
        )

    async def _check_free(self, key: str) -> None:
        """Whether a key of another system may be taken over: strong enough (SEC-16), and nobody's yet."""
        check_license_key(key)
        check_sealing_key(key)
        if await self._storage.license_by_key((self._vault.lookup(key),)) is not None:
            raise UsageError("already_exists", "A license has this key already.", "Find it by its key.")

    def _coming(self, taken_over: str | None, count: int) -> asyncio.Future[tuple[Identity, ...]]:
        """Ids and keys, being made in another thread."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(None, self._identities, taken_over, count, self._clock.now())

    def _identities(self, taken_over: str | None, count: int, now: Instant) -> tuple[Identity, ...]:
        made: list[Identity] = []
        for _ in range(count):
            license_id = self._ids.new(now)
            key = generate_license_key(self._random) if taken_over is None else taken_over
            made.append(
                Identity(
                    license_id=license_id,
                    key=key,
                    lookup=self._vault.lookup(key),
                    sealed=self._vault.seal(key, license_id),
                )
            )
        return tuple(made)

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

    async def find(self, license_key: str, *, within: tuple[str, ...] | None = None) -> LicenseView:
        """
        One license by its key, as typed or in its canonical form. For the vendor; devices call the activation service.
        With *within*, those of other products are as if they were not there.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``.
        """
        found = await self._storage.license_by_key(self._vault.lookups(check_license_key(license_key)))
        if found is None or (within is not None and found.product not in within):
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
        within: tuple[str, ...] | None = None,
    ) -> Page[LicenseView]:
        """
        Licenses, newest first, at most *limit* (1 to 500) older than the id *after*; with *within*, of these.

        Raises:
            UsageError: ``invalid_argument``.
        """
        which = LicenseFilter(product=product, customer=customer, status=status, within=within)
        found = await self._storage.licenses(which, after=after_id(after), limit=check_page(limit) + 1)
        return page_of(tuple(license_view(each) for each in found), limit, lambda view: view.id)

    async def renew(self, command: RenewLicense, actor: Actor) -> LicenseView:
        """
        Give a license a later end, or a perpetual one a later end of its updates. Its key, seats and devices stay;
        devices learn of it at their next contact.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``; ``conflict``: revoked, not begun, or it has no end.
        """
        now = self._clock.now()
        wanted = check_wanted(
            Wanted(
                expires_at=command.expires_at,
                duration_seconds=command.duration_seconds,
                duration_months=command.duration_months,
            )
        )

        def change(old: License, policy: StoredPolicy | None) -> LicenseChange:
            assert policy is not None  # noqa: S101 - the one that it follows: foreign key
            return renewal_change(old, wanted, command.basis, policy, now=now, actor=actor, ids=self._ids)

        changed = await self._storage.change_license_under(command.license_id, None, change)
        if changed is None:
            raise license_not_found()
        return license_view(changed)

    async def suspend(self, license_id: str, actor: Actor, *, reason: str | None = None) -> LicenseView:
        """
        Stop a license until it is reinstated. Suspending twice changes nothing.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``; ``conflict``: it is revoked.
        """
        return await self._set_status(license_id, "suspended", actor, reason)

    async def reinstate(self, license_id: str, actor: Actor, *, reason: str | None = None) -> LicenseView:
        """
        Lift a suspension. Reinstating an active license changes nothing.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``; ``conflict``: it is revoked, which is final.
        """
        return await self._set_status(license_id, "active", actor, reason)

    async def revoke(self, license_id: str, actor: Actor, *, reason: str | None = None) -> LicenseView:
        """
        Stop a license for good. Revoking twice changes nothing.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``.
        """
        return await self._set_status(license_id, "revoked", actor, reason)

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
        self, license_id: str, status: LicenseStatus, actor: Actor, reason: str | None
    ) -> LicenseView:
        now = self._clock.now()
        check_optional_text("reason", reason, most=_MAX_REASON)

        def change(old: License) -> LicenseChange:
            return status_change(old, status, now, actor, self._ids, reason=reason)

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
        seats=SeatCount(limit=stored.effective.seat_limit, used=stored.seats_used),
        entitlements=stored.effective.entitlements,
        customer=stored.customer,
        key_last_four=stored.key_last_four,
        overrides=stored.overrides,
        metadata=stored.metadata,
        effective=stored.effective,
        conditions=stored.conditions,
        own_conditions=stored.own_conditions,
        progress=stored.progress,
        revision=stored.revision,
    )


def license_not_found() -> UsageError:
    """The error for a license that does not exist, to the vendor."""
    return UsageError("license_not_found", "There is no such license.", "Check its id or key.")
