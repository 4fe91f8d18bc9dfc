"""
Licenses changed in place: a trial that is bought, another policy, other limits (R-03, R-05). Key, seats, devices stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import Instant
from carnet.core.overage import seat_ceiling
from carnet.core.policies import override, policy_to_json
from carnet.core.progress import with_updates
from carnet.core.starts import begin
from carnet.server.domain.activations.issuing import check_fits
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.commands import ConvertLicense, LicenseView
from carnet.server.domain.licenses.drafting import own_values_of
from carnet.server.domain.licenses.service import license_not_found, license_view
from carnet.server.domain.licenses.terms import FirstTerm, Wanted, check_wanted, first_term
from carnet.server.domain.policies.service import policy_not_found
from carnet.server.ports import Clock, LicenseChange, Storage
from carnet.server.records import Actor, License, StoredPolicy


class LicenseChanging:
    """Changes what licenses are."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids

    async def convert(self, command: ConvertLicense, actor: Actor) -> LicenseView:
        """
        Change a license's policy, type, term, own values, or all of them, in one step.

        Seats that are held stay held, also where there are fewer now. Devices learn of it at their next contact.

        Raises:
            UsageError: ``license_not_found``, ``policy_not_found``, ``invalid_argument``, ``bad_policy``; ``conflict``:
                it is revoked.
        """
        now = self._clock.now()
        wanted = check_wanted(
            Wanted(
                type=command.type,
                expires_at=command.expires_at,
                duration_seconds=command.duration_seconds,
                duration_months=command.duration_months,
            )
        )
        if command.keeps_term and (wanted.has_end or wanted.type is not None):
            raise UsageError(
                "invalid_argument",
                "keeps_term is not valid.",
                "It must be left out where the type or the term changes.",
            )

        def change(old: License, policy: StoredPolicy | None) -> LicenseChange:
            if policy is None:
                raise policy_not_found(old.product, command.policy or old.policy.name)
            if old.status == "revoked":
                raise UsageError("conflict", "This license is revoked, and that is final.", "Issue a new license.")
            new = _converted(old, command, wanted, policy, now)
            before, after = _told(old), _told(new)
            changed = sorted(name for name in after if before[name] != after[name])
            if not changed:
                return LicenseChange(license=old, audit=None)
            audit = entry(
                now,
                actor,
                "license.converted",
                old.id,
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )
            told = event(self._ids, now, "license.converted", old.id, old.product, changed=changed)
            return LicenseChange(license=new, audit=audit, events=(told,))

        found = await self._storage.change_license_under(command.license_id, command.policy, change)
        if found is None:
            raise license_not_found()
        return license_view(found)


def _converted(old: License, command: ConvertLicense, wanted: Wanted, policy: StoredPolicy, now: Instant) -> License:
    own = old.own_conditions if command.conditions is None else command.conditions
    conditions, own_conditions = own_values_of(policy, own)
    kept: Mapping[str, Any] = old.overrides if command.overrides is None else command.overrides
    effective = override(policy.policy, kept)
    plain = policy_to_json(effective)
    overrides = {member: plain[member] for member in kept}
    asks_for_term = wanted.has_end or wanted.type is not None or command.policy is not None
    if command.keeps_term or not asks_for_term:
        term = FirstTerm(
            type=old.type, starts_at=old.starts_at, expires_at=old.expires_at, progress=old.progress, own={}
        )
    else:
        term = _begun(first_term(wanted, policy, conditions, now), old, now)
        overrides |= {member: value for member, value in term.own.items() if member not in overrides}
        effective = override(policy.policy, overrides)
    effective = with_updates(effective, term.progress.updates_until)
    check_fits(effective)
    return replace(
        old,
        policy_id=policy.id,
        policy=policy.policy,
        type=term.type,
        overrides=overrides,
        effective=effective,
        starts_at=term.starts_at,
        expires_at=term.expires_at,
        seat_limit=seat_ceiling(effective.seat_limit, conditions.overage_percent),
        conditions=conditions,
        own_conditions=own_conditions,
        # What was used of the budgets stays used.
        progress=replace(term.progress, activations=old.progress.activations, moves=old.progress.moves),
    )


def _begun(term: FirstTerm, old: License, now: Instant) -> FirstTerm:
    """A term that waits for an activation begins at once where devices are active: it would wait for ever."""
    if term.progress.pending is None or not old.seats_used:
        return term
    starts_at, expires_at = begin(term.progress.pending, now)
    return replace(term, starts_at=starts_at, expires_at=expires_at, progress=replace(term.progress, pending=None))


def _told(stored: License) -> dict[str, Any]:
    """What an audit row tells of a license, as plain JSON."""
    return {
        "policy": stored.policy.name,
        "type": stored.type,
        "starts_at": _text(stored.starts_at),
        "expires_at": _text(stored.expires_at),
        "updates_until": _text(stored.progress.updates_until),
        "waits": None if stored.progress.pending is None else stored.progress.pending.basis,
        "overrides": dict(stored.overrides),
        "conditions": dict(stored.own_conditions),
    }


def _text(instant: Instant | None) -> str | None:
    return None if instant is None else str(instant)
