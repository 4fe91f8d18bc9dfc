"""
SEC-34: whoever tries keys learns nothing from how long an answer takes, because the server does the same for each.

Counted is what it does, not how long it takes: the hashes over the same number of bytes, the statements in their order,
the signatures. Times are a matter of the machine, and of `bench/`.
"""

from __future__ import annotations

import hmac
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from carnet.core.decision import Refused
from carnet.server.domain.activations.commands import DeactivateCommand, RefreshCommand, ValidateCommand
from carnet.server.domain.answers import Answered
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR
from support.databases import Kind
from support.installations import PRODUCT, Device, HeldClock, licensed
from support.stories import tell

Did: TypeAlias = list[tuple[str, object]]
Ask: TypeAlias = Callable[[Installation, str, str], Awaitable[Answered[Any]]]

_LITERAL = re.compile(r"[xX]?'(?:[^']|'')*'|\b\d+\b|\bNULL\b")


class Watch:
    """What a server does, between `begin` and the end of a request."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.did: Did = []
        self._patch = patch
        real = hmac.digest

        def digest(key: bytes, message: bytes, name: str) -> bytes:
            self.did.append(("hmac", len(message)))
            return real(key, message, name)

        patch.setattr(hmac, "digest", digest)
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect

        def connected(*args: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*args, **options)
            connection.set_trace_callback(lambda sql: self.did.append(("sql", _LITERAL.sub("?", sql))))
            return connection

        patch.setattr(sqlite3, "connect", connected)

    def over(self, installation: Installation) -> None:
        """Watch an open installation as well: PostgreSQL's statements, and what is signed."""
        pool = getattr(installation._storage, "_pool", None)
        for name in () if pool is None else ("read", "write"):
            self._patch.setattr(pool, name, self._heard(getattr(pool, name)))
        keys = installation.activations._prover._keys
        signer = keys.signer

        def signing(role: Any) -> Any:
            self.did.append(("sign", role))
            return signer(role)

        self._patch.setattr(keys, "signer", signing)

    def _heard(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def heard(sql: str, *values: Any) -> Any:
            self.did.append(("sql", sql))
            return await ask(sql, *values)

        return heard

    @contextmanager
    def request(self) -> Iterator[Did]:
        """What is done inside a `with`."""
        self.did.clear()
        did: Did = []
        yield did
        did += self.did


async def _activate(installation: Installation, key: str, product: str, nonce: str | None = None) -> Answered[Any]:
    return await installation.activations.activate(Device().activate(key, product=product, nonce=nonce))


async def _proved(installation: Installation, key: str, product: str) -> Answered[Any]:
    return await _activate(installation, key, product, nonce="n-1")


async def _validate(installation: Installation, key: str, product: str) -> Answered[Any]:
    command = ValidateCommand(license_key=key, product=product, device=Device().claim(), nonce="n-1")
    return await installation.activations.validate(command)


async def _refresh(installation: Installation, key: str, product: str) -> Answered[Any]:
    command = RefreshCommand(license_key=key, product=product, device=Device().claim(), nonce="n-1")
    return await installation.activations.refresh(command)


async def _deactivate(installation: Installation, key: str, product: str) -> Answered[Any]:
    command = DeactivateCommand(license_key=key, product=product, device=Device().claim(), nonce="n-1")
    return await installation.activations.deactivate(command)


CALLS: dict[str, Ask] = {
    "activate": _activate,
    "activate with a proof": _proved,
    "validate": _validate,
    "refresh": _refresh,
    "deactivate": _deactivate,
}


@pytest.mark.parametrize("call", CALLS)
def test_sec_34_the_server_does_the_same_for_every_key_it_refuses(
    tmp_path: Path, database: Kind, call: str, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    watch = Watch(monkeypatch)
    ask = CALLS[call]

    async def story(installation: Installation, _created: CreatedLicense, _: HeldClock) -> None:
        suspended, revoked, foreign = [await licensed(installation) for _ in range(3)]
        await installation.products.create(CreateProduct(id="other"), OPERATOR)
        await installation.licenses.suspend(suspended.license.id, OPERATOR)
        await installation.licenses.revoke(revoked.license.id, OPERATOR)
        tried = {
            "unknown": ("00000-00000-00000-00000-00000", PRODUCT),
            "unknown, of another form": ("IMPORTED-KEY-THAT-NOBODY-HAS!", PRODUCT),
            "of another product": (foreign.key, "other"),
            "suspended": (suspended.key, PRODUCT),
            "revoked": (revoked.key, PRODUCT),
        }
        assert {len(key) for key, _ in tried.values()} == {29}
        watch.over(installation)
        for key, product in tried.values():  # statements are prepared, signers loaded
            await ask(installation, key, product)
        done: dict[str, Did] = {}
        for name, (key, product) in tried.items():
            with watch.request() as did:
                answer = await ask(installation, key, product)
            done[name] = did
            assert isinstance(answer.result, Refused) or not answer.result.valid, name
        expected = done["unknown"]
        assert len([1 for what, _ in expected if what == "hmac"]) >= 2
        assert [1 for what, _ in expected if what == "sql"]
        for name, did in done.items():
            assert did == expected, name
        record_property(f"{call} on {database}: what is done for each refused key", len(expected))

    tell(tmp_path, story)
