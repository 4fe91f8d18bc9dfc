"""SEC-31: a server once signed a time years ahead; a new root without its key heals every device, by its own state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from carnet import Carnet
from carnet.core.instant import DAY
from carnet.formats.bundle import Bundle, write_bundle
from support.issuing import LICENSE_KEY
from support.root_worlds import EXPIRES_AT, MALLORY, NEW, OLD, root_file
from support.sdk import Desk

YEARS = 3650 * DAY
FIRST = root_file(1)
HEALING = root_file(2, online=NEW)
HALF = root_file(2, online={**OLD, "answer": NEW["answer"]})
"""Only the key of answers is replaced; it was that one which signed the time."""


class Poisoned:
    """A device, and a vendor whose server is ten years ahead for a while."""

    def __init__(self, state: Path) -> None:
        self.desk = Desk(state)
        self.desk.vendor.published = (FIRST,)
        assert self.app().activate(LICENSE_KEY).access == "full"
        self.desk.pass_time(5 * DAY)

    def app(self) -> Carnet:
        return self.desk.app(root=FIRST)

    def poison(self) -> None:
        """A contact while the server's clock is ahead, which is set right afterwards."""
        self.desk.true_time.set_wall(self.desk.true_time.now() + YEARS)
        self.app().refresh()
        self.desk.true_time.set_wall(self.desk.true_time.now() - YEARS)

    def heal(self, root: str) -> None:
        self.desk.vendor.published = (FIRST, root)
        self.desk.vendor.roots = (root,)
        self.desk.vendor.signers = NEW if root is HEALING else {**OLD, "answer": NEW["answer"]}


def is_ahead(world: Poisoned) -> bool:
    """Whether the device still believes it."""
    at = world.app().info().trusted_at
    return at is not None and at > world.desk.true_time.now() + DAY


def nothing(_: Poisoned) -> None:
    """Nothing happens in between."""


def rebooted(world: Poisoned) -> None:
    """It was off for a week."""
    world.desk.clock.power_off(7 * DAY)
    world.desk.true_time.advance(7 * DAY)


def looked(world: Poisoned) -> None:
    """The app looks every day, and the bound is written down again and again."""
    for _ in range(10):
        world.desk.pass_time(DAY // 2)
        world.app().check()


def set_ahead(world: Poisoned) -> None:
    """A helpful user sets the clock to what the app believes."""
    world.desk.clock.set_wall(world.desk.clock.now() + YEARS)
    world.app().check()
    world.desk.clock.set_wall(world.desk.true_time.now())


def twice(world: Poisoned) -> None:
    """It happened again."""
    world.desk.pass_time(DAY)
    world.poison()


def refused(world: Poisoned) -> None:
    """A refusal of that time stands in the state too."""
    world.desk.vendor.status = "license_suspended"
    world.poison()
    world.desk.vendor.status = "active"


BETWEEN: list[Callable[[Poisoned], None]] = [nothing, rebooted, looked, set_ahead, twice, refused]


@pytest.mark.parametrize("root", [HEALING, HALF], ids=["every key", "the key of answers"])
@pytest.mark.parametrize("between", BETWEEN, ids=lambda happened: happened.__name__)
def test_sec_31_every_device_is_healed_by_one_contact(
    tmp_path: Path, between: Callable[[Poisoned], None], root: str
) -> None:
    world = Poisoned(tmp_path)
    world.poison()
    between(world)
    assert is_ahead(world)
    assert world.desk.true_time.now() + YEARS > EXPIRES_AT, "by that time the root had ended, too"
    assert world.app().refresh().access != "full" or root is HALF, "by itself it does not come back"
    assert is_ahead(world)
    world.heal(root)
    app = world.app()
    assert app.refresh().access == "full"
    assert app.last_problem is None
    assert not is_ahead(world)
    assert app.info().root_version == 2
    for _ in range(20):
        world.desk.pass_time(DAY)
    assert world.app().check().access == "full"
    world.desk.pass_time(90 * DAY)
    assert world.app().check().access != "full", "and its window ends as it should"


@pytest.mark.parametrize("between", BETWEEN, ids=lambda happened: happened.__name__)
def test_sec_31_a_device_without_a_network_is_healed_by_a_bundle(
    tmp_path: Path, between: Callable[[Poisoned], None]
) -> None:
    world = Poisoned(tmp_path)
    world.poison()
    between(world)
    world.desk.transport.online = False
    world.heal(HEALING)
    app = world.app()
    fingerprint = app.info().fingerprint
    assert fingerprint is not None
    artifacts = world.desk.vendor.issue(fingerprint)
    made = Bundle(roots=(FIRST, HEALING), token=artifacts["token"], machine_file=artifacts["machine_file"])
    assert app.install(write_bundle(made).encode()).access == "full"
    assert not is_ahead(world)
    assert world.app().check().access == "full"


def test_sec_31_a_device_that_was_not_there_notices_nothing(tmp_path: Path) -> None:
    world = Poisoned(tmp_path)
    world.heal(HEALING)
    before = world.app().info().trusted_at
    assert world.app().check().access == "full"
    assert world.app().refresh().access == "full"
    after = world.app().info().trusted_at
    assert before is not None
    assert after is not None
    assert after >= before


def test_sec_31_nobody_but_the_root_keys_takes_a_time_back(tmp_path: Path) -> None:
    world = Poisoned(tmp_path)
    world.poison()
    for root in (root_file(2, holders=(MALLORY,)), root_file(2, online=OLD), FIRST):
        world.desk.vendor.roots = (root,)
        world.app().refresh()
        assert is_ahead(world)
