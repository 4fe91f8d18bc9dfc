"""
SEC-31: a server whose clock is wrong signs nothing, says so, answers what needs no signature, and is whole again when
the clock is right or confirmed. With a clock that the test holds, on both databases.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from carnet.cli.doctor.inside import look_inside
from carnet.core.errors import StateError
from carnet.core.instant import DAY, HOUR, MINUTE, Instant
from carnet.formats.answer import verify_answer
from carnet.server.domain.activations.commands import ActivationResult, ValidateCommand, ValidationResult
from carnet.server.domain.artifacts.commands import IssuedArtifact, IssueToken
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.keys.commands import CreateKey
from carnet.server.installation import Installation, open_installation
from carnet.server.layout import Layout
from carnet.server.records import OPERATOR
from support.cli_runs import carnet
from support.databases import Kind
from support.installations import PRODUCT, START, Device, HeldClock, fingerprint, licensed, query, settings_in

_P = ParamSpec("_P")


def in_a_loop(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """A test that is a coroutine."""

    @wraps(test)
    def ran(*args: _P.args, **named: _P.kwargs) -> None:
        asyncio.run(test(*args, **named))

    return ran


YEAR = 365 * DAY
STEPS = [-10 * YEAR, -DAY, -HOUR, -5 * MINUTE - 1, HOUR + 1, DAY, 10 * YEAR]
FAR_STEPS = [-10 * YEAR, -5 * MINUTE - 1, HOUR + 1, 10 * YEAR]


@pytest.fixture(autouse=True)
def _both_databases(database: Kind) -> Kind:
    return database


class Machine:
    """A machine with a clock that people set, and one that only runs on."""

    def __init__(self) -> None:
        self.wall = HeldClock()
        self.boot = "boot-1"
        self.ran = 1000.0

    def seconds(self) -> float:
        return self.ran

    def pass_time(self, seconds: int) -> None:
        self.wall.advance(seconds)
        self.ran += seconds

    def reboot(self, off_seconds: int) -> None:
        self.wall.advance(off_seconds)
        self.boot, self.ran = self.boot + "'", 1.0

    @asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[Installation]:
        async with open_installation(settings_in(folder), clock=self.wall, passing=self) as installation:
            yield installation


async def _signs(installation: Installation, key: str, device: object = "one") -> str | None:
    """None where an activation is signed; else the code of why not."""
    try:
        answered = await installation.activations.activate(Device(device).activate(key, nonce="n" * 16))
    except StateError as error:
        return error.code
    assert isinstance(answered.result, ActivationResult)
    assert answered.proof is not None
    return None


async def _clock_check(installation: Installation) -> tuple[bool, str]:
    (check,) = [each for each in await installation.checks() if each.name == "clock"]
    assert not check.vital
    return check.ok, check.problem


@pytest.mark.parametrize("step", STEPS)
@in_a_loop
async def test_sec_31_a_clock_that_steps_stops_signatures_and_nothing_else(tmp_path: Path, step: int) -> None:
    machine = Machine()
    async with machine.serving(tmp_path) as installation:
        sold = await licensed(installation, expires_at=None)
        assert await _signs(installation, sold.key) is None
        before = query(tmp_path, "SELECT count(*) FROM issuances")
        seats = query(tmp_path, "SELECT count(*) FROM activations")
        machine.wall.advance(step)
        code = "clock_behind" if step < 0 else "clock_jumped"
        assert await _signs(installation, sold.key, "two") == code
        ok, problem = await _clock_check(installation)
        assert not ok
        assert str(machine.wall.at) in problem
        assert query(tmp_path, "SELECT count(*) FROM issuances") == before, "nothing was half done"
        assert query(tmp_path, "SELECT count(*) FROM activations") == seats
        with pytest.raises(StateError) as refused:
            await installation.trust.time("n" * 16)
        assert refused.value.code == code
        # Validation goes on; its proof would carry the wrong time, so there is none.
        asked = ValidateCommand(license_key=sold.key, product=PRODUCT, nonce="n" * 16)
        answered = await installation.activations.validate(asked)
        assert isinstance(answered.result, ValidationResult)
        assert answered.proof is None
        found = [finding for finding in await look_inside(installation) if finding.name == "clock"]
        assert [finding.health for finding in found] == ["problem"]
        assert "confirm-clock" in found[0].fix

        machine.wall.advance(-step)  # somebody set it right
        assert await _signs(installation, sold.key, "two") is None
        assert (await _clock_check(installation)) == (True, "")
        again = await installation.activations.validate(asked)
        assert again.proof is not None
        answer = verify_answer(again.proof, installation.ring)
        assert answer.at == machine.wall.at


@pytest.mark.parametrize("step", [-5 * MINUTE, -1, 0, HOUR - 1, HOUR])
@in_a_loop
async def test_sec_31_what_time_services_and_slow_clocks_do_stops_nobody(tmp_path: Path, step: int) -> None:
    machine = Machine()
    async with machine.serving(tmp_path) as installation:
        sold = await licensed(installation)
        assert await _signs(installation, sold.key) is None
        machine.wall.advance(step)
        assert await _signs(installation, sold.key, "two") is None


@pytest.mark.parametrize("step", FAR_STEPS)
@in_a_loop
async def test_sec_31_a_restart_ends_no_doubt(tmp_path: Path, step: int) -> None:
    machine = Machine()
    async with machine.serving(tmp_path) as installation:
        sold = await licensed(installation)
        assert await _signs(installation, sold.key) is None
        machine.wall.advance(step)
        assert await _signs(installation, sold.key, "two") is not None
    async with machine.serving(tmp_path) as installation:
        assert await _signs(installation, sold.key, "two") is not None
    machine.wall.advance(-step)
    async with machine.serving(tmp_path) as installation:
        assert await _signs(installation, sold.key, "two") is None


@pytest.mark.parametrize("step", FAR_STEPS)
@in_a_loop
async def test_sec_31_an_operator_who_knows_better_confirms_and_the_server_goes_on(tmp_path: Path, step: int) -> None:
    machine = Machine()
    async with machine.serving(tmp_path) as serving, machine.serving(tmp_path) as command:
        sold = await licensed(serving, overrides={"seat_limit": 9})
        assert await _signs(serving, sold.key) is None
        machine.wall.advance(step)
        assert await _signs(serving, sold.key, "two") is not None
        at, doubt = await command.clock.confirm(OPERATOR)
        assert at == machine.wall.at
        assert doubt is not None
        assert await _signs(serving, sold.key, "two") is not None, "it has not heard of it yet"
        await serving.keep_clock()  # what the server does every few seconds
        assert await _signs(serving, sold.key, "two") is None
        assert (await _clock_check(serving))[0]
    machine.pass_time(20 * MINUTE)
    async with machine.serving(tmp_path) as serving:  # and the next start knows it too
        assert await _signs(serving, sold.key, "three") is None
        page = await serving.audit.list(_confirmations(), limit=5)
        assert [entry.details["doubt"] for entry in page.items] == [doubt.code]


def _confirmations() -> AuditFilter:

    return AuditFilter(action="clock.confirmed")


@in_a_loop
async def test_sec_31_after_a_confirmation_the_guard_still_guards(tmp_path: Path) -> None:
    machine = Machine()
    async with machine.serving(tmp_path) as installation:
        sold = await licensed(installation, expires_at=None)
        assert await _signs(installation, sold.key) is None
        machine.wall.advance(-DAY)
        for _ in range(2):  # twice does no harm: what the first disowned stays disowned
            await installation.clock.confirm(OPERATOR)
            machine.pass_time(1)
            assert await _signs(installation, sold.key) is None
        for step in (DAY, -HOUR):
            machine.wall.advance(step)
            await installation.keep_clock()
            assert await _signs(installation, sold.key) is not None, step
            machine.wall.advance(-step)
            assert await _signs(installation, sold.key) is None


@in_a_loop
async def test_sec_31_a_process_learns_what_another_has_signed(tmp_path: Path) -> None:
    ahead, behind = Machine(), Machine()
    ahead.pass_time(20 * MINUTE)
    async with behind.serving(tmp_path) as slow, ahead.serving(tmp_path) as right:
        sold = await licensed(slow, overrides={"seat_limit": 9})
        assert await _signs(slow, sold.key) is None
        assert await _signs(right, sold.key, "two") is None
        await slow.keep_clock()
        assert await _signs(slow, sold.key, "three") == "clock_behind"
        assert await _signs(right, sold.key, "three") is None


@pytest.mark.parametrize(("beyond", "code"), [(0, None), (1, "clock_jumped")])
@in_a_loop
async def test_sec_31_a_machine_that_was_off_for_a_month_asks_once(
    tmp_path: Path, beyond: int, code: str | None
) -> None:
    machine = Machine()
    async with machine.serving(tmp_path) as installation:
        sold = await licensed(installation, expires_at=None)
        assert await _signs(installation, sold.key) is None
    machine.reboot(30 * DAY + beyond)
    async with machine.serving(tmp_path) as installation:
        assert await _signs(installation, sold.key) == code
        await installation.clock.confirm(OPERATOR)
        assert await _signs(installation, sold.key) is None


@in_a_loop
async def test_sec_31_a_clock_without_a_battery_waits_for_the_network_time(tmp_path: Path) -> None:
    machine = Machine()
    async with machine.serving(tmp_path) as installation:
        sold = await licensed(installation)
    machine.reboot(60)
    right = machine.wall.at
    machine.wall.at = Instant(0)
    async with machine.serving(tmp_path) as installation:
        assert await _signs(installation, sold.key) == "clock_behind"
        machine.wall.at = right
        assert await _signs(installation, sold.key) is None


@in_a_loop
async def test_sec_31_what_the_vendor_issues_by_hand_is_guarded_too(tmp_path: Path) -> None:
    machine = Machine()
    async with machine.serving(tmp_path) as installation:
        sold = await licensed(installation, expires_at=None)
        await installation.keys.create(CreateKey(product=PRODUCT, alg="EdDSA"), OPERATOR)
        assert await _signs(installation, sold.key) is None
        command = IssueToken(license_id=sold.license.id, profile="native-jwt", fingerprint=fingerprint("one"))
        machine.pass_time(60)
        assert isinstance(await installation.artifacts.token(command, OPERATOR), IssuedArtifact)
        machine.wall.advance(DAY)
        with pytest.raises(StateError):
            await installation.artifacts.token(command, OPERATOR)


@in_a_loop
async def test_sec_31_the_guard_s_file_may_be_lost_or_damaged(tmp_path: Path) -> None:
    machine = Machine()
    async with machine.serving(tmp_path) as installation:
        sold = await licensed(installation)
        assert await _signs(installation, sold.key) is None
    kept = Layout(data=settings_in(tmp_path).data).clock
    assert kept.exists()
    kept.write_bytes(b"{")
    machine.wall.at = Instant(START - HOUR)
    async with machine.serving(tmp_path) as installation:
        assert await _signs(installation, sold.key) == "clock_behind", "the register remembers"


@pytest.mark.sqlite_file
def test_sec_31_the_command_confirms_and_says_what_it_ended(tmp_path: Path) -> None:
    async def ahead() -> None:
        async with open_installation(settings_in(tmp_path), clock=HeldClock(Instant(2 * START))) as installation:
            sold = await licensed(installation, expires_at=None)
            assert await _signs(installation, sold.key) is None

    asyncio.run(ahead())
    given = {"CARNET_DATA": str(settings_in(tmp_path).data)}
    told = carnet("doctor", "--json", env=given)
    clock = [check for check in told.json["checks"] if check["name"] == "clock"]
    assert clock[0]["health"] == "problem"
    assert "confirm-clock" in clock[0]["fix"]
    done = carnet("db", "confirm-clock", "--json", env=given)
    assert (done.code, done.json["doubt"]) == (0, "clock_behind")
    again = carnet("db", "confirm-clock", env=given)
    assert "nothing was wrong with it" in again.out
