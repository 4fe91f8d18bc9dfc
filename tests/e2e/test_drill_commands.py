"""`carnet key compromise|reissue|check-artifact|never-issued` in words, on a real installation, by transcript."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carnet.cli import exits
from carnet.core._base import replace
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.root import read_root
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim
from carnet.server.installation import open_installation
from carnet.server.settings import Settings
from support.drills import stolen
from support.shop import Shop


async def stand(shop: Shop, key: str) -> tuple[str, Ed25519Signer]:
    """The token of a device that is activated with *key*, and the key that signs tokens, as a thief has it."""
    async with open_installation(Settings(data=shop.stage.data)) as installation:
        device = DeviceClaim(fingerprint="a" * 63 + "b", platform="linux")
        answered = await installation.activations.activate(
            ActivateCommand(license_key=key, product="hustl", device=device)
        )
        result: Any = answered.result
        return result.token, stolen(installation, "token")


@pytest.fixture
def words(tmp_path: Path) -> Shop:
    """An installation of its own: its keys change."""
    return Shop(tmp_path / "shop")


def test_sec_24_the_first_hour_in_words(words: Shop, tmp_path: Path) -> None:
    shop = words
    made = shop.license()
    shop.vendor("license", "signed-key", made["id"])
    token, thief = asyncio.run(stand(shop, made["key"]))
    kid = f"--kid={thief.kid}"
    genuine, forged, other = (tmp_path / name for name in ("genuine.token", "forged.token", "other.token"))
    genuine.write_text(token)
    ring = read_root(shop.stage.root_path.read_text()).ring()
    forged.write_text(issue_license_token(replace(verify_license_token(token, ring), id="forged"), thief))
    other.write_text(issue_license_token(verify_license_token(token, ring), Ed25519Signer(b"z" * 32)))

    run = shop.run("key", "never-issued")
    assert (run.code, run.out) == (exits.OK, "Nothing was seen that was never issued.\n")
    run = shop.run("key", "check-artifact", genuine)
    assert run.code == exits.OK
    assert "issued here, exactly as it is" in run.out
    run = shop.run("key", "check-artifact", forged)
    assert run.code == exits.FAILED
    assert "NEVER ISSUED HERE" in run.out
    assert "carnet key compromise" in run.err
    run = shop.run("key", "check-artifact", other, "--json")
    assert (run.code, run.problem["code"]) == (exits.FAILED, "unknown_key")
    run = shop.run("key", "never-issued")
    assert "forged" in run.out
    assert "somebody else has the key" in run.err

    run = shop.run("key", "reissue", kid, "--json")
    assert (run.code != exits.OK, run.problem["code"]) == (True, "key_still_trusted")
    (root_key,) = shop.stage.root_keys.glob("*.json")
    run = shop.run("key", "compromise", kid, "--root-key", root_key, "--no-reissue")
    assert run.code == exits.OK, run.err
    assert "Root version 2 is in force." in run.out
    assert "Signed anew" not in run.out

    run = shop.run("key", "reissue", kid, "--bundles", tmp_path / "bundles")
    assert run.code == exits.OK, run.err
    assert "1 artifact of 1 activation" in run.out
    assert "Seen under this key and never issued here: 1" in run.out
    assert f"1 written to {tmp_path / 'bundles'}" in run.out
    assert len(list((tmp_path / "bundles" / "hustl").iterdir())) == 1
    run = shop.run("key", "check-artifact", genuine, "--json")
    assert (run.code, run.json["items"][0]["key_state"]) == (exits.OK, "compromised")

    other_key = asyncio.run(_key_of_signed_keys(shop))
    run = shop.run("key", "compromise", f"--kid={other_key}", "--root-key", root_key, "--json")
    (report,) = run.json["drill"]
    assert report["by_hand"] == [{"product": "hustl", "kind": "license-key", "count": 1}]
    assert (report["reissued"], report["folder"]) == (0, None)
    run = shop.run("key", "reissue", f"--kid={other_key}")
    assert "carnet license signed-key" in run.out


async def _key_of_signed_keys(shop: Shop) -> str:
    async with open_installation(Settings(data=shop.stage.data)) as installation:
        return stolen(installation, "license-key").kid
