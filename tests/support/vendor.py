"""A vendor's real server for tests: an installation on disk, over HTTP, with an admin client and a device client."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from carnet.core.instant import Instant
from carnet.formats.keys import Ed25519Signer, KeyRing
from carnet.formats.root import read_root
from carnet.server.app import create_app
from carnet.server.installation import InitOptions, Installation, create_installation, open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from support.databases import empty_database
from support.live_server import LiveServer, serving

_T = TypeVar("_T")
_numbers = itertools.count(1)


def fingerprint(seed: object = None) -> str:
    """A device fingerprint; the same for the same seed, a new one without."""
    import hashlib

    return hashlib.sha256(repr(secrets.token_hex(8) if seed is None else seed).encode()).hexdigest()


class ShiftedClock:
    """The wall clock, some seconds away."""

    def __init__(self) -> None:
        self.shift = 0

    def now(self) -> Instant:
        """The present second, shifted."""
        return Instant(int(time.time()) + self.shift)


class Vendor:
    """What the tests need of one server."""

    def __init__(self, live: LiveServer, installation: Installation, admin_token: str, clock: ShiftedClock) -> None:
        self.live = live
        self.clock = clock
        self.installation = installation
        self.admin_token = admin_token
        self.http = httpx2.Client(base_url=live.url, timeout=120)
        self.ring: KeyRing = read_root(installation.roots[-1]).ring()

    def on_the_servers_loop(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run *work* where the server runs, beside its requests."""
        assert self.live.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.live.loop).result(120)

    # ── the vendor's side ────────────────────────────────────────────────────────────────────────────────────────────

    def admin(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> httpx2.Response:
        """An admin call; *path* is below /v1/admin."""
        headers = {"Authorization": f"Bearer {token or self.admin_token}"}
        return self.http.request(method, f"/v1/admin{path}", json=body, headers=headers)

    def made(self, path: str, body: Any) -> Any:
        """What an admin POST makes; it must succeed."""
        answer = self.admin("POST", path, body)
        assert answer.is_success, answer.text
        return answer.json()

    def product(self) -> str:
        """A fresh product."""
        slug = f"product-{next(_numbers)}"
        self.made("/products", {"id": slug})
        return slug

    def license(self, product: str | None = None, **members: Any) -> Any:
        """A fresh license, with its key, of a fresh product unless one is given."""
        return self.made("/licenses", {"product": product or self.product(), "policy": "consumer", **members})

    # ── the device's side ────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, call: str, license_: Any, device: Any = None, **members: Any) -> httpx2.Response:
        """A device call about *license_*; *device* is a fingerprint or a whole object."""
        if isinstance(device, str):
            device = {"fingerprint": device}
        body = {"license_key": license_["key"], "product": license_["product"], **members}
        if device is not None:
            body["device"] = device
        return self.http.post(f"/v1/{call}", json={name: value for name, value in body.items() if value is not ...})

    def counts(self) -> dict[str, int]:
        """How many rows of each kind there are: what must not change when a request is refused."""
        seen = {}
        for name in ("products", "customers", "licenses", "audit"):
            total, cursor = 0, None
            while True:
                answer = self.admin("GET", f"/{name}?limit=500" + (f"&cursor={cursor}" if cursor else "")).json()
                total += len(answer["items"])
                cursor = answer["next_cursor"]
                if cursor is None:
                    break
            seen[name] = total
        return seen

    @contextmanager
    def later(self, seconds: int) -> Iterator[None]:
        """The server's clock is ahead for the length of a `with`."""
        self.clock.shift = seconds
        try:
            yield
        finally:
            self.clock.shift = 0
            self.on_the_servers_loop(self.installation.clock.confirm(OPERATOR))  # it is behind what it signed meanwhile

    @contextmanager
    def another_app(self, change: Callable[[Installation], object]) -> Iterator[httpx2.Client]:
        """A client of a second server over the same installation, after *change* was made to what it opened."""

        @asynccontextmanager
        async def opening() -> AsyncIterator[Any]:
            async with open_installation(self.installation.settings, clock=self.clock) as installation:
                change(installation)
                yield create_app(installation)

        with serving(opening) as live, httpx2.Client(base_url=live.url, timeout=120) as http:
            yield http

    @staticmethod
    def device_key(seed: int = 1) -> Ed25519Signer:
        """A device's own key."""
        return Ed25519Signer(bytes([seed]) * 32)


@contextmanager
def vendor_at(folder: Path) -> Iterator[Vendor]:
    """A fresh installation in *folder*, served for the length of a `with`."""
    settings = Settings(data=folder / "data", port=0, postgres=empty_database())
    report = create_installation(settings, InitOptions(root_keys=folder / "root"))
    opened: list[Installation] = []
    clock = ShiftedClock()

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        async with open_installation(settings, clock=clock) as installation:
            opened.append(installation)
            yield create_app(installation)

    with serving(opening) as live:
        vendor = Vendor(live, opened[0], report.admin_token, clock)
        try:
            yield vendor
        finally:
            vendor.http.close()
