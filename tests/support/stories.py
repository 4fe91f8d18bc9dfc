"""Telling a story on a real installation: opened, with one license, closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

from carnet.core.decision import Refused
from carnet.formats.answer import Answer, verify_answer
from carnet.server.domain.activations.commands import ActivationResult
from carnet.server.domain.answers import Answered
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.installation import Installation
from support.installations import HeldClock, licensed, opened

Story: TypeAlias = Callable[[Installation, CreatedLicense, HeldClock], Awaitable[None]]


def tell(folder: Path, story: Story, **changes: Any) -> None:
    """Run *story* with a license that has *changes*."""
    clock = HeldClock()

    async def run() -> None:
        async with opened(folder, clock) as installation:
            await story(installation, await licensed(installation, **changes), clock)

    asyncio.run(run())


def granted(answered: Answered[ActivationResult]) -> ActivationResult:
    """The seat that was granted."""
    assert isinstance(answered.result, ActivationResult), answered.result
    return answered.result


def refused(answered: Answered[Any], code: str) -> Refused:
    """The refusal, which is *code* and explains itself."""
    assert isinstance(answered.result, Refused), answered.result
    assert answered.result.code == code == answered.result.reasons[0].code
    assert all(reason.message and reason.fix for reason in answered.result.reasons)
    return answered.result


def proved(installation: Installation, answered: Answered[Any]) -> Answer:
    """The verified proof of the answer."""
    assert answered.proof is not None
    return verify_answer(answered.proof, installation.ring)
