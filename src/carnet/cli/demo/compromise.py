"""
`carnet demo --compromise`: a signing key is stolen, and the drill ends it (SEC-24). Told on 1,000 live activations.

The thief, the three devices, the vendor's commands and the server are real: processes of their own. Only the other 997
devices are not: they are activated by the server's own services, before it starts, because a thousand processes would
take minutes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from carnet.cli import exits
from carnet.cli.demo.checks import expect, must
from carnet.cli.demo.show import Scene
from carnet.cli.demo.stage import Device, Stage
from carnet.core._base import replace
from carnet.core.instant import DAY, Instant

if TYPE_CHECKING:
    from carnet.core.model import Grant
    from carnet.formats.keys import Ed25519Signer
    from carnet.server.installation import Installation

ACTIVATIONS: Final = 1000
_OPENING: Final = (
    "Carnet: the stolen key",
    "Hustl's vendor has 1,000 activated devices. Somebody copies the key that signs license tokens.",
    "Server, vendor, thief and three of the devices are separate processes or parts of their own on this computer.",
)


class CompromiseStory:
    """
    What the steps share.

    Args:
        stage: Where it happens.
        activations: How many live activations there are in all; at least 4.
    """

    opening = _OPENING

    def __init__(self, stage: Stage, *, activations: int = ACTIVATIONS) -> None:
        self.stage = stage
        self._count = activations
        self.sarah = stage.device("Sarah's laptop", "sarahs-laptop")
        self.mallory = stage.device("Mallory's laptop", "mallorys-laptop")
        self.press = stage.device("the press in hall 3, without a network", "press-in-hall-3")
        self.keys: dict[str, str] = {}
        self._stolen: Ed25519Signer | None = None
        self._forged = ""
        self._kid = ""
        self._bundles = stage.directory / "bundles"
        self._report: Mapping[str, Any] = {}

    @property
    def steps(self) -> tuple[tuple[str, Callable[[], Scene]], ...]:
        """Title and deed of every step, in order."""
        return (
            ("A vendor with 1,000 activated devices", self.set_up),
            ("Somebody steals the key that signs tokens", self.steal),
            ("Offline, the forgery opens everything", self.forge),
            ("The vendor is sent a forged file", self.find),
            ("The drill", self.drill),
            ("Sarah works on", self.work_on),
            ("Mallory's laptop makes contact, once", self.contact),
            ("The forgery again, offline", self.try_again),
            ("The press gets its bundle on a stick", self.carry),
            ("What the vendor knows now", self.know),
        )

    # ── before ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def set_up(self) -> Scene:
        """An installation with live activations; three of them are `carnet` processes."""
        self.stage.vendor("init", "--root-keys", str(self.stage.root_keys))
        self.stage.vendor("product", "create", "hustl", "--name", "Hustl")
        for device in (self.sarah, self.mallory, self.press):
            made = self.stage.vendor("license", "create", "--product", "hustl", "--policy", "consumer")
            self.keys[device.id] = made["key"]
        asyncio.run(self._activate_many(self._count - len(self.keys)))
        seconds = self.stage.start_server()
        for device in (self.sarah, self.mallory, self.press):
            said = self.stage.on(device, "activate", "--license-key-stdin", stdin=self.keys[device.id])
            expect(said, exits.OK, "active", "full")
        return Scene(
            commands=("carnet init", "carnet serve", "carnet activate"),
            happened=(
                f"{self._count} devices hold a token and a machine file. The server was ready after {seconds:.1f} s."
                " Hustl embeds root version 1, and nobody will ever ship another one to these devices by hand."
            ),
        )

    async def _activate_many(self, count: int) -> None:
        from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim
        from carnet.server.domain.licenses.commands import CreateLicense
        from carnet.server.installation import open_installation
        from carnet.server.records import OPERATOR
        from carnet.server.settings import Settings

        async def activate(installation: Installation, key: str, number: int) -> None:
            from carnet.formats.fingerprint import native_fingerprint

            device = DeviceClaim(fingerprint=native_fingerprint("hustl", f"device {number}"), platform="linux")
            await installation.activations.activate(ActivateCommand(license_key=key, product="hustl", device=device))

        async with open_installation(Settings(data=self.stage.data)) as installation:
            command = CreateLicense(product="hustl", policy="consumer")
            keys = [
                made.key async for lot in installation.licenses.create_many(command, count, OPERATOR) for made in lot
            ]
            for begin in range(0, count, 50):
                some = range(begin, min(begin + 50, count))
                await asyncio.gather(*(activate(installation, keys[number], number) for number in some))

    # ── the theft ────────────────────────────────────────────────────────────────────────────────────────────────────

    def steal(self) -> Scene:
        """The sealed key file and what opens it, copied."""
        from carnet.server.layout import Layout
        from carnet.server.signing.file_store import open_store

        layout = Layout(data=self.stage.data)
        store = open_store(layout.keys, passphrase=None, key_file=layout.signing)
        self._stolen = next(file.signer for file in store.files() if "token" in file.roles)
        self._kid = self._stolen.kid
        return Scene(
            happened=(
                "Whoever copies the whole data directory, secrets and all, has the signing keys. (The root key is not"
                " there: it never was on the server.) The thief takes the one for tokens:"
            ),
            shown=self._kid,
        )

    def forge(self) -> Scene:
        """A token, dated back a year, that ends in nine."""
        from carnet.core.model import Entitlement, Policy
        from carnet.formats.license_token import issue_license_token

        assert self._stolen is not None  # noqa: S101 - the step before
        genuine = self._token_of(self.mallory)
        forged = replace(
            genuine,
            id="00000000-0000-7000-8000-00000f04ed00",
            issued_at=Instant(genuine.issued_at - 365 * DAY),
            not_before=Instant(genuine.issued_at - 365 * DAY),
            offline_until=Instant(genuine.issued_at + 9 * 365 * DAY),
            license_expires_at=None,
            entitlements=(Entitlement(key="everything"),),
            policy=Policy(name="enterprise"),
            license_status_ref=None,
            activation_status_ref=None,
        )
        self._forged = issue_license_token(forged, self._stolen)
        self._plant(self.mallory)
        decision = expect(self.stage.on(self.mallory, "status"), exits.OK, "active", "full")
        features = [each["key"] for each in decision["entitlements"]]
        must(features == ["everything"], f"The forged features are {features}.")
        return Scene(
            commands=("carnet status",),
            happened=(
                "Mallory puts a forged token in the place of the genuine files. It is dated back a year: no rule about"
                " dates tells it from what the vendor signed before the theft. Offline it works, as it must: its"
                " signature is right."
            ),
            decision=decision,
        )

    def find(self) -> Scene:
        """`carnet key check-artifact`: signed with our key, and not in the register."""
        found = self.stage.directory / "found-in-a-forum.token"
        found.write_text(self._forged, encoding="ascii")
        said = self.stage.ask_vendor("key", "check-artifact", str(found))
        detail = said.problem.get("detail", "")
        must(said.code == exits.FAILED and "items" in said.data, f"The check ended with {said.code}. {detail}")
        (item,) = said.data["items"]
        must(item["verdict"] == "unknown", f"The forged file is {item['verdict']}.")
        return Scene(
            commands=(f"carnet key check-artifact {found.name}",),
            happened=(
                "A customer forwards a file from a forum. The signature is by the vendor's key, and the register of"
                " everything that was ever issued does not know it. So somebody else has the key."
            ),
            shown=f"{item['jti']}  {item['verdict']}",
        )

    # ── the drill ────────────────────────────────────────────────────────────────────────────────────────────────────

    def drill(self) -> Scene:
        """`carnet key compromise`, with the root key from its drawer."""
        (root_key,) = sorted(self.stage.root_keys.glob("*.json"))
        done = self.stage.vendor(
            "key", "compromise", f"--kid={self._kid}", "--root-key", str(root_key), "--bundles", str(self._bundles)
        )
        (report,) = done["drill"]
        self._report = report
        must(done["root_version"] == 2, f"The root in force is {done['root_version']}.")
        must(report["reissued"] == self._count, f"{report['reissued']} of {self._count} activations were signed anew.")
        must(report["bundles"] == self._count, f"{report['bundles']} bundles were written.")
        must(report["never_issued"]["total"] == 1, "The forged file is not in the report.")
        return Scene(
            commands=(f"carnet key compromise {self._kid} --root-key {root_key.name} --bundles …",),
            happened=(
                f"Root version 2 names the key no more, and a new one signs at once; the server was not restarted."
                f" {report['reissued']} activations were given new tokens under it, with the same terms and the same"
                f" ends, in {report['milliseconds'] / 1000:.1f} s ({report['per_second']} a second): registered,"
                " audited, and each as a bundle in a folder."
            ),
        )

    # ── after ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def work_on(self) -> Scene:
        """An honest device: one contact, and nothing to do for anybody."""
        decision = expect(self.stage.on(self.sarah, "refresh"), exits.OK, "active", "full")
        token = self._token_of(self.sarah)
        must(token.kid != self._kid, "Sarah's token is still of the stolen key.")
        return Scene(
            commands=("carnet refresh",),
            happened=(
                "The answer brought root version 2, signed by the root key that her app trusts since the first day,"
                " and a token under the new key. Sarah noticed nothing."
            ),
            decision=decision,
        )

    def contact(self) -> Scene:
        """The device with the forgery: it tells what it holds, and gets what it bought."""
        decision = expect(self.stage.on(self.mallory, "refresh"), exits.OK, "active", "full")
        must(not decision["entitlements"], "The forged features are still there.")
        return Scene(
            commands=("carnet refresh",),
            happened=(
                "The app told the server which artifacts it holds, took in root version 2, and got what Mallory really"
                " bought. The forged features are gone."
            ),
            decision=decision,
        )

    def try_again(self) -> Scene:
        """The same forgery on the same device, after the contact."""
        self._plant(self.mallory)
        said = self.stage.on(self.mallory, "status")
        decision = said.data
        must(said.code != exits.OK and decision["access"] == "none", f"The forged token gives {decision['access']}.")
        return Scene(
            commands=("carnet status",),
            happened=(
                "Mallory puts the forged token back and pulls the plug. The laptop knows the next root now and never"
                " goes back: what that key signed is nothing, whatever its date."
            ),
            decision=decision,
        )

    def carry(self) -> Scene:
        """A device without a network, and its bundle."""
        token = self._token_of(self.press)
        bundle = self._bundles / "hustl" / f"{token.license_id}.{token.activation_id}.carnet"
        must(bundle.exists(), f"{bundle.name} is not in the folder.")
        words = ("verify", str(bundle), "--fingerprint", str(token.device), "--license-key-stdin")
        said = self.stage.on(self.press, *words, stdin=self.keys[self.press.id])
        decision = expect(said, exits.OK, "active", "full")
        must(decision["root_version"] == 2, f"The bundle brings root {decision['root_version']}.")
        return Scene(
            commands=(f"carnet verify {bundle.name[:8]}….carnet",),
            happened=(
                "The press in hall 3 never has a network. Its bundle holds root version 2, the new token and the"
                " machine file; everything it needs to follow the vendor, in one file."
            ),
            decision=decision,
        )

    def know(self) -> Scene:
        """`carnet key never-issued`, and the audit."""
        self.stage.stop_server()  # what devices told is looked up by now
        told = self.stage.vendor("key", "never-issued", f"--kid={self._kid}")
        (item,) = told["items"]
        must(item["proved"] and item["times"] > 1, f"The forged file was seen {item['times']} times.")
        must(item["license_id"] is not None, "Nothing says whose device held it.")
        report = {
            name: self._report[name] for name in ("reissued", "artifacts", "bundles", "milliseconds", "per_second")
        }
        return Scene(
            commands=("carnet key never-issued",),
            happened=(
                f"Seen and never issued: {item['jti']}, {item['times']} times, on the license {item['license_id']}."
                " Every step is in the audit, and the vendor can prove it. The figures of the drill:"
            ),
            shown=json.dumps(report),
        )

    # ── what a device holds ──────────────────────────────────────────────────────────────────────────────────────────

    def _token_of(self, device: Device) -> Grant:
        """What the stored token of *device* says, whatever key it is of."""
        from carnet.formats.root import read_root

        state = self._device(device).look().state
        assert state.token is not None  # noqa: S101 - it was activated
        from carnet.client.roots import Chain, follow
        from carnet.formats.license_token import verify_license_token

        chain = follow(Chain(root=read_root(self.stage.root_path.read_text())), state.roots).chain
        return verify_license_token(state.token, chain.root.ring())

    def _plant(self, device: Device) -> None:
        """Put the forged token in the place of what *device* holds, as whoever owns it can."""
        its = self._device(device)
        its.store.update(
            its.look().identity.anchors, lambda found: replace(found.state, token=self._forged, machine_file=None)
        )

    def _device(self, device: Device) -> Any:
        from carnet import Carnet

        app = Carnet(
            product="hustl",
            server=self.stage.url,
            root=self.stage.root_path,
            state=device.state,
            device_id=device.id,
        )
        return app._device  # noqa: SLF001 - whoever owns a device sees and changes all of it
