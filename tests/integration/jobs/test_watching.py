"""What jobs tell that no request does, on both databases: ends of terms (R-62) and floating seats (users-ask 60)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from carnet.core.instant import DAY, Instant
from carnet.core.lease_terms import LeaseHolder, LeaseTerms
from carnet.server.domain.leases.commands import ClaimLease, LeaseResult, ReleaseLease
from carnet.server.domain.watching.pools import POOLS_JOB
from carnet.server.domain.watching.terms import TERMS_JOB
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR, Event
from support.installations import PRODUCT, START, HeldClock, licensed, opened, settings_in

_T = TypeVar("_T")

JOBS = {TERMS_JOB: 60, POOLS_JOB: 60}


async def ready(installation: Installation) -> None:
    """As a runner leaves it: the jobs are known, and the first look is done."""
    await installation.store.keep_jobs("test", JOBS, lease_seconds=30)
    while await installation.terms.look():
        pass


async def told(installation: Installation, *prefixes: str) -> list[Event]:
    """New events of these kinds."""
    while await installation.terms.look() or await installation.pools.look():
        pass
    events: list[Event] = []
    while found := await installation.store.waiting_events(after=events[-1].seq if events else 0, limit=500):
        events += found
    while await installation.outbox.hand_out():
        pass
    return [each for each in events if each.kind.startswith(prefixes)]


def run(folder: Path, story: Callable[[Installation, HeldClock], Awaitable[_T]]) -> _T:
    async def go() -> _T:
        clock = HeldClock()
        async with opened(folder, clock) as installation:
            await ready(installation)
            return await story(installation, clock)

    return asyncio.run(go())


def test_r_62_a_license_is_told_thirty_seven_and_one_day_before_its_end_and_at_it_to_the_second(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        ends_at = Instant(START + 100 * DAY)
        sold = await licensed(installation, type="timed", expires_at=ends_at)
        await licensed(installation)  # perpetual
        heard = []
        for days in (30, 7, 1, 0):
            clock.at = Instant(ends_at - days * DAY - 1)
            assert await told(installation, "license.expir", "trial") == []
            clock.advance(1)
            (event,) = await told(installation, "license.expir", "trial")
            heard.append((event.kind, event.payload.get("days"), event.payload["expires_at"], event.object_id))
            assert await told(installation, "license.expir", "trial") == []
        expected = [("license.expiring", days, str(ends_at), sold.license.id) for days in (30, 7, 1)]
        assert heard == [*expected, ("license.expired", None, str(ends_at), sold.license.id)]
        clock.advance(50 * DAY)
        assert await told(installation, "license.expir", "trial") == []

    run(tmp_path, story)


def test_r_62_after_an_outage_all_that_ended_is_told_once_each_many_at_a_time(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        ends_at = Instant(START + 10 * DAY)
        ids = {(await licensed(installation, type="timed", expires_at=ends_at)).license.id for _ in range(3)}
        made = [await licensed(installation, type="timed", expires_at=Instant(ends_at + n % 3)) for n in range(230)]
        ids |= {each.license.id for each in made}
        clock.at = Instant(ends_at + DAY)
        events = await told(installation, "license.expired")
        assert len(events) == 233  # more than one lot, many of them with the same end
        assert {each.object_id for each in events} == ids

    run(tmp_path, story)


def test_r_62_who_is_not_told(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        short = await licensed(installation, type="timed", expires_at=Instant(START + 10 * DAY))
        revoked = await licensed(installation, type="timed", expires_at=Instant(START + 10 * DAY))
        await installation.licenses.revoke(revoked.license.id, OPERATOR)
        trial = await licensed(installation, type="trial", expires_at=Instant(START + 10 * DAY))
        heard: list[tuple[str, str]] = []
        for _ in range(11):
            heard += [(each.kind, each.object_id) for each in await told(installation, "license.expir", "trial.end")]
            clock.advance(DAY)
        assert sorted(heard) == sorted(
            [
                ("license.expiring", short.license.id),  # a day before; not seven of its ten
                ("license.expired", short.license.id),
                ("trial.ending", trial.license.id),
                ("trial.ended", trial.license.id),
            ]
        )

    run(tmp_path, story)


def test_r_62_what_ended_before_anybody_looked_is_not_told(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            await licensed(installation, type="timed", expires_at=Instant(START + 100))
            clock.advance(200)
            await ready(installation)
            assert await told(installation, "license.expir") == []

    asyncio.run(go())


class Pool:
    """A floating pool of ten seats and its holders."""

    def __init__(self, installation: Installation, clock: HeldClock, sold: Any) -> None:
        self.installation = installation
        self.clock = clock
        self.sold = sold
        self.leases: list[LeaseResult] = []

    async def hold(self, count: int) -> None:
        """So many are held."""
        while len(self.leases) < count:
            holder = LeaseHolder(kind="process", id=f"{len(self.leases)}")
            command = ClaimLease(license_key=self.sold.key, product=PRODUCT, holder=holder, ttl_seconds=600)
            result = (await self.installation.leases.claim(command)).result
            assert isinstance(result, LeaseResult)
            self.leases.append(result)
        while len(self.leases) > count:
            lease = self.leases.pop()
            command_ = ReleaseLease(
                lease_id=lease.lease_id, product=PRODUCT, holder=lease.holder, license_key=self.sold.key
            )
            await self.installation.leases.release(command_)

    async def heard(self) -> list[tuple[str, int]]:
        """What was told since the last time."""
        events = await told(self.installation, "license.floating")
        return [(each.kind.removeprefix("license.floating_"), each.payload["used"]) for each in events]


def test_users_ask_60_a_pool_is_told_when_it_runs_out_and_not_again_while_it_stays_so(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HeldClock()
        async with open_installation(settings_in(tmp_path), clock=clock) as installation:
            await ready(installation)
            sold = await licensed(installation)
            await installation.leases.change_terms(LeaseTerms(limit=10), OPERATOR, license_id=sold.license.id)
            pool = Pool(installation, clock, sold)
            await pool.hold(8)
            assert await pool.heard() == []
            await pool.hold(9)
            assert await pool.heard() == [("near_limit", 9)]
            assert await pool.heard() == []  # it stays there
            await pool.hold(10)
            assert await pool.heard() == [("at_limit", 10)]
            for _ in range(5):  # it comes and goes
                await pool.hold(7)
                assert await pool.heard() == []
                await pool.hold(10)
                assert await pool.heard() == []
            clock.advance(2 * DAY)
            assert await pool.heard() == []  # it stays there, for days
            await pool.hold(5)
            assert await pool.heard() == []
            await pool.hold(10)
            assert await pool.heard() == [("at_limit", 10)]
            await pool.hold(0)
            assert await pool.heard() == []
            marks = await installation.store.pool_levels(at=clock.now(), after="", limit=10)
            assert [(each.held, each.mark is not None and each.mark.level) for each in marks] == [(0, 0)]

    asyncio.run(go())
