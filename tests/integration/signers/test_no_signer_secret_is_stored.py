"""
SEC-25: private keys, PINs and tokens are found nowhere: a planted search over the database, its dump, backups, logs,
errors and answers of an installation whose keys are in files, a token and three services.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carnet.core.errors import CarnetError
from carnet.formats.encoding import b64url_encode
from carnet.formats.keys import Role
from carnet.server.backup.container import FilePart, RowsPart
from carnet.server.backup.service import opened_backup
from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.installation import Installation, open_installation
from carnet.server.layout import Layout
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.signing.remote import RemoteSigner
from carnet.server.signing.root_keys import read_root_key
from support.databases import Kind, empty_database
from support.installations import CHEAP, START, Device, HeldClock, licensed
from support.signer_places import PATIENT, Place, ServicePlace, place
from support.softhsm import MISSING
from support.stories import granted

_WHERE: dict[Role, str] = {"token": "softhsm", "machine-file": "aws", "answer": "google", "license-key": "vault"}


def spellings(secret: bytes) -> set[bytes]:
    return {secret, secret.hex().encode(), secret.hex().upper().encode(), b64url_encode(secret).encode()}


@pytest.mark.skipif(MISSING is not None, reason=f"not run here: {MISSING}")
def test_sec_25_private_keys_pins_and_tokens_are_stored_and_said_nowhere(
    tmp_path: Path, database: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bytes] = []

    def random(count: int) -> bytes:
        made = os.urandom(count)
        if count == 32:
            given.append(made)  # the seeds of the file signers are among these
        return made

    settings = Settings(data=tmp_path / "data", postgres=empty_database(), key_announce_seconds=0)
    create_installation(settings, InitOptions(root_keys=tmp_path / "root"), now=START, random=random, cost=CHEAP)
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    said: list[str] = []
    secrets: set[bytes] = set()
    try:
        with ExitStack() as stack:
            places: dict[Role, Place] = {}
            for role, kind in _WHERE.items():
                at = places[role] = stack.enter_context(place(kind, "Ed25519", tmp_path, monkeypatch))
                for name, value in at.environ.items():
                    monkeypatch.setenv(name, value)
                secrets |= {secret.encode() for secret in at.secrets}
                if isinstance(at, ServicePlace) and isinstance(at.stub.private, Ed25519PrivateKey):
                    secrets |= spellings(at.stub.private.private_bytes_raw())
            account = (tmp_path / "service-account.json").read_text()
            secrets |= {account.split("-----")[2].split("\\n")[3].encode()}  # a line of its private key
            asyncio.run(_live(settings, places, tmp_path, said))
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    for seed in given:
        secrets |= spellings(seed)
    searched = {
        str(path.relative_to(settings.data)): path.read_bytes()
        for path in settings.data.rglob("*")
        if path.is_file() and path.parent.name != "secrets"
    }
    searched["log"] = logged.getvalue().encode()
    searched["errors"] = "\n".join(said).encode()
    searched["dump"] = _dump(settings, tmp_path / "all.backup")
    searched["backup"] = (tmp_path / "all.backup").read_bytes()
    for role, at in places.items():
        assert at.location.encode() in searched["dump"], f"the search does find what is there: where {role} is"
    assert searched["errors"].count(b"signer_") >= 8
    assert b"root.installed" in searched["dump"]
    assert len(secrets) > 40
    for secret in secrets:
        for name, content in searched.items():
            assert secret not in content, f"a secret stands in {name}"
    assert database


async def _live(settings: Settings, places: dict[Role, Place], folder: Path, said: list[str]) -> None:
    """Ceremonies, every kind of artifact, every kind of outage."""
    people = [read_root_key(path.read_bytes(), None) for path in (folder / "root").iterdir()]
    async with open_installation(settings, clock=HeldClock()) as installation:
        desk = installation.ceremonies
        for role, at in places.items():
            begun = await desk.begin(await desk.announce((role,), location=at.location))
            said.append(repr(begun))
            await desk.sign(begun, people)
            said.append(repr(await desk.finish(OPERATOR)))
        await desk.rotate(None, OPERATOR)
        created = await licensed(installation, overrides={"seat_limit": 50})
        granted(await installation.activations.activate(Device("one").activate(created.key, nonce="n" * 16)))
        await installation.backups.create(folder / "all.backup", OPERATOR)
        for role, at in places.items():
            for how in (*at.downs[-2:], *at.lies[:2]):
                with at.down(how):
                    await _refused(installation, role, created.key, said)
            if isinstance(at, ServicePlace):
                with at.forbidden():
                    await _refused(installation, role, created.key, said)


async def _refused(installation: Installation, role: Role, key: str, said: list[str]) -> None:
    """What is told of a signature that cannot be had, to the log, to the operator, to the caller."""
    signer = installation._keys.signer(role)
    assert isinstance(signer, RemoteSigner)
    signer._limits = PATIENT
    signer._gate.passed()
    said.append(repr(signer))
    with pytest.raises(CarnetError) as caught:
        await asyncio.to_thread(signer.sign, b"m")
    said += [caught.value.code, str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    said.append(repr(await installation.checks()))
    try:
        await installation.activations.activate(Device(f"{role} {len(said)}").activate(key, nonce="n" * 16))
    except CarnetError as error:
        logging.getLogger("carnet").exception("request.unavailable")
        said.append(str(error))


def _dump(settings: Settings, backup: Path) -> bytes:
    """Every row and file that a backup holds, opened: the same on both databases."""
    found: list[bytes] = []
    with opened_backup(Layout(data=settings.data), backup) as (_, parts):
        for part in parts:
            if isinstance(part, RowsPart):
                for row in part.rows:
                    found += [value if isinstance(value, bytes) else str(value).encode() for value in row]
            elif isinstance(part, FilePart):
                found.append(repr(part).encode())
    return b"\n".join(found)
