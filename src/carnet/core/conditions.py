"""
The conditions of a policy: what the server alone applies and artifacts do not carry (R-01, R-05; specs/decision.md §7).

`Policy` is what a device must know to decide by itself; `Conditions` is everything else that makes a license model:
when the term begins, what a renewal does, who counts as a seat, what happens above the limit, what is metered. A
license may have own values for any of them. What they mean is decided in the modules named at each attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from carnet.core._base import Struct, replace
from carnet.core.errors import UsageError
from carnet.core.instant import DAY
from carnet.core.metering import METER_OVERAGES, METER_PERIODS, Meter
from carnet.core.overage import MAX_OVERAGE_PERCENT
from carnet.core.policies import MAX_SEATS, is_entitlement_key
from carnet.core.renewals import RENEWAL_BASES, RenewalBasis
from carnet.core.starts import START_BASES, StartBasis, Term
from carnet.core.versions import parse_core

SeatScope = Literal["device", "user"]

SEAT_SCOPES: tuple[SeatScope, ...] = ("device", "user")
MAX_TERM_SECONDS = 100 * 366 * DAY
MAX_TERM_MONTHS = 1200
"""A hundred years, as for every term (server/domain/checks.py)."""

MAX_METERS = 100
MOVES_PERIOD_SECONDS = 365 * DAY
"""The year of the quota of self-service moves; it begins with the first move (users-ask 12)."""

UPDATES = "updates"
"""The entitlement that stands for the update window: its expiry is the window's end."""

_MAX_LIMIT = 2**53
_MAX_VERSION = 255


class Conditions(Struct):
    """
    What a policy says to the server.

    Attributes:
        start_basis: When a term begins (`starts`).
        duration_months: The usual term in calendar months; instead of the policy's `duration_seconds`.
        renewal_basis: From where a renewal counts (`renewals`).
        anchor_day: The day of the month that ends keep under ``anchor_day``, 1 … 31; None for that of the old end.
        updates_seconds: The update window of a perpetual license, from its issue: an entitlement ``updates`` that ends
            with it. None for no window, or one in months.
        updates_months: The same in calendar months.
        updates_below_version: The first version that a license issued or renewed now does not cover; it becomes the
            license's own `below_version`, so that raising it later gives nothing to those who bought before.
        trial_per_device: A device gets one trial of a product, whichever license it comes from.
        overage_percent: How many seats more than were sold (`overage`): 0 refuses, None allows and reports any number.
        near_limit_percent: From where on the vendor is told that seats run out, 1 … 100; None does not tell.
        activation_budget: How many new seats may be taken in `activation_budget_seconds`; None for any number.
        activation_budget_seconds: The period of the budget (`tallies`).
        moves_per_year: How often the key's owner may take a seat from another device; 0 never, None without bound.
        seat_scope: Whether a seat belongs to a device, or to a user, whose newest device has it (R-28).
        meters: What is counted (`metering`).
        license_quota: How many licenses of the policy may exist that are not revoked; None for any number (R-29).
        validation_quota: How often a license may be validated in a calendar month; None for any number (R-29).
    """

    start_basis: StartBasis = "issue"
    duration_months: int | None = None
    renewal_basis: RenewalBasis = "expiry"
    anchor_day: int | None = None
    updates_seconds: int | None = None
    updates_months: int | None = None
    updates_below_version: str | None = None
    trial_per_device: bool = True
    overage_percent: int | None = 0
    near_limit_percent: int | None = 90
    activation_budget: int | None = None
    activation_budget_seconds: int = 30 * DAY
    moves_per_year: int | None = 3
    seat_scope: SeatScope = "device"
    meters: tuple[Meter, ...] = ()
    license_quota: int | None = None
    validation_quota: int | None = None

    @property
    def updates(self) -> Term:
        """The update window; endless where there is none."""
        return Term(seconds=self.updates_seconds, months=self.updates_months)

    def meter(self, name: str) -> Meter | None:
        """The meter called *name*."""
        return next((meter for meter in self.meters if meter.name == name), None)


