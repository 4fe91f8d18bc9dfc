"""Signing keys of a real installation: announced, rotated, retired, lost; two processes, both databases (R-18)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from carnet.cli.doctor.keys import FORGOTTEN_SECONDS, look_at_keys
from carnet.core._base import replace
from carnet.core.errors import CarnetError, NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_token import verify_license_token
from carnet.formats.root import next_root, read_root
from carnet.formats.root_draft import draft_of, read_draft, sign_draft, write_draft
from carnet.server.backup.restoring import restore_backup, start_epoch
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.trust.desk import merged
from carnet.server.domain.trust.plan import RootKeys
from carnet.server.installation import Installation, open_installation
from carnet.server.layout import Layout
from carnet.server.records import OPERATOR, SigningKey
from carnet.server.settings import Settings
from support.ceremonies import announced, installed, key_of, root_signer
from support.installations import START, Device, HeldClock, execute, licensed, opened, query, settings_in
from support.stories import granted

Story = Callable[[Installation, HeldClock], Awaitable[None]]
pytestmark = pytest.mark.usefixtures("database")


def tell(folder: Path, story: Story) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(folder, clock) as installation:
            await story(installation, clock)

    asyncio.run(run())


def test_an_installation_of_before_is_adopted_once_and_writes_nothing_else(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        keys = await installation.ceremonies.keys()
        assert sorted(role for key in keys for role in key.roles) == sorted(
            role.role for role in read_root(installation.roots[0]).roles if role.role != "root"
        )
        assert {key.state for key in keys} == {"active"}
        assert {key.announced_at for key in keys} == {START}
        assert {key.location for key in keys} == {f"file:{key.kid}.json" for key in keys}

    assert query(tmp_path, "SELECT count(*) FROM signing_keys") == [(0,)]
    tell(tmp_path, story)
    first = query(tmp_path, "SELECT * FROM signing_keys ORDER BY kid")
    tell(tmp_path, story)
    assert query(tmp_path, "SELECT * FROM signing_keys ORDER BY kid") == first
    assert query(tmp_path, "SELECT count(*) FROM audit") == [(1,)]


def test_r_18_a_key_is_announced_waits_signs_and_lets_the_former_only_verify(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        created, device = await licensed(installation), Device()
        before = key_of(installation, "token")
        old = granted(await installation.activations.activate(device.activate(created.key)))
        done = await announced(installation, "token")
        (made,) = done.keys
        assert (done.version, made.state, made.roles) == (2, "announced", ("token",))
        assert read_root(installation.roots[1]).role_keys("token") == next_root(
            read_root(installation.roots[0]), installation.roots[1]
        ).role_keys("token")
        assert {key.kid for key in read_root(installation.roots[1]).role_keys("token")} == {before.kid, made.kid}
        token = granted(await installation.activations.activate(device.activate(created.key))).token
        assert verify_license_token(token, installation.ring).kid == before.kid

        clock.advance(DAY - 1)
        with pytest.raises(UsageError) as caught:
            await installation.ceremonies.rotate(("token",), OPERATOR)
        assert caught.value.code == "key_not_announced_long_enough"
        assert key_of(installation, "token") == before
        clock.advance(1)
        assert (await installation.ceremonies.rotate(("token",), OPERATOR, dry=True)).replaced[0].by == made.kid
        assert key_of(installation, "token") == before
        turned = await installation.ceremonies.rotate(("token",), OPERATOR)
        assert [(each.kid, each.by) for each in turned.replaced] == [(before.kid, made.kid)]
        assert turned.version == 2
        new = granted(await installation.activations.activate(device.activate(created.key)))
        assert verify_license_token(new.token, installation.ring).kid == made.kid
        assert verify_license_token(old.token, installation.ring).kid == before.kid
        with pytest.raises(UsageError) as caught:
            await installation.ceremonies.rotate(("token",), OPERATOR)
        assert caught.value.code == "key_not_announced"

        assert await installation.ceremonies.alive_under(before.kid) == 2
        await installed(installation, await installation.ceremonies.retire(before.kid))
        with pytest.raises(NotGenuineError):
            verify_license_token(old.token, installation.ring)
        verify_license_token(new.token, installation.ring)
        states = {key.kid: key.state for key in await installation.ceremonies.keys() if "token" in key.roles}
        assert states == {before.kid: "retired", made.kid: "active"}
        audit = await installation.audit.list(AuditFilter(), limit=20)
        told = [(entry.action, entry.object_id) for entry in audit.items if entry.object_kind in {"root", "key"}]
        assert told == [("root.installed", "3"), ("key.rotated", made.kid), ("root.installed", "2")]

    tell(tmp_path, story)


def test_sec_24_a_lost_key_is_out_at_once_and_its_successor_signs_without_waiting(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        created, device = await licensed(installation), Device()
        old = granted(await installation.activations.activate(device.activate(created.key)))
        lost = key_of(installation, "token")
        done = await installed(installation, await installation.ceremonies.compromise(lost.kid))
        ((kid, roles, by),) = [(each.kid, each.roles, each.by) for each in done.replaced]
        assert (kid, roles, by) == (lost.kid, ("token",), key_of(installation, "token").kid)
        with pytest.raises(NotGenuineError):
            verify_license_token(old.token, installation.ring)
        new = granted(await installation.activations.activate(device.activate(created.key, root_version=1)))
        assert verify_license_token(new.token, installation.ring).kid == by
        assert new.roots == installation.roots[1:]
        ready = {check.name: check.ok for check in await installation.checks()}
        assert ready["signer"]
        assert ready["signing-keys"]
        with pytest.raises(UsageError) as caught:
            await installation.ceremonies.compromise(lost.kid)
        assert caught.value.code == "conflict"

    tell(tmp_path, story)


def test_another_process_follows_a_rotation_and_a_lost_key_and_what_it_does_meanwhile_goes_well(tmp_path: Path) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as other:
            created, device = await licensed(one), Device()
            await announced(one)
            clock.advance(DAY)
            await one.ceremonies.rotate(None, OPERATOR)
            stale = granted(await other.activations.activate(device.activate(created.key, root_version=1)))
            assert verify_license_token(stale.token, other.ring).kid != key_of(one, "token").kid
            verify_license_token(stale.token, one.ring)
            await other.follow()
            assert other.roots == one.roots
            assert {role: key_of(other, role).kid for role in ("token", "answer", "machine-file")} == {
                role: key_of(one, role).kid for role in ("token", "answer", "machine-file")
            }
            fresh = granted(await other.activations.activate(device.activate(created.key, root_version=1)))
            assert verify_license_token(fresh.token, one.ring).kid == key_of(one, "token").kid
            lost = key_of(one, "machine-file")
            await installed(one, await one.ceremonies.compromise(lost.kid))
            await other.follow()
            granted(await other.activations.activate(device.activate(created.key)))
            assert key_of(other, "machine-file") == key_of(one, "machine-file")
        async with opened(tmp_path, clock) as later:
            assert len(later.roots) == 3

    asyncio.run(run())


def test_a_host_that_lacks_the_new_key_goes_on_with_the_former_and_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as other:
            created, device = await licensed(one), Device()
            before = key_of(one, "token")
            (made,) = (await announced(one, "token")).keys
            clock.advance(DAY)
            await one.ceremonies.rotate(None, OPERATOR)
            path = Layout(data=one.settings.data).keys / f"{made.kid}.json"
            kept = path.read_bytes()
            path.unlink()  # as on a host to which nobody has copied it yet
            await other.follow()
            token = granted(await other.activations.activate(device.activate(created.key))).token
            assert verify_license_token(token, one.ring).kid == before.kid
            (told,) = [check for check in await other.checks() if check.name == "signing-keys"]
            assert not told.ok
            assert not told.vital
            assert "missing_file" in told.problem
            path.write_bytes(kept)
            await other.follow()
            assert all(check.ok for check in await other.checks() if check.name in {"signer", "signing-keys"})
            token = granted(await other.activations.activate(device.activate(created.key))).token
            assert verify_license_token(token, one.ring).kid == made.kid

    asyncio.run(run())


def test_sec_24_a_host_that_lacks_the_successor_of_a_lost_key_signs_nothing_with_the_lost_one(tmp_path: Path) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as other:
            created, device = await licensed(one), Device()
            lost = key_of(one, "token")
            done = await installed(one, await one.ceremonies.compromise(lost.kid))
            (Layout(data=one.settings.data).keys / f"{done.replaced[0].by}.json").unlink()
            await other.follow()
            with pytest.raises(CarnetError) as caught:
                await other.activations.activate(device.activate(created.key))
            assert caught.value.code == "no_signing_key"

    asyncio.run(run())


def test_claims_that_were_written_down_before_a_switch_are_signed_after_it(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        created, device = await licensed(installation), Device()
        issuing = installation.activations._issuing
        before = key_of(installation, "token")
        await announced(installation, "token")
        clock.advance(DAY)
        real = issuing.sign
        switched: list[bool] = []

        def sign_after_a_switch(*given: object, **named: object) -> object:
            if not switched:
                switched.append(True)
                state = installation._keys.state
                keys = tuple(
                    replace(key, state={"announced": "active", "active": "verify-only"}[key.state])
                    if key.roles == ("token",)
                    else key
                    for key in state.keys
                )
                made = next(key for key in keys if key.roles == ("token",) and key.state == "active")
                signers = {**state.signers, made.kid: installation._keys._open_key(made)}
                installation._keys._become(replace(state, keys=keys, signers=signers))
            return real(*given, **named)  # type: ignore[arg-type]

        issuing.sign = sign_after_a_switch  # type: ignore[assignment, method-assign]
        granted_now = granted(await installation.activations.activate(device.activate(created.key)))
        assert switched
        assert verify_license_token(granted_now.token, installation.ring).kid == before.kid
        assert query(tmp_path, "SELECT kid FROM issuances WHERE kind = 'token'") == [(before.kid,)]

    tell(tmp_path, story)


def test_a_refusal_and_a_returned_seat_bring_the_newer_roots_too(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        for _number in range(3):
            await installed(installation, await installation.ceremonies.root_keys(None))
        assert installation.activations.newer_roots(1) == installation.roots[1:]
        assert installation.activations.newer_roots(3) == installation.roots[3:]
        assert installation.activations.newer_roots(4) == installation.activations.newer_roots(99) == ()
        assert installation.activations.newer_roots(None) == ()

    tell(tmp_path, story)


def test_a_ceremony_goes_on_where_it_was_and_another_wish_is_refused_meanwhile(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path) as installation:
            service = installation.ceremonies
            first = await service.begin(await service.announce(("token",)))
        async with opened(tmp_path) as installation:
            service = installation.ceremonies
            assert await service.begin(await service.announce(("token",))) == first
            assert await service.pending() == first
            with pytest.raises(UsageError) as caught:
                await service.begin(await service.announce(("answer",)))
            assert caught.value.code == "ceremony_pending"
            with pytest.raises(NotGenuineError) as refused:
                await service.finish(OPERATOR)
            assert refused.value.code == "below_threshold"
            assert len(installation.roots) == 1
            await service.sign(first, [root_signer()])
        async with opened(tmp_path) as installation:
            done = await installation.ceremonies.finish(OPERATOR)
            assert [key.kid for key in done.keys] == [made.public_key.kid for made in first.intent.announce]
            assert await installation.ceremonies.pending() is None
            with pytest.raises(UsageError) as caught:
                await installation.ceremonies.finish(OPERATOR)
            assert caught.value.code == "no_ceremony"

    asyncio.run(run())


def test_what_is_cancelled_leaves_nothing_and_what_others_did_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        service = installation.ceremonies
        pending = await service.begin(await service.announce(("token",)))
        await service.cancel()
        assert await service.pending() is None
        assert not (Layout(data=installation.settings.data).keys / pending.files[0].name).exists()
        with pytest.raises(UsageError):
            await service.cancel()
        # Signed for keys as they were; meanwhile one of them was rotated by hand of another.
        await announced(installation, "token")
        clock.advance(DAY)
        old = key_of(installation, "token")
        ceremony = await service.begin(await service.compromise(old.kid))
        await service.sign(ceremony, [root_signer()])
        with pytest.raises(UsageError) as caught:
            await service.rotate(("token",), OPERATOR)
        assert caught.value.code == "ceremony_pending"
        path = Layout(data=installation.settings.data).ceremony / "pending.json"
        aside = path.rename(path.with_name("aside"))  # on another host nobody knows of it
        await service.rotate(("token",), OPERATOR)
        aside.rename(path)
        with pytest.raises(UsageError) as caught:
            await service.finish(OPERATOR)
        assert caught.value.code == "conflict"
        assert len(installation.roots) == 2

    tell(tmp_path, story)


def test_a_stranger_signs_nothing_and_a_draft_of_another_ceremony_is_told(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        service = installation.ceremonies
        ceremony = await service.begin(await service.announce(("token",)))
        with pytest.raises(UsageError) as caught:
            await service.sign(ceremony, [Ed25519Signer(bytes(32))])
        assert caught.value.code == "not_a_root_key"
        other = draft_of(installation.roots, replace(ceremony.draft.root, expires_at=Instant(START + DAY)))
        with pytest.raises(NotGenuineError) as refused:
            merged(ceremony, [sign_draft(other, [root_signer()])])
        assert refused.value.code == "draft_of_another"
        back = read_draft(write_draft(sign_draft(ceremony.draft, [root_signer()])))
        assert (await service.sign(ceremony, [], merged(ceremony, [back]))).needed.is_enough

    tell(tmp_path, story)


def test_sec_21_root_keys_and_threshold_change_by_the_thresholds_of_both_roots(tmp_path: Path) -> None:
    more = [Ed25519Signer(bytes([number]) * 32) for number in (61, 62)]

    async def story(installation: Installation, _: HeldClock) -> None:
        service = installation.ceremonies
        keys = (root_signer().public_key, *(signer.public_key for signer in more))
        ceremony = await service.begin(await service.root_keys(RootKeys(keys=keys, threshold=2)))
        ceremony = await service.sign(ceremony, [root_signer()])
        assert (ceremony.needed.before, ceremony.needed.own, ceremony.needed.is_enough) == (1, 1, False)
        with pytest.raises(NotGenuineError):
            await service.finish(OPERATOR)
        await service.sign(ceremony, [more[0]])
        assert (await service.finish(OPERATOR)).version == 2
        # From now on two of the three must sign; the first alone is not enough any more.
        ceremony = await service.begin(await service.announce(("token",)))
        ceremony = await service.sign(ceremony, [root_signer()])
        assert not ceremony.needed.is_enough
        await service.sign(ceremony, [more[1]])
        assert (await service.finish(OPERATOR)).version == 3
        # The first is dropped, by the two others.
        rest = RootKeys(keys=tuple(signer.public_key for signer in more), threshold=2)
        ceremony = await service.begin(await service.root_keys(rest))
        await service.sign(ceremony, more)
        assert (await service.finish(OPERATOR)).version == 4

    tell(tmp_path, story)


def test_what_a_database_that_was_put_back_has_lost_is_put_in_force_again_before_anything_else(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path) as installation:
            await announced(installation, "token")
            roots = installation.roots
        execute(settings_in(tmp_path), "DELETE FROM roots", "DELETE FROM signing_keys WHERE state = 'announced'")
        async with opened(tmp_path) as installation:
            assert len(installation.roots) == 1
            service = installation.ceremonies
            lost = await service.pending()
            assert lost is not None
            assert lost.was_in_force
            with pytest.raises(UsageError) as caught:
                await service.begin(await service.announce(("answer",)))
            assert caught.value.code == "ceremony_pending"
            with pytest.raises(UsageError) as caught:
                await service.cancel()
            assert caught.value.code == "conflict"
            await service.finish(OPERATOR)
            assert installation.roots == roots
            assert await service.pending() is None

    asyncio.run(run())


def test_a_chain_that_was_changed_by_hand_stops_the_start_and_never_a_server_that_runs(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path) as one, opened(tmp_path) as other:
            await announced(one, "token")
            execute(settings_in(tmp_path), "UPDATE roots SET file = '{}'")
            with pytest.raises(CarnetError) as caught:
                await other.follow()
            assert caught.value.code == "root_chain_broken"
            assert len(other.roots) == 1
            (told,) = [check for check in await other.checks() if check.name == "signing-keys"]
            assert not told.ok
            await licensed(other)
        with pytest.raises(CarnetError) as caught:
            async with opened(tmp_path):
                pass
        assert caught.value.code == "root_chain_broken"

    asyncio.run(run())


def test_sec_25_an_active_key_without_its_private_half_stops_the_start(tmp_path: Path) -> None:
    async def run(settings: Settings) -> None:
        async with opened(tmp_path) as installation:
            kid = key_of(installation, "token").kid
        (settings.data / "keys" / f"{kid}.json").unlink()
        with pytest.raises(CarnetError) as caught:
            async with open_installation(settings, clock=HeldClock()):
                pass
        assert caught.value.code == "missing_file"

    asyncio.run(run(settings_in(tmp_path)))


def test_a_damaged_ceremony_file_says_what_to_do_and_stops_nothing_else(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        await installation.ceremonies.begin(await installation.ceremonies.announce(("token",)))
        path = Layout(data=installation.settings.data).ceremony / "pending.json"
        for broken in (b"", b"{}", b'{"format":"carnet-ceremony/1"}', path.read_bytes()[:-9]):
            path.write_bytes(broken)
            with pytest.raises(CarnetError) as caught:
                await installation.ceremonies.pending()
            assert caught.value.code == "bad_ceremony_file"
        await licensed(installation)

    tell(tmp_path, story)


def test_the_doctor_tells_of_ceremonies_and_of_announced_keys(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        service = installation.ceremonies

        async def found(name: str) -> tuple[str, str]:
            (one,) = [each for each in await look_at_keys(installation, clock.now()) if each.name == name]
            return one.health, one.message

        assert await found("ceremony") == ("ok", "none goes on")
        assert await found("announced keys") == ("ok", "none wait")
        await service.begin(await service.announce(("token",)))
        assert (await found("ceremony"))[0] == "ok"
        clock.advance(FORGOTTEN_SECONDS)
        assert (await found("ceremony"))[0] == "ok"
        clock.advance(1)
        assert (await found("ceremony"))[0] == "warning"
        await service.cancel()
        (made,) = (await announced(installation, "token")).keys
        clock.advance(DAY + FORGOTTEN_SECONDS - 1)
        health, message = await found("announced keys")
        assert (health, "1 may sign" in message) == ("ok", True)
        clock.advance(1)
        assert (await found("announced keys"))[0] == "warning"
        (Layout(data=installation.settings.data).keys / f"{made.kid}.json").unlink()
        health, message = await found("announced keys")
        assert (health, made.kid in message) == ("problem", True)
        execute(settings_in(tmp_path), "DELETE FROM roots", "DELETE FROM signing_keys WHERE state = 'announced'")
        async with opened(tmp_path, clock) as put_back:
            (lost, _) = await look_at_keys(put_back, clock.now())
            assert (lost.health, "ceremony finish" in lost.fix) == ("problem", True)
            (Layout(data=put_back.settings.data).ceremony / "root-2.json").write_text("{}")
            assert (await look_at_keys(put_back, clock.now()))[0].health == "problem"

    tell(tmp_path, story)


def test_of_two_hosts_that_hold_a_ceremony_at_once_the_second_to_finish_is_refused(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        service = installation.ceremonies
        path = Layout(data=installation.settings.data).ceremony / "pending.json"
        await service.sign(await service.begin(await service.root_keys(None)), [root_signer()])
        of_the_other_host = path.read_bytes()
        await service.cancel()
        clock.advance(1)
        await installed(installation, await service.root_keys(None))
        path.write_bytes(of_the_other_host)
        with pytest.raises(UsageError) as caught:
            await service.finish(OPERATOR)
        assert caught.value.code == "conflict"
        assert len(installation.roots) == 2
        await service.cancel()
        assert await service.pending() is None

    tell(tmp_path, story)


def test_an_answer_brings_the_oldest_of_the_newer_roots_and_no_more_than_64(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        trust = installation._keys
        many = tuple(f"root {version}" for version in range(1, 201))
        trust._state = replace(trust.state, roots=many)
        assert installation.activations.newer_roots(1) == many[1:65]
        assert installation.activations.newer_roots(137) == many[137:]
        assert len(installation.activations.newer_roots(136)) == 64
        assert len(installation.activations.newer_roots(135)) == 64

    tell(tmp_path, story)


@pytest.mark.sqlite_file
def test_a_backup_carries_the_roots_and_the_keys_of_its_time(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    async def before() -> tuple[tuple[str, ...], tuple[SigningKey, ...]]:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            await announced(installation, "token")
            clock.advance(DAY)
            await installation.ceremonies.rotate(None, OPERATOR)
            await installation.backups.create(tmp_path / "a.backup", OPERATOR)
            return installation.roots, await installation.ceremonies.keys()

    async def after() -> tuple[tuple[str, ...], tuple[SigningKey, ...]]:
        async with opened(tmp_path, HeldClock(Instant(START + DAY))) as installation:
            return installation.roots, await installation.ceremonies.keys()

    kept = asyncio.run(before())
    assert len(kept[0]) == 2
    restore_backup(settings, tmp_path / "a.backup", replace=True, now=START)
    start_epoch(settings, now=Instant(START + DAY))
    assert asyncio.run(after()) == kept
