"""
Bytes as groups of base 32 that a person can type, each group with a check symbol; specs/signed-license-key.md §3, §4.

Belongs here: symbols, groups and their checks. Does not belong here: the search for what was mistyped (`group_search`),
what the bytes mean and who signed them (`signed_key`).

Seven symbols of data and one check make a group. The check also covers the group's number and whether it is the last,
so that a group left out, repeated or swapped is noticed, and a key that was cut off. It is a code of distance two over
GF(32) (`reed_solomon`): one wrong symbol, or any two swapped, in a group never pass; other damage passes one time in 32
and is left to the signature.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final, NoReturn

from carnet.core._base import Struct
from carnet.core.errors import MalformedError
from carnet.formats.group_search import DATA_SYMBOLS, GROUP_SYMBOLS, LAST, WHOLE, Problem, cheapest_errors
from carnet.formats.license_key import ALPHABET, MAX_TYPED_CHARACTERS, SYMBOL_VALUES, is_separator
from carnet.formats.reed_solomon import multiply

_WEIGHTS: Final = (2, 4, 8, 16, 5, 10, 20)
"""α¹ … α⁷ for the data symbols of a group; the check symbol has α⁰. All different, so that swaps are noticed."""

_PRODUCTS: Final = tuple(
    bytes([multiply(weight, symbol) for symbol in range(32)]).ljust(256, b"\0") for weight in _WEIGHTS
)
_LETTERS: Final = ALPHABET.encode().ljust(256)
_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv".ljust(256)  # as `int` writes base 32
_READABLE: Final = ALPHABET.encode().ljust(256, b"?")
_UNREADABLE: Final = 255
_IS_UNREADABLE: Final = bytes([128 * (value == _UNREADABLE) for value in range(256)])
_SYMBOLS: Final = bytes(SYMBOL_VALUES.get(chr(code), _UNREADABLE) for code in range(256))
_ASCII_SEPARATORS: Final = bytes(code for code in range(128) if is_separator(chr(code)))

_BESIDE: Final = (0, -1, 1, -GROUP_SYMBOLS, GROUP_SYMBOLS)
"""Where `are_groups` looks for a group: at its place, or after a symbol or group too few or too many."""


class GroupError(Struct):
    """
    One group that was not typed as it stands in the key.

    Attributes:
        group: Which group of the key, counted from 1; for ``group_extra``, the one before which it was typed.
        problem: What is wrong with it. ``end_missing``: the key goes on from this group on.
        typed: The group as typed, without separators; empty where there is none. Part of a secret.
    """

    group: int
    problem: Problem
    typed: str


def write_groups(data: bytes) -> str:
    """
    *data* in groups: the one canonical spelling, capitals with a hyphen between groups.

    Args:
        data: At least one byte.
    """
    return write_all([data])[0]


def write_all(batch: Sequence[bytes]) -> list[str]:
    """
    As `write_groups` for each of *batch*, a few at once for less than half the cost.

    Args:
        batch: At least one, all of the same length.
    """
    count = -(-8 * len(batch[0]) // 5)
    groups = -(-count // DATA_SYMBOLS)
    symbols = _spread(batch, count, DATA_SYMBOLS * groups)
    letters, checks = symbols.translate(_LETTERS), _checks(symbols, groups, len(batch)).translate(_LETTERS)
    stride = GROUP_SYMBOLS + 1
    text = bytearray(b"-") * (stride * groups * len(batch))
    for place in range(DATA_SYMBOLS):
        text[place::stride] = letters[place::DATA_SYMBOLS]
    text[DATA_SYMBOLS::stride] = checks
    texts, width = text.decode("ascii"), stride * groups
    # The last group of each is as long as its symbols, and its check stands right behind them.
    end, check = stride * (groups - 1) + count - DATA_SYMBOLS * (groups - 1), width - 2
    return [texts[start : start + end] + texts[start + check] for start in range(0, len(texts), width)]


def read_groups(text: str) -> bytes:
    """
    The bytes of a correctly typed text: separators, case and Crockford's aliases do not matter, everything else does.

    Args:
        text: What a person typed or pasted; at most 512 characters.

    Raises:
        MalformedError: ``too_large``; ``mistyped_key``: naming the groups that are wrong; ``bad_padding``: unused bits
            of the last symbol are not zero, which no correct writer and no typing error makes.
    """
    values = _values(text)
    total = len(values)
    symbols = bytearray(values)
    checks = symbols[DATA_SYMBOLS::GROUP_SYMBOLS]
    del symbols[DATA_SYMBOLS::GROUP_SYMBOLS]
    if total % GROUP_SYMBOLS:
        checks.append(symbols.pop())
    count = len(symbols)
    # Wrong lengths first: a group of a check alone, symbols that are no whole bytes.
    if not count or total % GROUP_SYMBOLS == 1 or count % 8 not in WHOLE or _UNREADABLE in values:
        _refuse_mistyped(text)
    if _checks(symbols.ljust(DATA_SYMBOLS * len(checks), b"\0"), len(checks), 1) != checks:
        _refuse_mistyped(text)
    size = count * 5 // 8
    number, spare = int(symbols.translate(_DIGITS), 32), count * 5 - size * 8
    if number & ((1 << spare) - 1):
        raise MalformedError(
            "bad_padding",
            "The license key ends in bits that no key has.",
            "Ask the vendor for a new key.",
        )
    return (number >> spare).to_bytes(size, "big")


def locate_typing_errors(text: str) -> tuple[GroupError, ...]:
    """
    Which groups of *text* are not as they stand in any key, from the checks alone: no key and no signature is needed.

    Finds the way to cut *text* into groups that leaves the fewest of them wrong (specs/signed-license-key.md §4). One
    wrong group is always located; two symbols too many or too few in one place, or more than three groups in a row
    that are missing or repeated, make everything after them look wrong.

    Args:
        text: What a person typed or pasted; at most 512 characters.

    Returns:
        The errors, by group; empty for a text whose checks all fit. That says nothing about its signature.

    Raises:
        MalformedError: ``too_large``.
    """
    values = _values(text)
    raw = _raw_checks(values)
    in_place = _in_place(values, raw)
    if in_place is not None:
        return in_place
    found = cheapest_errors(raw)
    return tuple(
        [GroupError(group=e.group + 1, problem=e.problem, typed=_as_typed(values[e.start : e.stop])) for e in found]
    )


def are_groups(text: str) -> bool:
    """
    Whether *text* is meant to be groups: at least half of them stand at their place, or one symbol or group beside it,
    with a check that fits. True of keys with several typing errors, and of ordinary text by chance almost never.

    Args:
        text: At most 512 characters.

    Raises:
        MalformedError: ``too_large``.
    """
    values = _values(text)
    raw = _raw_checks(values)
    groups, final = len(values) // GROUP_SYMBOLS, len(values) - GROUP_SYMBOLS
    fitting = 0
    for number in range(groups):
        place = number * GROUP_SYMBOLS
        starts = [place + beside for beside in _BESIDE if 0 <= place + beside <= final]
        fitting += any(raw[start] == number % 32 for start in starts)
    return 2 * fitting >= groups > 0


def symbols_typed(text: str) -> int:
    """
    How many symbols *text* has, readable or not, separators left out.

    Raises:
        MalformedError: ``too_large``.
    """
    return len(_values(text))


def _values(text: str) -> bytes:
    """The symbols of *text*, one a byte, 255 for what is none; separators are gone."""
    if len(text) > MAX_TYPED_CHARACTERS:
        raise MalformedError(
            "too_large",
            f"The license key is longer than {MAX_TYPED_CHARACTERS} characters.",
            "Give the key alone, without other text.",
        )
    if not text.isascii():
        kept = [character for character in text if not is_separator(character)]
        text = "".join([character if character.isascii() else "?" for character in kept])
    return text.encode("ascii").translate(_SYMBOLS, _ASCII_SEPARATORS)


def _spread(batch: Sequence[bytes], count: int, width: int) -> bytes:
    """Each of *batch* in *count* symbols of five bits, one a byte, highest first, with zeros up to *width* symbols."""
    lanes = -(-len(batch[0]) // 5)
    padded = b"".join([data.ljust(5 * lanes, b"\0") for data in batch])
    spread = bytearray(8 * lanes * len(batch))
    for place in range(5):
        spread[place + 3 :: 8] = padded[place::5]
    # Within each lane of 64 bits, 40 bits of data are halved three times: 20 + 20, 10 + 10, 5 + 5.
    high, low, upper, lower, left, right = _masks(lanes * len(batch))
    bits = int.from_bytes(spread, "big")
    bits = (bits & high) << 12 | bits & low
    bits = (bits & upper) << 6 | bits & lower
    bits = (bits & left) << 3 | bits & right
    symbols = bits.to_bytes(len(spread), "big")
    starts = range(0, len(symbols), 8 * lanes)
    return b"".join([symbols[start : start + count].ljust(width, b"\0") for start in starts])


@functools.lru_cache(maxsize=256)
def _masks(lanes: int) -> tuple[int, ...]:
    each = ((1 << 64 * lanes) - 1) // ((1 << 64) - 1)
    lane = (
        0x000000FFFFF00000,
        0x00000000000FFFFF,
        0x000FFC00000FFC00,
        0x000003FF000003FF,
        0x03E003E003E003E0,
        0x001F001F001F001F,
    )
    return tuple(mask * each for mask in lane)


def _checks(symbols: bytes | bytearray, groups: int, times: int) -> bytes:
    """The check symbol of each group of *times* texts of *groups* groups each, all filled up with zeros."""
    checks = _numbers(groups, times)
    for place, products in enumerate(_PRODUCTS):
        checks ^= int.from_bytes(symbols[place::DATA_SYMBOLS].translate(products), "big")
    return checks.to_bytes(groups * times, "big")


@functools.lru_cache(maxsize=256)
def _numbers(groups: int, times: int) -> int:
    """What the numbers of the groups add to their checks, one a byte: 0, 1, 2, …, and 31 more for the last."""
    numbers = bytearray(group % 32 for group in range(groups))
    numbers[-1] ^= LAST
    return int.from_bytes(numbers * times, "big")


def _in_place(values: bytes, raw: list[int]) -> tuple[GroupError, ...] | None:
    """What the search would find where every group has its length and at most one is wrong, without searching."""
    last = (len(values) - 1) // GROUP_SYMBOLS
    size = len(values) - GROUP_SYMBOLS * last
    if last < 0 or size == 1 or (DATA_SYMBOLS * last + size - 1) % 8 not in WHOLE:
        return None
    checks = [check ^ number % 32 for number, check in enumerate(raw[::GROUP_SYMBOLS])]
    wrong = [number for number, check in enumerate(checks) if check != (LAST if number == last else 0)]
    if not wrong:
        return ()
    if len(wrong) > 1 or (wrong == [last] and checks[last] == 0):  # cut off, perhaps
        return None
    start = GROUP_SYMBOLS * wrong[0]
    typed = _as_typed(values[start : start + GROUP_SYMBOLS])
    return (GroupError(group=wrong[0] + 1, problem="mistyped", typed=typed),)


def _as_typed(symbols: bytes) -> str:
    return symbols.translate(_READABLE).decode("ascii")


def _raw_checks(values: bytes) -> list[int]:
    """
    For the group that starts at each symbol, its check less what it should be by its symbols: its number, and 31 more
    for the last. The groups at the end are shorter. At least 32, which never fits, where a symbol cannot be read.
    """
    size = len(values)
    # A group's check symbol stands seven behind its first, or at the end of the text.
    checks = int.from_bytes(values[DATA_SYMBOLS:] + values[-1:] * min(size, DATA_SYMBOLS), "big")
    unreadable = values.translate(_IS_UNREADABLE)
    marks = int.from_bytes(unreadable, "big")
    for place, products in enumerate(_PRODUCTS):
        data = values[place : max(size - 1, 0)].translate(products)
        checks ^= int.from_bytes(data.ljust(size, b"\0"), "big")
        marks |= int.from_bytes(unreadable[place + 1 :].ljust(size, b"\0"), "big")
    return list((checks | marks).to_bytes(size, "big"))


def _refuse_mistyped(text: str) -> NoReturn:
    groups = sorted({error.group for error in locate_typing_errors(text)})
    named = ", ".join(map(str, groups[:8])) + (" and more" if len(groups) > 8 else "")
    raise MalformedError(
        "mistyped_key",
        f"The license key is mistyped or incomplete; look at group {named}.",
        "Compare these groups with the original, counting from 1, or copy the whole key again.",
    )
