"""Many licenses at once: change them, take over another system's, write them out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from carnet.core.errors import CarnetError
from carnet.core.model import LicenseStatus
from carnet.server.domain.artifacts.signed_keys import SignedKeys
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.bulk.commands import (
    MAX_CHANGED,
    ChangedLicenses,
    ChangeLicenses,
    Format,
    Refusal,
)
from carnet.server.domain.bulk.lines import header, write_lines
from carnet.server.domain.checks import check_optional_text, invalid
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.terms import Wanted, check_wanted
from carnet.server.domain.licenses.transitions import renewal_change, status_change
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.ports import (
    Clock,
    LicenseChange,
    LicenseFilter,
    Storage,
    note,
)
from carnet.server.ports.bulk import Chosen
from carnet.server.records import Actor, License, StoredPolicy

MAX_SHOWN: Final = 100
_PAGE: Final = 500
_MAX_REASON: Final = 500
_MAX_FILTER: Final = 100
_STATUS: Final[dict[str, LicenseStatus]] = {"suspend": "suspended", "reinstate": "active", "revoke": "revoked"}
_EXPORTED: Final = (
    "id", "key_last_four", "product", "policy", "customer", "type", "status", "created_at", "starts_at", "expires_at",
    "seat_limit", "seats_used", "metadata",
)  # fmt: skip


class BulkService:
    """What can be done with many licenses."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids, vault: KeyVault, *, signed_keys: SignedKeys) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._signed_keys = signed_keys

    async def change(self, command: ChangeLicenses, actor: Actor) -> ChangedLicenses:
        """
        Suspend, reinstate, revoke or renew many licenses, all of them or none, in one transaction.

        Raises:
            UsageError: ``invalid_argument``: no choice was made, or more than 10,000 licenses are chosen.
        """
        now = self._clock.now()
        check_optional_text("reason", command.reason, most=_MAX_REASON)
        filters = (command.product, command.policy, command.customer, command.status)
        if (command.ids is None) == all(each is None for each in filters):
            raise invalid("ids", "given, or a product, policy, customer or status in its stead, and not both")
        if command.ids is not None and not 0 < len(set(command.ids)) <= MAX_CHANGED:
            raise invalid("ids", f"1 to {MAX_CHANGED} of them")
        later = (command.expires_at, command.duration_seconds, command.duration_months, command.basis)
        if command.action != "renew" and any(each is not None for each in later):
            raise invalid("expires_at, duration_seconds, duration_months and basis", "left out but for renew")
        wanted = check_wanted(
            Wanted(
                expires_at=command.expires_at,
                duration_seconds=command.duration_seconds,
                duration_months=command.duration_months,
            )
        )
        refused: list[Refusal] = []

        def change(old: License, policy: StoredPolicy) -> LicenseChange:
            try:
                if command.action == "renew":
                    return renewal_change(old, wanted, command.basis, policy, now=now, actor=actor, ids=self._ids)
                return status_change(old, _STATUS[command.action], now, actor, self._ids, reason=command.reason)
            except CarnetError as error:
                refused.append(Refusal(license_id=old.id, code=error.code, message=error.message))
                return LicenseChange(license=old, audit=None)

        missing: list[str] = []

        def is_wanted(changes: tuple[LicenseChange, ...]) -> bool:
            found = {each.license.id for each in changes}
            missing.extend(each for each in dict.fromkeys(command.ids or ()) if each not in found)
            is_done = not (command.dry_run or refused or missing)
            if is_done:
                changed = sum(each.audit is not None for each in changes)
                note(chosen=str(len(changes)), changed=str(changed))
            return is_done

        chosen = Chosen(
            ids=command.ids,
            which=LicenseFilter(
                product=command.product, customer=command.customer, status=command.status, within=command.within
            ),
            policy=command.policy,
        )
        changes = await self._storage.change_licenses(chosen, change, most=MAX_CHANGED, is_wanted=is_wanted)
        if changes is None:
            raise invalid("the choice", f"at most {MAX_CHANGED} licenses; narrow it, or do it in parts")
        changed = sum(each.audit is not None for each in changes)
        stands_still = bool(refused or missing)
        return ChangedLicenses(
            chosen=len(changes),
            changed=0 if stands_still else changed,
            unchanged=len(changes) - changed - len(refused),
            refused=tuple(refused[:MAX_SHOWN]),
            refused_total=len(refused),
            missing=tuple(missing[:MAX_SHOWN]),
            done=not (command.dry_run or stands_still),
        )

    async def export(
        self, which: LicenseFilter, form: Format, actor: Actor, *, with_keys: bool = False
    ) -> AsyncIterator[str]:
        """
        Licenses as text, newest first, some hundreds at a time; with their keys in clear only where they are asked for,
        and then an audit row says so before the first is shown.

        Raises:
            UsageError: ``invalid_argument``: a filter that nothing can be called, before anything is written.
        """
        check_optional_text("product", which.product, most=_MAX_FILTER)
        check_optional_text("customer", which.customer, most=_MAX_FILTER)
        columns = ("key", *_EXPORTED) if with_keys else _EXPORTED
        if with_keys:
            filters = {"product": which.product, "customer": which.customer, "status": which.status}
            audit = entry(self._clock.now(), actor, "license.keys_exported", which.product or "*", **filters)
            await self._storage.add_audit(audit)
        yield header(form, columns)
        after: str | None = None
        while found := await self._storage.licenses(which, after=after, limit=_PAGE):
            yield "".join(write_lines((self._record(each, with_keys) for each in found), form, columns))
            after = found[-1].id

    def _record(self, license_: License, with_keys: bool) -> dict[str, Any]:  # noqa: FBT001 - once, inside
        record: dict[str, Any] = {
            "id": license_.id,
            "key_last_four": license_.key_last_four,
            "product": license_.product,
            "policy": license_.policy.name,
            "customer": license_.customer,
            "type": license_.type,
            "status": license_.status,
            "created_at": str(license_.created_at),
            "starts_at": None if license_.starts_at is None else str(license_.starts_at),
            "expires_at": None if license_.expires_at is None else str(license_.expires_at),
            "seat_limit": license_.effective.seat_limit,
            "seats_used": license_.seats_used,
            "metadata": dict(license_.metadata),
        }
        if with_keys:
            record["key"] = self._vault.open(license_.key_sealed, license_.id)
        return record
