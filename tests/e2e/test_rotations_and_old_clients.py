"""
SEC-20: every online key is rotated three times under a running server; a client that was shipped before goes on.

Real processes: the server is never restarted; the client is one file, built before the first rotation, with root 1.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path

import carnet
from carnet.cli import exits
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.jws import unverified_jws
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim
from carnet.server.installation import open_installation
from carnet.server.settings import Settings
from support.old_clients import OldClient
from support.shop import Shop
from support.stories import granted

AT_ONCE = {"CARNET_KEY_ANNOUNCE_SECONDS": "0"}


def get(shop: Shop, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", shop.stage.port, timeout=120)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def signs_time(shop: Shop) -> str:
    """The key that the running server signs with now."""
    token = json.loads(get(shop, "/v1/time?nonce=n")[1])["token"]
    return str(unverified_jws(token, max_bytes=8192, what="The time")[0]["kid"])


def followed(is_so: Callable[[], bool]) -> float:
    """Seconds until *is_so*; a process has five, and this machine may be busy."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < 120, "the server does not follow"
        time.sleep(0.05)
    return time.monotonic() - began


def rotate_everything(shop: Shop) -> float:
    """New keys for every role, the former ones' former ones dropped in the same root; how long the server took."""
    keys = shop.vendor("key", "list")["signing_keys"]
    over = [f"--retire={key['kid']}" for key in keys if key["state"] == "verify-only"]
    shop.vendor_env.update(AT_ONCE)
    root_key = shop.created["root_key_paths"][0]
    done = shop.vendor("key", "announce", "--all", *over, "--root-key", root_key)
    assert done["state"] == "installed"
    slowest = followed(lambda: get(shop, f"/v1/root/{done['version']}")[0] == 200)
    rotated = shop.vendor("key", "rotate", "--all")
    (now,) = [key["kid"] for key in rotated["keys"] if key["state"] == "active" and "time" in key["roles"]]
    return max(slowest, followed(lambda: signs_time(shop) == now))


def test_sec_20_a_client_that_was_shipped_before_goes_on_through_three_rotations_online_and_from_bundles(
    shop: Shop, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    root = shop.stage.root_path.read_text().strip()
    client = OldClient(tmp_path, Path(carnet.__file__).parent, root)
    online = (shop.stage.url, tmp_path / "online", "device-online")
    late = (shop.stage.url, tmp_path / "late", "device-late")
    key = shop.license()["key"]
    for device in (online, late):
        said = client.run("activate", *device, stdin=f"{key}\n")
        assert (said["access"], said["root_version"]) == ("full", 1)

    slowest = 0.0
    for number in (1, 2, 3):
        slowest = max(slowest, rotate_everything(shop))
        said = client.run("refresh", *online)
        assert (said["access"], said["root_version"]) == ("full", 1 + number)
        assert client.run("check", *online)["access"] == "full"
        assert client.run("check", *late)["access"] == "full"  # never came; what it holds goes on
    replaced = [key["kid"] for key in shop.vendor("key", "list")["signing_keys"] if key["state"] == "verify-only"]
    needed = [shop.run("key", "retire", f"--kid={kid}", "--dry-run", "--json") for kid in replaced]
    codes = [run.problem["code"] for run in needed if run.code != exits.OK]
    assert codes == ["key_still_needed"] * 2  # tokens and machine files of the devices, which are not over
    record_property("slowest switch of a running server, seconds", round(slowest, 1))
    # It missed three roots, and the keys that it knew sign nothing any more; two of three are in no root.
    said = client.run("refresh", *late)
    assert (said["access"], said["root_version"]) == ("full", 4)

    # A device without a network, two roots behind and three: a bundle brings the roots that it needs.
    fingerprint = client.run("carnet", "fingerprint", "--product", "hustl", "--device-id", "apart", "--json")
    settings = Settings(data=shop.stage.data, public_url=shop.stage.url)
    other = shop.license()["key"]

    async def bundle() -> tuple[str, tuple[str, ...]]:
        async with open_installation(settings) as installation:
            claim = DeviceClaim(fingerprint=fingerprint["fingerprint"])
            command = ActivateCommand(license_key=other, product="hustl", device=claim)
            held = granted(await installation.activations.activate(command))
            roots = installation.roots
            brought = Bundle(roots=roots[1:], token=held.token, machine_file=held.machine_file)
            return write_bundle(brought), roots

    text, roots = asyncio.run(bundle())
    (tmp_path / "brought.carnet").write_text(text)
    for behind in (2, 3):
        (tmp_path / "known.json").write_text(roots[-1 - behind])
        asked = ["verify", "brought.carnet", "--root", "known.json", "--product", "hustl", "--license-key-stdin"]
        told = ["--fingerprint", fingerprint["fingerprint"], "--json"]
        said = client.run("carnet", *asked, *told, stdin=f"{other}\n")
        assert (said["access"], said["root_version"]) == ("full", 4)
