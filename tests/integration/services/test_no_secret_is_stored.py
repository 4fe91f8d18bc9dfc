from __future__ import annotations

import asyncio
import io
import logging
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.domain.activations.commands import DeactivateCommand, RefreshCommand
from carnet.server.domain.apikeys.commands import CreateApiKey
from carnet.server.domain.artifacts.commands import IssueOfflineToken, IssueSignedKey, IssueToken
from carnet.server.domain.keys.commands import CreateKey
from carnet.server.domain.licenses.commands import RenewLicense
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from support.artifacts import issued
from support.installations import CHEAP, PRODUCT, START, Device, HeldClock, licensed
from support.stories import granted


def spellings(secret: bytes) -> set[bytes]:
    return {secret, secret.hex().encode(), secret.hex().upper().encode(), b64url_encode(secret).encode()}


class Recorder:
    """A random source that remembers what it gave: every private key begins as one of these."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def __call__(self, count: int) -> bytes:
        import os

        made = os.urandom(count)
        if count >= 32:
            self.given.append(made)
        return made


@pytest.mark.sqlite_file
def test_sec_32_33_no_key_token_or_private_key_in_database_log_or_wal(tmp_path: Path) -> None:
    recorder = Recorder()
    settings = Settings(data=tmp_path / "data", passphrase=b"canary passphrase of the vendor")
    options = InitOptions(root_keys=tmp_path / "root", root_passphrase=b"canary passphrase of the root")
    report = create_installation(settings, options, now=START, random=recorder, cost=CHEAP)
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    secrets: set[bytes] = set()
    try:
        asyncio.run(_live(settings, secrets))
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    secrets |= {report.admin_token.encode(), b"canary passphrase of the vendor", b"canary passphrase of the root"}
    for path in (settings.data / "secrets").iterdir():
        secrets |= spellings(b64url_decode(path.read_text().strip(), "x"))
    for seed in recorder.given:
        secrets |= spellings(seed)
    stored = {path: path.read_bytes() for path in settings.data.rglob("*") if path.is_file()}
    searched = {path: content for path, content in stored.items() if path.parent.name != "secrets"}
    assert {path.name for path in searched} >= {"carnet.db", "store.json", "installation.json", "root.json"}
    assert any(b"license.created" in content for content in searched.values())  # the search does find what is there
    searched[Path("root keys")] = b"".join(path.read_bytes() for path in options.root_keys.iterdir())
    searched[Path("log")] = logged.getvalue().encode()
    for secret in secrets:
        for path, content in searched.items():
            assert secret not in content, f"a secret stands in {path}"


async def _live(settings: Settings, secrets: set[bytes]) -> None:
    """Everything that touches a secret, once; the database is copied aside while its WAL is full."""
    clock = HeldClock()
    async with open_installation(settings, clock=clock, say=logging.getLogger("carnet").info) as installation:
        created = await licensed(installation, duration_seconds=86400)
        canonical = created.key
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(canonical, nonce="n")))
        granted(await installation.activations.activate(device.activate(canonical.lower())))
        known: dict[str, Any] = {"product": PRODUCT, "device": device.claim(), "activation_id": seat.activation.id}
        proof = device.proof(at=clock.at)
        granted(await installation.activations.refresh(RefreshCommand(**known, device_proof=proof)))
        await installation.activations.refresh(RefreshCommand(**known, license_key=canonical))  # refused
        await installation.activations.activate(device.activate("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"))  # refused
        await installation.licenses.renew(RenewLicense(license_id=created.license.id, duration_seconds=5), OPERATOR)
        await installation.licenses.reveal_key(created.license.id, OPERATOR)
        secrets |= await _handed_out(installation, created.license.id, device.claim().fingerprint)
        api_key = await installation.apikeys.create(CreateApiKey(name="ci"), OPERATOR)
        await installation.activations.deactivate(
            DeactivateCommand(**known, device_proof=device.proof(at=clock.at, nonce="n-2"))
        )
        secrets |= {canonical.encode(), canonical.lower().encode(), canonical.replace("-", "").encode()}
        secrets |= {api_key.token.encode(), bytes([7]) * 32}  # the device's own private key
        wal = settings.data / "carnet.db-wal"
        assert wal.stat().st_size > 0
        (settings.data / "copy-of-the-wal").write_bytes(wal.read_bytes())


async def _handed_out(installation: Installation, license_id: str, fingerprint: str) -> set[bytes]:
    """What is issued by hand, each once: the texts, some of which hold the license key, and the signature of each."""
    await installation.keys.create(CreateKey(product=PRODUCT, alg="ES256"), OPERATOR)
    ask = IssueOfflineToken(license_id=license_id, fingerprint=fingerprint)
    keyforge = IssueToken(license_id=license_id, profile="keyforge", fingerprint=fingerprint)
    results = [
        await installation.artifacts.signed_key(IssueSignedKey(license_id=license_id), OPERATOR),
        await installation.artifacts.offline_token(ask, OPERATOR),
        await installation.artifacts.token(keyforge, OPERATOR),
        await installation.artifacts.token(replace(keyforge, profile="native-jwt"), OPERATOR),
    ]
    return {part for made in results for part in (issued(made).text.encode(), issued(made).text[-60:].encode())}
