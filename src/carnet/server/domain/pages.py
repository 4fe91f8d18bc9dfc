"""
Pages of lists: where one begins, and turning one row too many into a page that knows whether it is the last.

A page begins after what the page before ended with. What no page can have ended with is refused: a list that quietly
began again would make whoever reads all of it read for ever, or twice. Whether the row is still there is not asked;
a list goes on where it stood.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from carnet.core.errors import UsageError
from carnet.server.domain.checks import check_slug, check_text, invalid
from carnet.server.domain.ids import ID_PATTERN
from carnet.server.records import Page

_T = TypeVar("_T")

_ID: Final = re.compile(ID_PATTERN)
_NUMBER: Final = re.compile("[1-9][0-9]{0,17}")
_MAX_NAME: Final = 100
"""Of a policy: `carnet.core.policies`."""


def page_of(found: tuple[_T, ...], limit: int, key: Callable[[_T], str]) -> Page[_T]:
    """
    A page of *found*.

    Args:
        found: What storage gave when it was asked for ``limit + 1``.
        limit: How many the page holds at most.
        key: What the next page begins after.
    """
    items = found[:limit]
    return Page(items=items, next_after=key(items[-1]) if len(found) > limit else None)


def after_id(after: str | None) -> str | None:
    """
    *after*, if it is None or the id of something stored, as `Ids` makes them.

    Raises:
        UsageError: ``invalid_argument``.
    """
    if after is None or _ID.fullmatch(after):
        return after
    raise _refusal()


def after_slug(after: str | None) -> str | None:
    """
    *after*, if it is None or a slug, such as a product's.

    Raises:
        UsageError: ``invalid_argument``.
    """
    return None if after is None else check_slug("cursor", after)


def after_name(after: str | None) -> str | None:
    """
    *after*, if it is None or can be a policy's name.

    Raises:
        UsageError: ``invalid_argument``.
    """
    return None if after is None else check_text("cursor", after, most=_MAX_NAME)


def after_number(after: str | None) -> int | None:
    """
    The number that *after* is, None for None: decimal, from 1, in its one spelling.

    Raises:
        UsageError: ``invalid_argument``.
    """
    number = None if after is None else number_of(after)
    if after is None or number is not None:
        return number
    raise _refusal()


def number_of(text: str) -> int | None:
    """The number of something stored, from 1, if *text* is its one spelling; None for any other text."""
    return int(text) if _NUMBER.fullmatch(text) else None


def _refusal() -> UsageError:
    return invalid("cursor", "what the page before ended with")
