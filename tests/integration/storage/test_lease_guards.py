"""
Leases on PostgreSQL in a read and one statement: what happens between the two is noticed, one thing at a time, and each
guard of the statement is missed when it is gone (design.md §2 rule 6; REL-01).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from carnet.core.decision import Refused
from carnet.core.lease_terms import LeaseHolder, LeaseTerms
from carnet.core.leases import Lease, Wanted
from carnet.server.domain.leases.commands import ClaimLease, LeaseResult, ReleaseLease, RenewLease
from carnet.server.domain.leases.deciding import Seating
from carnet.server.installation import Installation
from carnet.server.ports.leases import LeaseChanges, LeaseFacts
from carnet.server.records import OPERATOR
from carnet.server.storage import lease_steps
from carnet.server.storage.lease_statements import IS_FREE
from carnet.server.storage.postgres import lease_guards
from support.databases import on
from support.installations import PRODUCT, HeldClock, give_back, licensed, opened


@pytest.fixture(autouse=True)
def _on_postgres() -> Iterator[None]:
    with on("postgres"):
        yield
    give_back()


class Pool:
    """A license with two floating seats, and what was asked of its storage."""

    def __init__(self, installation: Installation, clock: HeldClock, key: str, license_id: str) -> None:
        self.installation = installation
        self.clock = clock
        self.key = key
        self.license_id = license_id
        self.leases: dict[str, LeaseResult] = {}

    async def terms(self, limit: int) -> None:
        await self.installation.leases.change_terms(LeaseTerms(limit=limit), OPERATOR, license_id=self.license_id)

    async def claim(self, who: str) -> LeaseResult | Refused:
        holder = LeaseHolder(kind="process", id=who)
        command = ClaimLease(license_key=self.key, product=PRODUCT, holder=holder, ttl_seconds=60)
        result = (await self.installation.leases.claim(command)).result
        if isinstance(result, LeaseResult):
            self.leases[who] = result
        return result

    async def renew(self, who: str, seconds: int) -> object:
        lease = self.leases[who]
        command = RenewLease(
            lease_id=lease.lease_id, product=PRODUCT, holder=lease.holder, license_key=self.key, ttl_seconds=seconds
        )
        return (await self.installation.leases.renew(command)).result

    async def release(self, who: str) -> object:
        lease = self.leases[who]
        command = ReleaseLease(lease_id=lease.lease_id, product=PRODUCT, holder=lease.holder, license_key=self.key)
        return (await self.installation.leases.release(command)).result

    async def live(self) -> set[str]:
        return {each.holder.id for each in (await self.installation.leases.list(self.license_id)).items}


class Interrupted:
    """A rule behind whose first word something else happens, before its statement is sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.judged = 0
        self._what: Callable[[], Coroutine[Any, Any, object]] | None = None
        send = lease_guards._apply

        async def after(*given: Any) -> bool:
            what, self._what = self._what, None
            if what is not None:
                await asyncio.create_task(what())
            return await send(*given)

        monkeypatch.setattr(lease_guards, "_apply", after)
        monkeypatch.setattr(Seating, "judge", self._counting(Seating.judge))

    def by(self, what: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._what = what
        self.judged = 0

    def _counting(self, judge: Any) -> Any:
        def counted(rule: Seating, facts: LeaseFacts) -> Wanted | LeaseChanges[Any]:
            self.judged += self._what is not None or self.judged > 0
            return judge(rule, facts)  # type: ignore[no-any-return]

        return counted


def tell(folder: Path, story: Callable[[Pool], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(folder, clock) as installation:
            created = await licensed(installation)
            pool = Pool(installation, clock, created.key, created.license.id)
            await pool.terms(2)
            await pool.claim("first")
            await story(pool)

    asyncio.run(run())


# ── what may happen between the read and the statement ───────────────────────────────────────────────────────────────


async def another_takes_the_last_seat(pool: Pool, interrupted: Interrupted) -> None:
    interrupted.by(lambda: pool.claim("faster"))
    result = await pool.claim("late")
    assert isinstance(result, Refused)
    assert result.code == "lease_limit_reached"
    assert {each.device_name for each in result.holders} == {"first", "faster"}
    assert await pool.live() == {"first", "faster"}


async def the_limit_is_lowered(pool: Pool, interrupted: Interrupted) -> None:
    interrupted.by(lambda: pool.terms(1))
    assert isinstance(await pool.claim("late"), Refused)
    assert await pool.live() == {"first"}


async def the_license_is_suspended(pool: Pool, interrupted: Interrupted) -> None:
    interrupted.by(lambda: pool.installation.licenses.suspend(pool.license_id, OPERATOR))
    result = await pool.claim("late")
    assert isinstance(result, Refused)
    assert result.code == "license_suspended"


async def the_license_is_suspended_under_a_holder(pool: Pool, interrupted: Interrupted) -> None:
    interrupted.by(lambda: pool.installation.licenses.suspend(pool.license_id, OPERATOR))
    assert isinstance(await pool.claim("first"), Refused)


async def the_holder_renews_for_longer(pool: Pool, interrupted: Interrupted) -> None:
    interrupted.by(lambda: pool.renew("first", 3000))
    result = await pool.claim("first")
    assert isinstance(result, LeaseResult)
    rows = await stored(pool)
    assert rows[0].covered_until == rows[0].renewed_at + 3000  # what was signed for longer still counts
    assert interrupted.judged > 1


async def the_holder_gives_back(pool: Pool, interrupted: Interrupted) -> None:
    before = pool.leases["first"].lease_id
    interrupted.by(lambda: pool.release("first"))
    result = await pool.claim("first")
    assert isinstance(result, LeaseResult)
    assert (result.created, result.lease_id == before) == (True, False)


async def the_holder_claims_twice_at_once(pool: Pool, interrupted: Interrupted) -> None:
    interrupted.by(lambda: pool.claim("twin"))
    result = await pool.claim("twin")
    assert isinstance(result, LeaseResult)
    assert not result.created
    assert await pool.live() == {"first", "twin"}


async def its_own_slot_of_last_time_is_taken(pool: Pool, interrupted: Interrupted) -> None:
    await pool.claim("second")
    await pool.release("first")
    interrupted.by(lambda: pool.claim("faster"))
    assert isinstance(await pool.claim("first"), Refused)
    assert await pool.live() == {"second", "faster"}


async def the_vendor_takes_it_away(pool: Pool, interrupted: Interrupted) -> None:
    lease = pool.leases["first"].lease_id
    interrupted.by(lambda: pool.installation.leases.force(lease, OPERATOR, reason="because"))
    result = await pool.renew("first", 7)  # asks for another time: the rule is asked
    assert isinstance(result, Refused)
    assert result.code == "lease_released"


STORIES = (
    another_takes_the_last_seat,
    the_limit_is_lowered,
    the_license_is_suspended,
    the_license_is_suspended_under_a_holder,
    the_holder_renews_for_longer,
    the_holder_gives_back,
    the_holder_claims_twice_at_once,
    its_own_slot_of_last_time_is_taken,
    the_vendor_takes_it_away,
)


async def stored(pool: Pool) -> list[Lease]:
    """The live leases as they are stored."""
    storage: Any = pool.installation._storage
    return list(await storage.leases(pool.license_id, at=pool.clock.at, after=None, limit=10))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_rel_01_what_happens_between_the_read_and_the_statement_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: Callable[[Pool, Interrupted], Awaitable[None]]
) -> None:
    interrupted = Interrupted(monkeypatch)
    tell(tmp_path, lambda pool: story(pool, interrupted))
    assert interrupted._what is None, "nothing happened in between"


@pytest.mark.parametrize(
    ("way", "guard", "story"),
    [
        ("any", f"AND {IS_FREE}", another_takes_the_last_seat),
        ("any", "AND mark = :in_force", the_limit_is_lowered),
        ("any", "AND l.revision = :revision", the_license_is_suspended),
        ("keep", "AND l.revision = :revision", the_license_is_suspended_under_a_holder),
        ("keep", "AND jti = :was", the_holder_renews_for_longer),
        ("keep", "AND released_at IS NULL AND", the_holder_gives_back),
        ("keep", "AND released_at IS NULL AND", the_vendor_takes_it_away),
    ],
)
def test_rel_01_each_guard_of_the_statement_is_missed_when_it_is_gone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    guard: str,
    story: Callable[[Pool, Interrupted], Awaitable[None]],
) -> None:
    gone = "AND" if guard.endswith("AND") else ""
    texts = {}
    for key, text in lease_guards.STATEMENTS.items():
        if key[0] == way:
            assert guard in text
            text = text.replace(guard, gone)  # noqa: PLW2901 - the fault
            if guard == "AND mark = :in_force":
                text = text.replace("AND coalesce(o.mark, t.mark) = :in_force", "")  # noqa: PLW2901 - both ask for it
            if guard.startswith("AND released_at"):
                text = text.replace("AND jti = :was", "")  # noqa: PLW2901 - a return leaves the token's id as it is
        texts[key] = text
    monkeypatch.setattr(lease_guards, "STATEMENTS", texts)
    interrupted = Interrupted(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        tell(tmp_path, lambda pool: story(pool, interrupted))


# ── how many round trips there are ───────────────────────────────────────────────────────────────────────────────────


def test_a_claim_a_renewal_and_a_return_are_two_round_trips_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none of them in a transaction that outlives one (design.md §9)."""
    sent: list[str] = []

    async def story(pool: Pool) -> None:
        hot: Any = pool.installation._storage._pool  # type: ignore[attr-defined]
        fetch = hot._fetch

        async def counted(sql: str, values: tuple[Any, ...], **how: Any) -> list[Any]:
            sent.append(sql)
            rows: list[Any] = await fetch(sql, values, **how)
            return rows

        def never(*_: object) -> None:
            raise AssertionError

        monkeypatch.setattr(hot, "_fetch", counted)
        monkeypatch.setattr(hot, "transaction", never)
        trips = []
        asks: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: pool.claim("second"),  # a new lease
            lambda: pool.claim("second"),  # the one it has
            lambda: pool.renew("second", 60),
            lambda: pool.renew("second", 90),  # asks for another time
            lambda: pool.claim("third"),  # the pool is full
            lambda: pool.release("second"),
            lambda: pool.release("second"),
            lambda: pool.claim("second"),  # its own slot again
        )
        for ask in asks:
            sent.clear()
            await ask()
            trips.append(len(sent))
        assert trips == [2, 2, 1, 3, 2, 2, 1, 2]

    tell(tmp_path, story)


def test_a_pool_grows_without_its_lock_and_never_beyond_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slots are made many at a time, by whoever finds none free; the limit is one more than a block."""
    monkeypatch.setattr(lease_guards, "SPARE_SLOTS", 4)
    monkeypatch.setattr(lease_steps, "_LEAST_SPARE", 4)

    async def story(pool: Pool) -> None:
        await pool.terms(23)
        results = await asyncio.gather(*(pool.claim(f"holder-{number}") for number in range(40)))
        granted = [each for each in results if isinstance(each, LeaseResult)]
        assert len(granted) == 22  # and the one that was there
        assert len(await pool.live()) == 23
        slots = sorted(lease.slot for lease in (await pool.installation.leases.list(pool.license_id)).items)
        assert slots == list(range(23))

    tell(tmp_path, story)
