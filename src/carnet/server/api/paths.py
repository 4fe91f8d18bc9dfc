"""One address for one thing: what is another spelling of an address is an address where nothing is."""

from __future__ import annotations

from typing import Any

from litestar import Request


def is_spelled(request: Request[Any, Any, Any], number: int) -> bool:
    """
    Whether the path of *request* ends with *number* as we write it; the router also takes ``01``, ``+1`` and ``1_0``.

    A cache keeps an answer for each spelling of its address, and who compares addresses takes two for two things. One
    slash at the end does not count, as everywhere else.
    """
    return request.scope["path"].removesuffix("/").rpartition("/")[2] == str(number)
