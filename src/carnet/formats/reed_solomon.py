"""
The arithmetic behind keys that heal: a shortened Reed-Solomon code over GF(32), specs/license-key.md §3.

Belongs here: the field, the five parity symbols, and finding the one codeword near a mistyped word. Does not belong
here: letters, separators, typed text (`license_key.py`). Nothing is imported.

The field has 32 elements, written 0 … 31. Adding is XOR. Multiplying goes through logarithms: every element but 0 is a
power of α = 2, where α⁵ = α² + 1 (the primitive polynomial x⁵ + x² + 1). A word of 25 symbols is the polynomial whose
first symbol belongs to x²⁴ and whose last belongs to x⁰; it is a codeword when it is 0 at α⁰, α¹, α², α³ and α⁴.

Those five consecutive roots make any two codewords differ in at least six places (the BCH bound; Reed-Solomon codes
reach it). So a word within two changes of a codeword is within two changes of only one, and a word three changes away
from its own codeword is never within two of another: two are corrected, three are always caught.
"""

# ruff: noqa: RUF001, RUF002, RUF003 - formulas are written in the letters of the literature
from __future__ import annotations

from collections.abc import Sequence

DATA_SYMBOLS = 20
PARITY_SYMBOLS = 5
WORD_SYMBOLS = DATA_SYMBOLS + PARITY_SYMBOLS

_ORDER = 31  # of α: α³¹ = 1
_PRIMITIVE = 0b100101  # x⁵ + x² + 1


def _powers_of_alpha() -> tuple[int, ...]:
    powers = [1]
    while len(powers) < _ORDER:
        shifted = powers[-1] << 1
        powers.append(shifted ^ _PRIMITIVE if shifted > _ORDER else shifted)
    return tuple(powers)


_EXP = _powers_of_alpha() * 2  # twice, so that the sum of two logarithms needs no reduction
_LOG = tuple(_EXP.index(element) if element else -1 for element in range(_ORDER + 1))

_LOCATORS = tuple(_EXP[WORD_SYMBOLS - 1 - place] for place in range(WORD_SYMBOLS))
"""The power of α that stands for each place of a word; the first place is α²⁴."""


def multiply(a: int, b: int) -> int:
    """The product of two field elements, 0 … 31 each."""
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def divide(a: int, b: int) -> int:
    """The quotient of two field elements, 0 … 31 each; *b* is not 0."""
    return _EXP[_LOG[a] - _LOG[b] + _ORDER] if a else 0


def value_at(word: Sequence[int], exponent: int) -> int:
    """The word, read as a polynomial, at α to the power *exponent* (Horner's rule)."""
    value = 0
    for symbol in word:
        value = (_EXP[_LOG[value] + exponent] if value else 0) ^ symbol
    return value


def is_codeword(word: Sequence[int]) -> bool:
    """Whether *word*, 25 symbols, is 0 at all five roots: what its symbols are there adds up to nothing."""
    if not _at_roots:
        _at_roots.extend(_symbols_at_roots())
    total = 0
    for values, symbol in zip(_at_roots, word, strict=True):
        total ^= values[symbol]
    return not total


_at_roots: list[tuple[int, ...]] = []
"""For each place of a word and each symbol there: its values at the roots, five bits each. Made when first used."""


def _symbols_at_roots() -> list[tuple[int, ...]]:
    places = []
    for place in range(WORD_SYMBOLS):
        values = [0] * (_ORDER + 1)
        for symbol in range(1, _ORDER + 1):
            bit = symbol & -symbol
            if bit == symbol:
                for root in range(PARITY_SYMBOLS):
                    power = _EXP[(WORD_SYMBOLS - 1 - place) * root % _ORDER]
                    values[symbol] |= multiply(symbol, power) << 5 * root
            else:  # multiplying distributes over adding, which is XOR
                values[symbol] = values[bit] ^ values[symbol ^ bit]
        places.append(tuple(values))
    return places


