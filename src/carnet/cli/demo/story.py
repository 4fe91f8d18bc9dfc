"""
The steps of the boarding-pass story. Each does something real, checks what came of it, and says what happened.

A step that does not come out as it must raises `StoryError`: the story is a check of the whole product as much as a
demonstration. Only one thing is not as in life, and it is said: time. The clock of Sarah's app is set ahead by hand.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.demo.checks import check, expect, must
from carnet.cli.demo.show import Scene
from carnet.cli.demo.stage import Stage
from carnet.core.instant import DAY, Instant, parse_instant

if TYPE_CHECKING:
    from carnet import Carnet
    from carnet.testing import FakeClock

FEATURE = "export-pdf"
ESSENTIAL = "open-projects"


class Story:
    """
    What the steps share: the stage, two devices, and what earlier steps made.

    Args:
        stage: Where it happens.
    """

    opening = (
        "Carnet: the boarding pass, end to end",
        "Hustl is a desktop app. Its vendor runs Carnet; Sarah buys a license and boards a plane.",
        "The server, the vendor's commands and Sarah's app are separate processes on this computer.",
    )

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.sarah = stage.device("Sarah's laptop", "sarahs-laptop")
        self.other = stage.device("another computer", "another-computer")
        self.license_id = ""
        self.license_key = ""
        self.activated_at = Instant(0)

    @property
    def steps(self) -> tuple[tuple[str, Callable[[], Scene]], ...]:
        """Title and deed of every step, in order."""
        return (
            ("The vendor sets up", self.set_up),
            ("The server starts", self.start),
            ("A product, and a license for Sarah", self.sell),
            ("Sarah's app activates, once", self.activate),
            ("The server is stopped", self.stop),
            ("On the plane, the app decides by itself", self.decide_offline),
            ("Her files, copied to another computer", self.copy),
            ("Day 20 without contact: a warning", self.warn),
            ("Day 30: grace, with limited features", self.grace),
            ("Day 37: it ends", self.expire),
            ("Home again: the server is back", self.come_back),
            ("The vendor revokes the license", self.revoke),
            ("At the next contact it is refused", self.refuse),
        )

    def set_up(self) -> Scene:
        """`carnet init`."""
        made = self.stage.vendor("init", "--root-keys", str(self.stage.root_keys))
        return Scene(
            commands=("carnet init",),
            happened=(
                "The root key was made and put where the server never looks. It signed the root file, which names the"
                " server's keys. Hustl embeds the root file; its anchor, which people can compare, is"
            ),
            shown=made["anchor"],
        )

    def start(self) -> Scene:
        """`carnet serve`."""
        seconds = self.stage.start_server()
        return Scene(
            commands=("carnet serve",),
            happened=f"It answers at {self.stage.url} after {seconds:.1f} s, on SQLite, with nothing beside it.",
        )

    def sell(self) -> Scene:
        """A product and a license with an essential feature."""
        self.stage.vendor("product", "create", "hustl", "--name", "Hustl")
        features = f'entitlements=["{FEATURE}", "{ESSENTIAL}"]'
        essential = f'essential=["{ESSENTIAL}"]'
        made = self.stage.vendor(
            *("license", "create", "--product", "hustl", "--policy", "consumer"), "--set", features, "--set", essential
        )
        self.license_id, self.license_key = made["id"], made["key"]
        return Scene(
            commands=("carnet product create hustl", "carnet license create --product hustl --policy consumer …"),
            happened="The consumer policy: 30 days offline, 7 days of grace, 2 devices. Sarah gets this key by mail:",
            shown=self.license_key,
        )

    def activate(self) -> Scene:
        """`carnet activate`, in a process of its own."""
        said = self.stage.on(self.sarah, "activate", "--license-key-stdin", stdin=self.license_key)
        decision = expect(said, exits.OK, "active", "full")
        self.activated_at = parse_instant(decision["checked_at"])
        return Scene(
            commands=("carnet activate",),
            happened=(
                "A second process, the app on Sarah's laptop, sent the key and a fingerprint of the laptop. The server"
                " took one of the two seats and sent a token and a machine file, the boarding pass."
            ),
            decision=decision,
        )

    def stop(self) -> Scene:
        """The server process ends; nothing answers any more."""
        self.stage.stop_server()
        said = self.stage.on(self.sarah, "refresh", "--timeout", "3")
        expect(said, exits.OFFLINE, "active", "full")
        return Scene(
            commands=("carnet refresh",),
            happened=(
                f"The server process has ended. Asking for fresh files fails, as it must: {said.problem['detail']}"
                " An outage is not a refusal, so nothing changes on the laptop."
            ),
        )

    def decide_offline(self) -> Scene:
        """`carnet status` without a server, and how long the decision itself takes."""
        decision = expect(self.stage.on(self.sarah, "status"), exits.OK, "active", "full")
        milliseconds = self._measure()
        must(milliseconds < 1000, "An offline check took more than a second.")
        return Scene(
            commands=("carnet status",),
            happened=(
                "Signature, product, device, time and policy are checked on the laptop, from its own files."
                f" In a running app that takes {milliseconds:.1f} ms."
            ),
            decision=decision,
        )

    def copy(self) -> Scene:
        """The state directory on another device."""
        shutil.copytree(self.sarah.state, self.other.state, dirs_exist_ok=True)
        decision = expect(self.stage.on(self.other, "status"), exits.DENIED, "wrong_device", "none")
        return Scene(
            commands=("cp -r …/sarahs-laptop …/another-computer", "carnet status"),
            happened="Every file was copied. They are sealed for Sarah's laptop, so nothing opens elsewhere.",
            decision=decision,
        )

    def warn(self) -> Scene:
        """Ten of thirty days left."""
        decision = self._later(20)
        check(decision, "expiring", "full")
        must(decision["days_left"] == 10, f"{decision['days_left']} days are left instead of 10.")
        return Scene(
            happened=(
                "From here to day 37 nobody waits: the clock of Sarah's app is set ahead by hand. Everything works, and"
                " Hustl shows her this:"
            ),
            decision=decision,
        )

    def grace(self) -> Scene:
        """The offline window is over; essential features stay."""
        decision = self._later(30)
        check(decision, "grace", "limited")
        keys = [entitlement["key"] for entitlement in decision["entitlements"]]
        must(keys == [ESSENTIAL], f"In limited mode the features are {keys}.")
        return Scene(
            happened=(
                f"Her time offline is over, but nobody is locked out: for 7 days {ESSENTIAL} still works and"
                f" {FEATURE} waits for a connection."
            ),
            decision=decision,
        )

    def expire(self) -> Scene:
        """Grace is over."""
        decision = self._later(37)
        check(decision, "expired", "none")
        return Scene(
            happened="After grace the app asks for a connection. It does not ask to buy, or to activate, again.",
            decision=decision,
        )

    def come_back(self) -> Scene:
        """The server again, the laptop's clock again, and a refresh."""
        self.stage.start_server()
        before = self._decision_at(None)
        decision = expect(self.stage.on(self.sarah, "refresh"), exits.OK, "active", "full")
        must(decision["evidence_ids"] != before["evidence_ids"], "The refresh brought nothing new.")
        seats = self.stage.vendor("license", "show", self.license_id)["seats"]
        must(seats["used"] == 1, f"{seats['used']} seats are used instead of 1.")
        return Scene(
            commands=("carnet serve", "carnet refresh"),
            happened=(
                "Back to today's clock: setting it ahead has left no damage. The laptop proves that it is the one that"
                " was activated, keeps its seat, and has a new boarding pass."
            ),
            decision=decision,
        )

    def revoke(self) -> Scene:
        """`carnet license revoke`; offline devices do not know yet."""
        shown = self.stage.vendor("license", "revoke", self.license_id, "--reason", "the card was stolen")
        must(shown["status"] == "revoked", f"The license is {shown['status']}.")
        decision = expect(self.stage.on(self.sarah, "status"), exits.OK, "active", "full")
        return Scene(
            commands=("carnet license revoke …", "carnet status"),
            happened="A device that is offline cannot know yet. That is the price of working offline, and it ends:",
            decision=decision,
        )

    def refuse(self) -> Scene:
        """A refresh is refused, and the refusal is remembered without a server."""
        expect(self.stage.on(self.sarah, "refresh"), exits.DENIED, "revoked", "none")
        self.stage.stop_server()
        decision = expect(self.stage.on(self.sarah, "status"), exits.DENIED, "revoked", "none")
        return Scene(
            commands=("carnet refresh", "carnet status"),
            happened=(
                "The server signs its refusal, and the laptop keeps it: the server is stopped once more, and the answer"
                " stays the same."
            ),
            decision=decision,
        )

    def _later(self, days: int) -> Mapping[str, Any]:
        """What Sarah's app decides *days* after its boarding pass was signed, by an app whose clock says so."""
        from carnet.testing import FakeClock

        signed_at = self._decision_at(FakeClock(self.activated_at))["renew_after"]
        issued_at = parse_instant(signed_at) - DAY  # the consumer policy refreshes after a day
        return self._decision_at(FakeClock(issued_at + days * DAY))

    def _decision_at(self, clock: FakeClock | None) -> Mapping[str, Any]:
        return self._app(clock).check().to_json()

    def _app(self, clock: FakeClock | None = None) -> Carnet:
        from carnet import Carnet

        return Carnet(
            product="hustl",
            server=self.stage.url,
            root=self.stage.root_path,
            state=self.sarah.state,
            device_id=self.sarah.id,
            clock=clock,
        )

    def _measure(self) -> float:
        app = self._app()
        app.check()  # an app that runs has its modules loaded
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            app.check()
            seconds.append(time.perf_counter() - began)
        return min(seconds) * 1000
