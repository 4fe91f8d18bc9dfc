"""
Bytes as groups of base 32 that a person can type, each group with a check symbol; specs/signed-license-key.md §3, §4.

Belongs here: symbols, groups, checks, and finding which groups were mistyped. Does not belong here: what the bytes
mean and who signed them (`signed_key`).

Seven symbols of data and one check make a group. The check also covers the group's number and whether it is the last,
so that a group left out, repeated or swapped is noticed, and a key that was cut off. It is a code of distance two over
GF(32) (`reed_solomon`): one wrong symbol, or any two swapped, in a group never pass; other damage passes one time in 32
and is left to the signature.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NoReturn

from carnet.core._base import Struct
from carnet.core.errors import MalformedError
from carnet.formats.license_key import ALPHABET, MAX_TYPED_CHARACTERS, SYMBOL_VALUES, is_separator
from carnet.formats.reed_solomon import multiply

GROUP_SYMBOLS: Final = 8
DATA_SYMBOLS: Final = GROUP_SYMBOLS - 1

_WEIGHTS: Final = (2, 4, 8, 16, 5, 10, 20)
"""α¹ … α⁷ for the data symbols of a group; the check symbol has α⁰. All different, so that swaps are noticed."""

_LAST: Final = 31
"""Added to the check of the last group."""

_PRODUCTS: Final = tuple(bytes([multiply(weight, symbol) for symbol in range(32)]).ljust(256) for weight in _WEIGHTS)
_LETTERS: Final = ALPHABET.encode().ljust(256)
_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv".ljust(256)  # as `int` writes base 32
_READABLE: Final = ALPHABET.encode().ljust(256, b"?")
_UNREADABLE: Final = 255
_SYMBOLS: Final = bytes(SYMBOL_VALUES.get(chr(code), _UNREADABLE) for code in range(256))
_ASCII_SEPARATORS: Final = bytes(code for code in range(128) if is_separator(chr(code)))
_WHOLE: Final = (0, 2, 4, 5, 7)
"""How many symbols beyond a multiple of eight whole bytes take (RFC 4648 §6)."""

_WRONG: Final = 10
_SHIFTED: Final = 11
_MOVED: Final = 12
_CUT_OFF: Final = 9
"""Costs of the search for typing errors: a wrong symbol is likelier than one too many, and that than a whole group."""

_BESIDE: Final = (0, -1, 1, -GROUP_SYMBOLS, GROUP_SYMBOLS)
"""Where `are_groups` looks for a group: at its place, or after a symbol or group too few or too many."""

_DRIFT: Final = 3
"""How many groups the search may be ahead of or behind the text."""

Problem = Literal["mistyped", "symbol_missing", "symbol_extra", "group_missing", "group_extra", "end_missing"]


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
    if not count or total % GROUP_SYMBOLS == 1 or count % 8 not in _WHOLE or _UNREADABLE in values:
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
    in_place = _in_place(values)
    if in_place is not None:
        return in_place
    return _errors(
        _cheapest([_raw_check(values[start : start + GROUP_SYMBOLS]) for start in range(len(values))]), values
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
    groups, final = len(values) // GROUP_SYMBOLS, len(values) - GROUP_SYMBOLS
    fitting = 0
    for number in range(groups):
        place = number * GROUP_SYMBOLS
        starts = [place + beside for beside in _BESIDE if 0 <= place + beside <= final]
        fitting += any(_raw_check(values[start : start + GROUP_SYMBOLS]) == number % 32 for start in starts)
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
    numbers[-1] ^= _LAST
    return int.from_bytes(numbers * times, "big")


def _in_place(values: bytes) -> tuple[GroupError, ...] | None:
    """What the search would find where every group has its length and at most one is wrong, without searching."""
    groups = [values[start : start + GROUP_SYMBOLS] for start in range(0, len(values), GROUP_SYMBOLS)]
    last = len(groups) - 1
    if last < 0 or len(groups[-1]) == 1 or (DATA_SYMBOLS * last + len(groups[-1]) - 1) % 8 not in _WHOLE:
        return None
    checks = [_raw_check(group) ^ number % 32 for number, group in enumerate(groups)]
    wrong = [number for number, check in enumerate(checks) if check != (_LAST if number == last else 0)]
    if not wrong:
        return ()
    if len(wrong) > 1 or (wrong == [last] and checks[last] == 0):  # cut off, perhaps
        return None
    typed = _as_typed(groups[wrong[0]])
    return (GroupError(group=wrong[0] + 1, problem="mistyped", typed=typed),)


class _Step:
    """One state of the search: what it cost to come here, from where, and what was found at *start* on the way."""

    __slots__ = ("before", "cost", "group", "problem", "start")

    def __init__(self, cost: int, before: _Step | None, group: int, problem: Problem | None, start: int) -> None:
        self.cost, self.before, self.group, self.problem, self.start = cost, before, group, problem, start


def _cheapest(raw: list[int]) -> _Step:
    """The end of the cheapest way through symbols whose checks are *raw*, as the specification's table has it."""
    best: dict[tuple[int, int], _Step] = {(0, 0): _Step(0, None, 0, None, 0)}
    ends: list[_Step] = []
    # Every step goes to a later group or further into the text, so each state is final when its turn comes.
    for group in range(len(raw) // GROUP_SYMBOLS + _DRIFT + 2):
        first, beyond = (group - _DRIFT) * GROUP_SYMBOLS, (group + _DRIFT) * GROUP_SYMBOLS + 1
        for start in range(max(0, first), min(len(raw) + 1, beyond)):
            here = best.get((group, start))
            if here is not None:
                ends.append(_end(here, raw, group, start))
                _go_on(best, here, raw, group, start)
    return min(ends, key=lambda end: end.cost)


def _go_on(best: dict[tuple[int, int], _Step], here: _Step, raw: list[int], group: int, start: int) -> None:
    """Note where *here* leads to in *best*, wherever that is cheaper than what is known."""
    for cost, problem, size, further in _steps(raw, group, start):
        known = best.get((group + further, start + size))
        if known is None or here.cost + cost < known.cost:
            best[group + further, start + size] = _Step(here.cost + cost, here, group, problem, start)


def _steps(raw: list[int], group: int, start: int) -> Iterator[tuple[int, Problem | None, int, int]]:
    """What may stand at *start* where group number *group* is due: cost, problem, symbols, groups further."""
    left = len(raw) - start
    if left >= GROUP_SYMBOLS:
        if raw[start] == group % 32:
            yield 0, None, GROUP_SYMBOLS, 1
        else:
            yield _WRONG, "mistyped", GROUP_SYMBOLS, 1
    if left >= GROUP_SYMBOLS - 1:
        yield _SHIFTED, "symbol_missing", GROUP_SYMBOLS - 1, 1
    if left > GROUP_SYMBOLS:
        yield _SHIFTED, "symbol_extra", GROUP_SYMBOLS + 1, 1
        yield _MOVED, "group_extra", GROUP_SYMBOLS, 0
    if left:
        yield _MOVED, "group_missing", 0, 1


def _end(here: _Step, raw: list[int], group: int, start: int) -> _Step:
    """The text ends with what is left at *start*: in the last group, or before it."""
    left = len(raw) - start
    if not left:
        return _Step(here.cost + _CUT_OFF, here, group, "end_missing", start)
    if left > GROUP_SYMBOLS:
        return _Step(here.cost + _SHIFTED * (left - GROUP_SYMBOLS), here, group, "symbol_extra", start)
    is_whole = (DATA_SYMBOLS * group + left - 1) % 8 in _WHOLE
    if left > 1 and is_whole and raw[start] == group % 32 ^ _LAST:
        return here
    return _Step(here.cost + _WRONG, here, group, "mistyped", start)


def _errors(end: _Step, values: bytes) -> tuple[GroupError, ...]:
    """What was found on the way to *end*, in order."""
    errors: list[GroupError] = []
    step: _Step | None = end
    stop = len(values)
    while step is not None:
        if step.problem is not None:
            typed = _as_typed(values[step.start : stop])
            errors.append(GroupError(group=step.group + 1, problem=step.problem, typed=typed))
        stop, step = step.start, step.before
    return tuple(reversed(errors))


def _as_typed(symbols: bytes) -> str:
    return symbols.translate(_READABLE).decode("ascii")


def _raw_check(symbols: bytes) -> int:
    """The check of a group less what it should be by its symbols: its number, and 31 for the last. 32 never fits."""
    if _UNREADABLE in symbols:
        return 32
    check = symbols[-1]
    for products, symbol in zip(_PRODUCTS, symbols[:-1], strict=False):
        check ^= products[symbol]
    return check


def _refuse_mistyped(text: str) -> NoReturn:
    groups = sorted({error.group for error in locate_typing_errors(text)})
    named = ", ".join(map(str, groups[:8])) + (" and more" if len(groups) > 8 else "")
    raise MalformedError(
        "mistyped_key",
        f"The license key is mistyped or incomplete; look at group {named}.",
        "Compare these groups with the original, counting from 1, or copy the whole key again.",
    )
