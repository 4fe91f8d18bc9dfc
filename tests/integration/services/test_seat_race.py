"""
REL-01: seats are exact, whoever races for them: requests of one process, of several, one device with itself, with seats
given back and limits changed meanwhile. Every race is run on both databases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.core.errors import StateError
from carnet.core.model import Policy
from carnet.server.domain.activations.commands import ActivationResult
from carnet.server.domain.policies.commands import CreatePolicy, UpdatePolicy
from carnet.server.ports import NextIndex, SeatChanges, SeatFacts, SeatQuery, Storage
from carnet.server.records import OPERATOR, Activation
from support.campaigns import LONG
from support.installations import PRODUCT, START, Device, execute, licensed, opened, query, settings_in
from support.racing import Told, activate, count_then_insert, racers

SEATS = 5
CLIENTS = 50
ROUNDS = 500 if LONG else 50
RACERS = 64


def held_seats(folder: Path) -> int:
    return int(query(folder, "SELECT count(*) FROM activations WHERE deactivated_at IS NULL")[0][0])


def counted_seats(folder: Path) -> int:
    return int(query(folder, "SELECT seats_used FROM licenses")[0][0])


async def race(folder: Path, take: Any, *, devices: list[str]) -> tuple[int, int]:
    """Let *devices* activate one license of 5 seats at once; how many were told yes, and how many hold a seat."""
    async with opened(folder) as installation:
        created = await licensed(installation, overrides={"seat_limit": SEATS})
        told = await asyncio.gather(*(take(installation, created.key, name) for name in devices))
    return sum(yes for yes, _ in told), held_seats(folder)


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
    """Two writers, as `carnet serve` beside another process: the lock is the database's, not ours."""

    async def story() -> int:
        async with opened(tmp_path) as one, opened(tmp_path) as other:
            created = await licensed(one, overrides={"seat_limit": SEATS})
            told = await asyncio.gather(
                *(activate((one, other)[number % 2], created.key, f"d{number}") for number in range(CLIENTS))
            )
            return sum(yes for yes, _ in told)

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
            news = [activate(installation, created.key, f"new{number}") for number in range(CLIENTS)]
            told = await asyncio.gather(*news[:20], *operator_frees, *news[20:])
            new = sum(each == (True, True) for each in told)
            assert (await installation.licenses.get(created.license.id)).seats.used == SEATS - 3 + new <= SEATS
            # Who asked before the seats came back was refused; now nobody is, as long as one is free.
            late = [activate(installation, created.key, f"late{number}") for number in range(CLIENTS)]
            assert new + sum(yes for yes, _ in await asyncio.gather(*late)) == 3

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
    with pytest.raises(Exception, match="seats_within_limit"):
        execute(settings_in(tmp_path), f"UPDATE licenses SET seats_used = 3 WHERE id = '{license_id}'")  # noqa: S608


# ── several processes ────────────────────────────────────────────────────────────────────────────────────────────────


def last_seats(folder: Path, rounds: int) -> list[tuple[str, str]]:
    """A license with one free seat for each round: its id and key."""

    async def make() -> list[tuple[str, str]]:
        async with opened(folder) as installation:
            made = [await licensed(installation, overrides={"seat_limit": 1}) for _ in range(rounds)]
            return [(each.license.id, each.key) for each in made]

    return asyncio.run(make())


def seats_of(folder: Path) -> dict[str, tuple[int, int]]:
    """What each license counts, and what is really held."""
    rows = query(
        folder,
        "SELECT l.id, l.seats_used, (SELECT count(*) FROM activations a"
        " WHERE a.license_id = l.id AND a.deactivated_at IS NULL) FROM licenses l",
    )
    return {license_id: (counted, held) for license_id, counted, held in rows}


