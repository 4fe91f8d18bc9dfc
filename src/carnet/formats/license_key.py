"""
Short license keys that heal: `XXXXX-XXXXX-XXXXX-XXXXX-XXXXX`, specs/license-key.md.

Belongs here: making a key, reading a typed one, and proposing the key that was meant. Does not belong here: whether a
key is known, active or paid for (the server), and how a proposal is shown (the caller).

Invariants: healing proposes and never decides; the caller tries the typed text first and shows what would change
(design.md §5). A key of another shape is somebody else's and is left alone (R-80). No standard library module is
imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from carnet.core._base import Struct
from carnet.core.errors import UsageError
from carnet.formats.reed_solomon import DATA_SYMBOLS, WORD_SYMBOLS, correct, encode, is_codeword

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford base 32: no I, L, O (read as 1, 1, 0) and no U."""

MAX_TYPED_CHARACTERS = 512
"""A license key as typed (security-requirements, Limits)."""

_GROUP = 5
_GROUPED_CHARACTERS = WORD_SYMBOLS + WORD_SYMBOLS // _GROUP - 1
_MAX_CHANGES = 2
_RANDOM_BYTES = 13  # 104 bits, of which the first 100 are used

SYMBOL_VALUES: dict[str, int] = {
    letter: value for value, symbol in enumerate(ALPHABET) for letter in (symbol, symbol.lower())
}
SYMBOL_VALUES.update({alias: SYMBOL_VALUES[meant] for alias, meant in zip("OoIiLl", "001111", strict=True)})
"""What each accepted letter stands for, Crockford's aliases among them; other characters are unreadable."""

_SEPARATORS = frozenset(
    "-_.,:;/\\|+=~'\"`()[]{}<>"
    "\u00ab\u00bb\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a"  # quotation marks that mail programs put around keys
    "\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"  # hyphens and dashes that they put inside
    "\u00b7\u2022\u200b\u200c\u200d\u2060\ufeff"  # dots, and what cannot be seen
)


class Change(Struct):
    """
    One symbol that healing would change.

    Attributes:
        position: Which of the key's 25 symbols, counted from 1 as a person counts; separators are not counted.
        typed: The character as typed; empty where one is missing.
        corrected: The symbol of the key; empty where a character is too many.
    """

    position: int
    typed: str
    corrected: str


class Healing(Struct):
    """
    The key that typed text most likely means: a proposal to be shown and confirmed, never to be used silently.

    Attributes:
        key: The canonical key, `XXXXX-XXXXX-XXXXX-XXXXX-XXXXX`.
        changes: What would change, left to right; empty when the text already names the key.
        exact: No symbol changes: the text differs at most in separators, case and Crockford's aliases.
    """

    key: str
    changes: tuple[Change, ...]
    exact: bool


def generate_license_key(random: Callable[[int], bytes]) -> str:
    """
    Make a new license key with 100 bits from *random* (SEC-32).

    Args:
        random: The operating system's random source, for example `os.urandom`: given a number, that many bytes.

    Returns:
        The canonical key: 29 ASCII characters.

    Raises:
        UsageError: ``bad_random``: *random* returned another number of bytes than it was asked for.
    """
    drawn = random(_RANDOM_BYTES)
    if len(drawn) != _RANDOM_BYTES:
        raise UsageError(
            "bad_random",
            f"The random source returned {len(drawn)} bytes instead of {_RANDOM_BYTES}.",
            "Use the operating system's source, for example os.urandom.",
        )
    bits = int.from_bytes(drawn, "big") >> 4  # five bits a symbol: each of the 32 is equally likely, nothing to reject
    return _grouped(encode([bits >> 5 * (DATA_SYMBOLS - 1 - i) & 31 for i in range(DATA_SYMBOLS)]))


def canonical_license_key(text: str) -> str | None:
    """
    The canonical form of a correctly typed license key.

    Args:
        text: What a person typed or pasted; at most 512 characters; any separators, case, and Crockford's aliases.

    Returns:
        The key in its one canonical spelling, or None: another shape, or a mistyped key (`heal_license_key` may
        know which). None says nothing about an imported key; those are used exactly as they are.
    """
    if len(text) > MAX_TYPED_CHARACTERS:
        return None
    if text.isascii():  # the same in fewer steps: a server does it for every request
        symbols = text.encode().translate(_ASCII_VALUES, _ASCII_SEPARATORS)
        if len(symbols) != WORD_SYMBOLS or _UNREADABLE in symbols or not is_codeword(symbols):
            return None
        return _grouped(symbols)
    typed = [character for character in text if not is_separator(character)]
    word = _readable(typed)
    return _grouped(word) if len(word) == len(typed) == WORD_SYMBOLS and is_codeword(word) else None


