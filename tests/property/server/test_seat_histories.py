"""
Seats under any history of activations, returns, refreshes and limit changes: the database agrees with a model of a few
lines, and no step takes a license above the limit in force (REL-01, users-ask 10).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.core.model import Policy
from carnet.server.domain.activations.commands import ActivationResult, DeactivateCommand, RefreshCommand
from carnet.server.domain.policies.commands import CreatePolicy, UpdatePolicy
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR
from support.campaigns import LONG
from support.databases import Kind
from support.installations import PRODUCT, Device, licensed, opened, query

Do: TypeAlias = Literal["activate", "refresh", "return", "take away", "limit"]
Step: TypeAlias = tuple[Do, int]

DEVICES = [Device(f"device-{number}") for number in range(3)]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["activate", "activate", "refresh", "return", "take away"]), st.integers(0, 2)),
        st.tuples(st.just("limit"), st.integers(0, 3)),  # 0 stands for no limit
    ),
    max_size=14,
)


class Model:
    """What should be true: which devices hold a seat, since which activation, under which limit."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.held: dict[int, str] = {}
        self.seen: set[str] = set()

    def is_full(self) -> bool:
        return self.limit is not None and len(self.held) >= self.limit


async def play(installation: Installation, steps: list[Step], number: int) -> None:
    name = f"plan-{number}"
    rules = Policy(name=name, seat_limit=2)
    await installation.policies.create(CreatePolicy(product=PRODUCT, policy=rules), OPERATOR)
    created = await licensed(installation, policy=name)
    model = Model(limit=2)
    for kind, which in steps:
        device = DEVICES[which % len(DEVICES)]
        plain: dict[str, Any] = {"product": PRODUCT, "device": device.claim(with_key=False), "license_key": created.key}
        if kind == "limit":
            model.limit = which or None
            update = UpdatePolicy(product=PRODUCT, name=name, policy=replace(rules, seat_limit=model.limit))
            await installation.policies.update(update, OPERATOR)
        elif kind == "activate":
            before = dict(model.held)
            result = (await installation.activations.activate(device.activate(created.key, with_key=False))).result
            if which in before or not model.is_full():
                assert isinstance(result, ActivationResult)
                assert result.created == (which not in before)
                assert before.get(which, result.activation.id) == result.activation.id
                assert result.created == (result.activation.id not in model.seen)  # never an old id for a new seat
                model.held[which] = result.activation.id
                model.seen.add(result.activation.id)
            else:
                assert isinstance(result, Refused)
                assert result.code == "seat_limit_reached"
                assert {holder.activation_id for holder in result.holders} == set(before.values())
        elif kind == "refresh":
            refreshed = (await installation.activations.refresh(RefreshCommand(**plain))).result
            assert isinstance(refreshed, ActivationResult) == (which in model.held)
        elif kind == "return":
            gone = (await installation.activations.deactivate(DeactivateCommand(**plain))).result
            assert not isinstance(gone, Refused) or which not in model.held
            model.held.pop(which, None)
        elif which in model.held:
            await installation.activations.deactivate_by_vendor(model.held.pop(which), OPERATOR)
        view = await installation.licenses.get(created.license.id)
        assert (view.seats.limit, view.seats.used) == (model.limit, len(model.held))
        listed = await installation.activations.list(created.license.id)
        assert {each.id for each in listed.items} == set(model.held.values())


@contextmanager
def running(folder: Path) -> Iterator[tuple[asyncio.Runner, Installation]]:
    """An installation that stays open while many histories are played on it."""
    with asyncio.Runner() as runner:
        opening = opened(folder)
        installation = runner.run(opening.__aenter__())
        try:
            runner.run(licensed(installation))  # makes the product
            yield runner, installation
        finally:
            runner.run(opening.__aexit__(None, None, None))


def test_rel_01_any_history_of_seats_agrees_with_the_model(tmp_path: Path, database: Kind) -> None:
    numbers = iter(range(10_000_000))
    with running(tmp_path) as (runner, installation):

        @settings(max_examples=1000 if LONG else 60)  # a history costs as much as many other examples
        @given(STEPS)
        def histories(steps: list[Step]) -> None:
            runner.run(play(installation, steps, next(numbers)))

        histories()
    held = "SELECT count(*) FROM activations a WHERE a.license_id = l.id AND a.deactivated_at IS NULL"
    assert query(tmp_path, f"SELECT count(*) FROM licenses l WHERE seats_used <> ({held})") == [(0,)]  # noqa: S608
    ((rows, positions),) = query(tmp_path, "SELECT count(*), count(DISTINCT position) FROM status_indices")
    subjects = query(tmp_path, "SELECT (SELECT count(*) FROM licenses) + (SELECT count(*) FROM activations)")
    assert [(rows,)] == [(positions,)] == subjects  # one index each, none twice
