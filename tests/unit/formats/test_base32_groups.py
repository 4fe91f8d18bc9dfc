"""Groups of base 32: writing, reading, and finding what was mistyped (specs/signed-license-key.md §3, §4)."""

# ruff: noqa: S311 - the same damage in every run
from __future__ import annotations

import itertools
import random
import time

import pytest

from carnet.core.errors import MalformedError
from carnet.formats.base32_groups import GroupError, locate_typing_errors, read_groups, write_groups
from carnet.formats.license_key import ALPHABET
from carnet.formats.reed_solomon import multiply

DATA = random.Random(7).randbytes(93)
TEXT = write_groups(DATA)
GROUPS = TEXT.split("-")


def code_of(text: str) -> str:
    with pytest.raises(MalformedError) as caught:
        read_groups(text)
    return caught.value.code


def located(text: str) -> list[tuple[int, str]]:
    return [(error.group, error.problem) for error in locate_typing_errors(text)]


def test_the_worked_example_of_the_specification() -> None:
    # 00000 00100 00001 00000 00110 00001 00000 00101
    assert write_groups(bytes([1, 2, 3, 4, 5])) == "0410610C-5M"
    assert ALPHABET[multiply(4, 4) ^ multiply(1, 8) ^ multiply(6, 5) ^ multiply(1, 10) ^ 0] == "C"
    assert ALPHABET[multiply(5, 2) ^ 1 ^ 31] == "M"


