"""
What a policy says about floating leases: how many, for how long, for whom (R-01; users-ask 20, 21, 24, 25).

Server-side settings: they stand in no artifact. One gate for all that a vendor writes: `check_lease_terms`. What the
terms mean is decided in `leases.py` and `lease_slots.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from carnet.core._base import Struct
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, HOUR

HolderKind: TypeAlias = Literal["device", "process", "user"]

HOLDER_KINDS: tuple[HolderKind, ...] = ("device", "process", "user")
MAX_LEASES = 1_000_000_000
MAX_LEASE_TTL_SECONDS = 30 * DAY
MAX_BORROW_SECONDS = 366 * DAY
MAX_COOL_DOWN_SECONDS = 366 * DAY
MAX_GROUPS = 32
MAX_GROUP_HOLDERS = 500
MAX_DENIED = 500
MAX_HOLDER_ID = 255
_MAX_GROUP_NAME = 64


class LeaseHolder(Struct):
    """
    Who holds a lease: a device, one process, or a user.

    A device shares its one lease among all its processes; a process has its own; a user has one on whichever devices
    (users-ask 21). `id` is 1 to 255 printable characters, compared exactly.
    """

    kind: HolderKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class LeaseGroup(Struct):
    """
    Seats of the pool that are kept for listed holders (users-ask 24).

    Attributes:
        name: Unique within the terms.
        slots: How many seats only these holders get. They may use the general seats too.
        holders: ``kind:id`` of each.
        max_borrow_seconds: The longest borrowing of these holders; None: as everybody.
    """

    name: str
    slots: int
    holders: tuple[str, ...]
    max_borrow_seconds: int | None = None


class LeaseTerms(Struct):
    """
    The floating pool of each license under a policy. A policy without terms has no pool.

    Attributes:
        limit: Live leases at any moment; None: any number. Independent of the registered devices' `seat_limit`
            (users-ask 20).
        kinds: Which kinds of holders there may be.
        default_ttl_seconds: How long a lease lasts when its holder names no time.
        min_ttl_seconds, max_ttl_seconds: Asked times are brought within these; least 1 second.
        max_borrow_seconds: The longest borrowing, for travel; 0: nobody borrows.
        borrow_limit: Borrowed leases at any moment; None: as many as there are leases.
        cool_down_seconds: How long a holder waits for a new lease after the vendor took one away.
        registered_only: Devices need an activation of the license before they may hold a lease.
        groups: Reserved seats.
        denied: ``kind:id`` of holders that get no lease.
    """

    limit: int | None
    kinds: tuple[HolderKind, ...] = ("device", "process", "user")
    default_ttl_seconds: int = 600
    min_ttl_seconds: int = 1
    max_ttl_seconds: int = HOUR
    max_borrow_seconds: int = 0
    borrow_limit: int | None = None
    cool_down_seconds: int = 0
    registered_only: bool = False
    groups: tuple[LeaseGroup, ...] = ()
    denied: tuple[str, ...] = ()

    def group_of(self, holder: LeaseHolder) -> LeaseGroup | None:
        """The group that *holder* is listed in."""
        name = str(holder)
        return next((group for group in self.groups if name in group.holders), None)

    def longest_borrowing(self, holder: LeaseHolder) -> int:
        """For how many seconds *holder* may borrow; 0: not at all."""
        group = self.group_of(holder)
        own = None if group is None else group.max_borrow_seconds
        return self.max_borrow_seconds if own is None else own


_NUMBERS: dict[str, tuple[int, int, bool]] = {
    "limit": (1, MAX_LEASES, True),
    "default_ttl_seconds": (1, MAX_LEASE_TTL_SECONDS, False),
    "min_ttl_seconds": (1, MAX_LEASE_TTL_SECONDS, False),
    "max_ttl_seconds": (1, MAX_LEASE_TTL_SECONDS, False),
    "max_borrow_seconds": (0, MAX_BORROW_SECONDS, False),
    "borrow_limit": (0, MAX_LEASES, True),
    "cool_down_seconds": (0, MAX_COOL_DOWN_SECONDS, False),
}
"""Member -> (least, most, whether null is a value)."""


def check_lease_terms(terms: LeaseTerms) -> None:
    """
    Refuse terms that say something impossible or contradictory.

    Args:
        terms: Of any values; also of wrong types.

    Raises:
        UsageError: ``bad_lease_terms``, naming the member, its bounds and what it is.
    """
    for member, (least, most, nullable) in _NUMBERS.items():
        _check_number(member, getattr(terms, member), least, most, nullable=nullable)
    if not terms.min_ttl_seconds <= terms.default_ttl_seconds <= terms.max_ttl_seconds:
        raise _bad("default_ttl_seconds", "from min_ttl_seconds to max_ttl_seconds", terms.default_ttl_seconds)
    if not _are_kinds(terms.kinds):
        raise _bad("kinds", f"some of {', '.join(HOLDER_KINDS)}, each once", terms.kinds)
    is_either = type(terms.registered_only) is bool
    if not is_either or (terms.registered_only and terms.kinds != ("device",)):
        raise _bad("registered_only", "true or false, and true only where kinds is device alone", terms.registered_only)
    _check_groups(terms)
    _check_names("denied", terms.denied, MAX_DENIED)


def _check_groups(terms: LeaseTerms) -> None:
    if not _are_groups(terms.groups):
        raise _bad("groups", "a list of groups", terms.groups)
    if len(terms.groups) > MAX_GROUPS:
        raise _bad("groups", f"at most {MAX_GROUPS} groups", len(terms.groups))
    names: set[str] = set()
    listed: set[str] = set()
    for group in terms.groups:
        if not _is_text(group.name, _MAX_GROUP_NAME) or group.name in names:
            raise _bad("groups.name", f"1 to {_MAX_GROUP_NAME} printable characters, each name once", group.name)
        _check_number("groups.slots", group.slots, 1, MAX_LEASES)
        if group.max_borrow_seconds is not None:
            _check_number("groups.max_borrow_seconds", group.max_borrow_seconds, 0, MAX_BORROW_SECONDS)
        _check_names("groups.holders", group.holders, MAX_GROUP_HOLDERS)
        if not listed.isdisjoint(group.holders):
            raise _bad("groups.holders", "holders that are in no other group", group.name)
        names.add(group.name)
        listed.update(group.holders)
    reserved = sum(group.slots for group in terms.groups)
    if terms.limit is not None and reserved > terms.limit:
        raise _bad("groups.slots", f"together at most the limit, {terms.limit}", reserved)


def _check_number(member: str, value: object, least: int, most: int, *, nullable: bool = False) -> None:
    if value is None and nullable:
        return
    if type(value) is not int or not least <= value <= most:
        raise _bad(member, f"a whole number from {least} to {most}{' or null' if nullable else ''}", value)


def _check_names(member: str, names: object, most: int) -> None:
    if isinstance(names, tuple) and len(names) <= most and all(map(_is_name, names)) and len(set(names)) == len(names):
        return
    raise _bad(member, f"up to {most} different holders, each as kind:id", names)


def _are_kinds(kinds: Any) -> bool:
    is_known = isinstance(kinds, tuple) and all(kind in HOLDER_KINDS for kind in kinds)
    return is_known and 0 < len(kinds) == len(set(kinds))


def _are_groups(groups: object) -> bool:
    return isinstance(groups, tuple) and all(isinstance(group, LeaseGroup) for group in groups)


def _is_name(name: object) -> bool:
    kind, _, holder_id = name.partition(":") if type(name) is str else ("", "", "")
    return kind in HOLDER_KINDS and _is_text(holder_id, MAX_HOLDER_ID)


def _is_text(value: object, most: int) -> bool:
    return type(value) is str and 0 < len(value) <= most and value.isprintable() and value == value.strip()


def _bad(member: str, wanted: str, found: object) -> UsageError:
    text = repr(list(found) if isinstance(found, tuple) else found)
    return UsageError("bad_lease_terms", f"{member} is {text[:100]}.", f"It must be {wanted}.")


def lease_terms_to_json(terms: LeaseTerms) -> dict[str, Any]:
    """*terms* as plain JSON."""
    plain: dict[str, Any] = {field: getattr(terms, field) for field in terms.__fields__}
    plain["kinds"], plain["denied"] = list(terms.kinds), list(terms.denied)
    plain["groups"] = [
        {**{field: getattr(group, field) for field in group.__fields__}, "holders": list(group.holders)}
        for group in terms.groups
    ]
    return plain


def lease_terms_from_json(plain: Mapping[str, Any]) -> LeaseTerms:
    """
    What a vendor or `lease_terms_to_json` wrote. `limit` must be there; what else is missing has its default.

    Raises:
        UsageError: ``bad_lease_terms``.
    """
    unknown = plain.keys() - set(LeaseTerms.__fields__)
    if unknown or "limit" not in plain:
        raise _bad("the terms' members", f"limit and any of {', '.join(LeaseTerms.__fields__)}", sorted(plain))
    values = dict(plain)
    for member in ("kinds", "denied"):
        if isinstance(values.get(member), list):
            values[member] = tuple(values[member])
    groups = values.get("groups", ())
    if not isinstance(groups, list | tuple):
        raise _bad("groups", "a list", groups)
    values["groups"] = tuple(_group(group) for group in groups)
    terms = LeaseTerms(**values)
    check_lease_terms(terms)
    return terms


def _group(plain: object) -> LeaseGroup:
    if isinstance(plain, LeaseGroup):
        return plain
    if not isinstance(plain, Mapping) or not {"name", "slots", "holders"} <= plain.keys() <= set(LeaseGroup.__fields__):
        raise _bad("groups", "objects with name, slots, holders and perhaps max_borrow_seconds", plain)
    holders = plain["holders"]
    return LeaseGroup(**{**plain, "holders": tuple(holders) if isinstance(holders, list) else holders})