def _generator() -> tuple[int, ...]:
    """(x + α⁰)(x + α¹)…(x + α⁴), highest power first, without the leading 1."""
    polynomial = [1]
    for j in range(PARITY_SYMBOLS):
        shifted = [*polynomial, 0]
        for i, coefficient in enumerate(polynomial):
            shifted[i + 1] ^= multiply(coefficient, _EXP[j])
        polynomial = shifted
    return tuple(polynomial[1:])


_GENERATOR = _generator()


def encode(data: Sequence[int]) -> tuple[int, ...]:
    """
    The codeword that begins with *data*.

    Args:
        data: 20 symbols, 0 … 31 each.

    Returns:
        *data* and five parity symbols: the remainder of data(x)·x⁵ divided by the generator polynomial.
    """
    if not _feedback:
        _feedback.extend(_multiples_of_the_generator())
    remainder = 0
    for symbol in data:
        remainder = (remainder << 5 & _REMAINDER_BITS) ^ _feedback[symbol ^ remainder >> 20]
    return (*data, *(remainder >> 5 * place & _ORDER for place in reversed(range(PARITY_SYMBOLS))))


_REMAINDER_BITS = (1 << 5 * PARITY_SYMBOLS) - 1

_feedback: list[int] = []
"""The generator polynomial times each element, five bits a coefficient. Made when first used; batches need it fast."""


def _multiples_of_the_generator() -> list[int]:
    multiples = []
    for factor in range(_ORDER + 1):
        packed = 0
        for coefficient in _GENERATOR:
            packed = packed << 5 | multiply(factor, coefficient)
        multiples.append(packed)
    return multiples


def correct(word: Sequence[int]) -> tuple[int, ...] | None:
    """
    The codeword that differs from *word* in at most two places; there is never more than one.

    Args:
        word: 25 symbols, 0 … 31 each.

    Returns:
        The codeword, which may be *word* itself, or None when every codeword is three or more changes away.
    """
    syndromes = tuple(value_at(word, exponent) for exponent in range(PARITY_SYMBOLS))
    if not any(syndromes):
        return tuple(word)
    errors = _locate(syndromes)
    if errors is None:
        return None
    repaired = list(word)
    for place, difference in errors:
        repaired[place] ^= difference
    # Every formula of _locate assumes at most two errors. This is where that assumption is checked.
    # One word, and rarely: the table of `is_codeword` would cost more than it saves.
    return None if any(value_at(repaired, root) for root in range(PARITY_SYMBOLS)) else tuple(repaired)


def _locate(syndromes: tuple[int, ...]) -> tuple[tuple[int, int], ...] | None:
    """
    The places and differences of one or two errors that explain the syndromes (Peterson, Gorenstein, Zierler).

    Errors of value Y at locator X give Sⱼ = Σ Y·Xʲ. For one error the syndromes are a geometric series, X = S₁ / S₀.
    For two, X₁ and X₂ are the roots of x² + σ₁x + σ₂, where Newton's identities Sⱼ₊₂ = σ₁Sⱼ₊₁ + σ₂Sⱼ at j = 0 and 1
    give the two coefficients by Cramer's rule; their determinant S₁² + S₀S₂ is 0 when there is only one error.
    """
    s0, s1, s2, s3, _ = syndromes
    determinant = multiply(s1, s1) ^ multiply(s0, s2)
    if determinant == 0:
        locator = divide(s1, s0) if s0 else 0
        return ((_LOCATORS.index(locator), s0),) if locator in _LOCATORS else None
    sigma1 = divide(multiply(s1, s2) ^ multiply(s0, s3), determinant)
    sigma2 = divide(multiply(s2, s2) ^ multiply(s1, s3), determinant)
    places = [place for place, x in enumerate(_LOCATORS) if multiply(x, x) ^ multiply(sigma1, x) == sigma2]
    if len(places) != 2:
        return None
    x1, x2 = _LOCATORS[places[0]], _LOCATORS[places[1]]
    y1 = divide(s1 ^ multiply(s0, x2), x1 ^ x2)  # from Y₁ + Y₂ = S₀ and Y₁X₁ + Y₂X₂ = S₁
    return (places[0], y1), (places[1], s0 ^ y1)
