"""
Keys in messages, reduced to their last four characters (SEC-33, design.md §2 rule 10), and nothing else touched.

A key may have been typed anywhere on a command line, with its dashes, with blanks or without either. What is masked
looks like one: groups of one length, long runs with digits in them, our own tokens by their prefix. Sentences are not:
their words differ in length, and do not mix letters with digits. Ids of records (UUIDs) are no secrets and stay.
"""

from __future__ import annotations

import re
from typing import Final

_UUID: Final = r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
_DASHES: Final = r"[-_\u2013\u2014]"
_SAME_LENGTH: Final = "|".join(
    rf"[0-9A-Za-z]{{{n}}}(?P<by{n}>{_DASHES}|[. ])[0-9A-Za-z]{{{n}}}(?:(?P=by{n})[0-9A-Za-z]{{{n}}}){{1,128}}"
    rf"(?:(?:(?P=by{n})[0-9A-Z]{{2,{n}}}|{_DASHES}[0-9A-Za-z]{{2,{n}}})(?![0-9A-Za-z]))?"
    for n in range(4, 9)
)
_CANDIDATE: Final = re.compile(
    rf"(?<![0-9A-Za-z])(?:"
    rf"(?P<id>{_UUID})"
    rf"|(?P<token>carnet_[a-z]+_[0-9A-Za-z_-]{{8,}})"
    rf"|(?P<groups>{_SAME_LENGTH})"
    rf"|(?P<parts>[0-9A-Za-z]{{2,16}}(?:{_DASHES}[0-9A-Za-z]{{2,16}}){{2,}})"
    rf"|(?P<run>[0-9A-Za-z]{{20,}}|[0-9A-Za-z_-]{{32,}})"
    rf")(?![0-9A-Za-z])"
)
_WORD: Final = re.compile(r"[0-9A-Za-z]+")
_KINDS: Final = ("id", "token", "groups", "parts", "run")
_LEAST: Final = 16
"""Symbols of the shortest key that the server takes over from another system (formats.key_strength)."""

_VARIABLE: Final = re.compile(r"[A-Z]+(?:_[A-Z]+)+|CARNET(?:_[A-Z][A-Z0-9]*)+")
"""Names of environment variables; ours may hold digits, as in CARNET_PKCS11_MODULE."""


def redact(text: str) -> str:
    """*text* with everything that could be a key reduced to its last four characters."""
    said: list[str] = []
    done = 0
    while (found := _CANDIDATE.search(text, done)) is not None:
        begin, end, masked = found.start(), found.end(), _masked(found)
        if masked == found.group() and found["groups"] is not None:
            # Only words, so far: the second of them is looked at again, for it may begin a key.
            end = begin + len(_WORD.match(masked)[0])  # type: ignore[index] # every group is one
            masked = text[begin:end]
        said += [text[done:begin], masked]
        done = end
    return "".join([*said, text[done:]])


def _masked(found: re.Match[str]) -> str:
    text = found.group()
    kind = next(name for name in _KINDS if found.group(name) is not None)
    symbols = [each for each in text if each.isalnum()]
    if kind == "id" or (kind != "token" and len(symbols) < _LEAST):
        return text
    return text if kind != "token" and _are_words(text, kind) else f"…{text[-4:]}"


def _are_words(text: str, kind: str) -> bool:
    """Whether a person, or a program that names things, may have written this."""
    words = re.split(rf"{_DASHES}|[. ]", text)
    if kind != "parts" and text.upper() == text and text.lower() != text:
        return _VARIABLE.fullmatch(text) is not None
    mixed = sum(len(word) for word in words if _is_mixed(word))
    # Names of files and times hold a word with digits, too; keys of other systems are mostly made of such.
    return mixed == 0 if kind in {"groups", "run"} else 2 * mixed < sum(map(len, words))


def _is_mixed(word: str) -> bool:
    """Four characters and more with both letters and digits in them: `Xq7Zp` and not `v2`, `2027`, `files`."""
    return len(word) >= 4 and not word.isalpha() and not word.isdigit()
