"""
Seats under every condition at once: any history of activations, returns, replacements, changes of limit and overage,
suspensions, renewals and passing time agrees with a model of a few lines, on both databases (REL-01, users-ask 10, 12,
18, 19, 23, R-28). The model shares nothing with the rules but the numbers that the vendor set.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.core.decision import Refused
from carnet.server.domain.activations.commands import ActivationResult
from carnet.server.installation import open_installation
from carnet.server.records import OPERATOR
from support.campaigns import LONG
from support.databases import Kind
from support.installations import HeldClock, execute
from support.license_models import Market, licensed_product
from support.memory_databases import settings_in_memory

PARTS = 4
HISTORIES = 100_000 if LONG else 2_000
"""On each of the two databases, dealt out to the parts."""

TERM, GRACE, BUDGET_PERIOD = 400, 60, 150
USERS = (None, "ada", "bob", "eve")

Step: TypeAlias = tuple[Any, ...]
DEVICES = st.integers(0, 5)
# A history begins with three devices that ask for seats: whatever is lost or kept is lost or kept from there.
BEGINNINGS = st.tuples(st.permutations([0, 1, 2, 3, 4, 5]), st.tuples(*[st.sampled_from(USERS)] * 3)).map(
    lambda drawn: [("activate", device, user) for device, user in zip(*drawn, strict=False)]
)
ACTIVATE = st.tuples(st.just("activate"), DEVICES, st.sampled_from(USERS))
REPLACE = st.tuples(
    st.just("replace"), DEVICES, st.sampled_from(USERS), st.sampled_from(["some", "some", "all", 0, 1, 2])
)
LOWER = st.tuples(st.just("limits"), st.sampled_from([1, 2]), st.sampled_from([0, 50]))
STEPS = st.lists(
    st.one_of(
        ACTIVATE,
        ACTIVATE,
        REPLACE,
        REPLACE,
        REPLACE,
        LOWER,
        st.tuples(st.just("limits"), st.sampled_from([None, 1, 2, 3]), st.sampled_from([0, 50, 100, None])),
        st.tuples(st.sampled_from(["leave", "take away"]), DEVICES),
        st.tuples(st.just("status"), st.sampled_from(["suspend", "reinstate", "reinstate"])),
        st.tuples(st.just("renew")),
        st.tuples(st.just("wait"), st.sampled_from([1, 59, 60, 61, 149, 150, 151, 400])),
    ),
    min_size=3,
    max_size=8,
)
PLANS = st.fixed_dictionaries(
    {
        "seat_scope": st.sampled_from(["device", "user"]),
        "activation_budget": st.sampled_from([None, None, None, 2]),
        "moves_per_year": st.sampled_from([None, None, 0, 1]),
    }
)
LIMITS = st.sampled_from([None, 3, 2, 1])


class Model:
    """What should be true."""

    def __init__(self, plan: dict[str, Any], limit: int | None, over: int | None, now: int) -> None:
        self.plan = plan
        self.limit, self.over = limit, over
        self.active = True
        self.ends = now + TERM
        self.held: dict[int, tuple[str, str | None]] = {}  # device -> activation, user
        self.taken: list[int] = []  # when seats of the running budget were taken
        self.moved = 0

    def most(self) -> int | None:
        return None if self.limit is None or self.over is None else self.limit * (100 + self.over) // 100

    def spent(self, now: int) -> int:
        if self.taken and now - self.taken[0] >= BUDGET_PERIOD:
            self.taken = []
        return len(self.taken)

    def ask(self, device: int, user: str | None, named: str | int | None, now: int) -> tuple[set[str], set[int], bool]:
        """The codes of a refusal, and the devices that lose their seats, and whether the owner's quota pays."""
        has = device in self.held
        named_devices = set(self.held) if named == "all" else {named} & set(self.held) if named is not None else set()
        replaced = {each for each in named_devices if isinstance(each, int)} - {device}
        own = {
            each
            for each, (_, whose) in self.held.items()
            if self.plan["seat_scope"] == "user" and user is not None and whose == user and each != device
        }
        losing = replaced | own
        wrong = set()
        if not self.active:
            wrong.add("license_suspended")
        if now >= self.ends + (GRACE if has else 0):
            wrong.add("license_expired")
        if not has and self.plan["seat_scope"] == "user" and user is None:
            wrong.add("user_required")
        most = self.most()
        if not has and not losing and most is not None and len(self.held) >= most:
            wrong.add("seat_limit_reached")
        if not has and self.plan["activation_budget"] is not None and self.spent(now) >= self.plan["activation_budget"]:
            wrong.add("activation_budget_spent")
        quota = self.plan["moves_per_year"]
        if replaced and quota is not None and self.moved >= quota:
            wrong.add("move_quota_reached")
        if isinstance(named, int) and named not in self.held and not has:
            wrong.add("seat_not_held")
        return wrong, losing, bool(replaced)


