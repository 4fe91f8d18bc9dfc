"""
What a signed license key says: a `Grant` as a compact payload, and back; specs/signed-license-key.md §5.

Belongs here: the fields of the payload and their rules. Does not belong here: how one value is written (`compact`),
groups and checks (`base32_groups`), and the signature (`signed_key`).

Invariants: one payload per grant and one grant per payload. The reader only takes bytes apart; then it writes what it
found again, and refuses whatever does not come out the same. So there is one set of rules, the writer's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, Generic, NoReturn, TypeVar

from carnet.core._base import replace
from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy, StatusRef
from carnet.core.policies import check_policy, is_entitlement_key
from carnet.formats.compact import Reader, remembered_text, write_any_text, write_text, write_time, write_varint
from carnet.formats.fingerprint import check_device_identifier, check_fingerprint, is_native
from carnet.formats.limits import MAX_ENTITLEMENTS, MAX_LIFETIME_SECONDS

VERSION: Final = 1
MAX_PAYLOAD: Final = 169
"""The largest payload in bytes: with its signature it makes a key of 480 characters (signed-license-key.md §3)."""

POLICY_NAME: Final = "signed-key"
TERM_GRACE_SECONDS: Final = 7 * DAY
"""What a key means that says nothing of its policy's name or term grace. Fixed for ever: `Policy` may change."""

_HINT_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # RFC 4648 §5
_MAX_INDEX: Final = 2**31 - 1
_REMEMBERED: Final = 64
_FIX: Final = "Ask the vendor for a new key."

# The fields, in the order in which they stand.
_EXPIRES: Final = 1
_STARTS: Final = 2
_DEVICE: Final = 3
_FOREIGN_DEVICE: Final = 4
_FEATURES: Final = 5
_FEATURE_ENDS: Final = 6
_FEATURE_CEILINGS: Final = 7
_NAME: Final = 8
_TERM_GRACE: Final = 9
_GRACE_FULL: Final = 10
_WARN: Final = 11
_ESSENTIAL: Final = 12
_EDITION: Final = 13
_CEILING: Final = 14
_DOMAINS: Final = 15
_COUNTDOWN: Final = 16
_STATUS_AGE: Final = 17
_CUSTOMER: Final = 18
_STATUS: Final = 19

_T = TypeVar("_T")
_R = TypeVar("_R")


class _Remembered(Generic[_T, _R]):
    """
    A function that knows again the objects it was last given.

    The licenses of a batch share their policy and entitlements; hashing a policy would cost more than all the rest.
    """

    __slots__ = ("_known", "_make")

    def __init__(self, make: Callable[[_T, int | None], _R]) -> None:
        self._make = make
        self._known: dict[int, tuple[_T, int | None, _R]] = {}

    def __call__(self, value: _T, term_seconds: int | None) -> _R:
        known = self._known.get(id(value))
        if known is not None and known[0] is value and known[1] == term_seconds:
            return known[2]
        made = self._make(value, term_seconds)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[id(value)] = value, term_seconds, made  # keeps the object, so that its id stays its own
        return made


def signed_key_policy(policy: Policy, term_seconds: int | None) -> Policy:
    """
    What a signed key says of *policy*: what a device without any server can act on.

    There is no server to wait for, so there is no offline window: the whole term takes its place, ten years where the
    license is perpetual. Warnings before the end are therefore a third of the term, at most 65 days, unless the policy
    says otherwise. Seats, activation and the policy's own entitlements are the server's and are left out.

    Args:
        policy: The license's.
        term_seconds: From issue to the license's end; None for a perpetual license.
    """
    return _key_policy(policy, term_seconds)


def key_hint(kid: str) -> str:
    """What a key carries of the id of the key that signs it: the first two characters, ``A`` for a missing one."""
    return kid[:2].ljust(2, "A")


def write_payload(grant: Grant, kid: str) -> bytes:
    """
    The payload of the key that *grant* is.

    Args:
        grant: As `signed_key.signed_key_grant` makes it.
        kid: The id of the key that signs.

    Raises:
        MalformedError: The grant is none that a key can carry: ``bad_claim``, ``bad_times``, ``bad_entitlements``,
            ``bad_policy``, ``bad_fingerprint``, ``placeholder_fingerprint``.
    """
    issued_at, starts_at, expires_at = grant.issued_at, grant.license_starts_at, grant.license_expires_at
    if (
        grant.kind != "license-key"
        or grant.offline_until is not None
        or grant.activation_id is not None
        or grant.activation_status_ref is not None
        or grant.id != grant.license_id + _id_end(issued_at)
        or not (grant.issuer == grant.kid == kid)
    ):
        _refuse("bad_claim", "It is not of kind license-key, or has other ids than a signed key has.")
    parts = [_head(kid), write_time(issued_at), remembered_text(grant.product), write_text(grant.license_id)]
    if expires_at is not None:
        if not 0 < expires_at - issued_at <= MAX_LIFETIME_SECONDS:
            _refuse("bad_times", "The license does not end within ten years of its issue.")
        parts.append(_field(_EXPIRES, write_time(expires_at)))
    if starts_at is not None:
        if starts_at <= issued_at or (expires_at is not None and starts_at >= expires_at):
            _refuse("bad_times", "The license does not start between its issue and its end.")
        parts.append(_field(_STARTS, write_time(starts_at)))
    if grant.not_before != (issued_at if starts_at is None else starts_at):
        _refuse("bad_times", "The key does not hold from the license's start on, or else from its issue.")
    if grant.device is not None:
        parts.append(_device(grant.device))
    if grant.entitlements:
        parts.append(_entitlements(grant.entitlements, None))
    parts.append(_policy(grant.policy, None if expires_at is None else expires_at - issued_at))
    if grant.customer is not None:
        parts.append(_field(_CUSTOMER, write_text(grant.customer)))
    status = grant.license_status_ref
    if status is not None:
        if type(status.index) is not int or not 0 <= status.index <= _MAX_INDEX:
            _refuse("bad_claim", "The index in the status list is not a whole number from 0 to 2^31 - 1.")
        parts.append(_field(_STATUS, write_varint(status.index), remembered_text(status.uri)))
    return b"".join(parts)


