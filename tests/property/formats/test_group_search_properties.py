"""The search for typing errors finds a cheapest way, as the table of specs/signed-license-key.md §4 prices it."""

from __future__ import annotations

import functools

from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.formats.base32_groups import write_groups
from carnet.formats.group_search import Found, cheapest_errors
from carnet.formats.license_key import ALPHABET

COSTS = {"mistyped": 10, "symbol_missing": 11, "symbol_extra": 11, "group_extra": 12, "group_missing": 12}
WEIGHTS = (2, 4, 8, 16, 5, 10, 20)


def times(one: int, other: int) -> int:
    """The product in GF(32), from x⁵ + x² + 1 alone."""
    product = 0
    for bit in range(5):
        product ^= (one << bit) * (other >> bit & 1)
    for bit in range(9, 4, -1):
        product ^= (0b100101 << (bit - 5)) * (product >> bit & 1)
    return product


def raw_of(symbols: str) -> list[int]:
    """What each group's number would have to be for its check to fit."""
    raw = []
    for start in range(len(symbols)):
        *data, check = [ALPHABET.index(symbol) for symbol in symbols[start : start + 8]]
        raw.append(functools.reduce(lambda sum_, pair: sum_ ^ times(*pair), zip(WEIGHTS, data, strict=False), check))
    return raw


def least_cost(raw: list[int]) -> int:
    """The table, read from the back of the text, every place in it at every number of groups in reach."""
    size = len(raw)

    @functools.cache
    def from_here(group: int, start: int) -> int:
        left = size - start
        if not left:
            ways = [9]
        elif left > 8:
            ways = [11 * (left - 8)]
        else:
            fits = left > 1 and (7 * group + left - 1) % 8 in (0, 2, 4, 5, 7) and raw[start] == (group % 32) ^ 31
            ways = [0 if fits else 10]
        steps = [(8, 1, 0 if left >= 8 and raw[start] == group % 32 else 10), (7, 1, 11)]
        steps += [(9, 1, 11), (8, 0, 12)] * (left > 8) + [(0, 1, 12)] * (left > 0)
        for symbols, groups, cost in steps:
            if symbols <= left and abs(start + symbols - 8 * (group + groups)) <= 24:
                ways.append(cost + from_here(group + groups, start + symbols))
        return min(ways)

    return from_here(0, 0)


def cost_of(found: list[Found], size: int) -> int:
    """What *found* costs by the table."""
    total = 0
    for error in found:
        at_the_end = error.stop == size and error.problem == "symbol_extra"
        total += 11 * (error.stop - error.start - 8) if at_the_end else COSTS.get(error.problem, 9)
    return total


damage = st.lists(
    st.tuples(st.integers(0, 90), st.integers(0, 24), st.text(ALPHABET, max_size=12)),
    max_size=4,
)


@settings(max_examples=400)
@given(st.binary(min_size=1, max_size=50), damage)
def test_no_way_through_a_damaged_key_is_cheaper_than_the_one_found(
    data: bytes, changes: list[tuple[int, int, str]]
) -> None:
    symbols = write_groups(data).replace("-", "")
    for at, cut, put in changes:
        symbols = symbols[:at] + put + symbols[at + cut :]
    raw = raw_of(symbols)
    found = cheapest_errors(raw)
    assert cost_of(found, len(symbols)) == least_cost(raw)
    assert [error.start for error in found] == sorted(error.start for error in found)


@given(st.binary(min_size=1, max_size=50), st.integers(0, 7), st.integers(1, 3))
def test_groups_repeated_or_left_out_cost_what_they_are(data: bytes, at: int, count: int) -> None:
    groups = write_groups(data).split("-")
    repeated = "".join([*groups[: at + count], *groups[at:]])
    raw = raw_of(repeated)
    assert cost_of(cheapest_errors(raw), len(repeated)) == least_cost(raw)
