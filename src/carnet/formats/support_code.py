"""
The support code: twelve characters that a customer reads over the phone, and what they say; specs/support-code.md.

It tells how the SDK finds itself on a device: the decision, the state, the clock, the last contact, the last problem.
It names nobody: no license, device, product or person is in it, and two devices in the same trouble have the same code.

Ten symbols of five bits carry the fields in `FIELDS`, in this order, the first in the highest bits; two parity symbols
of a Reed-Solomon code over GF(32) follow, so that any one or two wrong characters, and any two that changed places, are
noticed. Nothing is ever corrected: support asks again.
"""

# ruff: noqa: RUF002 - a formula is written in the letters of the literature
from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import MalformedError
from carnet.formats.license_key import ALPHABET, SYMBOL_VALUES, is_separator
from carnet.formats.reed_solomon import divide, multiply, value_at

VERSION: Final = 1
DATA_SYMBOLS: Final = 10
SYMBOLS: Final = 12
MAX_TYPED: Final = 64

_DAY: Final = 86400

STATES: Final = (
    *("not_activated", "active", "expiring", "grace", "expired", "needs_refresh", "edition_mismatch", "clock_suspect"),
    *("not_started", "suspended", "revoked", "wrong_domain", "wrong_device", "wrong_product", "not_genuine", "other"),
)
ACCESS: Final = ("none", "limited", "full", "other")
CONDITIONS: Final = ("absent", "open", "foreign", "damaged", "too_new", "unreadable", "other")
STRENGTHS: Final = ("none", "strong", "declared", "weak")
SYSTEMS: Final = ("linux", "macos", "windows", "other")
CLOCKS: Final = ("right", "behind", "ahead", "unknown")
CONTACTS: Final = (
    "never",
    "an hour",
    "a day",
    "3 days",
    "a week",
    "2 weeks",
    "a month",
    "3 months",
    "a year",
    "longer",
)
_CONTACT_SECONDS: Final = (3600, _DAY, 3 * _DAY, 7 * _DAY, 14 * _DAY, 31 * _DAY, 92 * _DAY, 366 * _DAY)
DAYS_LEFT: Final = ("none", "1", "3", "7", "14", "30", "90", "more")
_DAYS: Final = (0, 1, 3, 7, 14, 30, 90)
PROBLEMS: Final = (
    *("none", "other", "server_required", "server_unreachable", "out_of_time", "answer_not_authentic"),
    *("answer_too_large", "transport_failed", "bad_server", "state_not_writable", "state_busy", "state_too_new"),
    *("no_device_identity", "no_state_directory", "rate_limited", "proxy_unusable", "bad_ca_file", "bad_proxy"),
    *("license_not_found", "seat_limit_reached", "device_proof_invalid", "activation_not_found", "state_damaged"),
    *("root_required", "root_unreadable", "state_unreadable", "bad_license_key", "temporarily_unavailable"),
)
"""Codes of problems, in the order in which they got their number; new ones are added at the end, up to 63."""
INTEGRITY: Final = ("not checked", "unchanged", "changed", "not genuine")

FIELDS: Final = (
    ("version", 3),
    ("state", 4),
    ("access", 2),
    ("condition", 3),
    ("one_copy_damaged", 1),
    ("has_key", 1),
    ("strength", 2),
    ("in_container", 1),
    ("system", 2),
    ("frozen", 1),
    ("clock", 2),
    ("contact", 4),
    ("days_left", 3),
    ("problem", 6),
    ("has_server", 1),
    ("root_version", 5),
    ("integrity", 2),
    ("spare", 7),
)
"""Field and its bits: fifty in all."""

_NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "state": STATES,
        "access": ACCESS,
        "condition": CONDITIONS,
        "strength": STRENGTHS,
        "system": SYSTEMS,
        "clock": CLOCKS,
        "contact": CONTACTS,
        "days_left": DAYS_LEFT,
        "problem": PROBLEMS,
        "integrity": INTEGRITY,
    }
)


