"""Floating seats by the services: terms, groups, borrowing, the license's own states, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.core.errors import StateError
from carnet.core.lease_terms import LeaseGroup, LeaseHolder, LeaseTerms
from carnet.formats.lease import verify_lease_token
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim
from carnet.server.domain.leases.commands import ClaimLease, LeaseResult, ReleaseLease, RenewLease
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR
from support.installations import PRODUCT, HeldClock, fingerprint, licensed, query, settings_in


def process(name: object) -> LeaseHolder:
    return LeaseHolder(kind="process", id=str(name))


class Floor:
    """A license with a pool, and the clocks in hand."""

    def __init__(self, installation: Installation, clock: HeldClock, key: str, license_id: str) -> None:
        self.installation = installation
        self.clock = clock
        self.key = key
        self.license_id = license_id
        self.ran = 0.0

    async def terms(self, limit: int | None = 2, **changes: Any) -> None:
        terms = LeaseTerms(limit=limit, **changes)
        await self.installation.leases.change_terms(terms, OPERATOR, license_id=self.license_id)

    async def claim(self, who: object, **changes: Any) -> LeaseResult | Refused:
        holder = who if isinstance(who, LeaseHolder) else process(who)
        command = ClaimLease(license_key=self.key, product=PRODUCT, holder=holder, **{"ttl_seconds": 60, **changes})
        return (await self.installation.leases.claim(command)).result

    async def renew(self, lease: LeaseResult, **changes: Any) -> LeaseResult | Refused:
        command = RenewLease(
            lease_id=lease.lease_id,
            product=PRODUCT,
            holder=lease.holder,
            license_key=self.key,
            **{"ttl_seconds": 60, **changes},
        )
        return (await self.installation.leases.renew(command)).result

    async def release(self, lease: LeaseResult) -> object:
        command = ReleaseLease(lease_id=lease.lease_id, product=PRODUCT, holder=lease.holder, license_key=self.key)
        return (await self.installation.leases.release(command)).result

    async def live(self) -> set[str]:
        return {each.holder.id for each in (await self.installation.leases.list(self.license_id)).items}

    async def go(self, seconds: int) -> None:
        """Time passes while the service runs, in steps that each beat sees."""
        storage: Any = self.installation._storage
        for part in [10] * (seconds // 10) + [seconds % 10]:
            self.clock.advance(part)
            self.ran += part
            if hasattr(storage, "beat"):
                await storage.beat()


def tell(folder: Path, story: Callable[[Floor], Awaitable[None]], **license_: Any) -> None:
    async def work() -> None:
        clock = HeldClock()
        floor: list[Floor] = []
        async with open_installation(
            settings_in(folder), clock=clock, running=lambda: 1000 + (floor[0].ran if floor else 0.0)
        ) as installation:
            created = await licensed(installation, **license_)
            floor.append(Floor(installation, clock, created.key, created.license.id))
            await story(floor[0])

    asyncio.run(work())


def given(result: object) -> LeaseResult:
    assert isinstance(result, LeaseResult), result
    return result


def refused(result: object) -> str:
    assert isinstance(result, Refused), result
    return result.code


def test_users_ask_15_a_seat_is_free_the_second_its_lease_runs_out_and_not_before(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms(1)
        given(await floor.claim("killed"))
        await floor.go(59)
        assert refused(await floor.claim("next")) == "lease_limit_reached"
        await floor.go(1)
        assert given(await floor.claim("next")).created
        assert await floor.live() == {"next"}

    tell(tmp_path, story)


def test_rule_7_the_claims_of_the_newest_token_stand_in_the_leases_own_row_and_nowhere_else(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms()
        lease = given(await floor.claim("one"))
        for _ in range(3):
            await floor.go(5)
            lease = given(await floor.renew(lease))
            token = verify_lease_token(lease.token, floor.installation.ring)
            rows = query(tmp_path, "SELECT jti, renewed_at, expires_at, covered_until FROM leases WHERE id IS NOT NULL")
            assert rows == [(token.id, token.issued_at + 60, token.expires_at, token.expires_at)]
        assert query(tmp_path, "SELECT count(*) FROM issuances") == [(0,)]
        actions = query(tmp_path, "SELECT action FROM audit WHERE object_kind = 'lease'")
        assert actions == [("lease.claimed",)]  # renewals are statistics, not history
        await floor.installation.statistics.flush()
        counts = query(tmp_path, "SELECT name, count FROM day_counts WHERE name LIKE 'lease %' ORDER BY name")
        assert counts == [("lease claim", 1), ("lease renew", 3)]

    tell(tmp_path, story)


def test_times_are_brought_within_the_terms_bounds(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms(9, min_ttl_seconds=10, max_ttl_seconds=100, default_ttl_seconds=20)
        for asked, got in ((1, 10), (9, 10), (10, 10), (100, 100), (101, 100), (None, 20)):
            lease = given(await floor.claim(f"holder {asked}", ttl_seconds=asked))
            assert lease.expires_at == floor.clock.at + got
            assert lease.renew_after == floor.clock.at + max(1, got // 3)

    tell(tmp_path, story)


def test_a_lease_ends_with_its_license_and_a_suspended_one_is_not_renewed_but_given_back(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms(2)
        lease = given(await floor.claim("one", ttl_seconds=3600))
        expires_at = (await floor.installation.licenses.get(floor.license_id)).expires_at
        assert expires_at is not None
        assert lease.expires_at == expires_at == floor.clock.at + 100
        await floor.installation.licenses.suspend(floor.license_id, OPERATOR)
        assert refused(await floor.renew(lease, ttl_seconds=3600)) == "license_suspended"
        assert refused(await floor.claim("two")) == "license_suspended"
        assert not isinstance(await floor.release(lease), Refused)
        assert await floor.live() == set()

    tell(tmp_path, story, duration_seconds=100)


@pytest.mark.parametrize("change", ["suspend", "revoke"])
def test_a_renewal_in_one_statement_sees_what_the_vendor_did_to_the_license(tmp_path: Path, change: str) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms(2)
        lease = given(await floor.claim("one"))
        given(await floor.renew(lease))
        await getattr(floor.installation.licenses, change)(floor.license_id, OPERATOR)
        before = query(tmp_path, "SELECT jti, deadline FROM leases")
        assert (
            refused(await floor.renew(lease)) == {"suspend": "license_suspended", "revoke": "license_revoked"}[change]
        )
        assert query(tmp_path, "SELECT jti, deadline FROM leases") == before

    tell(tmp_path, story)


def test_users_ask_10_a_lease_that_ran_out_does_not_come_back_over_the_limit(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms(3)
        leases = {name: given(await floor.claim(name)) for name in "abc"}
        await floor.terms(2)
        for lease in leases.values():
            given(await floor.renew(lease))  # judged under the new terms, and still held
        await floor.go(30)
        for name in "bc":
            given(await floor.renew(leases[name]))
        await floor.go(30)
        assert await floor.live() == {"b", "c"}
        assert refused(await floor.renew(leases["a"])) == "lease_limit_reached"
        assert await floor.live() == {"b", "c"}
        await floor.release(leases["b"])
        given(await floor.claim("a"))

    tell(tmp_path, story)


def test_users_ask_24_reserved_seats_are_for_the_groups_holders(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        farm = LeaseGroup(name="farm", slots=2, holders=("process:f1", "process:f2", "process:f3"))
        await floor.terms(3, groups=(farm,))
        given(await floor.claim("a"))
        assert refused(await floor.claim("b")) == "lease_limit_reached"  # the other two are the farm's
        given(await floor.claim("f1"))
        given(await floor.claim("f2"))
        assert refused(await floor.claim("f3")) == "lease_limit_reached"
        await floor.go(60)
        given(await floor.claim("f3"))
        given(await floor.claim("f2"))
        given(await floor.claim("f1"))  # a general seat
        assert refused(await floor.claim("a")) == "lease_limit_reached"

    tell(tmp_path, story)


def test_users_ask_10_a_lowered_limit_puts_nobody_out_and_lets_nobody_in(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms(4)
        leases = {name: given(await floor.claim(name)) for name in "abcd"}
        await floor.terms(2)
        for lease in leases.values():
            assert given(await floor.renew(lease)).lease_id == lease.lease_id
        await floor.release(leases["a"])
        assert refused(await floor.claim("e")) == "lease_limit_reached"  # three are live
        await floor.release(leases["b"])
        assert refused(await floor.claim("e")) == "lease_limit_reached"  # two are live
        await floor.release(leases["c"])
        given(await floor.claim("e"))
        assert await floor.live() == {"d", "e"}
        assert max(slot for (slot,) in query(tmp_path, "SELECT slot FROM leases")) < 2
        await floor.terms(None)
        for number in range(20):
            given(await floor.claim(f"many {number}"))

    tell(tmp_path, story)


def test_new_reservations_put_nobody_out_and_are_filled_as_seats_become_free(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms(3)
        leases = {name: given(await floor.claim(name)) for name in "abc"}
        await floor.terms(3, groups=(LeaseGroup(name="farm", slots=1, holders=("process:f",)),))
        assert refused(await floor.claim("f")) == "lease_limit_reached"
        for lease in leases.values():
            given(await floor.renew(lease))
        await floor.release(leases["b"])
        assert refused(await floor.claim("x")) == "lease_limit_reached"  # the free one is the farm's
        given(await floor.claim("f"))
        assert await floor.live() == {"a", "c", "f"}

    tell(tmp_path, story)


def test_users_ask_21_kinds_denied_holders_and_unregistered_devices_are_refused(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms(5, kinds=("user",), denied=("user:mallory",))
        assert refused(await floor.claim("p")) == "holder_kind_refused"
        assert refused(await floor.claim(LeaseHolder(kind="user", id="mallory"))) == "holder_denied"
        alice = given(await floor.claim(LeaseHolder(kind="user", id="alice")))
        await floor.terms(5, kinds=("user",), denied=("user:alice",))
        assert refused(await floor.renew(alice)) == "holder_denied"  # judged anew under the new terms
        await floor.terms(5, kinds=("device",), registered_only=True)
        device = LeaseHolder(kind="device", id=fingerprint("line 4"))
        assert refused(await floor.claim(device)) == "holder_not_registered"
        activate = ActivateCommand(
            license_key=floor.key, product=PRODUCT, device=DeviceClaim(fingerprint=device.id, name="Line 4")
        )
        activated = (await floor.installation.activations.activate(activate)).result
        lease = given(await floor.claim(device))
        given(await floor.renew(lease))
        assert not isinstance(activated, Refused)
        await floor.installation.activations.deactivate_by_vendor(activated.activation.id, OPERATOR)
        assert refused(await floor.renew(lease)) == "holder_not_registered"

    tell(tmp_path, story)


def test_users_ask_25_borrowing_has_its_own_limits_and_ends_when_it_is_returned(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        crew = LeaseGroup(name="crew", slots=1, holders=("process:sailor",), max_borrow_seconds=9000)
        await floor.terms(3, max_ttl_seconds=60, default_ttl_seconds=60, groups=(crew,))
        assert refused(await floor.claim("one", borrow=True)) == "borrowing_refused"
        sailor = given(await floor.claim("sailor", borrow=True, ttl_seconds=99999))
        assert (sailor.is_borrowed, sailor.expires_at) == (True, floor.clock.at + 9000)
        await floor.terms(
            3, max_ttl_seconds=60, default_ttl_seconds=60, groups=(crew,), max_borrow_seconds=5000, borrow_limit=2
        )
        one = given(await floor.claim("one", borrow=True, ttl_seconds=5000))
        assert refused(await floor.claim("two", borrow=True)) == "borrow_limit_reached"
        two = given(await floor.claim("two"))
        assert refused(await floor.renew(two, borrow=True)) == "borrow_limit_reached"
        assert given(await floor.renew(one)).expires_at == one.expires_at  # a renewal takes nothing away
        assert refused(await floor.claim("three")) == "lease_limit_reached"
        assert not isinstance(await floor.release(one), Refused)
        assert given(await floor.renew(two, borrow=True, ttl_seconds=4000)).is_borrowed
        given(await floor.claim("three"))
        actions = [action for (action,) in query(tmp_path, "SELECT action FROM audit ORDER BY seq")]
        assert actions.count("lease.borrowed") == 3

    tell(tmp_path, story)


def test_a_forced_end_frees_the_seat_and_its_holder_cools_down(tmp_path: Path) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms(1, cool_down_seconds=30)
        lease = given(await floor.claim("one"))
        first = await floor.installation.leases.force(lease.lease_id, OPERATOR, reason="hung")
        assert (await floor.installation.leases.force(lease.lease_id, OPERATOR, reason="again")) == first
        told = await floor.renew(lease)
        assert isinstance(told, Refused)
        assert (told.code, "hung" in told.reasons[0].message) == ("lease_released", True)
        assert refused(await floor.claim("one")) == "lease_cooling_down"
        other = given(await floor.claim("two"))
        await floor.release(other)
        await floor.go(30)
        assert given(await floor.claim("one")).lease_id != lease.lease_id
        assert refused(await floor.renew(lease)) == "lease_released"  # the old id still says why

    tell(tmp_path, story)


@pytest.mark.parametrize("changed", ["key", "product", "holder", "id"])
def test_whatever_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path, changed: str) -> None:
    async def story(floor: Floor) -> None:
        await floor.terms()
        lease = given(await floor.claim("one"))
        other = await licensed(floor.installation)
        good = RenewLease(
            lease_id=lease.lease_id, product=PRODUCT, holder=lease.holder, license_key=floor.key, ttl_seconds=60
        )
        wrong: dict[str, tuple[dict[str, Any], str]] = {
            "key": ({"license_key": other.key}, "lease_not_found"),
            "product": ({"product": "other"}, "wrong_product"),
            "holder": ({"holder": process("two")}, "lease_not_found"),
            "id": ({"lease_id": "another"}, "lease_not_found"),
        }
        members, code = wrong[changed]
        before = query(tmp_path, "SELECT jti, deadline, expires_at FROM leases")
        await floor.go(5)
        assert refused((await floor.installation.leases.renew(replace(good, **members))).result) == code
        assert query(tmp_path, "SELECT jti, deadline, expires_at FROM leases") == before
        given((await floor.installation.leases.renew(good)).result)

    tell(tmp_path, story)


# ── the machine's clock in doubt ─────────────────────────────────────────────────────────────────────────────────────


class Machine:
    """A clock that people set, and how long the machine has run, which nobody sets."""

    boot = "boot-1"

    def __init__(self) -> None:
        self.wall = HeldClock()
        self.ran = 1000.0

    def seconds(self) -> float:
        return self.ran

    async def go(self, floor: Floor, seconds: int) -> None:
        for part in [10] * (seconds // 10) + [seconds % 10]:
            self.ran += part
            await floor.go(part)


def on_machine(folder: Path, story: Callable[[Floor, Machine], Awaitable[None]]) -> None:
    async def work() -> None:
        machine = Machine()
        async with open_installation(
            settings_in(folder), clock=machine.wall, running=machine.seconds, passing=machine
        ) as installation:
            created = await licensed(installation)
            await story(Floor(installation, machine.wall, created.key, created.license.id), machine)

    asyncio.run(work())


@pytest.mark.parametrize("step", [-86400, 365 * 86400])
def test_rel_10_leases_stand_still_while_the_clock_is_in_doubt(tmp_path: Path, step: int) -> None:
    """However long it lasts: nobody can renew, so nobody loses a seat; and afterwards each has what it had left."""

    async def story(floor: Floor, machine: Machine) -> None:
        await floor.terms(1)
        held = given(await floor.claim("holder"))
        await machine.go(floor, 20)
        machine.wall.advance(step)
        with pytest.raises(StateError) as refused_:
            await floor.claim("other")
        assert refused_.value.code in {"clock_behind", "clock_jumped"}
        await machine.go(floor, 7200)
        assert await floor.live() == {"holder"}
        machine.wall.advance(-step)
        assert refused(await floor.claim("other")) == "lease_limit_reached"
        await machine.go(floor, 20)
        given(await floor.renew(held))
        await machine.go(floor, 59)
        assert await floor.live() == {"holder"}
        await machine.go(floor, 1)
        assert given(await floor.claim("other")).created

    on_machine(tmp_path, story)


def test_rel_10_a_confirmed_clock_ends_what_was_covered_ahead_of_it_and_puts_nobody_out(tmp_path: Path) -> None:
    """A clock that was weeks ahead must not keep a pool full for weeks."""

    async def story(floor: Floor) -> None:
        await floor.terms(1)
        floor.clock.advance(20 * 86400)  # nobody notices
        held = given(await floor.claim("holder"))
        floor.clock.advance(-20 * 86400)
        with pytest.raises(StateError) as refused_:
            await floor.renew(held)
        assert refused_.value.code == "clock_behind"
        await floor.installation.clock.confirm(OPERATOR)
        assert refused(await floor.claim("other")) == "lease_limit_reached"
        await floor.go(59)
        assert await floor.live() == {"holder"}
        given(await floor.renew(held))
        await floor.go(60)
        assert await floor.live() == set()
        given(await floor.claim("other"))

    tell(tmp_path, story)
