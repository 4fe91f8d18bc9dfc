from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.core.errors import StateError
from carnet.server.domain.activations.commands import ActivationResult
from carnet.server.installation import Installation
from carnet.server.ports import NextIndex, SeatChanges, SeatFacts, SeatQuery, Storage
from carnet.server.records import OPERATOR, Activation
from support.installations import START, Device, licensed, opened

SEATS = 5
CLIENTS = 50


def held_seats(folder: Path) -> int:
    connection = sqlite3.connect(folder / "data" / "carnet.db")
    try:
        row = connection.execute("SELECT count(*) FROM activations WHERE deactivated_at IS NULL").fetchone()
        return int(row[0])
    finally:
        connection.close()


def counted_seats(folder: Path) -> int:
    connection = sqlite3.connect(folder / "data" / "carnet.db")
    try:
        return int(connection.execute("SELECT seats_used FROM licenses").fetchone()[0])
    finally:
        connection.close()


async def race(
    folder: Path, take: Callable[[Installation, str, Device], Awaitable[bool]], *, devices: list[str]
) -> tuple[int, int]:
    """Let *devices* activate one license of 5 seats at once; how many were told yes, and how many hold a seat."""
    async with opened(folder) as installation:
        created = await licensed(installation, overrides={"seat_limit": SEATS})
        told = await asyncio.gather(*(take(installation, created.key, Device(name)) for name in devices))
    return sum(told), held_seats(folder)


async def activate(installation: Installation, key: str, device: Device) -> bool:
    answered = await installation.activations.activate(device.activate(key))
    if isinstance(answered.result, Refused):
        assert answered.result.code == "seat_limit_reached"
        return False
    return True


async def count_then_insert(installation: Installation, key: str, device: Device) -> bool:
    """The planted bug: look whether a seat is free, then, in a second step, take one without asking the database."""
    command = device.activate(key)
    found = await installation.licenses.find(key)
    if found.seats.used >= SEATS:
        return False
    await asyncio.sleep(0)  # any other request runs here
    connection = sqlite3.connect(installation.settings.database_path, timeout=10)
    try:
        with connection:
            values = (command.device.fingerprint, found.id, command.device.fingerprint, hash(device.name) % 2**40)
            connection.execute(
                "INSERT INTO activations VALUES (?, ?, ?, '', '', NULL, '[]', NULL, NULL, NULL, 1, 1, 1, NULL, ?)",
                values,
            )
            connection.execute("UPDATE licenses SET seats_used = min(seats_used + 1, seat_limit)")
    finally:
        connection.close()
    return True


def test_rel_01_fifty_parallel_activations_for_five_seats_hold_exactly_five(tmp_path: Path) -> None:
    told, held = asyncio.run(race(tmp_path, activate, devices=[f"d{number}" for number in range(CLIENTS)]))
    assert (told, held, counted_seats(tmp_path)) == (SEATS, SEATS, SEATS)


def test_rel_01_tooth_check_the_same_race_catches_count_then_insert(tmp_path: Path) -> None:
    told, held = asyncio.run(race(tmp_path, count_then_insert, devices=[f"d{number}" for number in range(CLIENTS)]))
    assert told > SEATS
    assert held > SEATS


def test_users_ask_16_17_one_device_racing_itself_takes_one_seat(tmp_path: Path) -> None:
    told, held = asyncio.run(race(tmp_path, activate, devices=["same"] * CLIENTS))
    assert (told, held) == (CLIENTS, 1)


def test_users_ask_9_two_processes_worth_of_connections_still_hold_exactly_five(tmp_path: Path) -> None:
    """Two writers on one file, as `carnet serve` beside another process: the lock is the database's, not ours."""

    async def story() -> int:
        async with opened(tmp_path) as one, opened(tmp_path) as other:
            created = await licensed(one, overrides={"seat_limit": SEATS})
            told = await asyncio.gather(
                *(activate((one, other)[number % 2], created.key, Device(f"d{number}")) for number in range(CLIENTS))
            )
            return sum(told)

    assert asyncio.run(story()) == SEATS
    assert held_seats(tmp_path) == counted_seats(tmp_path) == SEATS


