"""`carnet key check-artifact` of a file from the time that a restored backup has lost (SEC-24, REL-11)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from carnet.cli import exits
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
