"""Floating seats under races: exactly as many as the limit, on both databases (REL-01, users-ask 9)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from carnet.core._base import replace
from carnet.core.errors import StateError
from carnet.core.lease_terms import LeaseHolder, LeaseTerms
from carnet.core.leases import Lease
from carnet.server.domain.leases.commands import ClaimLease, LeaseResult
from carnet.server.ports.leases import LeaseChanges, LeaseFacts, LeaseQuery
from carnet.server.records import OPERATOR
from support.campaigns import LONG
from support.installations import PRODUCT, START, execute, licensed, opened, query, settings_in
from support.racing import Told, racers

ROUNDS = 500 if LONG else 50
CLIENTS = 64


def pools(folder: Path, count: int, limit: int = 1) -> list[tuple[str, str]]:
    """Licenses with a pool each: id and key."""

    async def make() -> list[tuple[str, str]]:
        async with opened(folder) as installation:
            made = [await licensed(installation) for _ in range(count)]
            for each in made:
                await installation.leases.change_terms(LeaseTerms(limit=limit), OPERATOR, license_id=each.license.id)
            return [(each.license.id, each.key) for each in made]

    return asyncio.run(make())


def live(folder: Path) -> dict[str, int]:
    """How many leases of each license there are."""
    rows = query(folder, "SELECT license_id, count(*) FROM leases WHERE id IS NOT NULL GROUP BY license_id")
    return dict(rows)


@pytest.mark.timeout(1200 if LONG else 300)
def test_rel_01_sixty_four_clients_in_two_processes_race_for_the_last_seat(tmp_path: Path) -> None:
    licenses = pools(tmp_path, ROUNDS)
    clients = [f"racer-{number}" for number in range(CLIENTS)]
    with racers(settings_in(tmp_path)) as processes:
        told = [processes.race(key, clients, "claim") for _, key in licenses]
    assert told == [Told(granted=1, created=1)] * ROUNDS
    assert live(tmp_path) == {license_id: 1 for license_id, _ in licenses}


def test_rel_01_tooth_check_the_same_race_catches_count_then_claim(tmp_path: Path) -> None:
    licenses = pools(tmp_path, 20)
    clients = [f"racer-{number}" for number in range(CLIENTS)]
    told: list[Told] = []
    with racers(settings_in(tmp_path)) as processes:
        for _, key in licenses:
            told.append(processes.race(key, clients, "count then claim"))
            if told[-1].granted > 1:
                break
    assert any(each.granted > 1 for each in told)
    assert any(number > 1 for number in live(tmp_path).values())


def test_users_ask_17_one_holder_racing_itself_in_two_processes_has_one_lease(tmp_path: Path) -> None:
    licenses = pools(tmp_path, 5, limit=10)
    with racers(settings_in(tmp_path)) as processes:
        told = [processes.race(key, ["same"] * CLIENTS, "claim") for _, key in licenses]
    assert told == [Told(granted=CLIENTS, created=1)] * len(licenses)
    assert set(live(tmp_path).values()) == {1}


# ── the database's own guard, whatever a decision says ───────────────────────────────────────────────────────────────


class AlwaysYes:
    """A decision that takes a slot without asking whether it is free."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease

    def judge(self, facts: LeaseFacts) -> LeaseChanges[None]:
        assert facts.pool is not None
        return LeaseChanges(outcome=None, take=self.lease)

    def grant(self, *_: object) -> LeaseChanges[None]:
        raise AssertionError

    def refuse(self, *_: object) -> LeaseChanges[None]:
        raise AssertionError


@pytest.mark.parametrize(("slot", "who"), [(0, "another"), (1, "one"), (2, "another")])
def test_a_decision_that_is_wrong_is_refused_by_the_database(tmp_path: Path, slot: int, who: str) -> None:
    """A slot that is held, a second slot of a holder, a slot beyond the limit."""

    async def story() -> None:
        async with opened(tmp_path) as installation:
            created = await licensed(installation)
            await installation.leases.change_terms(LeaseTerms(limit=2), OPERATOR, license_id=created.license.id)
            holder = LeaseHolder(kind="process", id="one")
            command = ClaimLease(license_key=created.key, product=PRODUCT, holder=holder)
            assert isinstance((await installation.leases.claim(command)).result, LeaseResult)
            storage, lookups = installation._storage, installation.licenses._vault.lookups(created.key)
            lookup = LeaseQuery(product=PRODUCT, lookups=lookups, holder=holder, at=START)
            facts = await storage.find_lease(lookup)
            assert facts.pool is not None
            assert facts.pool.lease is not None
            wrong = replace(
                facts.pool.lease, id=f"planted-{who}", slot=slot, holder=LeaseHolder(kind="process", id=who)
            )
            before = query(tmp_path, "SELECT count(*) FROM audit")
            with pytest.raises(StateError) as refused:
                await storage.change_lease(lookup, AlwaysYes(wrong))
            assert refused.value.code == "seat_guard"
            assert query(tmp_path, "SELECT count(*) FROM audit") == before

    asyncio.run(story())
    assert query(tmp_path, "SELECT slot, holder_id FROM leases WHERE id IS NOT NULL") == [(0, "one")]


def test_the_table_itself_refuses_a_slot_beyond_the_limit_it_was_given_under(tmp_path: Path) -> None:
    ((license_id, _),) = pools(tmp_path, 1)
    columns = "license_id, slot, slot_limit, name, is_borrowed, ttl_seconds, claimed_at, renewed_at, deadline"
    with pytest.raises(Exception, match="slot_within_limit"):
        execute(
            settings_in(tmp_path),
            f"INSERT INTO leases ({columns}, expires_at, covered_until, mark, jti, kid)"  # noqa: S608 - a test's
            f" VALUES ('{license_id}', 1, 1, '', 0, 1, 1, 1, 1, 1, 1, 0, '', '')",
        )