def test_the_last_seats_go_to_the_first_and_the_refused_learn_who_holds_them(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            created = await licensed(installation)
            for name in ("one", "two"):
                answered = await installation.activations.activate(Device(name).activate(created.key))
                assert isinstance(answered.result, ActivationResult)
            answered = await installation.activations.activate(Device("three").activate(created.key, nonce="n"))
            refused = answered.result
            assert isinstance(refused, Refused)
            assert refused.code == "seat_limit_reached"
            assert "2 of 2" in refused.reasons[0].message
            assert sorted(holder.device_name for holder in refused.holders) == ["one", "two"]
            assert all(holder.activated_at == START for holder in refused.holders)
            # users-ask 10: the seats that are held go on working.
            again = await installation.activations.activate(Device("one").activate(created.key))
            assert isinstance(again.result, ActivationResult)

    asyncio.run(story())


def test_rel_01_seats_given_back_in_the_middle_of_a_race_are_given_out_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            created = await licensed(installation, overrides={"seat_limit": SEATS})
            first = [
                await installation.activations.activate(Device(f"old{number}").activate(created.key))
                for number in range(SEATS)
            ]
            operator_frees = [
                installation.activations.deactivate_by_vendor(answered.result.activation.id, OPERATOR)
                for answered in first[:3]
                if isinstance(answered.result, ActivationResult)
            ]
            news = [activate(installation, created.key, Device(f"new{number}")) for number in range(CLIENTS)]
            await asyncio.gather(*news[:20], *operator_frees, *news[20:])
            assert (await installation.licenses.get(created.license.id)).seats.used == SEATS

    asyncio.run(story())
    assert held_seats(tmp_path) == counted_seats(tmp_path) == SEATS


# ── the database's own guard, whatever a decision says ───────────────────────────────────────────────────────────────


def planted_activation(facts: SeatFacts, next_index: NextIndex, name: str) -> Activation:
    assert facts.license is not None
    return Activation(
        id=f"planted-{name}",
        license_id=facts.license.id,
        product=facts.license.product,
        fingerprint=Device(name).claim().fingerprint,
        device_name=name,
        platform="",
        public_key=None,
        components=(),
        user=None,
        domain=None,
        app_version=None,
        created_at=START,
        refreshed_at=START,
        covered_until=START,
        deactivated_at=None,
        status_index=next_index(),
    )


async def always_yes(storage: Storage, lookups: tuple[bytes, ...], name: str) -> None:
    def decide(facts: SeatFacts, next_index: NextIndex) -> SeatChanges[None]:
        return SeatChanges(outcome=None, take=planted_activation(facts, next_index, name))

    await storage.change_seat(SeatQuery(product="hustl", lookups=lookups), decide)


@pytest.mark.parametrize(("names", "reason"), [("ab", "none is free"), ("aa", "second seat")])
def test_a_decision_that_is_wrong_is_refused_by_the_database(tmp_path: Path, names: str, reason: str) -> None:
    limit = len(set(names)) - (reason == "none is free") + (reason == "second seat")

    async def story() -> None:
        async with opened(tmp_path) as installation:
            created = await licensed(installation, overrides={"seat_limit": limit})
            storage, lookups = installation._storage, installation.licenses._vault.lookups(created.key)
            await always_yes(storage, lookups, names[0])
            audited = len((await installation.audit.list()).items)
            with pytest.raises(StateError, match=reason) as caught:
                await always_yes(storage, lookups, names[1])
            assert caught.value.code == "seat_guard"
            assert len((await installation.audit.list()).items) == audited
            assert (await installation.licenses.get(created.license.id)).seats.used == 1

    asyncio.run(story())
    assert held_seats(tmp_path) == counted_seats(tmp_path) == 1


def test_what_a_seat_covers_never_shrinks_whatever_a_decision_says(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            created = await licensed(installation)
            answered = await installation.activations.activate(Device().activate(created.key))
            assert isinstance(answered.result, ActivationResult)
            seat = answered.result.activation

            def decide(facts: SeatFacts, _: NextIndex) -> SeatChanges[None]:
                assert facts.activation is not None
                return SeatChanges(outcome=None, update=replace(facts.activation, covered_until=START))

            await installation._storage.change_seat(SeatQuery(product="hustl", activation_id=seat.id), decide)
            assert (await installation.activations.get(seat.id)).covered_until == seat.covered_until

    asyncio.run(story())


def test_the_table_itself_refuses_more_seats_than_the_limit(tmp_path: Path) -> None:
    async def story() -> str:
        async with opened(tmp_path) as installation:
            return (await licensed(installation)).license.id

    license_id = asyncio.run(story())
    connection = sqlite3.connect(tmp_path / "data" / "carnet.db")
    with pytest.raises(sqlite3.IntegrityError, match="seats_within_limit"), connection:
        connection.execute("UPDATE licenses SET seats_used = 3 WHERE id = ?", (license_id,))
    connection.close()
