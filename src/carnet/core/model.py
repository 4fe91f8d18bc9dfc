"""
The vocabulary: what is sold, to whom, on which device, as frozen values without behaviour.

Artifacts decode into these, rows map to these, and `decide` reads these. Nothing here knows bytes, files or clocks.
Times are `Instant` (whole Unix seconds), durations are whole seconds and say so in their names.
"""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct
from carnet.core.instant import DAY, Instant

LicenseType = Literal["perpetual", "timed", "trial"]
LicenseStatus = Literal["active", "suspended", "revoked"]
GraceAccess = Literal["full", "limited"]
ClockStrictness = Literal["off", "countdown"]

DEFAULT_WARN_DIVISOR = 3
DEFAULT_WARN_MAX_SECONDS = 65 * DAY
"""Warn before `min(ttl / 3, 65 days)`: 10 of 30 days, 65 of 365 (design.md §6)."""

BACKDATE_SECONDS = 60
"""How far artifacts are dated back, so that a device whose clock is a little behind accepts them (SEC-04)."""


class Entitlement(Struct):
    """A feature or limit that a license grants; active while `now < expires_at` and `version < below_version`."""

    key: str
    expires_at: Instant | None = None
    below_version: str | None = None


class Policy(Struct):
    """
    The rules a license follows, as they stand inside a signed artifact.

    `offline_ttl_seconds` is how long an artifact opens the app without contact; `grace_seconds` follows it;
    `term_grace_seconds` follows the license term. `essential` names features that stay in limited mode (R-02, R-32).
    """

    name: str
    offline_ttl_seconds: int = 30 * DAY
    max_offline_ttl_seconds: int = 30 * DAY
    token_ttl_seconds: int = 7 * DAY
    grace_seconds: int = 7 * DAY
    term_grace_seconds: int = 7 * DAY
    grace_access: GraceAccess = "limited"
    refresh_after_seconds: int = DAY
    warn_before_seconds: int | None = None
    require_activation: bool = True
    seat_limit: int | None = 2
    essential: tuple[str, ...] = ()
    entitlements: tuple[Entitlement, ...] = ()
    edition: str | None = None
    below_version: str | None = None
    domains: tuple[str, ...] = ()
    clock_strictness: ClockStrictness = "off"
    max_revocation_age_seconds: int | None = None


class StatusRef(Struct):
    """
    Where a license's or an activation's bit stands in the status lists (IETF Token Status List §6.1).

    `minimum` is the oldest version of that list, epoch and number, that may be asked about it (SEC-27): the one that
    was current when the artifact was issued, or the one after it. None for artifacts from before there were lists.
    """

    uri: str
    index: int
    minimum: tuple[int, int] | None = None


class Grant(Struct):
    """
    What one genuine artifact (or the server's own records) says. Only `formats` and the server's services make these.

    `offline_until` is None only in the server's own evidence, where there is no offline window. `device` is None for
    artifacts that are not bound to a device.
    """

    kind: Literal["token", "machine-file", "license-key", "record"]
    id: str
    issuer: str
    product: str
    license_id: str
    issued_at: Instant
    not_before: Instant
    offline_until: Instant | None
    policy: Policy
    activation_id: str | None = None
    device: str | None = None
    customer: str | None = None
    license_starts_at: Instant | None = None
    license_expires_at: Instant | None = None
    entitlements: tuple[Entitlement, ...] = ()
    license_status_ref: StatusRef | None = None
    activation_status_ref: StatusRef | None = None
    kid: str | None = None


class Refusal(Struct):
    """
    An authentic "no" from the server about a license or an activation: a tombstone that outranks older grants.

    `code` is one of `reasons.REFUSALS`; `at` is the server's signed time; `id` is the proof's `jti`.
    """

    id: str
    code: str
    at: Instant
    product: str
    license_id: str | None = None
    activation_id: str | None = None
    device: str | None = None


class Fault(Struct):
    """An artifact that was offered and did not pass: why, as a code of the error tree and a sentence."""

    code: str
    message: str
    fix: str
    artifact: str
