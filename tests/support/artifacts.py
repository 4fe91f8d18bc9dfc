"""Artifacts issued by hand on real installations, and unrelated libraries that read them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
from nacl.signing import VerifyKey

from carnet.core.decision import Refused
from carnet.server.domain.artifacts.commands import IssuedArtifact
from carnet.server.domain.keys.commands import CreateKey
from carnet.server.domain.keys.service import pem_of
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR, CompatibilityAlgorithm, CompatibilityKey
from support.installations import PRODUCT, Device, HeldClock, licensed, opened
from support.stories import granted

UNTIMED: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


def tell(folder: Path, story: Callable[[Installation, HeldClock], Awaitable[None]]) -> None:
    """A story on a real installation, whose clock the test holds."""

    async def run() -> None:
        clock = HeldClock()
        async with opened(folder, clock) as installation:
            await story(installation, clock)

    asyncio.run(run())


async def seated(installation: Installation, name: str = "one", **changes: Any) -> tuple[str, str, str]:
    """A license with a device that holds a seat: its id, its key, the device's fingerprint."""
    created = await licensed(installation, **changes)
    device = Device(name)
    granted(await installation.activations.activate(device.activate(created.key)))
    return created.license.id, created.key, device.claim().fingerprint


async def key_of(installation: Installation, alg: CompatibilityAlgorithm, product: str = PRODUCT) -> CompatibilityKey:
    """A new active compatibility key."""
    return (await installation.keys.create(CreateKey(product=product, alg=alg), OPERATOR)).key


def issued(result: IssuedArtifact | Refused) -> IssuedArtifact:
    """What was issued; not a refusal."""
    assert isinstance(result, IssuedArtifact), result
    return result


def read_by_pyjwt(text: str, key: CompatibilityKey) -> dict[str, Any]:
    """The claims of a token, as PyJWT reads them under the exported PEM alone."""
    claims: dict[str, Any] = jwt.decode(text, pem_of(key), algorithms=[key.alg], options=UNTIMED)
    return claims


def read_by_pynacl(document: str, public_key: bytes) -> dict[str, Any]:
    """The token of an offline token's document, as its contract's clients read it, with PyNaCl."""
    whole = json.loads(document)
    canonical = whole["canonical"].encode()
    VerifyKey(public_key).verify(canonical, base64.b64decode(whole["signature"]["value"], validate=True))
    token: dict[str, Any] = json.loads(canonical)
    assert token == whole["token"]
    return token
