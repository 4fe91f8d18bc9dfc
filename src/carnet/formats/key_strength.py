"""
Whether a license key is strong enough to lock a machine file (SEC-16, specs/machine-file.md §4).

A machine file is encrypted under `license key ‖ fingerprint`. Whoever has the file and knows the fingerprint can try
license keys as fast as hardware allows, so a guessable key would open it. Our own keys have 100 bits; of imported ones
nobody told us how they were made, so their entropy is estimated from their shape, from below.

Does not belong here: whether a key is known, and what a login password may look like.
"""

from __future__ import annotations

from itertools import pairwise
from math import log2
from typing import NoReturn

from carnet.core.errors import UsageError
from carnet.formats.license_key import canonical_license_key

MIN_KEY_BITS = 80
NATIVE_KEY_BITS = 100.0
_MAX_KEY_CHARACTERS = 255
_RUN = 3
_REPEAT = 4
_WORD = 6
_BITS_PER_LETTER_OF_A_WORD = 2.0


def check_sealing_key(license_key: str) -> None:
    """
    Check that *license_key* may lock a machine file.

    Raises:
        UsageError: ``bad_license_key``: not 1 … 255 visible ASCII characters (contracts/licenseseat.md §1.5);
            ``license_key_not_canonical``: a Carnet key in another spelling; ``weak_license_key``: an imported key
            with an estimated entropy below 80 bits.
    """
    if not 0 < len(license_key) <= _MAX_KEY_CHARACTERS or not all("!" <= letter <= "~" for letter in license_key):
        _refuse("bad_license_key", "A license key is 1 to 255 visible ASCII characters.", "Correct the key.")
    canonical = canonical_license_key(license_key)
    if canonical == license_key:
        return
    if canonical is not None:
        _refuse(
            "license_key_not_canonical",
            "A Carnet license key opens machine files in its canonical spelling only.",
            "Write it in capitals, in five groups with hyphens.",
        )
    if estimated_bits(license_key) < MIN_KEY_BITS:
        _refuse(
            "weak_license_key",
            "This imported license key is too easy to guess to lock a machine file.",
            "Give the customer a new Carnet key, or do without a machine file: the license token needs no secret.",
        )


def estimated_bits(license_key: str) -> float:
    """
    The entropy of a license key in bits: 100 for a canonical Carnet key, else an estimate that leans to the low side.

    Letters and digits count, everything else only separates groups. Each is worth the logarithm of the alphabet that
    the whole key shows: 10 for digits only, 16 for hexadecimal, 26 for letters of one case, 32 for digits and letters
    of one case (generators leave out look-alikes), 52 or 62 with both cases; and never of more than four times the
    number of different characters. Worth nothing: the fourth and later characters of a run such as AAAA, 1234, DCBA;
    a character that ends a repetition of four or more from before. Worth two bits: a letter of a group's stretch of
    six or more, which may be a word.

    Args:
        license_key: Any text.

    Does not know dictionaries, dates or the vendor's habits: a key made of short words is overrated.
    """
    if canonical_license_key(license_key) == license_key:
        return NATIVE_KEY_BITS
    groups = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in license_key).split()
    letters = "".join(groups)
    if not letters:
        return 0.0
    each = log2(min(_alphabet(letters), 4 * len(set(letters))))
    words = [in_word for group in groups for in_word in _in_words(group)]
    predictable = _predictable(letters)
    return sum(
        0.0 if known else min(each, _BITS_PER_LETTER_OF_A_WORD) if in_word else each
        for known, in_word in zip(predictable, words, strict=True)
    )


def _alphabet(letters: str) -> int:
    if letters.isdigit():
        return 10
    one_case = letters == letters.lower() or letters == letters.upper()
    if one_case and set(letters.lower()) <= set("0123456789abcdef"):
        return 16
    if one_case:
        return 26 if letters.isalpha() else 32
    return 52 if letters.isalpha() else 62


def _predictable(letters: str) -> list[bool]:
    """For each character, whether what stands before it gives it away."""
    known: list[bool] = []
    steps = [0, *(ord(after) - ord(before) for before, after in pairwise(letters))]
    for i in range(len(letters)):
        last = steps[max(i - _RUN + 1, 1) : i + 1]
        in_run = len(last) == _RUN and len(set(last)) == 1 and abs(last[0]) <= 1
        block = letters[i + 1 - _REPEAT : i + 1]
        repeats = i + 1 >= 2 * _REPEAT and block in letters[: i + 1 - _REPEAT]
        known.append(in_run or repeats)
    return known


def _in_words(group: str) -> list[bool]:
    """For each character of a group, whether it stands in a stretch of six or more letters."""
    marks: list[bool] = []
    stretch = 0
    for letter in [*group, ""]:
        if letter.isalpha():
            stretch += 1
            continue
        marks += [stretch >= _WORD] * stretch
        marks += [False] * len(letter)
        stretch = 0
    return marks


def _refuse(code: str, sentence: str, fix: str) -> NoReturn:
    raise UsageError(code, sentence, fix)
