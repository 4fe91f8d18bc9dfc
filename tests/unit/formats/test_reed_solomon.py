"""The code over GF(32) itself: its field, its distance, and the decoder against an independent one."""

# ruff: noqa: S311 - the same damage in every run
from __future__ import annotations

import itertools
import os
import random

import pytest
import reedsolo  # type: ignore[import-untyped]

from carnet.formats.reed_solomon import WORD_SYMBOLS, correct, divide, encode, is_codeword, multiply, value_at

LONG = bool(os.environ.get("CARNET_LONG"))
THEIRS = reedsolo.RSCodec(nsym=5, nsize=31, fcr=0, prim=0b100101, generator=2, c_exp=5)
ZERO = (0,) * WORD_SYMBOLS


def peasant(a: int, b: int) -> int:
    """Multiplication in GF(32) by shift and add: another way to the same table."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 32:
            a ^= 0b100101
        b >>= 1
    return product


def test_the_field_multiplies_and_divides_as_its_polynomial_says() -> None:
    for a, b in itertools.product(range(32), repeat=2):
        assert multiply(a, b) == peasant(a, b)
        if b:
            assert multiply(divide(a, b), b) == a


def test_parity_agrees_with_reedsolo() -> None:
    rng = random.Random(1)
    for _ in range(500):
        data = [rng.randrange(32) for _ in range(20)]
        word = encode(data)
        assert list(word) == list(THEIRS.encode(bytes(data)))
        assert is_codeword(word)


def test_a_codeword_is_its_own_correction_and_nothing_else_is_a_codeword_nearby() -> None:
    word = encode(list(range(20)))
    assert correct(word) == word
    for place, difference in itertools.product(range(WORD_SYMBOLS), range(1, 32)):
        damaged = list(word)
        damaged[place] ^= difference
        assert not is_codeword(damaged)
        assert correct(damaged) == word


def test_sec_32_every_pattern_of_two_wrong_symbols_is_corrected() -> None:
    firsts = range(1, 32) if LONG else (1,)  # the code is linear: scaling a pattern scales its syndromes
    for one, other in itertools.combinations(range(WORD_SYMBOLS), 2):
        for first, second in itertools.product(firsts, range(1, 32)):
            damaged = list(ZERO)
            damaged[one], damaged[other] = first, second
            assert correct(damaged) == ZERO


def test_sec_32_every_pattern_of_three_wrong_symbols_is_caught() -> None:
    # Every pattern, up to scaling, in the long run (2.2 million); every triple of places in the short one.
    rng = random.Random(2)
    everything = list(itertools.product(range(1, 32), repeat=2))
    for places in itertools.combinations(range(WORD_SYMBOLS), 3):
        for second, third in everything if LONG else rng.sample(everything, 4):
            damaged = list(ZERO)
            for place, value in zip(places, (1, second, third), strict=True):
                damaged[place] = value
            assert correct(damaged) is None, (places, second, third)


def test_the_decoder_agrees_with_reedsolo_wherever_both_answer() -> None:
    # Words at any distance: ours refuses beyond two changes, and never names another codeword than reedsolo's.
    rng = random.Random(3)
    answered = 0
    for _ in range(3000):
        word = list(encode([rng.randrange(32) for _ in range(20)]))
        for place in rng.sample(range(WORD_SYMBOLS), rng.randrange(6)):
            word[place] = rng.randrange(32)
        try:
            theirs = tuple(THEIRS.decode(bytes(word))[1])
        except reedsolo.ReedSolomonError:
            assert correct(word) is None
            continue
        answered += 1
        assert correct(word) == theirs
    assert answered > 1000


@pytest.mark.parametrize("value", [0, 1, 31])
def test_words_of_one_symbol_repeated_are_codewords_only_for_zero(value: int) -> None:
    assert is_codeword([value] * WORD_SYMBOLS) == (value == 0)


def test_a_word_is_a_codeword_when_it_is_zero_at_every_root_and_only_then() -> None:
    chance = random.Random(20261122)
    for _ in range(500):
        word = list(encode([chance.randrange(32) for _ in range(20)]))
        for place in chance.sample(range(WORD_SYMBOLS), chance.randrange(7)):
            word[place] = chance.randrange(32)
        assert is_codeword(word) == (not any(value_at(word, root) for root in range(5)))