def race_for_last_seats(folder: Path, rounds: int, how: Any = "activate") -> list[tuple[Told, tuple[int, int]]]:
    """64 clients in two processes, for a last seat in each round: what they were told, what is counted and held."""
    licenses = last_seats(folder, rounds)
    devices = [f"racer-{number}" for number in range(RACERS)]
    with racers(settings_in(folder)) as processes:
        told = [processes.race(key, devices, how) for _, key in licenses]
    seats = seats_of(folder)
    return [(each, seats[license_id]) for each, (license_id, _) in zip(told, licenses, strict=True)]


EXACT = (Told(granted=1, created=1), (1, 1))


@pytest.mark.timeout(1200 if LONG else 300)
def test_rel_01_of_64_clients_in_two_processes_one_wins_the_last_seat_in_every_round(tmp_path: Path) -> None:
    assert race_for_last_seats(tmp_path, ROUNDS) == [EXACT] * ROUNDS


def test_rel_01_tooth_check_the_race_of_processes_catches_count_then_insert(tmp_path: Path) -> None:
    rounds = race_for_last_seats(tmp_path, 3, "count then insert")
    assert any(told.granted > 1 and held > 1 for told, (_, held) in rounds)


def test_rel_01_one_device_racing_itself_in_two_processes_takes_one_seat(tmp_path: Path) -> None:
    licenses = last_seats(tmp_path, 10)
    with racers(settings_in(tmp_path)) as processes:
        told = [processes.race(key, ["same"] * RACERS) for _, key in licenses]
    assert told == [Told(granted=RACERS, created=1)] * len(licenses)
    assert set(seats_of(tmp_path).values()) == {(1, 1)}


class Watch:
    """Looks at one license's seats again and again, each time at one moment."""

    def __init__(self, folder: Path, license_id: str) -> None:
        self.seen: list[tuple[int, int | None, int, int]] = []
        self._settings = settings_in(folder)
        held = "SELECT count(*) FROM activations a WHERE a.license_id = l.id AND a.deactivated_at IS NULL"
        changed = "SELECT count(*) FROM audit WHERE action = 'policy.updated'"
        self._sql = f"SELECT seats_used, seat_limit, ({held}), ({changed}) FROM licenses l WHERE id = '{license_id}'"  # noqa: S608
        self._end = Event()
        self._thread = Thread(target=self._watch)

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.005):
            used, limit, held, changed = execute(self._settings, self._sql)[0]
            self.seen.append((used, limit, held, changed))


def test_rel_01_seats_taken_given_back_and_limits_changed_at_once_never_exceed_the_limit(tmp_path: Path) -> None:
    rules = Policy(name="churned", seat_limit=3)

    async def made() -> tuple[str, str]:
        async with opened(tmp_path) as installation:
            await licensed(installation)
            await installation.policies.create(CreatePolicy(product=PRODUCT, policy=rules), OPERATOR)
            created = await licensed(installation, policy="churned")
            return created.license.id, created.key

    license_id, key = asyncio.run(made())

    async def change_limits() -> None:
        async with opened(tmp_path) as installation:
            for turn in range(30):
                policy = replace(rules, seat_limit=(1, 3, 2)[turn % 3])
                await installation.policies.update(
                    UpdatePolicy(product=PRODUCT, name="churned", policy=policy), OPERATOR
                )

    watch = Watch(tmp_path, license_id)
    with racers(settings_in(tmp_path)) as processes, watch.watching():
        vendor = Thread(target=asyncio.run, args=(change_limits(),))
        vendor.start()
        problems = processes.churn(key, 100 if LONG else 15)
        vendor.join()
        while len(watch.seen) <= 10:
            problems += processes.churn(key, 1)
    assert problems == []
    assert seats_of(tmp_path)[license_id] == (0, 0)
    for (used, limit, held, changed), (used_later, _, _, changed_later) in pairwise(watch.seen):
        assert used == held <= 3
        # Above a limit that was lowered nothing may be added (users-ask 10); 8 devices would take more at once.
        if changed == changed_later and limit is not None and used_later > limit:
            assert used_later <= used
