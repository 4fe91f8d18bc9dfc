"""
Floating leases under any history of claims, renewals, returns, forced ends, lapses, steps of the clock, restarts and
limit changes: both databases agree with a model of a few lines (REL-01, REL-10; users-ask 10, 11, 17, 25).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from carnet.core.decision import Refused
from carnet.core.errors import StateError, UsageError
from carnet.core.instant import Instant
from carnet.core.lease_terms import LeaseHolder, LeaseTerms
from carnet.formats.lease import verify_lease_token
from carnet.server.domain.leases.commands import ClaimLease, LeaseResult, ReleaseLease, RenewLease
from carnet.server.domain.licenses.commands import CreatedLicense, CreateLicense
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from support.campaigns import LONG
from support.databases import Kind
from support.installations import PRODUCT, HeldClock, licensed
from support.lease_model import BORROW_LIMIT, MAX_BORROW, MAX_TTL, LeaseModel
from support.memory_databases import settings_in_memory

HISTORIES = 100_000 if LONG else 2_000
"""On each of the two databases (REL-10)."""

LOT = 200
"""Licenses are issued so many at a time: a history is about leases."""

HOLDERS = 4
SILENCE_SECONDS = 15
DOUBT_SECONDS = 2 * 3600
APART_SECONDS = 20 * 86400
"""Between the beginnings of two histories; a hundred thousand of them end before the year 9999."""

Do: TypeAlias = Literal[
    "claim",
    "borrow",
    "renew",
    "renew by token",
    "release",
    "force",
    "pass",
    "step",
    "doubt",
    "limit",
    "restart",
    "crash",
]
Step: TypeAlias = tuple[Do, int]

HOLDER = st.integers(0, HOLDERS - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), HOLDER),
        st.tuples(st.sampled_from(["claim", "renew", "renew by token", "release"]), HOLDER),
        st.tuples(st.sampled_from(["borrow", "force", "renew"]), HOLDER),
        st.tuples(st.just("pass"), st.integers(1, 12)),
        st.tuples(st.just("pass"), st.sampled_from([MAX_TTL - 1, MAX_TTL, MAX_TTL + 1])),
        st.tuples(st.just("step"), st.sampled_from([3600, -3600, 86400, -86400])),
        st.tuples(st.just("doubt"), st.sampled_from([20, 3600])),
        st.tuples(st.just("limit"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["restart", "crash"]), st.sampled_from([0, 5, 30, 3600])),
    ),
    min_size=3,
    max_size=14,
)
# Three claims come first: in a pool of two, two hold a seat and one waits, and things happen from there.
STORIES = st.tuples(st.permutations(list(range(HOLDERS))), STEPS).map(
    lambda drawn: [*(("claim", number) for number in drawn[0][:3]), *drawn[1]]
)


class Stage:
    """An installation whose clocks the test holds, and whose storage it can close and open again."""

    def __init__(self, settings: Settings, kind: Kind) -> None:
        self.kind = kind
        self.clock = HeldClock()
        self.ran = 1000.0
        self.opening = open_installation(settings, clock=self.clock, running=lambda: self.ran)
        self.installation: Installation | None = None
        self.unused: list[CreatedLicense] = []
        self.histories = 0
        self.vouched_for: set[int] = set()

    async def open(self) -> Installation:
        self.installation = await self.opening.__aenter__()
        await self.installation.products.create(CreateProduct(id=PRODUCT), OPERATOR)
        await self.installation.leases.change_terms(terms(2), OPERATOR, product=PRODUCT, policy="consumer")
        self.beside = await licensed(self.installation)
        return self.installation

    async def begin_history(self) -> CreatedLicense:
        """The license of the next history, at a time when the tokens of the others are over."""
        assert self.installation is not None
        self.clock.at = Instant(1_790_000_000 + APART_SECONDS * self.histories)
        self.histories += 1
        if not self.unused:
            command = CreateLicense(product=PRODUCT, policy="consumer")
            async for lot in self.installation.licenses.create_many(command, LOT, OPERATOR):
                self.unused += lot
        return self.unused.pop()

    async def live(self, license_id: str) -> set[str]:
        """The live leases of a license, past the service."""
        at = f"deadline > {await self.storage.service_seconds()} OR covered_until > {int(self.clock.at)}"
        held = f"license_id = '{license_id}' AND id IS NOT NULL AND released_at IS NULL AND ({at})"
        sql = f"SELECT id FROM leases WHERE {held}"  # noqa: S608 - a test's
        if self.kind == "postgres":
            return {row[0] for row in await self.storage._pool.read(sql)}
        return {row[0] for row in self.storage._hot_reader().execute(sql)}

    async def close(self) -> None:
        await self.opening.__aexit__(None, None, None)

    @property
    def storage(self) -> Any:
        assert self.installation is not None
        return self.installation._storage

    async def go(self, seconds: int) -> None:
        """Time passes while the service runs."""
        while seconds:
            part = min(seconds, SILENCE_SECONDS - 1)
            self.clock.advance(part)
            self.ran += part
            await self.beat()
            seconds -= part

    async def beat(self) -> None:
        if self.kind == "postgres":
            await self.storage.beat()

    async def step(self, seconds: int) -> int:
        """
        Somebody sets the clocks that can be set, the machine's and the database server's, and vouches for them. By how
        much: nobody vouches twice in one and the same second.
        """
        while self.clock.at + seconds in self.vouched_for:
            seconds += 1
        self.vouched_for.add(self.clock.at + seconds)
        self.clock.advance(seconds)
        assert self.installation is not None
        await self.installation.clock.confirm(OPERATOR)
        if self.kind == "postgres":
            self.ran += seconds
            await self.beat()
        return seconds

    async def restart(self, downtime: int, *, crash: bool) -> None:
        """The service stops, with or without a last word, is away for a while, and comes back."""
        old = self.storage
        if crash:
            beating, old._beating = old._beating, None
            beating.cancel()
        await old.stop_service_clock()
        self.clock.advance(downtime)
        self.ran += downtime
        if self.kind == "sqlite":
            old._service_clock = type(old._service_clock)(lambda: self.ran, old.time_counts)
            old.start_service_clock()
        else:
            old._service_clock = type(old._service_clock)(lambda: int(self.ran * 1000))
            await old.start_service_clock()


def terms(limit: int) -> LeaseTerms:
    return LeaseTerms(
        limit=limit,
        max_ttl_seconds=MAX_TTL,
        default_ttl_seconds=MAX_TTL,
        max_borrow_seconds=MAX_BORROW,
        borrow_limit=BORROW_LIMIT,
    )


def holder(number: int) -> LeaseHolder:
    return LeaseHolder(kind="process", id=f"process {number}")


def asked(number: int) -> int:
    """Each holder asks for the same time always, as an SDK does: short, long, and more than there is."""
    return (5, 12, MAX_TTL, 10 * MAX_BORROW)[number]


class Play:
    """One history on one license."""

    def __init__(self, stage: Stage, installation: Installation, key: str, license_id: str) -> None:
        self.stage = stage
        self.installation = installation
        self.key = key
        self.license_id = license_id
        self.tokens: dict[int, str] = {}
        self.seen: set[str] = set()
        self.last_change = 0
        self.model = LeaseModel(limit=2, wall=int(stage.clock.at), service=0)

    async def begin(self) -> None:
        self.model.service = await self.stage.storage.service_seconds()

    async def end(self) -> None:
        listed = (await self.installation.leases.list(self.license_id)).items
        assert {each.id for each in listed} == {lease.id for lease in self.model.live().values()}

    async def do(self, what: Do, value: int) -> None:
        model, stage = self.model, self.stage
        if what == "pass":
            await stage.go(value)
            model.wall, model.service = model.wall + value, model.service + value
        elif what == "step":
            model.wall += await stage.step(value)
            model.vouched()
        elif what == "doubt":
            await self.doubt(value)
            model.wall += value
        elif what == "limit":
            model.limit = value
            model.is_relaid = True
            await self.installation.leases.change_terms(terms(value), OPERATOR, license_id=self.license_id)
        elif what in {"restart", "crash"}:
            await stage.restart(value, crash=what == "crash")
            model.wall += value
            now = await stage.storage.service_seconds()
            # Time away does not count, but for a moment that PostgreSQL cannot tell from a late beat; and what was not
            # written down may be lost, but nothing that a change was made by.
            most = value if stage.kind == "postgres" and value <= SILENCE_SECONDS else 0
            assert self.last_change - 1 <= now <= model.service + most
            if what == "restart" and model.live() and stage.kind == "sqlite":
                lasting = [lease.deadline for lease in model.known.values() if not lease.released]
                assert now >= min(model.service, max(lasting)) - 1
            model.service = now
        elif what in {"claim", "borrow"}:
            await self.claim(value, borrow=what == "borrow")
        elif value in model.known:
            await self.change(what, value)
        await self.compare()

    async def doubt(self, seconds: int) -> None:
        """The machine's clock falls behind and is right again by itself: meanwhile nothing is signed, nothing ends."""
        stage = self.stage
        await self.claimed_now()
        stage.clock.advance(-DOUBT_SECONDS)
        assert await stage.storage.service_seconds() == self.model.service
        before = {number for number, each in self.model.live().items() if self.model.service < each.deadline}
        await stage.go(seconds)
        with pytest.raises(StateError) as refused:
            await self.claimed_now()
        assert refused.value.code == "clock_behind"
        stage.clock.advance(DOUBT_SECONDS)
        await stage.beat()
        assert await stage.storage.service_seconds() == self.model.service
        assert before <= await self.holders()

    async def claimed_now(self) -> None:
        """Somebody else of another pool is answered, so that something was signed just now."""
        command = ClaimLease(license_key=self.stage.beside.key, product=PRODUCT, holder=holder(0), ttl_seconds=1)
        await self.installation.leases.claim(command)

    async def holders(self) -> set[int]:
        ids = await self.stage.live(self.license_id)
        return {number for number, lease in self.model.known.items() if lease.id in ids}

    async def claim(self, number: int, *, borrow: bool) -> None:
        expected = self.model.claim(number, borrow=borrow)
        before = self.model.live()
        command = ClaimLease(
            license_key=self.key, product=PRODUCT, holder=holder(number), ttl_seconds=asked(number), borrow=borrow
        )
        result = (await self.installation.leases.claim(command)).result
        self.model.asked()
        if self.told(result, expected.codes) and isinstance(result, LeaseResult):
            assert result.created == (number not in before)
            assert result.lease_id == before[number].id if number in before else result.lease_id not in self.seen
            self.take_in(number, result, borrow=borrow)
        elif isinstance(result, Refused) and result.code == "lease_limit_reached":
            assert {each.activation_id for each in result.holders} == {lease.id for lease in before.values()}

    async def change(self, what: Do, number: int) -> None:
        lease = self.model.known[number]
        proof: dict[str, Any] = {"license_key": self.key}
        if what == "renew by token" and number in self.tokens:
            proof = {"token": self.tokens[number]}
        plain: dict[str, Any] = {"lease_id": lease.id, "product": PRODUCT, "holder": holder(number), **proof}
        if what == "release":
            released = (await self.installation.leases.release(ReleaseLease(**plain))).result
            if self.told(released, self.model.release(number).codes):
                lease.released = True
                self.last_change = self.model.service
        elif what == "force":
            try:
                await self.installation.leases.force(lease.id, OPERATOR, reason="because")
            except UsageError:
                assert not self.model.is_live(lease)
                assert lease.may_be_gone
            else:
                lease.forced = lease.forced or not lease.released
                lease.released = True
        else:
            expected = self.model.renew(number)
            command = RenewLease(**plain, ttl_seconds=asked(number))
            result = (await self.installation.leases.renew(command)).result
            self.model.asked()
            if self.told(result, expected.codes) and isinstance(result, LeaseResult):
                assert result.lease_id == lease.id
                self.take_in(number, result, borrow=False)

    def take_in(self, number: int, result: LeaseResult, *, borrow: bool) -> None:
        expires = self.model.granted(number, result.lease_id, asked(number), borrow=borrow)
        assert result.expires_at == expires
        token = verify_lease_token(result.token, self.installation.ring)
        assert (token.lease_id, token.holder, token.expires_at) == (result.lease_id, holder(number), expires)
        self.tokens[number] = result.token
        self.seen.add(result.lease_id)
        self.last_change = self.model.service

    def told(self, result: object, codes: frozenset[str]) -> bool:
        code = result.code if isinstance(result, Refused) else "ok"
        assert code in codes, (code, set(codes))
        return code == "ok"

    async def compare(self) -> None:
        listed = await self.stage.live(self.license_id)
        self.model.settle_doubts(listed)
        assert listed == {lease.id for lease in self.model.live().values()}


@contextmanager
def on_stage(kind: Kind) -> Iterator[tuple[asyncio.Runner, Stage]]:
    with settings_in_memory(kind) as settings, asyncio.Runner() as runner:
        stage = Stage(settings, kind)
        runner.run(stage.open())
        try:
            yield runner, stage
        finally:
            runner.run(stage.close())


async def play(stage: Stage, steps: list[Step]) -> None:
    created = await stage.begin_history()
    assert stage.installation is not None
    history = Play(stage, stage.installation, created.key, created.license.id)
    await history.begin()
    for what, value in steps:
        await history.do(what, value)
    await history.end()


@pytest.mark.timeout(14_400 if LONG else 900)
def test_rel_10_any_history_of_leases_agrees_with_the_model(database: Kind, record_property: Any) -> None:
    lived: Counter[str] = Counter()
    with on_stage(database) as (runner, stage):

        @settings(max_examples=HISTORIES)
        @given(STORIES)
        def histories(steps: list[Step]) -> None:
            note(str(steps))
            runner.run(play(stage, steps))
            lived.update(what for what, _ in steps)

        histories()
        assert stage.histories >= HISTORIES
    record_property("histories", stage.histories)
    record_property("what happened in them", dict(lived))
