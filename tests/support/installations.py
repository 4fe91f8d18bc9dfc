"""Real installations for tests: made once, copied per test, opened with a clock that the test holds."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from carnet.core.instant import Instant
from carnet.formats.device_proof import make_device_proof
from carnet.formats.encoding import b64url_encode
from carnet.formats.fingerprint import native_fingerprint
from carnet.formats.keys import Ed25519Signer
from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim, DeviceProofInput
from carnet.server.domain.licenses.commands import CreatedLicense, CreateLicense
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.signing.sealing import ScryptCost

START = Instant(1_790_000_000)
CHEAP = ScryptCost(log2_n=10)
PRODUCT = "hustl"


class HeldClock:
    """A clock that stands until the test moves it."""

    def __init__(self, at: Instant = START) -> None:
        self.at = at

    def now(self) -> Instant:
        return self.at

    def advance(self, seconds: int) -> None:
        self.at = Instant(self.at + seconds)


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="carnet-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = Settings(data=folder / "data")
    create_installation(settings, InitOptions(root_keys=folder / "root"), now=START, cost=CHEAP)
    return folder / "data"


def settings_in(folder: Path) -> Settings:
    """A fresh installation below *folder*, started at `START`."""
    data = folder / "data"
    if not data.exists():
        shutil.copytree(_template(), data)
    return Settings(data=data, public_url="https://license.example.com")


@asynccontextmanager
async def opened(folder: Path, clock: HeldClock | None = None) -> AsyncIterator[Installation]:
    """The installation below *folder*, open; made if it is not there."""
    async with open_installation(settings_in(folder), clock=clock or HeldClock()) as installation:
        yield installation


async def licensed(installation: Installation, **changes: Any) -> CreatedLicense:
    """A license of the product `hustl`, which is made if it is not there; consumer policy unless told otherwise."""
    if not (await installation.products.list(limit=1)).items:
        await installation.products.create(CreateProduct(id=PRODUCT), OPERATOR)
    command: dict[str, Any] = {"product": PRODUCT, "policy": "consumer", **changes}
    return await installation.licenses.create(CreateLicense(**command), OPERATOR)


def fingerprint(name: object) -> str:
    """The fingerprint of the device called *name*."""
    return native_fingerprint(PRODUCT, f"device {name}")


class Device:
    """A device with a key pair of its own."""

    def __init__(self, name: object = "one", *, seed: int = 7) -> None:
        self.name = str(name)
        self.signer = Ed25519Signer(bytes([seed]) * 32)

    def claim(self, *, with_key: bool = True) -> DeviceClaim:
        public_key = b64url_encode(self.signer.public_key.raw) if with_key else None
        return DeviceClaim(fingerprint=fingerprint(self.name), name=self.name, platform="linux", public_key=public_key)

    def activate(self, key: str, *, with_key: bool = True, **changes: Any) -> ActivateCommand:
        command: dict[str, Any] = {
            "license_key": key,
            "product": PRODUCT,
            "device": self.claim(with_key=with_key),
            **changes,
        }
        return ActivateCommand(**command)

    def proof(
        self, *, at: Instant, nonce: str = "n-1", path: str = "/v1/refresh", body: bytes = b"{}", method: str = "POST"
    ) -> DeviceProofInput:
        text = make_device_proof(self.signer, method=method, path=path, body=body, at=at, nonce=nonce)
        return DeviceProofInput(proof=text, method=method, path=path, body=body)
