"""
Signing without holding up the event loop (R-63, REL-08).

A key in memory signs in 40 µs, where it is called. One in a token or a service takes a round trip, and seconds while
that is down: a signer says so (`waits`), and then what signs is done on threads of its own, so that neither other
requests nor those who need the usual threads wait for it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, TypeVar

from carnet.core.errors import CarnetError
from carnet.formats.keys import Role, Signer
from carnet.server.ports import SigningKeys

_T = TypeVar("_T")

AT_ONCE: Final = 32
"""Requests of one process that wait for signatures at the same time; the others wait for their turn."""


async def off_the_loop(keys: SigningKeys, roles: tuple[Role, ...], make: Callable[[], _T]) -> _T:
    """
    What *make* returns or raises; made here where every signer is in this process.

    Args:
        keys: The signing keys.
        roles: What *make* signs as.
        make: Signs. Safe on another thread.
    """
    if not any(_waits_for(keys, role) for role in roles):
        return make()
    return await _on_a_thread(make)


async def sign_off_the_loop(signer: Signer, make: Callable[[], _T]) -> _T:
    """As `off_the_loop`, for *make* that signs with *signer*."""
    return await _on_a_thread(make) if waits(signer) else make()


def waits(signer: Signer) -> bool:
    """Whether a signature of *signer* may take longer than a computation."""
    return bool(getattr(signer, "waits", False))


def _waits_for(keys: SigningKeys, role: Role) -> bool:
    try:
        return waits(keys.signer(role))
    except CarnetError:
        return False  # there is none now, and `make` says so in its own way


async def _on_a_thread(make: Callable[[], _T]) -> _T:
    context = contextvars.copy_context()  # the request's id, for what is logged
    return await asyncio.get_running_loop().run_in_executor(_threads(), context.run, make)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="carnet-signing")
