"""The bodies of the admin calls about license models: conditions, conversions, enrolment tokens, meters (SEC-37)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from carnet.core.conditions import SeatScope
from carnet.core.metering import MAX_AMOUNT, MeterOverage, MeterPeriod
from carnet.core.model import LicenseType
from carnet.core.renewals import RenewalBasis
from carnet.core.starts import StartBasis
from carnet.server.api.wire import Seconds, Time, WrittenTime

Months: TypeAlias = Annotated[
    int, Meta(ge=1, le=1200, description="Calendar months; a short month ends on its last day.")
]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]


class WrittenMeter(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Something that is counted; `limit` null holds any amount, `overage` says what happens at it."""

    name: Name
    period: MeterPeriod = "month"
    limit: Count | None = None
    overage: MeterOverage = "refuse"


class WrittenConditions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    What the server alone applies; members that are absent have their defaults, or for a license its policy's values.

    docs/how-to/license-models.md says which of them make which model.
    """

    start_basis: StartBasis | UnsetType = UNSET
    duration_months: Months | UnsetType | None = UNSET
    renewal_basis: RenewalBasis | UnsetType = UNSET
    anchor_day: Annotated[int, Meta(ge=1, le=31)] | UnsetType | None = UNSET
    updates_seconds: Seconds | UnsetType | None = UNSET
    updates_months: Months | UnsetType | None = UNSET
    updates_below_version: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    trial_per_device: bool | UnsetType = UNSET
    overage_percent: Annotated[int, Meta(ge=0, le=1000)] | UnsetType | None = UNSET
    near_limit_percent: Annotated[int, Meta(ge=1, le=100)] | UnsetType | None = UNSET
    activation_budget: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    activation_budget_seconds: Seconds | UnsetType = UNSET
    moves_per_year: Count | UnsetType | None = UNSET
    seat_scope: SeatScope | UnsetType = UNSET
    meters: Annotated[list[WrittenMeter], Meta(max_length=100)] | UnsetType = UNSET
    license_quota: Count | UnsetType | None = UNSET
    validation_quota: Count | UnsetType | None = UNSET

    def given(self) -> dict[str, Any]:
        """The members that were written, in the JSON form of conditions."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class MeterWire(msgspec.Struct, kw_only=True):
    """Something that is counted."""

    name: str
    period: MeterPeriod
    limit: int | None
    overage: MeterOverage


class ConditionsReply(msgspec.Struct, kw_only=True):
    """What the server alone applies, every member."""

    start_basis: StartBasis
    duration_months: int | None
    renewal_basis: RenewalBasis
    anchor_day: int | None
    updates_seconds: int | None
    updates_months: int | None
    updates_below_version: str | None
    trial_per_device: bool
    overage_percent: int | None
    near_limit_percent: int | None
    activation_budget: int | None
    activation_budget_seconds: int
    moves_per_year: int | None
    seat_scope: SeatScope
    meters: list[MeterWire]
    license_quota: int | None
    validation_quota: int | None


class ConvertLicenseRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    What a license is from now on. Its key, its seats and its devices stay.

    With a `policy`, a `type` or an end, its term begins anew as they say; otherwise, or with `keeps_term`, it stays.
    `overrides` and `conditions` replace the license's own values where they are given.
    """

    example: ClassVar[dict[str, Any]] = {"policy": "professional", "type": "timed", "duration_months": 12}

    policy: Name | None = None
    type: LicenseType | None = None
    expires_at: WrittenTime | None = None
    duration_seconds: Seconds | None = None
    duration_months: Months | None = None
    overrides: Annotated[dict[str, Any], Meta(max_length=64)] | None = None
    conditions: WrittenConditions | None = None
    keeps_term: bool = False


class ReplaceSeatRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which device gets a seat, and whose it gets: `replaces` names activations, `replaces_all` means every other."""

    example: ClassVar[dict[str, Any]] = {
        "fingerprint": "9a850c399c0bfb4053d568ac1a93dd82daf83514a0cc556d011f92bf7faa9148",
        "name": "Line 5",
        "replaces_all": True,
    }

    fingerprint: Annotated[str, Meta(min_length=1, max_length=255)]
    name: Annotated[str, Meta(max_length=64)] | None = None
    user: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    replaces: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=100)] | None = None
    replaces_all: bool = False


class CreateEnrolmentRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    A secret that many machines may use in place of the license key, so that none of them learns the key.

    `max_uses` null for any number, `networks` empty for anywhere, `group` is where its devices belong.
    """

    example: ClassVar[dict[str, Any]] = {"name": "render farm", "max_uses": 200, "networks": ["10.0.0.0/8"]}

    name: Name
    max_uses: Annotated[int, Meta(ge=1)] | None = None
    expires_at: WrittenTime | None = None
    networks: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=64)] | None = None
    group: Name | None = None


class EnrolmentReply(msgspec.Struct, kw_only=True):
    """An enrolment token: everything but the token, of which the last four characters stand."""

    id: str
    license_id: str
    name: str
    last_four: str
    max_uses: int | None
    used: int
    networks: list[str]
    group: str | None
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None


class CreatedEnrolmentReply(EnrolmentReply, kw_only=True):
    """A new enrolment token; `token` is shown here and never again."""

    token: str


class EnrolmentsReply(msgspec.Struct, kw_only=True):
    """Enrolment tokens of a license, newest first."""

    items: list[EnrolmentReply]
    has_more: bool
    next_cursor: str | None


class CorrectUseRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A count put right: `amount` more, or less where negative, once for the `event_id`."""

    example: ClassVar[dict[str, Any]] = {"meter": "exports", "event_id": "credit-2026-11", "amount": -5}

    meter: Name
    event_id: Annotated[str, Meta(min_length=1, max_length=128)]
    amount: Annotated[int, Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]


class MeterUseWire(msgspec.Struct, kw_only=True):
    """A meter and its use in the running period; `ends_at` null: it never begins anew."""

    meter: str
    period: MeterPeriod
    starts_at: Time
    ends_at: Time | None
    used: int
    limit: int | None
    remaining: int | None
    is_over: bool
    overage: MeterOverage


class UsageReply(msgspec.Struct, kw_only=True):
    """Every meter of a license with its use in the running period."""

    license_id: str
    meters: list[MeterUseWire]


class UseReply(msgspec.Struct, kw_only=True):
    """A counted use, and the meter after it. `counted_now` is false where the event had counted before."""

    license_id: str
    event_id: str
    amount: int
    counted_now: bool
    counted_at: Time
    usage: MeterUseWire
