"""Status lists of real installations: what changes is in them, once and in time; they never go back (SEC-26 … 28)."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, StateError
from carnet.core.instant import DAY, HOUR, Instant
from carnet.formats.encoding import sha256_hex
from carnet.formats.license_token import verify_license_token
from carnet.formats.machine_file import open_machine_file
from carnet.formats.status_list import verify_status_list
from carnet.server.backup.restoring import restore_backup, start_epoch
from carnet.server.domain.activations.commands import DeactivateCommand, RefreshCommand
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.server.domain.status.building import LIFETIME_SECONDS, RESIGN_SECONDS, TTL_SECONDS
from carnet.server.domain.status.publishing import PUBLISH_SECONDS
from carnet.server.domain.trust.live import POLL_SECONDS
from carnet.server.installation import Installation, open_installation
from carnet.server.jobs.runner import BEAT_SECONDS, LEASE_SECONDS
from carnet.server.records import OPERATOR
from support.campaigns import LONG
from support.ceremonies import installed, key_of
from support.databases import cluster
from support.installations import PRODUCT, START, Device, HeldClock, execute, licensed, opened, settings_in
from support.status_lists import begin_shard, not_valid, position_of, publish, served, status_at
from support.stories import granted, tell


async def statuses(installation: Installation, *ids: str) -> list[int]:
    """Publish, and the statuses of licenses and activations."""
    lists = await publish(installation)
    return [status_at(lists, position_of(installation.settings, each)) for each in ids]


async def seat_of(installation: Installation, created: CreatedLicense, device: Device) -> str:
    answered = await installation.activations.activate(device.activate(created.key, with_key=False))
    return granted(answered).activation.id


def test_sec_28_what_becomes_of_a_license_is_its_bit(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _clock: HeldClock) -> None:
        one, other = created.license.id, (await licensed(installation)).license.id
        assert await statuses(installation, one, other) == [0, 0]
        await installation.licenses.suspend(one, OPERATOR)
        assert await statuses(installation, one, other) == [2, 0]
        await installation.licenses.reinstate(one, OPERATOR)
        assert await statuses(installation, one, other) == [0, 0]
        await installation.licenses.revoke(one, OPERATOR)
        await installation.licenses.suspend(other, OPERATOR)
        assert await statuses(installation, one, other) == [1, 2]
        await installation.licenses.revoke(other, OPERATOR)
        assert await statuses(installation, one, other) == [1, 1]
        assert served(installation)[0].bits == 1  # nobody is suspended

    tell(tmp_path, story)


def test_sec_28_what_becomes_of_a_seat_is_its_bit(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _clock: HeldClock) -> None:
        returned, taken = Device("returned"), Device("taken")
        first, second = [await seat_of(installation, created, each) for each in (returned, taken)]
        assert await statuses(installation, first, second, created.license.id) == [0, 0, 0]
        back = DeactivateCommand(product=PRODUCT, device=returned.claim(with_key=False), license_key=created.key)
        await installation.activations.deactivate(back)
        assert await statuses(installation, first, second, created.license.id) == [1, 0, 0]
        await installation.activations.deactivate_by_vendor(second, OPERATOR)
        assert await statuses(installation, first, second, created.license.id) == [1, 1, 0]
        # A device that comes again has another seat with an index of its own; one that takes a seat ends it.
        third = await seat_of(installation, created, returned)
        mover = Device("mover").activate(created.key, with_key=False, replaces=(third,))
        fourth = granted(await installation.activations.activate(mover)).activation.id
        assert await statuses(installation, first, second, third, fourth) == [1, 1, 1, 0]

    tell(tmp_path, story, overrides={"seat_limit": 5})


def test_sec_27_the_version_rises_with_each_publication_and_nothing_is_published_for_nothing(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        assert served(installation) == {}
        made = [(await publish(installation))[0]]
        for change in (installation.licenses.suspend, installation.licenses.reinstate, installation.licenses.revoke):
            clock.advance(5)
            assert (await publish(installation))[0] == made[-1]
            await change(created.license.id, OPERATOR)
            made.append((await publish(installation))[0])
        assert [each.version for each in made] == [(0, 1), (0, 2), (0, 3), (0, 4)]
        assert [each.issued_at - START for each in made] == [0, 5, 10, 15]
        for each in made:
            assert (each.issuer, each.ttl_seconds) == (installation.issuer, TTL_SECONDS)
            assert (each.uri, each.size) == (f"{installation.settings.base_url}/v1/status/0", SHARD_SIZE)
            assert each.expires_at - each.issued_at == LIFETIME_SECONDS == 7 * DAY
        assert installation.lists.published == 4

    tell(tmp_path, story)


def test_sec_28_a_list_in_which_nothing_changes_is_signed_anew_every_hour(tmp_path: Path) -> None:
    async def story(installation: Installation, _created: CreatedLicense, clock: HeldClock) -> None:
        first = (await publish(installation))[0]
        clock.advance(RESIGN_SECONDS - 1)
        assert (await publish(installation))[0] == first
        assert installation.lists.problem(clock.now()) == ""
        clock.advance(1)
        again = (await publish(installation))[0]
        assert (again.version, again.issued_at) == ((0, 2), START + HOUR)
        assert again.statuses == first.statuses
        clock.advance(HOUR + 15 * 60)
        assert installation.lists.problem(clock.now()) == ""
        clock.advance(1)
        assert installation.lists.problem(clock.now()) == "The oldest status list was published 75 minutes ago."
        checks = {check.name: check for check in await installation.checks()}
        assert not checks["status-lists"].ok
        assert not checks["status-lists"].vital
        await publish(installation)
        assert {check.name: check.ok for check in await installation.checks()}["status-lists"]

    tell(tmp_path, story)


def test_sec_28_any_change_is_published_within_60_seconds_by_the_clock(tmp_path: Path) -> None:
    """Also where the process that did the job dies just before: another may hold it after its lease and one beat."""
    longest = LEASE_SECONDS + BEAT_SECONDS + PUBLISH_SECONDS + POLL_SECONDS
    assert longest < 60
    chance = random.Random(28)  # noqa: S311 - the same story at every run

    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        devices = [Device(number) for number in range(6)]
        seats = [await seat_of(installation, created, each) for each in devices]
        await publish(installation)
        waits = []
        for number, seat in enumerate(seats):
            clock.advance(chance.randrange(PUBLISH_SECONDS))
            ended_at = clock.now()
            await installation.activations.deactivate_by_vendor(seat, OPERATOR)
            late = LEASE_SECONDS + int(BEAT_SECONDS) if number % 2 else 0  # a dead holder, or none
            clock.advance(late + PUBLISH_SECONDS - 1)
            lists = await publish(installation)
            assert status_at(lists, position_of(installation.settings, seat)) == 1
            waits.append(lists[0].issued_at - ended_at)
        assert max(waits) + POLL_SECONDS <= 60

    tell(tmp_path, story, overrides={"seat_limit": 10})


def test_sec_27_two_processes_publish_each_version_once(tmp_path: Path) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as two:
            created = await licensed(one, overrides={"seat_limit": 100})
            for number in range(8):
                seat = await seat_of(one, created, Device(number))
                await two.activations.deactivate_by_vendor(seat, OPERATOR)
                await asyncio.gather(*(each.publisher.publish() for each in (one, two, one, two)))
                await one.lists.keep_up()
                await two.lists.keep_up()
                assert [each.lists.all() for each in (one, two)] == [one.lists.all()] * 2
                assert served(one)[0].version == (0, number + 1)
            assert one.lists.published + two.lists.published == 8

    asyncio.run(run())


def test_sec_27_no_restart_goes_back_and_a_restored_database_begins_a_new_epoch(tmp_path: Path) -> None:
    async def run() -> None:
        clock = HeldClock()
        settings = settings_in(tmp_path)
        async with opened(tmp_path, clock) as installation:
            one, two = [(await licensed(installation)).license.id for _ in range(2)]
            await installation.licenses.revoke(one, OPERATOR)
            kept = (await publish(installation))[0]
            await installation.backups.create(tmp_path / "x.backup", OPERATOR)
            await installation.licenses.revoke(two, OPERATOR)
            newest = (await publish(installation))[0]
        async with opened(tmp_path, clock) as installation:
            assert served(installation) == {0: newest}
            assert (await publish(installation))[0] == newest
        clock.advance(100)
        if settings.postgres is not None:
            settings = replace(settings, postgres=cluster().fresh())
        restore_backup(settings, tmp_path / "x.backup", replace=True, now=clock.now())
        start_epoch(settings, now=clock.now())
        async with open_installation(settings, clock=clock) as installation:
            # The list of the backup is what it knows; nothing that it publishes is older than what was served before.
            assert served(installation) == {0: kept}
            again = (await publish(installation))[0]
            assert again.version == (clock.now(), 1)
            assert kept.version < newest.version < again.version
            assert again.statuses == kept.statuses
            # Who is sold to from now on has an index far behind all that was ever given.
            sold = (await licensed(installation)).license.id
            await installation.licenses.suspend(sold, OPERATOR)
            lists = await publish(installation)
            assert {shard: each.version for shard, each in lists.items()} == {
                0: again.version,
                clock.now(): again.version,
            }
            assert status_at(lists, position_of(settings, sold)) == 2
            await installation.licenses.revoke(two, OPERATOR)
            assert (await publish(installation))[0].version == (clock.now(), 2)

    asyncio.run(run())


def test_sec_27_artifacts_name_the_list_that_was_current_when_they_were_issued(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _clock: HeldClock) -> None:
        device = Device("one")
        plain: Any = {"product": PRODUCT, "device": device.claim(with_key=False), "license_key": created.key}

        async def minimums(asked: RefreshCommand | None) -> set[tuple[int, int] | None]:
            taking = device.activate(created.key, with_key=False)
            answered = (
                installation.activations.activate(taking) if asked is None else installation.activations.refresh(asked)
            )
            result = granted(await answered)
            machine_file = result.machine_file.encode()
            token = verify_license_token(result.token, installation.ring)
            opened_file = open_machine_file(
                machine_file, installation.ring, license_key=created.key, fingerprint=device.claim().fingerprint
            )
            refs = [
                ref for grant in (token, opened_file) for ref in (grant.license_status_ref, grant.activation_status_ref)
            ]
            assert {ref.uri for ref in refs if ref} == {f"{installation.settings.base_url}/v1/status/0"}
            return {None if ref is None else ref.minimum for ref in refs}

        assert await minimums(None) == {None}  # nothing is published yet
        await publish(installation)
        assert await minimums(RefreshCommand(**plain)) == {(0, 1)}
        await installation.licenses.suspend(created.license.id, OPERATOR)
        await publish(installation)
        await installation.licenses.reinstate(created.license.id, OPERATOR)
        # The list that is served was true before: it says nothing to whom is answered now, also in the same second.
        assert served(installation)[0].version == (0, 2)
        assert await minimums(RefreshCommand(**plain)) == {(0, 3)}
        await publish(installation)
        assert await minimums(RefreshCommand(**plain)) == {(0, 3)}

    tell(tmp_path, story)


def test_answers_carry_the_lists_that_the_device_does_not_have(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _clock: HeldClock) -> None:
        device, uri = Device("one"), f"{installation.settings.base_url}/v1/status/0"
        plain: Any = {"product": PRODUCT, "device": device.claim(with_key=False), "license_key": created.key}
        await publish(installation)
        await installation.licenses.suspend(created.license.id, OPERATOR)
        await publish(installation)
        await installation.licenses.reinstate(created.license.id, OPERATOR)
        await publish(installation)
        newest = installation.lists.list(0)
        assert newest is not None
        taking = device.activate(created.key, with_key=False, status_versions={})
        assert granted(await installation.activations.activate(taking)).status_lists == (newest.token,)

        async def sent(versions: dict[str, tuple[int, int]] | None) -> int | None:
            asked = RefreshCommand(**plain, status_versions=versions)
            lists = granted(await installation.activations.refresh(asked)).status_lists
            return None if lists is None else len(lists)

        assert await sent(None) is None
        assert await sent({}) == 1
        assert await sent({f"{uri}0": (9, 9)}) == 1
        assert [await sent({uri: version}) for version in ((0, 2), (0, 3), (0, 4), (1, 0))] == [1, 0, 0, 0]

    tell(tmp_path, story)


def test_each_shard_has_its_list_and_only_what_changed_is_made_anew(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            first = (await licensed(installation)).license.id
            place = installation.publisher._places.place(SHARD_SIZE - 1)
        begin_shard(settings, 1, place)
        async with opened(tmp_path, clock) as installation:
            created = await licensed(installation)
            second = created.license.id
            assert [position_of(settings, each) // SHARD_SIZE for each in (first, second)] == [0, 1]
            assert {shard: each.version for shard, each in (await publish(installation)).items()} == {
                0: (0, 1),
                1: (0, 1),
            }
            await installation.licenses.revoke(second, OPERATOR)
            lists = await publish(installation)
            assert {shard: each.version for shard, each in lists.items()} == {0: (0, 1), 1: (0, 2)}
            assert not_valid(lists) == {position_of(settings, second): 1}
            # Seats of an old license may be in another list than the license itself; both lists are sent.
            old = await installation.licenses.get(first)
            assert old.status == "active"
            await installation.licenses.suspend(first, OPERATOR)
            lists = await publish(installation)
            assert {shard: each.version for shard, each in lists.items()} == {0: (0, 2), 1: (0, 2)}
            positions = [position_of(settings, each) for each in (first, second)]
            assert installation.lists.newer(positions, {}) == tuple(each.token for each in installation.lists.all())
            assert installation.lists.list(2) is None

    asyncio.run(run())


def test_rel_08_while_the_signer_is_away_the_list_before_is_served(tmp_path: Path) -> None:
    class Away:
        def signer(self, role: str) -> object:
            raise StateError("no_signing_key", f"The KMS of {role} does not answer.", "Try again.")

        def earlier(self, kid: str) -> None:
            raise NotImplementedError(kid)

    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        before = await publish(installation)
        real = installation.publisher._keys
        installation.publisher._keys = Away()  # type: ignore[assignment]
        await installation.licenses.revoke(created.license.id, OPERATOR)
        clock.advance(600)
        with pytest.raises(CarnetError) as caught:
            await installation.publisher.publish()
        assert caught.value.code == "no_signing_key"
        assert served(installation) == before
        installation.publisher._keys = real
        assert await statuses(installation, created.license.id) == [1]
        assert served(installation)[0].version == (0, 2)

    tell(tmp_path, story)


def test_sec_28_what_is_revoked_behind_our_back_is_listed_too(tmp_path: Path) -> None:
    """Nobody has to remember to tell: the rows themselves are compared with what was published."""

    async def story(installation: Installation, created: CreatedLicense, _clock: HeldClock) -> None:
        seat = await seat_of(installation, created, Device("one"))
        await publish(installation)
        execute(installation.settings, f"UPDATE licenses SET status = 'revoked' WHERE id = '{created.license.id}'")  # noqa: S608
        execute(installation.settings, f"UPDATE activations SET deactivated_at = 5 WHERE id = '{seat}'")  # noqa: S608
        assert await statuses(installation, created.license.id, seat) == [1, 1]

    tell(tmp_path, story)


@pytest.mark.parametrize("seed", range(12 if LONG else 2))
def test_sec_28_the_lists_equal_a_model_of_any_history(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same histories at every run

    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            sold = [await licensed(installation, overrides={"seat_limit": 4}) for _ in range(6)]
            state = {each.license.id: "active" for each in sold}
            held: dict[str, str] = {}
            ended: set[str] = set()
            versions: list[tuple[int, int]] = []
            for _ in range(400 if LONG else 60):
                clock.advance(chance.randrange(30))
                created = chance.choice(sold)
                license_id = created.license.id
                act = chance.choice(("activate", "activate", "end", "suspend", "reinstate", "revoke", "publish"))
                if act == "activate" and state[license_id] == "active":
                    device = Device(chance.randrange(4))
                    seat = await seat_of(installation, created, device)
                    held[seat] = license_id
                elif act == "end" and held:
                    seat = chance.choice(sorted(held))
                    await installation.activations.deactivate_by_vendor(seat, OPERATOR)
                    held.pop(seat)
                    ended.add(seat)
                elif act == "suspend" and state[license_id] == "active":
                    await installation.licenses.suspend(license_id, OPERATOR)
                    state[license_id] = "suspended"
                elif act == "reinstate" and state[license_id] == "suspended":
                    await installation.licenses.reinstate(license_id, OPERATOR)
                    state[license_id] = "active"
                elif act == "revoke" and chance.random() < 0.2:
                    await installation.licenses.revoke(license_id, OPERATOR)
                    state[license_id] = "revoked"
                elif act == "publish":
                    lists = await publish(installation)
                    expected = {position_of(installation.settings, each): 1 for each in ended}
                    for each, became in state.items():
                        if became != "active":
                            position = position_of(installation.settings, each)
                            expected[position] = 1 if became == "revoked" else 2
                    assert not_valid(lists) == expected
                    versions.append(lists[0].version)
            assert versions == sorted(versions)
            assert len(versions) > 3
            assert ended

    asyncio.run(run())


def test_the_address_in_a_list_is_the_one_that_artifacts_name(tmp_path: Path) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            await licensed(installation)
            before = (await publish(installation))[0]
        settings = replace(settings_in(tmp_path), public_url="https://elsewhere.example.com")
        async with open_installation(settings, clock=clock) as installation:
            after = (await publish(installation))[0]
        assert after.uri == "https://elsewhere.example.com/v1/status/0"
        assert after.version > before.version

    asyncio.run(run())


def test_a_list_is_no_larger_for_its_digest(tmp_path: Path) -> None:
    """The mark is a digest of the rows, not the rows."""

    async def story(installation: Installation, _created: CreatedLicense, _clock: HeldClock) -> None:
        await publish(installation)
        found = installation.lists.list(0)
        assert found is not None
        assert len(found.mark) == len(sha256_hex(b""))
        assert found.issued_at == Instant(START)

    tell(tmp_path, story)


def test_r_83_a_bundle_carries_the_lists_that_its_license_is_in(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _clock: HeldClock) -> None:
        await publish(installation)
        device = Device("one")
        result = granted(await installation.activations.activate(device.activate(created.key, with_key=False)))
        grant = verify_license_token(result.token, installation.ring)
        newest = installation.lists.list(0)
        assert newest is not None
        assert installation.lists.named_by([grant, grant]) == (newest.token,)
        elsewhere = replace(grant, license_status_ref=None, activation_status_ref=None)
        assert installation.lists.named_by([elsewhere]) == ()

    tell(tmp_path, story)


def test_sec_27_a_read_that_comes_late_takes_no_process_back(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _clock: HeldClock) -> None:
        await publish(installation)
        older = installation.lists.list(0)
        await installation.licenses.revoke(created.license.id, OPERATOR)
        await publish(installation)
        newer = installation.lists.list(0)
        assert older is not None
        assert newer is not None
        installation.lists.take(older)  # what was read before the other was published, and arrives after it
        assert installation.lists.list(0) == newer
        assert installation.lists.refs(0)[0].minimum == newer.version

    tell(tmp_path, story)


def test_sec_24_after_a_compromise_every_list_is_signed_anew_by_the_next_key(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _clock: HeldClock) -> None:
        before = (await publish(installation))[0]
        lost = key_of(installation, "status-list")
        await installed(installation, await installation.ceremonies.compromise(lost.kid))
        assert key_of(installation, "status-list").kid != lost.kid
        stale = installation.lists.list(0)
        assert stale is not None
        with pytest.raises(CarnetError) as caught:
            verify_status_list(stale.token, installation.ring)
        assert caught.value.code == "unknown_key"
        again = (await publish(installation))[0]  # reads it under the new root
        assert again.version > before.version
        assert again.statuses == before.statuses

    tell(tmp_path, story)