def heal_license_key(text: str) -> Healing | None:
    """
    Propose the license key that *text* was meant to be (R-80, specs/license-key.md §5).

    Up to two wrong symbols are put right, among them any swap of neighbours; a character outside the alphabet is a
    wrong symbol whose value nobody knows. Three wrong symbols are always noticed and never "corrected". One missing
    or one extra symbol is put right when nothing else is wrong and only one key fits.

    Args:
        text: What a person typed or pasted; at most 512 characters.

    Returns:
        A proposal, or None: a key of another shape, too far from any key, or more than one key would fit.

    Does not say that the key exists; only its issuer knows that.
    """
    if len(text) > MAX_TYPED_CHARACTERS:
        return None
    in_place = _typed_in_place(text.strip())
    if in_place is not None:
        return _heal_substitutions(in_place)
    typed = [character for character in text if not is_separator(character)]
    if len(typed) == WORD_SYMBOLS:
        return _heal_substitutions(typed)
    if len(typed) == WORD_SYMBOLS - 1:
        return _heal_missing(typed)
    if len(typed) == WORD_SYMBOLS + 1:
        return _heal_extra(typed)
    return None


def last_four(key: str) -> str:
    """
    What may be shown or logged of *key*: its last four characters, and never more than half of a short one (SEC-33).

    Args:
        key: Any license key, ours or imported.
    """
    return key[-4:] if len(key) >= 8 else key[len(key) - len(key) // 2 :]


def is_separator(character: str) -> bool:
    """Whether *character* only groups what is typed: a blank, a dash or their like (specs/license-key.md)."""
    return character in _SEPARATORS or character.isspace()


_UNREADABLE = 255
_ASCII_SEPARATORS = bytes(code for code in range(128) if is_separator(chr(code)))
_ASCII_VALUES = bytes(SYMBOL_VALUES.get(chr(code), _UNREADABLE) for code in range(128)).ljust(256, b"\xff")


def _grouped(symbols: Sequence[int]) -> str:
    letters = "".join([ALPHABET[symbol] for symbol in symbols])
    return "-".join([letters[start : start + _GROUP] for start in range(0, WORD_SYMBOLS, _GROUP)])


def _typed_in_place(text: str) -> list[str] | None:
    """
    The 25 characters of a text that has the key's outline: separators at the four right places, 29 characters in all.

    In that outline a dash or blank typed *instead of* a symbol is a wrong symbol, not a separator.
    """
    if len(text) != _GROUPED_CHARACTERS:
        return None
    borders = range(_GROUP, _GROUPED_CHARACTERS, _GROUP + 1)
    if not all(is_separator(text[border]) for border in borders):
        return None
    return [character for place, character in enumerate(text) if place not in borders]


def _heal_substitutions(typed: list[str]) -> Healing | None:
    # An unreadable character takes part as a 0. If that happens to be right, the decoder sees no error there and it
    # still counts as a change, so errors + erasures stay within two (design.md §5).
    codeword = correct([SYMBOL_VALUES.get(character, 0) for character in typed])
    if codeword is None:
        return None
    changes = tuple(
        Change(position=place + 1, typed=character, corrected=ALPHABET[symbol])
        for place, (character, symbol) in enumerate(zip(typed, codeword, strict=True))
        if SYMBOL_VALUES.get(character) != symbol
    )
    if len(changes) > _MAX_CHANGES:
        return None
    return Healing(key=_grouped(codeword), changes=changes, exact=not changes)


def _heal_missing(typed: list[str]) -> Healing | None:
    """One symbol was left out. All 25 add up to 0 (the root α⁰), so its value is known; its place is searched."""
    word = _readable(typed)
    if len(word) != len(typed):
        return None
    missing = _sum(word)
    proposals: dict[str, Change] = {}
    for place in range(WORD_SYMBOLS):
        candidate = [*word[:place], missing, *word[place:]]
        if is_codeword(candidate):
            change = Change(position=place + 1, typed="", corrected=ALPHABET[missing])
            proposals.setdefault(_grouped(candidate), change)
    return _only(proposals)


def _heal_extra(typed: list[str]) -> Healing | None:
    """One character is too many: the unreadable one if there is one, else one whose value is the sum of all 26."""
    word = _readable(typed)
    unreadable = [place for place, character in enumerate(typed) if character not in SYMBOL_VALUES]
    surplus = _sum(word)
    proposals: dict[str, Change] = {}
    for place in unreadable or [place for place, symbol in enumerate(word) if symbol == surplus]:
        candidate = _readable(typed[:place] + typed[place + 1 :])
        if len(candidate) == WORD_SYMBOLS and is_codeword(candidate):
            change = Change(position=place + 1, typed=typed[place], corrected="")
            proposals.setdefault(_grouped(candidate), change)
    return _only(proposals)


def _only(proposals: dict[str, Change]) -> Healing | None:
    if len(proposals) != 1:
        return None
    [(key, change)] = proposals.items()
    return Healing(key=key, changes=(change,), exact=False)


def _readable(typed: Sequence[str]) -> list[int]:
    return [SYMBOL_VALUES[character] for character in typed if character in SYMBOL_VALUES]


def _sum(word: Sequence[int]) -> int:
    total = 0
    for symbol in word:
        total ^= symbol
    return total