def read_head(payload: bytes) -> str:
    """
    The key hint of *payload*.

    Raises:
        MalformedError: ``unknown_version``: written by a newer version of Carnet.
    """
    number = int.from_bytes(payload[:2], "big")
    if number >> 12 != VERSION:
        raise MalformedError(
            "unknown_version",
            f"The license key is of version {number >> 12}, which this software does not know.",
            "Update the software, or ask the vendor for a key that it knows.",
        )
    return _HINT_LETTERS[number >> 6 & 63] + _HINT_LETTERS[number & 63]


def read_payload(payload: bytes, kid: str) -> Grant:
    """
    What *payload* grants; the opposite of `write_payload` (specs/signed-license-key.md §6, steps 8 and 9).

    Args:
        payload: Whose signature holds.
        kid: The id of the key that signed it.

    Raises:
        MalformedError: ``bad_payload``: bytes are missing, left over, or not the one spelling of what they say;
            ``unknown_field``: written by a newer version of Carnet; and the codes of `write_payload`.
    """
    grant = _taken_apart(Reader(payload), kid)
    if write_payload(grant, kid) != payload:
        _refuse("bad_payload", "It is not written in its one canonical form.")
    return grant


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@functools.lru_cache(maxsize=_REMEMBERED)
def _id_end(issued_at: int) -> str:
    return f"/{issued_at:d}"


@functools.lru_cache(maxsize=16)
def _head(kid: str) -> bytes:
    first, second = map(_HINT_LETTERS.index, tuple(key_hint(kid)))
    return (VERSION << 12 | first << 6 | second).to_bytes(2, "big")


def _field(tag: int, *value: bytes) -> bytes:
    return b"".join((bytes((tag,)), *value))


def _device(device: str) -> bytes:
    if is_native(device):
        return _field(_DEVICE, bytes.fromhex(check_fingerprint(device)))
    return _field(_FOREIGN_DEVICE, write_text(check_device_identifier(device)))


@_Remembered
@functools.lru_cache(maxsize=_REMEMBERED)
def _entitlements(entitlements: tuple[Entitlement, ...], _: None) -> bytes:
    keys = [entitlement.key for entitlement in entitlements]
    if len(keys) > MAX_ENTITLEMENTS or len(set(keys)) != len(keys) or not all(map(is_entitlement_key, keys)):
        _refuse("bad_entitlements", f"The entitlements are not up to {MAX_ENTITLEMENTS} different, proper keys.")
    ends = [(at, entry.expires_at) for at, entry in enumerate(entitlements) if entry.expires_at is not None]
    ceilings = [(at, entry.below_version) for at, entry in enumerate(entitlements) if entry.below_version is not None]
    parts = [_field(_FEATURES, _joined(keys))]
    if ends:
        parts.append(_field(_FEATURE_ENDS, write_varint(len(ends))))
        parts += [write_varint(at) + write_time(end) for at, end in ends]
    if ceilings:
        parts.append(_field(_FEATURE_CEILINGS, write_varint(len(ceilings))))
        parts += [write_varint(at) + write_text(below) for at, below in ceilings]
    return b"".join(parts)


def _joined(keys: list[str] | tuple[str, ...]) -> bytes:
    """Entitlement keys as one text; the dot is in none of them."""
    return write_any_text(".".join(keys))


_key_policy = _Remembered[Policy, Policy](
    lambda policy, term_seconds: replace(
        policy,
        offline_ttl_seconds=MAX_LIFETIME_SECONDS if term_seconds is None else term_seconds,
        max_offline_ttl_seconds=MAX_LIFETIME_SECONDS if term_seconds is None else term_seconds,
        token_ttl_seconds=MAX_LIFETIME_SECONDS if term_seconds is None else term_seconds,
        grace_seconds=0,
        refresh_after_seconds=MAX_LIFETIME_SECONDS if term_seconds is None else term_seconds,
        require_activation=False,
        seat_limit=None,
        entitlements=(),
    )
)


