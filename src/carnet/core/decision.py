"""
The decision's own vocabulary: evidence in, `Decision` out. The rules are in `rules.py`.
"""

from __future__ import annotations

from typing import Any, Literal

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.core.model import Entitlement, Fault, Grant, LicenseStatus, Refusal

State = Literal[
    "not_genuine",
    "wrong_product",
    "wrong_device",
    "wrong_domain",
    "revoked",
    "suspended",
    "not_started",
    "clock_suspect",
    "expired",
    "needs_refresh",
    "edition_mismatch",
    "grace",
    "expiring",
    "active",
    "not_activated",
]
Access = Literal["full", "limited", "none"]
Severity = Literal["info", "warning", "error"]
Action = Literal["connect", "remind_later", "try_again", "enter_key", "renew", "activate", "update_app", "contact"]


class Evidence(Struct):
    """
    Everything that is known when a decision is asked for.

    Attributes:
        grants: Genuine artifacts under the current root, in any order.
        faults: Artifacts that were offered and are not genuine or not readable.
        refusals: Authentic refusals that the device has kept.
        device: This device's native fingerprint (64 lower-case hex), or None where it is not known.
        foreign_state: The state directory was made on another device (design.md §7).
        trusted_at: A proven lower bound of the present time, or None (SEC-29).
        clock_suspect: The clock guard asks for attention and the policy's `clock_strictness` decides.
        clock_suspect_at: When it will, while the clock is counted down (specs/clock.md §6); None while it is not.
        revocation_checked_at: Up to when nothing here was revoked, by status lists (§2.6) or otherwise; or None.
        license_status: The server's own record; None on a device.
    """

    grants: tuple[Grant, ...] = ()
    faults: tuple[Fault, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    device: str | None = None
    foreign_state: bool = False
    trusted_at: Instant | None = None
    clock_suspect: bool = False
    clock_suspect_at: Instant | None = None
    revocation_checked_at: Instant | None = None
    license_status: LicenseStatus | None = None


class Host(Struct):
    """
    What the application says of itself, and how it tightens the policy. It can never loosen it (design.md §6).

    Attributes:
        product: The product this app is; compared exactly (SEC-05).
        domain: Host name this installation serves, for domain licenses (R-27).
        app_version: Dotted version of the app, for version ceilings (R-40).
        edition: The app's edition, compared with the signed one (R-40).
        max_offline_seconds: An own, shorter bound on the offline window, counted from the issue time.
        max_grace_seconds: An own, shorter bound on grace.
    """

    product: str
    domain: str | None = None
    app_version: str | None = None
    edition: str | None = None
    max_offline_seconds: int | None = None
    max_grace_seconds: int | None = None


class Reason(Struct):
    """One fact that shaped the decision: a stable code, a sentence for a person, and what would change it."""

    code: str
    message: str
    fix: str


class Refused(Struct):
    """
    A refused command, as an ordinary result (R-22). Domain code returns it; only edges turn it into HTTP or exits.

    Attributes:
        code: Stable code of the main reason; `reasons[0].code`.
        reasons: Every reason, the main one first.
        retryable: Whether the same request may succeed later without any change.
        license_id: The license it concerns, where it was found.
        activation_id: The activation it concerns, where there is one.
        holders: Who holds the seats; filled for `seat_limit_reached`, shown only to those allowed.
    """

    code: str
    reasons: tuple[Reason, ...]
    retryable: bool = False
    license_id: str | None = None
    activation_id: str | None = None
    holders: tuple[SeatHolder, ...] = ()


class SeatHolder(Struct):
    """An activation that holds a seat, as shown to the key owner and the vendor."""

    activation_id: str
    device_name: str
    activated_at: Instant


class Notice(Struct):
    """What to show the user now, in the host's own style (R-32); texts are English, keyed by `code`."""

    code: str
    severity: Severity
    title: str
    text: str
    actions: tuple[Action, ...] = ()


class Decision(Struct):
    """
    Whether the app may run, and why. True unless access is none, so that `if not check(): exit` never locks a paying
    user out of grace; `allows` does the degrading.
    """

    state: State
    access: Access
    reasons: tuple[Reason, ...]
    product: str
    checked_at: Instant
    license_id: str | None = None
    device: str | None = None
    license_expires_at: Instant | None = None
    offline_until: Instant | None = None
    grace_until: Instant | None = None
    days_left: int | None = None
    renew_after: Instant | None = None
    entitlements: tuple[Entitlement, ...] = ()
    notice: Notice | None = None
    evidence_ids: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.access != "none"

    def allows(self, feature: str) -> bool:
        """
        Whether *feature* may be used now.

        Args:
            feature: An entitlement key, compared exactly.
        """
        return any(entitlement.key == feature for entitlement in self.entitlements)

    def to_json(self) -> dict[str, Any]:
        """The JSON form that `carnet status --json` and `carnet verify --json` print (design.md §6)."""
        return {
            "state": self.state,
            "access": self.access,
            "reasons": [{"code": r.code, "message": r.message, "fix": r.fix} for r in self.reasons],
            "product": self.product,
            "license_id": self.license_id,
            "device": self.device,
            "license_expires_at": _text(self.license_expires_at),
            "offline_until": _text(self.offline_until),
            "grace_until": _text(self.grace_until),
            "days_left": self.days_left,
            "renew_after": _text(self.renew_after),
            "entitlements": [
                {"key": e.key, "expires_at": _text(e.expires_at), "below_version": e.below_version}
                for e in self.entitlements
            ],
            "notice": None
            if self.notice is None
            else {
                "code": self.notice.code,
                "severity": self.notice.severity,
                "title": self.notice.title,
                "text": self.notice.text,
                "actions": list(self.notice.actions),
            },
            "evidence_ids": list(self.evidence_ids),
            "checked_at": str(self.checked_at),
        }


def _text(instant: Instant | None) -> str | None:
    return None if instant is None else str(instant)
