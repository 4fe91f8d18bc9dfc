"""
The commands, in the order of `carnet --help`, and the module each one lives in.

A module is imported when its command is used (or documented), so that `carnet status` on a customer's device never
loads the server. Every module has `configure(parser)`, which adds its arguments and sets `run`.
"""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct

Where = Literal["vendor", "device", "anywhere"]


class Command(Struct):
    """One top-level command: its name, one line about it, where it is used, and its module in `carnet.cli.commands`."""

    name: str
    summary: str
    where: Where
    module: str


SECTIONS: tuple[tuple[Where, str], ...] = (
    ("vendor", "for the vendor, on the server (uses $CARNET_DATA, default ./carnet-data)"),
    ("device", "on a device (uses $CARNET_PRODUCT, $CARNET_SERVER, $CARNET_ROOT)"),
    ("anywhere", "anywhere"),
)


def _command(where: Where, name: str, summary: str) -> Command:
    return Command(name=name, summary=summary, where=where, module=name.replace("-", "_"))


CATALOG: tuple[Command, ...] = (
    _command("vendor", "init", "make a new installation: root file, signing keys, database, admin token"),
    _command("vendor", "serve", "run the server"),
    _command("vendor", "worker", "do the jobs of the server in a process of their own"),
    _command("vendor", "backup", "make, check and restore backups"),
    _command("vendor", "db", "bring the database to this version, or say which one it has"),
    _command("vendor", "product", "what you sell"),
    _command("vendor", "policy", "the rules that licenses follow"),
    _command("vendor", "customer", "who you sell to"),
    _command("vendor", "license", "create licenses, see them, suspend, renew, revoke"),
    _command("vendor", "activation", "which devices hold seats"),
    _command("vendor", "manifest", "seal which files a release of your app consists of, or compare a folder with that"),
    _command("vendor", "enrolment", "tokens that many machines use in place of the license key"),
    _command("vendor", "usage", "what licenses used of their meters"),
    _command("vendor", "lease", "who holds floating seats, and what pools allow"),
    _command("vendor", "status-list", "what is revoked or suspended, signed: as files for a CDN or an app's update"),
    _command("vendor", "apikey", "tokens for the admin API"),
    _command("vendor", "audit", "who changed what, and when"),
    _command("vendor", "events", "what happened, where it is told, and what could not be delivered"),
    _command("vendor", "doctor", "find out what is wrong with this installation or device, and how to fix it"),
    _command("vendor", "demo", "the boarding-pass story: activate once, then decide offline"),
    _command("device", "fingerprint", "this device's identifier, and exactly what would be sent"),
    _command("device", "activate", "bind a license key to this device"),
    _command("device", "install", "take in a bundle that was mailed or carried here; never uses the network"),
    _command("device", "status", "decide from what is on this device; never uses the network"),
    _command("device", "refresh", "fetch new offline credentials now"),
    _command("device", "prepare-offline", "fetch the longest offline credentials that the policy allows"),
    _command("device", "deactivate", "give this device's seat back"),
    _command("anywhere", "verify", "check any artifact: is it genuine, and what does it allow"),
    _command("anywhere", "inspect", "what a file says of itself, line by line, without believing it"),
    _command("anywhere", "key", "heal a mistyped license key; on the server, its signing, root and compatibility keys"),
)


def find(name: str) -> Command | None:
    """The command called *name*, compared exactly."""
    return next((command for command in CATALOG if command.name == name), None)