class Symptoms(Struct):
    """
    How the SDK finds itself on a device.

    Attributes:
        state, access: Of the decision.
        condition: Of the state directory.
        one_copy_damaged: One of the two copies is damaged, and the other was used.
        has_key: A license key is stored or configured.
        strength: Of the device's identity.
        in_container: A container engine was recognised.
        system: The operating system.
        frozen: The app is a frozen one.
        clock: Against the time that is proven.
        contact: How long ago the server was last heard, at most; one of `CONTACTS`.
        days_left: At most so many; one of `DAYS_LEFT`.
        problem: The code of the last problem with the server or the state; one of `PROBLEMS`.
        has_server: A server is configured.
        root_version: The newest trusted root; 31 for that and more.
        integrity: What checking the app's files found.
    """

    state: str
    access: str
    condition: str = "absent"
    one_copy_damaged: bool = False
    has_key: bool = False
    strength: str = "none"
    in_container: bool = False
    system: str = "other"
    frozen: bool = False
    clock: str = "unknown"
    contact: str = "never"
    days_left: str = "none"
    problem: str = "none"
    has_server: bool = False
    root_version: int = 0
    integrity: str = "not checked"


def contact_of(seconds: int | None) -> str:
    """Which of `CONTACTS` a contact that is *seconds* ago falls under; None for none."""
    if seconds is None:
        return CONTACTS[0]
    place = next((place for place, most in enumerate(_CONTACT_SECONDS) if seconds <= most), len(_CONTACT_SECONDS))
    return CONTACTS[place + 1]


def days_of(days: int | None) -> str:
    """Which of `DAYS_LEFT` *days* falls under; None, which has no end, is ``more``."""
    if days is None:
        return DAYS_LEFT[-1]
    return next((name for name, most in zip(DAYS_LEFT, _DAYS, strict=False) if days <= most), DAYS_LEFT[-1])


def write_support_code(symptoms: Symptoms) -> str:
    """
    The code of *symptoms*: three groups of four characters.

    What has no number of its own (a newer state, a newer problem) becomes ``other``.
    """
    packed = 0
    for name, bits in FIELDS:
        packed = packed << bits | _number(symptoms, name, bits)
    word = [packed >> 5 * place & 31 for place in reversed(range(DATA_SYMBOLS))]
    text = "".join(ALPHABET[symbol] for symbol in (*word, *_parity(word)))
    return "-".join(text[place : place + 4] for place in range(0, SYMBOLS, 4))


def read_support_code(text: str) -> Symptoms:
    """
    What a code says.

    Args:
        text: As it was read out and typed: case, blanks, hyphens and Crockford's aliases do not matter.

    Raises:
        MalformedError: ``bad_support_code``: not twelve characters of the alphabet, or one of them is wrong.
            ``newer_support_code``: it is of a newer version.
    """
    symbols = [SYMBOL_VALUES.get(character, -1) for character in text[: MAX_TYPED + 1] if not is_separator(character)]
    if (
        len(text) > MAX_TYPED
        or len(symbols) != SYMBOLS
        or -1 in symbols
        or value_at(symbols, 0)
        or value_at(symbols, 1)
    ):
        raise MalformedError(
            "bad_support_code",
            "This is not a support code: a character is wrong, missing or too many.",
            "Ask for it again, one group of four at a time.",
        )
    packed = 0
    for symbol in symbols[:DATA_SYMBOLS]:
        packed = packed << 5 | symbol
    numbers: dict[str, int] = {}
    for name, bits in reversed(FIELDS):
        numbers[name] = packed & (1 << bits) - 1
        packed >>= bits
    if numbers.pop("version") != VERSION:
        raise MalformedError(
            "newer_support_code", "This support code is of another version of Carnet.", "Update Carnet here."
        )
    del numbers["spare"]
    return Symptoms(**{name: _meaning(name, number) for name, number in numbers.items()})


def _number(symptoms: Symptoms, name: str, bits: int) -> int:
    if name == "version":
        return VERSION
    if name == "spare":
        return 0
    value: Any = getattr(symptoms, name)
    names = _NAMES.get(name)
    if names is None:
        return min(max(int(value), 0), (1 << bits) - 1)
    if value in names:
        return names.index(value)
    return names.index("other") if "other" in names else 0


def _meaning(name: str, number: int) -> Any:
    names = _NAMES.get(name)
    if names is None:
        return number if name == "root_version" else bool(number)
    # A number that this version has no word for comes from a newer one of the same layout.
    return names[number] if number < len(names) else "other"


def _parity(word: list[int]) -> tuple[int, int]:
    """
    The two symbols that make the word 0 at α⁰ and α¹.

    With p and q at the places of x¹ and x⁰: p + q = s₀ and αp + q = s₁, so p = (s₀ + s₁) / (1 + α).
    """
    padded = [*word, 0, 0]
    zeroth, first = value_at(padded, 0), value_at(padded, 1)
    alpha = 2
    p = divide(zeroth ^ first, 1 ^ alpha)
    q = zeroth ^ p
    assert multiply(alpha, p) ^ q == first  # noqa: S101 - the formula above
    return p, q
