"""What a parser under attack is, and what it may do with an input."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from carnet.core._base import Struct
from carnet.core.errors import DoesNotOpenError, MalformedError, NotGenuineError
from support.attack_mutators import Mutator

CODES_PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "codes.md"
ACCEPTED: Final = "accepted"


class Parser(Struct):
    """
    One parser under attack.

    Attributes:
        seeds: Genuine inputs.
        read: Calls the parser; what it returns does not matter, what it raises does.
        craft: Makes an input that is genuine again after its content was changed.
        opinion: Whether an input is to be accepted, by a reader written from the specification alone.
    """

    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]
    craft: Callable[[Mutator], bytes]
    opinion: Callable[[bytes], bool] | None = None


class UndocumentedError(Exception):
    """What no parser may do."""


def documented_codes() -> frozenset[str]:
    """The codes of docs/reference/codes.md."""
    return frozenset(re.findall(r"^\| `([a-z0-9_]+)` \|", CODES_PAGE.read_text("utf-8"), re.MULTILINE))


_CODES: Final = documented_codes()


def outcome_of(parser: Parser, data: bytes) -> str:
    """
    ``accepted`` or the code of the refusal.

    Raises:
        UndocumentedError: A code that the page does not list, an error without a sentence or remedy.
        Exception: Whatever else the parser raised.
    """
    try:
        parser.read(data)
    except (MalformedError, NotGenuineError, DoesNotOpenError) as refused:
        if refused.code not in _CODES or not refused.message or not refused.fix:
            raise UndocumentedError(refused.code) from refused
        return refused.code
    return ACCEPTED
