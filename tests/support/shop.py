"""A vendor's installation and the devices of its customers, driven by the `carnet` command."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from carnet.cli.demo.stage import Device, Stage
from support.cli_runs import Run, carnet
from support.ports import own_port

_numbers = count(1)


class Shop:
    """Runs vendor and device commands in this process; the server, where one is wanted, is a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.stage = Stage(own_port(), directory=directory)
        self.vendor_env = {"CARNET_DATA": str(self.stage.data), "CARNET_PORT": str(self.stage.port)}
        self.created = self.vendor("init", "--root-keys", self.stage.root_keys)
        self.vendor("product", "create", "hustl", "--name", "Hustl")

    def run(self, *words: str | Path, stdin: str = "") -> Run:
        """A vendor's command, whatever comes of it."""
        return carnet(*words, env=self.vendor_env, stdin=stdin)

    def vendor(self, *words: str | Path) -> Mapping[str, Any]:
        """A vendor's command that works, and its JSON."""
        run = self.run(*words, "--json")
        assert (run.code, run.err) == (0, ""), run.err
        return run.json

    def license(self, *words: str, policy: str = "consumer") -> Mapping[str, Any]:
        """A new license."""
        return self.vendor("license", "create", "--product", "hustl", "--policy", policy, *words)

    def device(self) -> Device:
        """A new device."""
        return self.stage.device("a device", f"device-{next(_numbers)}")

    def on(self, device: Device, *words: str | Path, stdin: str = "", **env: str) -> Run:
        """A command on *device*, in this process."""
        own = {k: v for k, v in self.stage.device_environment(device).items() if k.startswith("CARNET_")}
        return carnet(*words, env={**own, **env}, stdin=stdin)

    def activated(self, *words: str) -> tuple[Device, Mapping[str, Any]]:
        """A device that holds a seat of a new license."""
        made, device = self.license(*words), self.device()
        run = self.on(device, "activate", "--license-key-stdin", "--json", stdin=made["key"])
        assert run.code == 0, run.err
        return device, made
