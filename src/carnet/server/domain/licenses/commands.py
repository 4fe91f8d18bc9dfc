"""What can be asked of licenses, and how a license is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.core._base import Struct
from carnet.core.conditions import Conditions
from carnet.core.instant import Instant
from carnet.core.model import Entitlement, LicenseStatus, LicenseType, Policy
from carnet.core.progress import NOTHING, Progress
from carnet.core.renewals import RenewalBasis
from carnet.server.domain.artifacts.commands import SignedKeyOptions
from carnet.server.records import NO_DETAILS


class CreateLicense(Struct):
    """
    Issue a license with a fresh key.

    Attributes:
        product: The product's slug.
        policy: Name of one of its policies.
        customer: A customer's id, or None.
        type: None takes the policy's. A `timed` or `trial` license ends; a `perpetual` one does not.
        starts_at: First second it works; None means now.
        expires_at: First second it no longer works; None takes `duration_seconds`.
        duration_seconds: Counted from the start, ≥ 1; None takes the policy's. Not together with `expires_at`.
        overrides: Policy members with this license's own values, by their names in the policy's JSON form (R-05).
        duration_months: The same in calendar months; not both.
        conditions: The policy's conditions with this license's own values, by their names (R-05).
        metadata: At most 16 KiB, 64 keys, depth 4. Stays on the server.
        signed: Also make a signed license key, which verifies without any server; None makes none.
        license_key: A key of another system, which the license takes over exactly as it is; None makes a fresh one.
            Refused below 80 bits, because whoever guesses it opens the machine files that it locks (SEC-16).
    """

    product: str
    policy: str
    customer: str | None = None
    type: LicenseType | None = None
    starts_at: Instant | None = None
    expires_at: Instant | None = None
    duration_seconds: int | None = None
    overrides: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    signed: SignedKeyOptions | None = None
    license_key: str | None = None
    duration_months: int | None = None
    conditions: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"CreateLicense(product={self.product!r}, policy={self.policy!r})"  # never the license key


class RenewLicense(Struct):
    """
    Give a timed or trial license a later end.

    Attributes:
        license_id: Which one.
        expires_at: The new end itself; later than the present one. Not together with `duration_seconds`.
        duration_seconds: How much longer; None takes what is usual.
        basis: `expiry` adds to the old end, so that paying early loses nothing; `now` counts from now; `anchor_day`
            keeps the day of the month. None as the license's conditions say.
        duration_months: The same in calendar months; not both.
    """

    license_id: str
    expires_at: Instant | None = None
    duration_seconds: int | None = None
    basis: RenewalBasis | None = None
    duration_months: int | None = None


class ConvertLicense(Struct):
    """
    Change what a license is, in place: its key, its seats and its devices stay (R-03).

    Attributes:
        license_id: Which one.
        policy: Another policy of its product; None keeps it.
        type: None takes the policy's, where a policy is given, and else keeps it.
        expires_at: As for `CreateLicense`, and the next two. A term that is left out begins anew, as the policy says.
        duration_seconds: Counted from now.
        duration_months: The same in calendar months.
        overrides: This license's own values from now on; None keeps those that it has.
        conditions: Likewise.
        keeps_term: The term stays as it is; for changes of limits and conditions.
    """

    license_id: str
    policy: str | None = None
    type: LicenseType | None = None
    expires_at: Instant | None = None
    duration_seconds: int | None = None
    duration_months: int | None = None
    overrides: Mapping[str, Any] | None = None
    conditions: Mapping[str, Any] | None = None
    keeps_term: bool = False


class SeatCount(Struct):
    """Seats of a license: how many there are (None: no limit) and how many are held."""

    limit: int | None
    used: int


class LicenseView(Struct):
    """
    A license as people and apps may see it: everything but the key, of which the last four characters stand.

    `policy` is the policy's name; `effective` the rules in force, overrides applied. `entitlements` are all it grants.
    `conditions` are those in force, `own_conditions` its own; `progress` tells what waits and what was used up.
    `revision` rises with what the vendor changes.
    """

    id: str
    product: str
    policy: str
    type: LicenseType
    status: LicenseStatus
    created_at: Instant
    starts_at: Instant | None
    expires_at: Instant | None
    seats: SeatCount
    entitlements: tuple[Entitlement, ...]
    customer: str | None
    key_last_four: str
    overrides: Mapping[str, Any]
    metadata: Mapping[str, Any]
    effective: Policy
    conditions: Conditions = Conditions()
    own_conditions: Mapping[str, Any] = NO_DETAILS
    progress: Progress = NOTHING
    revision: int = 1


class CreatedLicense(Struct):
    """
    A new license and its key. The key is shown here and, later, only by `reveal_key`, which is audited.

    `signed_key` is the license's signed key, where one was asked for; it does not replace the key.
    """

    license: LicenseView
    key: str
    signed_key: str | None = None

    def __repr__(self) -> str:
        return f"CreatedLicense(license={self.license!r}, key=…{self.license.key_last_four})"