_NUMBERS: dict[str, tuple[int, int, bool]] = {
    "duration_months": (1, MAX_TERM_MONTHS, True),
    "anchor_day": (1, 31, True),
    "updates_seconds": (1, MAX_TERM_SECONDS, True),
    "updates_months": (1, MAX_TERM_MONTHS, True),
    "overage_percent": (0, MAX_OVERAGE_PERCENT, True),
    "near_limit_percent": (1, 100, True),
    "activation_budget": (1, MAX_SEATS, True),
    "activation_budget_seconds": (1, MAX_TERM_SECONDS, False),
    "moves_per_year": (0, MAX_SEATS, True),
    "license_quota": (0, MAX_SEATS, True),
    "validation_quota": (0, _MAX_LIMIT, True),
}
"""Member -> (least, most, whether null is a value), as in `policies`."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "start_basis": START_BASES,
    "renewal_basis": RENEWAL_BASES,
    "seat_scope": SEAT_SCOPES,
}


def check_conditions(conditions: Conditions) -> None:
    """
    Refuse conditions that say something impossible or contradictory.

    Args:
        conditions: Of any values; also of wrong types.

    Raises:
        UsageError: ``bad_policy``, naming the member, its bounds and what it is.
    """
    for member, (least, most, nullable) in _NUMBERS.items():
        value = getattr(conditions, member)
        if value is None and nullable:
            continue
        if type(value) is not int or not least <= value <= most:
            raise _bad(member, f"a whole number from {least} to {most}{' or null' if nullable else ''}", value)
    for member, choices in _CHOICES.items():
        if getattr(conditions, member) not in choices:
            raise _bad(member, f"one of {', '.join(choices)}", getattr(conditions, member))
    if type(conditions.trial_per_device) is not bool:
        raise _bad("trial_per_device", "true or false", conditions.trial_per_device)
    ceiling = conditions.updates_below_version
    if ceiling is not None and not _is_version(ceiling):
        raise _bad("updates_below_version", "a version of up to three numbers, such as 3.0.0, or null", ceiling)
    if conditions.updates_seconds is not None and conditions.updates_months is not None:
        raise _bad("updates_months", "left out where updates_seconds is given", conditions.updates_months)
    _check_meters(conditions.meters)


def override_conditions(conditions: Conditions, overrides: Mapping[str, Any]) -> Conditions:
    """
    *conditions* with a license's own values in place (R-05). Members that *overrides* does not name are inherited.

    An own window in months takes the place of one in seconds, and the other way round.

    Raises:
        UsageError: ``bad_policy``: an unknown member, or values that `check_conditions` refuses.
    """
    changes: dict[str, Any] = {}
    for member, value in overrides.items():
        if member not in conditions.__fields__:
            raise UsageError(
                "bad_policy",
                f"A policy has no condition {str(member)[:60]!r}.",
                f"Conditions are {', '.join(conditions.__fields__)}.",
            )
        changes[member] = _meters(value) if member == "meters" else value
    if changes.get("updates_months") is not None:
        changes.setdefault("updates_seconds", None)
    elif changes.get("updates_seconds") is not None:
        changes.setdefault("updates_months", None)
    changed = replace(conditions, **changes)
    check_conditions(changed)
    return changed


def conditions_from_json(value: Mapping[str, Any]) -> Conditions:
    """
    Read what `conditions_to_json` writes, or a part of it: missing members have the defaults of `Conditions`.

    Raises:
        UsageError: ``bad_policy``.
    """
    return override_conditions(Conditions(), value)


def conditions_to_json(conditions: Conditions) -> dict[str, Any]:
    """Every member of *conditions* as plain JSON values."""
    plain: dict[str, Any] = {member: getattr(conditions, member) for member in conditions.__fields__}
    plain["meters"] = [{member: getattr(meter, member) for member in meter.__fields__} for meter in conditions.meters]
    return plain


def _meters(value: object) -> tuple[Meter, ...]:
    if not isinstance(value, list | tuple):
        raise _bad("meters", "a list of meters", value)
    return tuple(each if isinstance(each, Meter) else _meter(each) for each in value)


def _meter(value: object) -> Meter:
    if isinstance(value, str):
        return Meter(name=value)
    if not isinstance(value, Mapping) or "name" not in value or not set(value) <= set(Meter.__fields__):
        raise _bad("meters", f"objects of {', '.join(Meter.__fields__)}", value)
    return Meter(**value)


def _check_meters(meters: object) -> None:
    if not isinstance(meters, tuple) or len(meters) > MAX_METERS or not all(isinstance(each, Meter) for each in meters):
        raise _bad("meters", f"a list of at most {MAX_METERS} meters", meters)
    names = [meter.name for meter in meters]
    if not all(is_entitlement_key(name) for name in names) or len(set(names)) != len(names):
        raise _bad("meters.name", "different names of 1 to 100 characters a-z, 0-9, _ and -", names)
    for meter in meters:
        if meter.period not in METER_PERIODS:
            raise _bad("meters.period", f"one of {', '.join(METER_PERIODS)}", meter.period)
        if meter.overage not in METER_OVERAGES:
            raise _bad("meters.overage", f"one of {', '.join(METER_OVERAGES)}", meter.overage)
        if meter.limit is not None and (type(meter.limit) is not int or not 0 <= meter.limit <= _MAX_LIMIT):
            raise _bad("meters.limit", f"a whole number from 0 to {_MAX_LIMIT} or null", meter.limit)


def _is_version(value: object) -> bool:
    return type(value) is str and len(value) <= _MAX_VERSION and parse_core(value) is not None


def _bad(member: str, wanted: str, found: object) -> UsageError:
    text = repr(list(found) if isinstance(found, tuple) else found)
    brief = text if len(text) <= 100 else text[:100] + "…"
    return UsageError("bad_policy", f"{member} is {brief}.", f"It must be {wanted}.")
