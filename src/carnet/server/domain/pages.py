"""Turning one row too many into a page that knows whether it is the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from carnet.server.records import Page

_T = TypeVar("_T")


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
