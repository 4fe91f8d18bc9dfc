"""Whether each part of an open installation works now (REL-14)."""

from __future__ import annotations

import asyncio
import time
from typing import Final
from weakref import WeakKeyDictionary

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, TransportError
from carnet.server.domain.clock.guard import ClockGuard
from carnet.server.domain.keys.service import KeyService
from carnet.server.domain.signing import waits
from carnet.server.domain.trust.live import LiveTrust, TrustState
from carnet.server.ports import Storage

PROOF_SECONDS: Final = 30
"""For so long it is believed that a key in a service signs, after it did."""
_SLOW_SECONDS: Final = 1.0
_proved: WeakKeyDictionary[LiveTrust, tuple[TrustState, float]] = WeakKeyDictionary()


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
        ``database`` (a write transaction), ``signer`` (the root verifies it; not vital where a token or service is
        away, because whatever needs no signature goes on, REL-08), and, not vital, ``signing-keys`` (those
        that are to sign open here, else the ones before them go on), ``compatibility-keys``
        (each active one signs, and its own public half verifies it) and ``clock`` (its guard has no doubt, SEC-31).
    """
    checks = []
    try:
        await storage.ping()
        checks.append(Check(name="database", ok=True))
    except CarnetError as error:
        checks.append(Check(name="database", ok=False, problem=error.message))
    checks.append(await _signer(trust))
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


async def _signer(trust: LiveTrust) -> Check:
    """Whether each key signs. Keys in services are asked every half minute at most: each signature is a call there."""
    state = trust.state
    is_slow = any(waits(signer) for signer in state.signers.values())
    proved = _proved.get(trust)
    if is_slow and proved is not None and proved[0] is state and time.monotonic() - proved[1] < PROOF_SECONDS:
        return Check(name="signer", ok=True)
    try:
        # On a thread, since a signer may be a service; one that takes too long goes on without us.
        await asyncio.wait_for(asyncio.to_thread(trust.prove), _SLOW_SECONDS if is_slow else None)
    except TimeoutError:
        return Check(name="signer", ok=False, problem="A key's service has not answered yet.", vital=False)
    except TransportError as error:
        return Check(name="signer", ok=False, problem=error.message, vital=False)
    except CarnetError as error:
        return Check(name="signer", ok=False, problem=error.message)
    _proved[trust] = (state, time.monotonic())
    return Check(name="signer", ok=True)