@_Remembered
@functools.lru_cache(maxsize=_REMEMBERED)
def _policy(policy: Policy, term_seconds: int | None) -> bytes:
    try:
        check_policy(policy)
    except UsageError as bad:
        _refuse("bad_policy", f"The policy cannot be: {bad.message}")
    if policy != signed_key_policy(policy, term_seconds):
        _refuse("bad_policy", "The policy says something that a signed key cannot carry.")
    parts: list[bytes] = []
    if policy.name != POLICY_NAME:
        parts.append(_field(_NAME, write_text(policy.name)))
    if policy.term_grace_seconds != TERM_GRACE_SECONDS:
        parts.append(_field(_TERM_GRACE, write_varint(policy.term_grace_seconds)))
    if policy.grace_access == "full":
        parts.append(_field(_GRACE_FULL))
    if policy.warn_before_seconds is not None:
        parts.append(_field(_WARN, write_varint(policy.warn_before_seconds)))
    if policy.essential:
        parts.append(_field(_ESSENTIAL, _joined(policy.essential)))
    if policy.edition is not None:
        parts.append(_field(_EDITION, write_text(policy.edition)))
    if policy.below_version is not None:
        parts.append(_field(_CEILING, write_text(policy.below_version)))
    if policy.domains:
        parts.append(_field(_DOMAINS, write_varint(len(policy.domains)), *map(write_text, policy.domains)))
    if policy.clock_strictness == "countdown":
        parts.append(_field(_COUNTDOWN))
    if policy.max_revocation_age_seconds is not None:
        parts.append(_field(_STATUS_AGE, write_varint(policy.max_revocation_age_seconds)))
    return b"".join(parts)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _taken_apart(payload: Reader, kid: str) -> Grant:
    """
    What the fields say, in whatever order and form they stand; nothing is checked.

    Each turn of a loop takes a byte or more, so the payload's size bounds the work, whatever a count says.
    """
    payload.take(2)
    issued_at, product, license_id = payload.time(), payload.text(), payload.text()
    grant: dict[str, Any] = {"not_before": issued_at, "license_expires_at": None}
    policy: dict[str, Any] = {"name": POLICY_NAME, "term_grace_seconds": TERM_GRACE_SECONDS}
    keys: list[str] = []
    ends: dict[int, Instant] = {}
    ceilings: dict[int, str] = {}
    while payload:
        (tag,) = payload.take(1)
        if tag == _EXPIRES:
            grant["license_expires_at"] = payload.time()
        elif tag == _STARTS:
            grant["license_starts_at"] = grant["not_before"] = payload.time()
        elif tag == _DEVICE:
            grant["device"] = payload.take(32).hex()
        elif tag == _FOREIGN_DEVICE:
            grant["device"] = payload.text()
        elif tag == _FEATURES:
            keys = payload.text().split(".")
        elif tag == _FEATURE_ENDS:
            ends = {payload.varint(): payload.time() for _ in range(payload.varint())}
        elif tag == _FEATURE_CEILINGS:
            ceilings = {payload.varint(): payload.text() for _ in range(payload.varint())}
        elif tag == _NAME:
            policy["name"] = payload.text()
        elif tag == _TERM_GRACE:
            policy["term_grace_seconds"] = payload.varint()
        elif tag == _GRACE_FULL:
            policy["grace_access"] = "full"
        elif tag == _WARN:
            policy["warn_before_seconds"] = payload.varint()
        elif tag == _ESSENTIAL:
            policy["essential"] = tuple(payload.text().split("."))
        elif tag == _EDITION:
            policy["edition"] = payload.text()
        elif tag == _CEILING:
            policy["below_version"] = payload.text()
        elif tag == _DOMAINS:
            policy["domains"] = tuple([payload.text() for _ in range(payload.varint())])
        elif tag == _COUNTDOWN:
            policy["clock_strictness"] = "countdown"
        elif tag == _STATUS_AGE:
            policy["max_revocation_age_seconds"] = payload.varint()
        elif tag == _CUSTOMER:
            grant["customer"] = payload.text()
        elif tag == _STATUS:
            index = payload.varint()
            grant["license_status_ref"] = StatusRef(uri=payload.text(), index=index)
        else:
            raise MalformedError(
                "unknown_field",
                f"The license key says something (field {tag}) that this software does not know.",
                "Update the software, or ask the vendor for a key that it knows.",
            )
    expires_at = grant["license_expires_at"]
    return Grant(
        kind="license-key",
        id=license_id + _id_end(issued_at),
        issuer=kid,
        product=product,
        license_id=license_id,
        issued_at=issued_at,
        offline_until=None,
        policy=signed_key_policy(Policy(**policy), None if expires_at is None else expires_at - issued_at),
        entitlements=tuple(
            [Entitlement(key=k, expires_at=ends.get(at), below_version=ceilings.get(at)) for at, k in enumerate(keys)]
        ),
        kid=kid,
        **grant,
    )


def _refuse(code: str, sentence: str) -> NoReturn:
    raise MalformedError(code, f"The license key does not say what one must: {sentence}", _FIX) from None