class History:
    """One license, lived through."""

    def __init__(self, market: Market, plan: dict[str, Any]) -> None:
        self.market = market
        self.plan = plan
        self.gone: dict[int, str] = {}

    def conditions(self, over: int | None) -> dict[str, Any]:
        return {**self.plan, "activation_budget_seconds": BUDGET_PERIOD, "overage_percent": over}

    async def live(self, policy: str, limit: int | None, steps: list[Step]) -> None:
        market = self.market
        self.created = await market.license(
            policy, overrides={"seat_limit": limit}, conditions=self.conditions(0), duration_seconds=TERM
        )
        self.model = Model(self.plan, limit, 0, market.clock.at)
        for step in steps:
            await getattr(self, step[0].replace(" ", "_"))(*step[1:])
            view = await market.view(self.created)
            assert (view.seats.limit, view.seats.used) == (self.model.limit, len(self.model.held))
        await self.agree()

    async def agree(self) -> None:
        held = {activation for activation, _ in self.model.held.values()}
        listed = await self.market.installation.activations.list(self.created.license.id)
        assert {each.id for each in listed.items} == held

    async def activate(self, device: int, user: str | None, named: str | int | None = None) -> None:
        model, now = self.model, int(self.market.clock.at)
        wrong, losing, pays = model.ask(device, user, named, now)
        changes: dict[str, Any] = {"user": user}
        if named == "all":
            changes["replaces_all"] = True
        elif isinstance(named, int):
            changes["replaces"] = (model.held[named][0] if named in model.held else self.gone.get(named, "never"),)
        result = await self.market.activate(self.created.key, device, **changes)
        if wrong:
            assert isinstance(result, Refused), wrong
            assert {reason.code for reason in result.reasons} == wrong
            return
        assert isinstance(result, ActivationResult), result
        before = model.held.get(device)
        assert result.created == (before is None)
        assert before is None or before[0] == result.activation.id
        for each in losing:
            self.gone[each] = model.held.pop(each)[0]
        whose = user if user is not None or before is None else before[1]
        model.held[device] = (result.activation.id, whose)
        if before is None and model.plan["activation_budget"] is not None:
            model.taken.append(now)
        model.moved += pays
        assert result.license.seats.used == len(model.held)

    async def replace(self, device: int, user: str | None, named: str | int) -> None:
        await self.activate(device, user, min(self.model.held, default=0) if named == "some" else named)

    async def leave(self, device: int) -> None:
        result = await self.market.leave(self.created.key, device)
        if device in self.model.held:
            assert not isinstance(result, Refused)
            self.gone[device] = self.model.held.pop(device)[0]

    async def take_away(self, device: int) -> None:
        if device in self.model.held:
            self.gone[device] = self.model.held.pop(device)[0]
            await self.market.installation.activations.deactivate_by_vendor(self.gone[device], OPERATOR)

    async def limits(self, limit: int | None, over: int | None) -> None:
        self.model.limit, self.model.over = limit, over
        await self.market.convert(
            self.created, overrides={"seat_limit": limit}, conditions=self.conditions(over), keeps_term=True
        )

    async def status(self, change: str) -> None:
        self.model.active = change == "reinstate"
        await getattr(self.market.installation.licenses, change)(self.created.license.id, OPERATOR)

    async def renew(self) -> None:
        now = int(self.market.clock.at)
        if now + TERM > self.model.ends:
            self.model.ends = now + TERM
            await self.market.renew(self.created, basis="now", duration_seconds=TERM)

    async def wait(self, seconds: int) -> None:
        self.market.clock.advance(seconds)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(7200 if LONG else 1200)
def test_rel_01_any_history_of_a_license_model_agrees_with_the_model(
    database: Kind, part: int, record_property: Any
) -> None:
    clock = HeldClock()
    lived: Counter[str] = Counter()
    began = 0
    with settings_in_memory(database) as where, asyncio.Runner() as runner:
        opening = open_installation(where, clock=clock)
        installation = runner.run(opening.__aenter__())
        market = Market(installation, clock)
        try:
            runner.run(licensed_product(installation))
            policy = runner.run(market.policy("timed", duration_seconds=TERM, term_grace_seconds=GRACE))

            @settings(max_examples=HISTORIES // PARTS)
            @given(PLANS, LIMITS, BEGINNINGS, STEPS)
            def histories(plan: dict[str, Any], limit: int | None, beginning: list[Step], steps: list[Step]) -> None:
                nonlocal began
                began += 1
                runner.run(History(market, plan).live(policy, limit, beginning + steps))
                lived.update(step[0] for step in beginning + steps)

            histories()
        finally:
            runner.run(opening.__aexit__(None, None, None))
        held = "SELECT count(*) FROM activations a WHERE a.license_id = l.id AND a.deactivated_at IS NULL"
        wrong = f"SELECT count(*) FROM licenses l WHERE seats_used <> ({held})"  # noqa: S608 - a test's
        assert execute(where, wrong) == [(0,)]
        beyond = "seat_limit IS NOT NULL AND seats_used > seat_limit + seats_over"
        assert execute(where, f"SELECT count(*) FROM licenses WHERE {beyond}") == [(0,)]  # noqa: S608 - as above
    assert began >= HISTORIES // PARTS
    record_property(f"histories, part {part + 1} of {PARTS}", began)
    record_property("what happened in them", dict(lived))