@pytest.mark.parametrize("size", [*range(1, 40), 93, 148, 233])
def test_what_is_written_is_read(size: int) -> None:
    data = random.Random(size).randbytes(size)
    text = write_groups(data)
    groups = text.split("-")
    assert read_groups(text) == data
    assert {len(group) for group in groups[:-1]} <= {8}
    assert 2 <= len(groups[-1]) <= 8
    assert sum(len(group) - 1 for group in groups) == -(-8 * size // 5)
    assert set(text) <= set(ALPHABET) | {"-"}


def test_separators_case_and_aliases_do_not_matter() -> None:
    kind = TEXT.replace("0", "o").replace("1", "l").lower()
    assert kind != TEXT
    for text in (kind, kind.replace("l", "I"), f"  {TEXT.replace('-', ' ')}\r\n", TEXT.replace("-", "\n"), f'"{TEXT}"'):
        assert read_groups(text) == DATA
    assert read_groups(TEXT.replace("-", "\u2011")) == DATA
    assert read_groups("\u201c" + TEXT.replace("-", "\u00a0") + "\u201d\ufeff") == DATA
    assert read_groups(TEXT.replace("-", "")) == DATA
    assert read_groups(" ".join(TEXT.replace("-", ""))) == DATA


def test_every_wrong_symbol_is_noticed_and_its_group_named() -> None:
    flat = TEXT.replace("-", "")
    for place, right in enumerate(flat):
        for wrong in ALPHABET + "U*":
            if wrong != right:
                text = flat[:place] + wrong + flat[place + 1 :]
                if place % 5 == 0 or wrong == "U":
                    assert code_of(text) == "mistyped_key"
                errors = locate_typing_errors(text)
                if (errors[0].problem, place // 8) == ("end_missing", len(GROUPS) - 1):
                    continue  # the last group now reads as one before the last
                assert [error.group for error in errors] == [place // 8 + 1]


def test_any_two_symbols_of_a_group_swapped_are_noticed_and_their_group_named() -> None:
    flat = TEXT.replace("-", "")
    for group in range(len(GROUPS)):
        for one, other in itertools.combinations(range(8 * group, min(8 * group + 8, len(flat))), 2):
            symbols = list(flat)
            symbols[one], symbols[other] = symbols[other], symbols[one]
            if flat[one] != flat[other]:
                assert located("".join(symbols)) == [(group + 1, "mistyped")]


def test_characters_outside_the_alphabet_never_cancel_out() -> None:
    for start in range(0, 64, 8):
        for one, other in itertools.combinations(range(start, start + 8), 2):
            symbols = list(TEXT.replace("-", ""))
            symbols[one] = symbols[other] = "U"
            assert located("".join(symbols)) == [(start // 8 + 1, "mistyped")]
            assert code_of("".join(symbols)) == "mistyped_key"


def test_a_symbol_left_out_or_too_many_is_located_in_its_group_or_beside_it() -> None:
    flat = TEXT.replace("-", "")
    for place in range(0, len(flat), 3):
        for text, problem in (
            (flat[:place] + flat[place + 1 :], "symbol_missing"),
            (flat[:place] + "7" + flat[place:], "symbol_extra"),
        ):
            assert code_of(text) == "mistyped_key"
            (error,) = locate_typing_errors(text)
            assert abs(error.group - (place // 8 + 1)) <= 1
            # At the end of the key there is nothing after it to tell by.
            assert error.problem == problem or error.group >= len(GROUPS) - 1


def test_groups_left_out_repeated_swapped_and_cut_off_are_located() -> None:
    assert located("-".join(GROUPS[:5] + GROUPS[6:])) == [(6, "group_missing")]
    assert located("-".join(GROUPS[3:])) == [(1, "group_missing"), (2, "group_missing"), (3, "group_missing")]
    assert located("-".join(GROUPS[:5] + GROUPS[4:])) == [(6, "group_extra")]  # typed again before group 6
    assert located("-".join([*GROUPS[:5], GROUPS[6], GROUPS[5], *GROUPS[7:]])) == [(6, "mistyped"), (7, "mistyped")]
    for kept in range(1, len(GROUPS)):
        assert located("-".join(GROUPS[:kept])) == [(kept + 1, "end_missing")]


def test_an_error_shows_its_group_as_it_was_typed() -> None:
    group = "U" + GROUPS[3][1:].lower()
    text = "-".join([*GROUPS[:3], group, *GROUPS[4:]])
    assert locate_typing_errors(text) == (GroupError(group=4, problem="mistyped", typed="?" + GROUPS[3][1:]),)


def test_several_errors_are_all_named() -> None:
    wrong = {2: GROUPS[2][1:], 9: "ABCDEFGH", 15: GROUPS[15][:2] + "V" + GROUPS[15][2:]}
    text = "-".join(wrong.get(number, group) for number, group in enumerate(GROUPS))
    assert located(text) == [(3, "symbol_missing"), (10, "mistyped"), (16, "symbol_extra")]
    with pytest.raises(MalformedError, match=r"look at group 3, 10, 16\."):
        read_groups(text)


def test_a_text_without_errors_has_none_to_locate() -> None:
    assert locate_typing_errors(TEXT) == ()
    assert locate_typing_errors(TEXT.lower().replace("-", " ")) == ()


@pytest.mark.parametrize("text", ["", "-", "0", "00000000", "\u00e9" * 40, "0" * 9])
def test_what_is_no_groups_at_all_is_mistyped(text: str) -> None:
    assert code_of(text) == "mistyped_key"
    assert locate_typing_errors(text) != ()


def test_numbers_of_symbols_that_are_no_whole_bytes_are_mistyped() -> None:
    symbols = [ALPHABET.index(letter) for letter in "0000000"]
    for count in range(1, 8):
        check = 31  # the check of zeros in a last group with the number 0
        text = "".join(ALPHABET[symbol] for symbol in symbols[:count]) + ALPHABET[check]
        if count in {2, 4, 5, 7}:
            assert read_groups(text) == bytes(count * 5 // 8)
        else:
            assert code_of(text) == "mistyped_key"


def test_spare_bits_that_are_not_zero_are_refused() -> None:
    # 8 bits in 2 symbols: the last two bits of the second are spare.
    for second in range(32):
        check = multiply(second, 4) ^ 31
        text = "0" + ALPHABET[second] + ALPHABET[check]
        if second % 4:
            assert code_of(text) == "bad_padding"
        else:
            assert read_groups(text) == bytes([second >> 2])


def test_sec_10_too_long_a_text_is_refused_before_it_is_read() -> None:
    assert code_of(TEXT + " " * (512 - len(TEXT)) + " ") == "too_large"
    assert read_groups(TEXT + " " * (512 - len(TEXT))) == DATA
    with pytest.raises(MalformedError, match="512"):
        locate_typing_errors("0" * 513)


@pytest.mark.parametrize(
    "text", ["0" * 512, "".join(random.Random(1).choices(ALPHABET, k=512)), TEXT[1:] + TEXT, "7-" * 256]
)
def test_sec_10_locating_errors_is_bounded_work(text: str) -> None:
    def spend() -> float:
        start = time.thread_time()
        assert locate_typing_errors(text[:512]) != ()
        return time.thread_time() - start

    assert any(spend() < 0.05 for _ in range(50)), "it takes a fifth of that; a busy machine spoils some tries"


def test_all_that_is_said_of_a_mistyped_key_are_group_numbers() -> None:
    text = TEXT.replace("-", "")
    with pytest.raises(MalformedError) as caught:
        read_groups(text[1:])
    assert not any(group[2:] in str(caught.value) for group in GROUPS)


def test_random_texts_are_never_read() -> None:
    rng = random.Random(11)
    read = 0
    for _ in range(60):
        text = "".join(rng.choices(ALPHABET, k=rng.randint(118, 400)))
        try:
            read_groups(text)
            read += 1
        except MalformedError:
            assert locate_typing_errors(text) != ()
    assert read == 0
