"""Whether each part of an open installation works now (REL-14)."""

from __future__ import annotations

import asyncio

from carnet.core._base import Struct
from carnet.core.errors import CarnetError
from carnet.server.domain.clock.guard import ClockGuard
from carnet.server.domain.keys.service import KeyService
from carnet.server.domain.trust.live import LiveTrust
from carnet.server.ports import Storage


class Check(Struct):
    """
    One part of readiness: its name, whether it works, and what is wrong if not (REL-14). Without one that is not
    `vital` the server serves on.
    """

    name: str
    ok: bool
    problem: str = ""
    vital: bool = True


async def check_parts(
    storage: Storage, trust: LiveTrust, compatibility: KeyService, guard: ClockGuard
) -> tuple[Check, ...]:
    """
    Try each part.

    Returns:
        ``database`` (a write transaction), ``signer`` (the root verifies it), and, not vital, ``signing-keys`` (those
        that are to sign open here, else the ones before them go on), ``compatibility-keys``
        (each active one signs, and its own public half verifies it) and ``clock`` (its guard has no doubt, SEC-31).
    """
    checks = []
    try:
        await storage.ping()
        checks.append(Check(name="database", ok=True))
    except CarnetError as error:
        checks.append(Check(name="database", ok=False, problem=error.message))
    try:
        await asyncio.to_thread(trust.prove)  # a signer may be a service
        checks.append(Check(name="signer", ok=True))
    except CarnetError as error:
        checks.append(Check(name="signer", ok=False, problem=error.message))
    problems = trust.state.problems
    checks.append(Check(name="signing-keys", ok=not problems, problem=" ".join(problems), vital=False))
    try:
        broken = await compatibility.prove()
        # Anybody may ask: no paths, and of a key only what the JWKS shows.
        problem = " ".join(f"The key {each.kid} of {each.product} cannot sign ({each.code})." for each in broken)
        checks.append(Check(name="compatibility-keys", ok=not broken, problem=problem, vital=False))
    except CarnetError as error:  # the records cannot be read, which the database's own part says too
        checks.append(Check(name="compatibility-keys", ok=False, problem=error.message, vital=False))
    # Without the right time nothing is signed, and all that needs no signature goes on (SEC-31).
    doubt = guard.doubt()
    problem = "" if doubt is None else f"{doubt.error()} Nothing is signed."
    checks.append(Check(name="clock", ok=doubt is None, problem=problem, vital=False))
    return tuple(checks)
