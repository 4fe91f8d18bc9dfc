"""
What becomes of a license when it is suspended, reinstated, revoked or renewed: its next state, the audit row, the
event. Pure; one license and many go the same way.
"""

from __future__ import annotations

from typing import Final

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import Instant
from carnet.core.model import LicenseStatus
from carnet.core.renewals import RenewalBasis
from carnet.server.domain.activations.issuing import check_fits
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.terms import Wanted, renewed
from carnet.server.ports import LicenseChange
from carnet.server.records import Actor, License, StoredPolicy

_ACTIONS: Final[dict[LicenseStatus, str]] = {
    "active": "license.reinstated",
    "suspended": "license.suspended",
    "revoked": "license.revoked",
}


def status_change(
    old: License, status: LicenseStatus, now: Instant, actor: Actor, ids: Ids, *, reason: str | None
) -> LicenseChange:
    """
    The change of a license's status; none where it has it already.

    Raises:
        UsageError: ``conflict``: it is revoked, and that is final.
    """
    if old.status == status:
        return LicenseChange(license=old, audit=None)
    if old.status == "revoked":
        raise _conflict("This license is revoked, and that is final.", "Issue a new license.")
    action = _ACTIONS[status]
    audit = entry(now, actor, action, old.id, before=old.status, reason=reason)
    told = event(ids, now, action, old.id, old.product)
    return LicenseChange(license=replace(old, status=status), audit=audit, events=(told,))


def renewal_change(
    old: License,
    wanted: Wanted,
    basis: RenewalBasis | None,
    policy: StoredPolicy,
    *,
    now: Instant,
    actor: Actor,
    ids: Ids,
) -> LicenseChange:
    """
    The change that gives a license a later end.

    Raises:
        UsageError: ``invalid_argument``, ``bad_policy``; ``conflict``: revoked, not begun, or it has no end.
    """
    new = renewed(old, wanted, basis, policy, now)
    check_fits(new.effective)
    ends = {"before": old.expires_at, "after": new.expires_at}
    if new.expires_at is None:
        ends = {"before": old.progress.updates_until, "after": new.progress.updates_until}
    is_window = True if new.expires_at is None else None
    audit = entry(now, actor, "license.renewed", old.id, updates=is_window, **ends)
    told = event(ids, now, "license.renewed", old.id, old.product, updates=is_window, **ends)
    return LicenseChange(license=new, audit=audit, events=(told,))


def _conflict(message: str, fix: str) -> UsageError:
    return UsageError("conflict", message, fix)
