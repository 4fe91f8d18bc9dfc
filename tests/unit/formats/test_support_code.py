"""Support codes: every field comes back, every slip of the tongue is noticed, and the page says what the code does."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.client.fingerprint.values import Strength
from carnet.client.state_file import Condition
from carnet.core._base import replace
from carnet.core.decision import Access, State
from carnet.core.errors import MalformedError
from carnet.formats import support_code as codes
from carnet.formats.license_key import ALPHABET, SYMBOL_VALUES
from carnet.formats.reed_solomon import value_at
from carnet.formats.support_code import (
    DATA_SYMBOLS,
    FIELDS,
    Symptoms,
    contact_of,
    days_of,
    read_support_code,
    write_support_code,
)

PAGE = (Path(__file__).resolve().parents[3] / "specs" / "support-code.md").read_text(encoding="utf-8")
SAMPLE = Symptoms(
    state="grace",
    access="limited",
    condition="open",
    has_key=True,
    strength="strong",
    system="windows",
    frozen=True,
    clock="right",
    contact="3 months",
    days_left="7",
    problem="server_unreachable",
    has_server=True,
    root_version=3,
)
CODE = "4TAN-3P3H-G0H7"


BORDERS = (
    (1, "a day"),
    (3, "3 days"),
    (7, "a week"),
    (14, "2 weeks"),
    (31, "a month"),
    (92, "3 months"),
    (366, "a year"),
)
"""Days, and what is said of a contact that is so long ago at most."""


def symptoms() -> st.SearchStrategy[Symptoms]:
    named = {name: st.sampled_from(values) for name, values in codes._NAMES.items()}
    flags = {name: st.booleans() for name in ("one_copy_damaged", "has_key", "in_container", "frozen", "has_server")}
    return st.builds(Symptoms, root_version=st.integers(0, 31), **named, **flags)


def refused(text: str) -> str:
    with pytest.raises(MalformedError) as caught:
        read_support_code(text)
    assert caught.value.fix
    return caught.value.code


@given(symptoms())
def test_what_is_written_is_read(told: Symptoms) -> None:
    code = write_support_code(told)
    assert re.fullmatch(rf"[{ALPHABET}]{{4}}(-[{ALPHABET}]{{4}}){{2}}", code)
    assert read_support_code(code) == told
    assert read_support_code(f" {code.lower().replace('-', ' ')} ") == told
    assert read_support_code(code.replace("0", "O").replace("1", "l")) == told


def test_the_layout_is_fixed_by_an_example() -> None:
    assert write_support_code(SAMPLE) == CODE
    assert f"`{CODE}`" in PAGE


def test_every_wrong_character_and_every_two_are_noticed() -> None:
    """All 12 times 31, and all 66 times 31 times 31."""
    word = CODE.replace("-", "")
    for places in ((place,) for place in range(12)):
        for wrong in ALPHABET:
            changed = "".join(wrong if place in places else symbol for place, symbol in enumerate(word))
            assert changed == word or refused(changed) == "bad_support_code"
    for first, second in itertools.combinations(range(12), 2):
        for one, two in itertools.product(ALPHABET, repeat=2):
            if one == word[first] or two == word[second]:
                continue
            symbols = [SYMBOL_VALUES[each] for each in word]
            symbols[first], symbols[second] = SYMBOL_VALUES[one], SYMBOL_VALUES[two]
            assert value_at(symbols, 0) or value_at(symbols, 1)


def test_any_two_characters_that_changed_places_are_noticed() -> None:
    word = CODE.replace("-", "")
    for first, second in itertools.combinations(range(12), 2):
        swapped = list(word)
        swapped[first], swapped[second] = word[second], word[first]
        assert "".join(swapped) == word or refused("".join(swapped)) == "bad_support_code"


@pytest.mark.parametrize(
    "text", ["", "-", CODE[:-1], f"{CODE}0", "U" * 12, "4TAN-3P3H-G0H*", CODE + " " * 60, "é" * 12]
)
def test_what_is_no_code_is_refused(text: str) -> None:
    assert refused(text) == "bad_support_code"


def test_a_code_of_another_version_is_refused_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "VERSION", 2)
    newer = write_support_code(SAMPLE)
    monkeypatch.undo()
    assert refused(newer) == "newer_support_code"


def test_what_has_no_number_becomes_other_or_nothing_and_numbers_are_bounded() -> None:
    told = read_support_code(write_support_code(replace(SAMPLE, state="on_fire", problem="new_code", root_version=99)))
    assert (told.state, told.problem, told.root_version) == ("other", "other", 31)
    assert read_support_code(write_support_code(replace(SAMPLE, integrity="who knows"))).integrity == "not checked"
    assert read_support_code(write_support_code(replace(SAMPLE, root_version=-1))).root_version == 0


def test_a_number_of_a_newer_writer_is_other(monkeypatch: pytest.MonkeyPatch) -> None:
    later = (*codes.PROBLEMS, "a_later_problem")
    monkeypatch.setattr(codes, "_NAMES", {**codes._NAMES, "problem": later})
    code = write_support_code(replace(SAMPLE, problem="a_later_problem"))
    monkeypatch.undo()
    assert read_support_code(code).problem == "other"


@pytest.mark.parametrize(
    ("seconds", "contact"),
    [
        (None, "never"),
        (0, "an hour"),
        (3600, "an hour"),
        (3601, "a day"),
        (86400, "a day"),
        (86401, "3 days"),
        *((days * 86400, within) for days, within in BORDERS),
        *((days * 86400 + 1, after) for (days, _), (_, after) in itertools.pairwise(BORDERS)),
        (366 * 86400 + 1, "longer"),
    ],
)
def test_a_contact_is_told_by_how_long_ago_it_was_at_most(seconds: int | None, contact: str) -> None:
    assert contact_of(seconds) == contact


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (0, "none"),
        *((days, str(days)) for days in (1, 3, 7, 14, 30, 90)),
        *((days + 1, str(more)) for days, more in itertools.pairwise((1, 3, 7, 14, 30, 90))),
        (91, "more"),
        (None, "more"),
    ],
)
def test_days_left_are_told_by_how_many_there_are_at_most(days: int | None, told: str) -> None:
    assert days_of(days) == told


def test_every_state_access_condition_and_strength_has_a_number() -> None:
    assert set(get_args(State)) <= set(codes.STATES)
    assert set(get_args(Access)) <= set(codes.ACCESS)
    assert set(get_args(Condition)) <= set(codes.CONDITIONS)
    assert set(get_args(Strength)) < set(codes.STRENGTHS)
    for name, bits in FIELDS:
        assert len(codes._NAMES.get(name, ())) <= 1 << bits
    assert sum(bits for _, bits in FIELDS) == 5 * DATA_SYMBOLS


def test_the_page_lists_every_field_with_its_values_and_its_examples_hold() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert [(name, int(bits)) for name, bits, _ in rows] == list(FIELDS)
    for name, _, values in rows:
        listed = re.findall(r"(\d+) `([^`]+)`", values)
        assert listed == [(str(number), word) for number, word in enumerate(codes._NAMES.get(name, ()))]
    examples = re.findall(r"^\| `(\w{4}-\w{4}-\w{4})` \|", PAGE, re.MULTILINE)
    assert len(examples) == 3
    assert [read_support_code(code).state for code in examples] == ["not_activated", "grace", "wrong_device"]
