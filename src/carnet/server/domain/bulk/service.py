"""Many licenses at once: change them, take over another system's, write them out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from itertools import groupby
from typing import Any, Final

from carnet.core._base import replace
from carnet.core.errors import CarnetError
from carnet.core.model import LicenseStatus
from carnet.formats.key_strength import check_sealing_key
from carnet.server.domain.artifacts.signed_keys import SignedKeys
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.bulk.commands import (
    MAX_CHANGED,
    BadLine,
    ChangedLicenses,
    ChangeLicenses,
    Imported,
    Refusal,
)
from carnet.server.domain.bulk.lines import Format, Line, Unreadable, header, read_lines, write_lines
from carnet.server.domain.checks import check_license_key, check_optional_text, invalid
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.drafting import Identity, draw_up
from carnet.server.domain.licenses.service import renewal_change, status_change
from carnet.server.domain.licenses.terms import Wanted, check_wanted
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.ports import (
    Clock,
    LicenseChange,
    LicenseContext,
    LicenseFilter,
    NewLicense,
    NextIndex,
    Storage,
    note,
)
from carnet.server.ports.bulk import Chosen
from carnet.server.records import SYSTEM, Actor, License, StoredPolicy

LOT: Final = 1_000
"""Licenses that are imported in one transaction."""

MAX_SHOWN: Final = 100
MAX_BAD: Final = 1_000
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
        if command.action != "renew" and (command.expires_at, command.duration_seconds) != (None, None):
            raise invalid("expires_at and duration_seconds", "left out but for renew")
        wanted = check_wanted(Wanted(expires_at=command.expires_at, duration_seconds=command.duration_seconds))
        refused: list[Refusal] = []

        def change(old: License, policy: StoredPolicy) -> LicenseChange:
            try:
                if command.action == "renew":
                    return renewal_change(old, wanted, None, policy, now=now, actor=actor, ids=self._ids)
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

    async def import_lines(
        self,
        text: str,
        form: Format,
        actor: Actor,
        *,
        product: str | None = None,
        policy: str | None = None,
        skip_known: bool = False,
        skip_bad: bool = False,
        dry_run: bool = False,
        within: tuple[str, ...] | None = None,
    ) -> Imported:
        """
        Take over licenses of another system, with their keys as they are.

        Every line is looked at first. If one is bad nothing is imported, unless bad lines are to be skipped; then they
        are told all the same. Licenses are stored 1,000 at a time; if the storage fails in between, what was stored
        stays, and the answer says so.

        Args:
            text: The file.
            form: Its form.
            actor: Who.
            product: For lines that name none.
            policy: For lines that name none.
            skip_known: Pass over keys that a license has already, instead of telling them as bad.
            skip_bad: Import the good lines although there are bad ones.
            dry_run: Only look.
            within: Other products, and customers that are not theirs, are as if they were not there; None: all are.

        Raises:
            MalformedError: ``bad_import``: it has no header, or an unknown column.
        """
        good, bad, skipped = await self._looked_at(
            read_lines(text, form, product=product, policy=policy), skip_known, within
        )
        lines = len(good) + len(bad) + skipped
        imported, stopped = 0, ""
        if not dry_run and (skip_bad or not bad):
            batch = self._ids.new(self._clock.now())
            for lot in _lots(good):
                try:
                    imported += await self._store(lot, actor, batch)
                except CarnetError as error:  # the storage, or something that was changed since it was looked at
                    stopped = f"{error.message} Licenses from line {lot[0].number} on may be missing."
                    break
        bad.sort(key=lambda each: each.line)
        return Imported(
            lines=lines,
            imported=imported,
            skipped=skipped,
            bad=tuple(bad[:MAX_BAD]),
            bad_total=len(bad),
            done=not (dry_run or bad or stopped),
            stopped=stopped,
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

    async def _looked_at(
        self,
        lines: Any,
        skip_known: bool,  # noqa: FBT001 - once, inside
        within: tuple[str, ...] | None,
    ) -> tuple[list[Line], list[BadLine], int]:
        """Lines that can be licenses, those that cannot, and how many are licenses already."""
        bad: list[BadLine] = []
        first_with: dict[bytes, int] = {}
        found: list[tuple[Line, bytes]] = []
        for line in lines:
            if isinstance(line, Unreadable):
                bad.append(BadLine(line=line.number, code=line.error.code, message=line.error.message))
                continue
            key = line.command.license_key or ""
            try:
                check_license_key(key)
                check_sealing_key(key)  # SEC-16: what can be guessed locks no machine file, and is refused here
            except CarnetError as error:
                bad.append(BadLine(line=line.number, code=error.code, message=error.message))
                continue
            lookup = self._vault.lookup(key)
            if lookup in first_with:
                message = f"Line {first_with[lookup]} has the same key."
                bad.append(BadLine(line=line.number, code="already_exists", message=message))
                continue
            first_with[lookup] = line.number
            found.append((line, lookup))
        known = await self._storage.known_keys(tuple(lookup for _, lookup in found))
        if not skip_known:
            bad += [
                BadLine(line=line.number, code="already_exists", message="A license has this key already.")
                for line, lookup in found
                if lookup in known
            ]
        good: list[Line] = []
        contexts: dict[tuple[str, str, str | None], LicenseContext] = {}
        for line, lookup in found:
            if lookup in known:
                continue
            try:
                await self._fits(line, contexts, within)
            except CarnetError as error:
                bad.append(BadLine(line=line.number, code=error.code, message=error.message))
            else:
                good.append(line)
        return good, bad, len(known) if skip_known else 0

    async def _fits(
        self,
        line: Line,
        contexts: dict[tuple[str, str, str | None], LicenseContext],
        within: tuple[str, ...] | None,
    ) -> None:
        """
        Whether a license could be made of *line* now: what it names exists, and its term and values go together.

        Raises:
            UsageError: As `LicenseService.create`.
        """
        command = line.command
        named = (command.product, command.policy, command.customer)
        if named not in contexts:
            contexts[named] = LicenseContext(
                product_known=(within is None or command.product in within)
                and await self._storage.product(command.product) is not None,
                policy=await self._storage.policy(command.product, command.policy),
                customer_known=command.customer is not None and await self._knows(command.customer, within),
            )
        now = self._clock.now()
        draw_up(
            command,
            (_NOBODY,),
            contexts[named],
            lambda: 0,
            ids=self._ids,
            now=now,
            actor=SYSTEM,
            signed_keys=self._signed_keys,
            batch=None,
        )

    async def _knows(self, customer_id: str, within: tuple[str, ...] | None) -> bool:
        if within is None:
            return await self._storage.customer(customer_id) is not None
        return await self._storage.customer_within(customer_id, within)

    async def _store(self, lot: Sequence[Line], actor: Actor, batch: str) -> int:
        """Store licenses of one product, policy and customer, all of them or none."""
        now = self._clock.now()
        identities: list[Identity] = []
        for line in lot:
            key = line.command.license_key or ""
            license_id = self._ids.new(now)
            sealed = self._vault.seal(key, license_id)
            identities.append(Identity(license_id=license_id, key=key, lookup=self._vault.lookup(key), sealed=sealed))

        def build(context: LicenseContext, next_index: NextIndex) -> tuple[NewLicense, ...]:
            made: list[NewLicense] = []
            for line, identity in zip(lot, identities, strict=True):
                (new,) = draw_up(
                    line.command,
                    (identity,),
                    context,
                    next_index,
                    ids=self._ids,
                    now=now,
                    actor=actor,
                    signed_keys=self._signed_keys,
                    batch=batch,
                )
                status: Any = line.status
                made.append(replace(new, license=replace(new.license, status=status)))
            return tuple(made)

        first = lot[0].command
        stored = await self._storage.add_licenses(
            product=first.product, policy=first.policy, customer=first.customer, build=build
        )
        return len(stored)


_NOBODY: Final = Identity(license_id="", key="00000-00000-00000-00000-00000", lookup=b"", sealed=b"")
"""Stands for the identity of a license that is only tried."""


def _lots(lines: Sequence[Line]) -> list[tuple[Line, ...]]:
    """Lines of one product, policy and customer together, at most `LOT` of them, in the order of the file."""
    where: Callable[[Line], tuple[str, str, str]] = lambda line: (  # noqa: E731
        line.command.product,
        line.command.policy,
        line.command.customer or "",
    )
    lots: list[tuple[Line, ...]] = []
    for _, group in groupby(sorted(lines, key=where), key=where):
        together = tuple(group)
        lots += [together[begin : begin + LOT] for begin in range(0, len(together), LOT)]
    return lots
