"""SEC-19, R-38, users-ask 30: a changed device keeps its seat, on both databases; another does not get it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.core.devices import REBINDS_BESIDE_SEATS, Component
from carnet.core.instant import DAY
from carnet.server.domain.activations.commands import ActivationResult, RefreshCommand
from carnet.server.domain.enrolment.commands import CreateEnrolment
from carnet.server.records import OPERATOR
from support.installations import PRODUCT, Device, query
from support.license_models import Market, at_market, refused, seated

PARTS = {
    "linux-machine-id": "id",
    "linux-product-uuid": "uuid",
    "disk-serial": "disk",
    "board-serial": "board",
    "network-card": "card",
    "model": "model",
}


def made_of(owner: str = "mine", **changed: str) -> tuple[Component, ...]:
    """The components of a device; ``disk_serial="new"`` changes one."""
    told = {name.replace("_", "-"): value for name, value in changed.items()}
    return tuple((kind, told.get(kind, f"{owner}-{digest}")) for kind, digest in PARTS.items())


async def come(
    market: Market, key: str, name: object, components: tuple[Component, ...], *, seed: int = 7, **changes: Any
) -> ActivationResult | Refused:
    command = Device(name, seed=seed).activate(key, **changes)
    command = replace(command, device=replace(command.device, components=components))
    return (await market.installation.activations.activate(command)).result


def audited_rebounds(folder: Path) -> list[dict[str, Any]]:
    found = query(folder, "SELECT details FROM audit WHERE action = 'activation.rebound' ORDER BY seq")
    return [json.loads(row[0]) for row in found]


def test_r_38_a_system_installed_anew_keeps_the_only_seat(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1)
        first = seated(await come(market, sold.key, "before", made_of()))
        again = seated(await come(market, sold.key, "after", made_of(linux_machine_id="new"), seed=9))
        assert (again.created, again.activation.id) == (False, first.activation.id)
        assert again.activation.device == Device("after").claim().fingerprint
        assert again.license.seats.used == 1

        (event,) = await market.events("activation.rebound")
        assert event.payload == {"license": sold.license.id, "changed": ["linux-machine-id"], "rebinds": 1}

        # The new device is the seat's now, with its own key; the old one is not any more.
        proven = Device("after", seed=9)
        refresh = RefreshCommand(
            product=PRODUCT,
            device=proven.claim(),
            activation_id=first.activation.id,
            device_proof=proven.proof(at=market.clock.now()),
        )
        seated((await market.installation.activations.refresh(refresh)).result)
        old = Device("before")
        stale = replace(refresh, device=old.claim(), device_proof=old.proof(at=market.clock.now(), nonce="n-2"))
        assert isinstance((await market.installation.activations.refresh(stale)).result, Refused)

    at_market(tmp_path, story)
    (row,) = audited_rebounds(tmp_path)
    assert row["changed"] == ["linux-machine-id"]
    assert row["before"] == Device("before").claim().fingerprint
    assert row["device"] == Device("after").claim().fingerprint


def test_sec_19_a_stranger_takes_a_seat_of_its_own_or_none(tmp_path: Path) -> None:
    """An adversary who holds the license key, and knows all that is not secret of another device."""

    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1)
        first = seated(await come(market, sold.key, "victim", made_of()))
        seen_on_the_network = [c for c in made_of() if c[0] in {"network-card", "model", "board-serial"}]
        stranger = made_of("theirs")
        for components in (
            stranger,
            tuple(seen_on_the_network),
            (*stranger, *seen_on_the_network),
            # The right digests under other kinds, and wildcards of the database's.
            tuple((kind, digest) for kind in PARTS for _, digest in seen_on_the_network),
            (("linux-machine-id", "%"), ("disk-serial", "_________"), ("linux-product-uuid", '"')),
            (),
        ):
            assert refused(await come(market, sold.key, "stranger", components)) == ["seat_limit_reached"]
        again = seated(await come(market, sold.key, "victim", made_of()))
        assert (again.activation.id, again.created) == (first.activation.id, False)
        assert await market.events("activation.rebound") == []

    at_market(tmp_path, story)


def test_the_edge_of_the_rule_holds_at_the_server_too(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1)
        seated(await come(market, sold.key, 0, made_of()))
        half_less_one = made_of(linux_product_uuid="a", board_serial="a", network_card="a", model="a")  # 7 of 15
        assert refused(await come(market, sold.key, 1, half_less_one)) == ["seat_limit_reached"]
        half = made_of(linux_product_uuid="a", board_serial="a", network_card="a")  # 8 of 15
        assert not seated(await come(market, sold.key, 1, half)).created

    at_market(tmp_path, story)


def test_with_free_seats_a_changed_device_still_takes_no_second_one(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=None)
        others = [seated(await come(market, sold.key, f"other-{n}", made_of(f"other-{n}"))) for n in range(3)]
        mine = seated(await come(market, sold.key, "mine", made_of()))
        assert len({each.activation.id for each in (*others, mine)}) == 4
        again = seated(await come(market, sold.key, "mine again", made_of(disk_serial="new")))
        assert (again.activation.id, again.license.seats.used) == (mine.activation.id, 4)

    at_market(tmp_path, story)


def test_users_ask_27_clones_are_devices_of_their_own(tmp_path: Path) -> None:
    """Two seats with the same parts: a third that looks like both is neither."""

    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=3)
        first = seated(await come(market, sold.key, 1, made_of()))
        second = seated(await come(market, sold.key, 2, made_of("other")))
        claim = replace(Device(2).claim(), components=made_of())  # it is restored from an image of the first
        refresh = RefreshCommand(
            product=PRODUCT,
            device=claim,
            activation_id=second.activation.id,
            device_proof=Device(2).proof(at=market.clock.now()),
        )
        seated((await market.installation.activations.refresh(refresh)).result)
        third = seated(await come(market, sold.key, 3, made_of()))
        assert third.created
        assert third.activation.id not in {first.activation.id, second.activation.id}

    at_market(tmp_path, story)


def test_users_ask_30_beyond_its_yearly_number_a_device_is_another(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1)
        seated(await come(market, sold.key, 0, made_of()))
        most = REBINDS_BESIDE_SEATS + 1
        for number in range(1, most + 1):
            assert not seated(await come(market, sold.key, number, made_of(linux_machine_id=f"new-{number}"))).created
        assert refused(await come(market, sold.key, "more", made_of(linux_machine_id="x"))) == ["seat_limit_reached"]
        assert not seated(await come(market, sold.key, most, made_of())).created  # the device itself, as ever
        market.clock.advance(365 * DAY)
        assert not seated(await come(market, sold.key, "more", made_of(linux_machine_id="x"))).created

    at_market(tmp_path, story)


@pytest.mark.parametrize("end", ["suspend", "revoke"])
def test_a_license_that_is_stopped_follows_nobody(tmp_path: Path, end: str) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1)
        seated(await come(market, sold.key, "before", made_of()))
        await getattr(market.installation.licenses, end)(sold.license.id, OPERATOR)
        assert refused(await come(market, sold.key, "after", made_of(linux_machine_id="new")))
        assert await market.events("activation.rebound") == []

    at_market(tmp_path, story)


def test_a_seat_that_was_given_back_is_not_followed(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=2)
        first = seated(await come(market, sold.key, "before", made_of(), with_key=False))
        await market.leave(sold.key, "before")
        assert seated(await come(market, sold.key, "after", made_of(linux_machine_id="new"))).created
        # And a device that comes back to a seat of its own past is itself, not another that looks alike.
        back = seated(await come(market, sold.key, "before", made_of(), with_key=False))
        assert (back.created, back.license.seats.used) == (True, 2)
        assert back.activation.id != first.activation.id

    at_market(tmp_path, story)


def test_another_license_is_never_looked_at(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        one, two = await market.sold(seat_limit=1), await market.sold(seat_limit=1)
        seated(await come(market, one.key, "a", made_of()))
        seated(await come(market, two.key, "b", made_of("other")))
        assert refused(await come(market, two.key, "c", made_of())) == ["seat_limit_reached"]

    at_market(tmp_path, story)


def test_an_enrolment_token_speaks_for_what_came_with_it_only(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=2)
        seated(await come(market, sold.key, "by key", made_of()))
        create = CreateEnrolment(license_id=sold.license.id, name="floor 2")
        made = await market.installation.enrolments.create(create, OPERATOR)
        first = seated(await come(market, made.token, "by token", made_of(linux_machine_id="new")))
        assert first.created  # it looks like the one that came by key, of which the token may not speak

    at_market(tmp_path, story)


def test_an_enrolled_machine_that_changed_keeps_its_seat_by_the_same_token(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1)
        create = CreateEnrolment(license_id=sold.license.id, name="floor 2", max_uses=1)
        made = await market.installation.enrolments.create(create, OPERATOR)
        first = seated(await come(market, made.token, "before", made_of()))
        again = seated(await come(market, made.token, "after", made_of(disk_serial="new")))
        assert (again.activation.id, again.created) == (first.activation.id, False)

    at_market(tmp_path, story)


def test_a_race_of_one_changed_device_with_itself_takes_one_seat(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1)
        first = seated(await come(market, sold.key, "before", made_of()))
        changed = made_of(linux_machine_id="new")
        results = await asyncio.gather(*(come(market, sold.key, "after", changed) for _ in range(6)))
        assert {seated(each).activation.id for each in results} == {first.activation.id}
        assert len(await market.events("activation.rebound")) == 1
        assert (await market.view(sold)).seats.used == 1

    at_market(tmp_path, story)
