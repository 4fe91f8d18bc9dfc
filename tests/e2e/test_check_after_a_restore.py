"""`carnet key check-artifact` of a file of which nobody can know, and what it says to do (SEC-24, REL-11)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from carnet.cli import exits
from carnet.formats.jose_keys import generate_private_pem, signer_from_pem
from carnet.formats.jws import sign_jws
from carnet.formats.profiles.traffic_orchestrator import AUDIENCE, DEFAULT_ISSUER
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim
from carnet.server.installation import open_installation
from carnet.server.settings import Settings
from support.shop import Shop


async def token_of(shop: Shop, key: str) -> str:
    """The token of a device that is activated with *key*."""
    async with open_installation(Settings(data=shop.stage.data)) as installation:
        claim = DeviceClaim(fingerprint="a" * 63 + "b", platform="linux")
        answered = await installation.activations.activate(
            ActivateCommand(license_key=key, product="hustl", device=claim)
        )
        result: Any = answered.result
        return str(result.token)


def test_rel_11_of_a_file_from_the_lost_time_the_command_says_that_nobody_can_know(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    made = shop.license()
    shop.vendor("backup", "create", "--output", tmp_path / "x.backup")
    lost = tmp_path / "lost.token"
    lost.write_text(asyncio.run(token_of(shop, made["key"])))
    assert shop.run("key", "check-artifact", lost).code == exits.OK
    run = shop.run("backup", "restore", tmp_path / "x.backup", "--replace", "--new-epoch")
    assert run.code == exits.OK, run.err
    run = shop.run("key", "check-artifact", lost)
    assert run.code == exits.FAILED
    assert "nobody can know" in run.out
    assert "put back from a backup" in run.err
    assert "carnet key compromise" not in run.err
    assert shop.run("key", "check-artifact", lost, "--json").json["items"][0]["verdict"] == "cannot_know"
    assert shop.run("key", "never-issued").out == "Nothing was seen that was never issued.\n"


def test_sec_24_of_keys_and_tokens_for_others_the_command_says_whose_key_has_to_end(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    made = shop.license()
    file = tmp_path / "artifact"
    file.write_text(shop.vendor("license", "signed-key", made["id"])["text"])
    run = shop.run("key", "check-artifact", file)
    assert run.code == exits.OK, run.err
    assert f"license-key {made['id']}/" in run.out
    pem = tmp_path / "theirs.pem"
    pem.write_text(generate_private_pem("Ed25519"))
    thief = signer_from_pem(pem.read_text(), kid="-theirs")
    shop.vendor("key", "import", "--pem-file", pem, "--product", "hustl", "--kid=-theirs")
    now = int(time.time())
    claims = {"iss": DEFAULT_ISSUER, "aud": list(AUDIENCE), "sub": made["id"], "exp": now + 900}
    file.write_text(sign_jws({**claims, "iat": now - 900}, typ="JWT", signer=thief))
    run = shop.run("key", "check-artifact", file)
    assert run.code == exits.FAILED
    assert "nobody can know" in run.out
    assert "another system had that key" in run.err
    assert "carnet key retire" not in run.err
    file.write_text(sign_jws({**claims, "iat": now + 600}, typ="JWT", signer=thief))
    run = shop.run("key", "check-artifact", file)
    assert run.code == exits.FAILED
    assert "NEVER ISSUED HERE" in run.out
    assert "carnet key create --product hustl, carnet key retire --kid=-theirs" in run.err
    assert "carnet key compromise" not in run.err
