"""SEC-24: artifacts that are seen and were never issued; on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Grant
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.machine_file import open_machine_file
from carnet.server.domain.reissue.held import HeldArtifact
from carnet.server.installation import Installation
from carnet.server.ports.never_issued import Stranger
from support.drills import compromised, stolen
from support.installations import START, Device, HeldClock, fingerprint, licensed, opened, root_keys
from support.stories import granted, refused


def held_of(grant: Grant) -> HeldArtifact:
    """What a device says of *grant*."""
    assert grant.kind in ("token", "machine-file")
    return HeldArtifact(
        kind=grant.kind,
        jti=grant.id,
        kid=str(grant.kid),
        issued_at=str(grant.issued_at),
        expires_at=str(grant.offline_until),
    )


async def both(installation: Installation, key: str) -> tuple[Grant, Grant]:
    """What a device gets that is activated with *key* now."""
    result = granted(await installation.activations.activate(Device().activate(key)))
    token = verify_license_token(result.token, installation.ring)
    by_file = open_machine_file(
        result.machine_file.encode(), installation.ring, license_key=key, fingerprint=fingerprint("one")
    )
    return token, by_file


async def seen(installation: Installation) -> tuple[Stranger, ...]:
    """What is recorded, once what was noted is looked up."""
    await installation.seen.flush()
    return await installation.store.strangers(kid=None, limit=100)


def test_sec_24_what_was_issued_is_nothing_to_tell(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            key = (await licensed(installation, policy="enterprise")).key
            held = tuple(map(held_of, await both(installation, key)))
            await installation.activations.activate(Device().activate(key, held=held))
            assert await seen(installation) == ()

    asyncio.run(story())


def test_sec_24_what_was_never_issued_is_recorded_audited_and_told_once(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            key = (await licensed(installation)).key
            token, by_file = await both(installation, key)
            forged = replace(token, id="forged", issued_at=Instant(START - 365 * DAY))
            longer = replace(by_file, offline_until=Instant(START + 3000 * DAY))
            held = (held_of(forged), held_of(longer), held_of(token))
            for _ in range(2):
                await installation.activations.activate(Device().activate(key, held=held))
                found = await seen(installation)
                clock.advance(60)
            assert {(each.jti, each.reason, each.times) for each in found} == {
                ("forged", "unknown", 2),
                (by_file.id, "differs", 2),
            }
            for each in found:
                assert not each.proved, "a device told it, and a device can tell anything"
                assert (each.license_id, each.activation_id) == (token.license_id, token.activation_id)
                assert (each.first_seen_at, each.last_seen_at) == (START, START + 60)
            rows = [each for each in (await installation.audit.list(limit=500)).items if each.object_kind == "artifact"]
            assert sorted(each.object_id for each in rows) == sorted(["forged", by_file.id])
            events = await _events(installation)
            assert sorted(each["object_id"] for each in events) == sorted(["forged", by_file.id])

    asyncio.run(story())


def test_sec_24_a_refused_device_is_heard_as_well(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            made = await licensed(installation)
            token, _ = await both(installation, made.key)
            await installation.licenses.revoke(made.license.id, _operator())
            held = (held_of(replace(token, id="forged")),)
            refused(await installation.activations.activate(Device().activate(made.key, held=held)), "license_revoked")
            (found,) = await seen(installation)
            assert (found.jti, found.license_id) == ("forged", made.license.id)

    asyncio.run(story())


@pytest.mark.parametrize("change", [{"kid": "A" * 43}, {"issued_at": "2026-13-01T00:00:00Z"}, {"expires_at": "soon"}])
def test_what_names_no_key_of_ours_or_no_times_is_noise(tmp_path: Path, change: dict[str, Any]) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            key = (await licensed(installation)).key
            token, _ = await both(installation, key)
            held = (replace(held_of(token), jti="forged", **change),)
            await installation.activations.activate(Device().activate(key, held=held))
            assert await seen(installation) == ()

    asyncio.run(story())


def test_who_cannot_name_a_license_fills_no_table(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            key = (await licensed(installation)).key
            token, _ = await both(installation, key)
            held = (held_of(replace(token, id="forged")),)
            answered = await installation.activations.activate(Device().activate("NO-SUCH-KEY", held=held))
            refused(answered, "license_not_found")
            assert await seen(installation) == ()

    asyncio.run(story())


def test_nobody_fills_the_table_beyond_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.server.domain.reissue.seen.MAX_RECORDED", 3)

    async def story() -> None:
        async with opened(tmp_path) as installation:
            key = (await licensed(installation)).key
            token, _ = await both(installation, key)
            for number in range(5):
                held = (held_of(replace(token, id=f"forged-{number}")),)
                await installation.activations.activate(Device().activate(key, held=held))
                found = await seen(installation)
            assert len(found) == await installation.store.count_strangers(kid=token.kid) == 3
            held = (held_of(replace(token, id="forged-0")),)
            await installation.activations.activate(Device().activate(key, held=held))
            assert {each.times for each in await seen(installation)} == {1, 2}, "what is there is counted on"

    asyncio.run(story())


def test_who_has_one_license_key_crowds_out_neither_others_nor_what_we_see_ourselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carnet.server.domain.reissue.seen.MAX_RECORDED", 4)
    monkeypatch.setattr("carnet.server.domain.reissue.seen.MAX_OF_LICENSE", 3)

    async def story() -> None:
        async with opened(tmp_path) as installation:
            flooding, other = [(await licensed(installation)).key for _ in range(2)]
            token, _ = await both(installation, flooding)
            for number in range(5):
                held = (held_of(replace(token, id=f"noise-{number}")),)
                await installation.activations.activate(Device().activate(flooding, held=held))
                found = await seen(installation)
            assert len(found) == 3
            held = (held_of(replace(token, id="of-a-thief")),)
            await installation.activations.activate(Device().activate(other, held=held))
            assert "of-a-thief" in {each.jti for each in await seen(installation)}
            shown = replace(found[0], jti="in-our-hands", proved=True)
            await installation.seen.record((shown,))
            assert "in-our-hands" in {each.jti for each in await seen(installation)}

    asyncio.run(story())


def test_a_full_buffer_drops_and_counts(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            installation.seen._most = 2
            key = (await licensed(installation)).key
            token, _ = await both(installation, key)
            held = tuple(held_of(replace(token, id=f"forged-{number}")) for number in range(4))
            await installation.activations.activate(Device().activate(key, held=held))
            assert installation.seen.dropped == 2
            assert len(await seen(installation)) == 2

    asyncio.run(story())


def test_sec_24_what_cannot_be_looked_up_now_is_looked_up_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            key = (await licensed(installation)).key
            token, _ = await both(installation, key)
            await installation.activations.activate(
                Device().activate(key, held=(held_of(replace(token, id="forged")),))
            )

            async def away(*_: Any) -> Any:
                raise CarnetError("storage_unavailable", "The database is away.", "Wait.")

            with monkeypatch.context() as patch:
                patch.setattr(installation.store, "issuances_of", away)
                with pytest.raises(CarnetError):
                    await installation.seen.flush()
            assert len(await seen(installation)) == 1

    asyncio.run(story())


def test_sec_24_a_file_from_anywhere_is_held_against_the_register(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            made = await licensed(installation, policy="enterprise")
            result = granted(await installation.activations.activate(Device().activate(made.key)))
            genuine = write_bundle(Bundle(token=result.token, machine_file=result.machine_file))
            checked = await installation.checking.check(genuine.encode())
            assert [each.verdict for each in checked] == ["as_issued", "as_issued"]
            assert await seen(installation) == ()

            thief = stolen(installation, "token")
            token = verify_license_token(result.token, installation.ring)
            forged = issue_license_token(replace(token, id="forged"), thief)
            longer = issue_license_token(replace(token, license_expires_at=None, customer="somebody"), thief)
            kid = await compromised(installation, root_keys(), "token")
            for text, verdict, differs in ((forged, "unknown", ()), (longer, "differs", ("customer",))):
                (one,) = await installation.checking.check(text.encode())
                assert (one.verdict, one.differs, one.key_state) == (verdict, differs, "compromised")
            (after,) = await installation.checking.check(result.token.encode())
            assert after.verdict == "as_issued", "what we issued is what we issued, whatever became of the key"
            found = await seen(installation)
            assert {(each.jti, each.proved) for each in found} == {("forged", True), (token.id, True)}
            report = await installation.reissue.run(kid, _operator(), settle_seconds=0)
            assert report.activations == 1

    asyncio.run(story())


def test_what_no_key_of_ours_signed_is_nobodys_worry(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            made = await licensed(installation)
            result = granted(await installation.activations.activate(Device().activate(made.key)))
            token = verify_license_token(result.token, installation.ring)
            with pytest.raises(NotGenuineError):
                await installation.checking.check(issue_license_token(token, Ed25519Signer(b"x" * 32)).encode())
            with pytest.raises(UsageError) as unreadable:
                await installation.checking.check(result.machine_file.encode())
            assert unreadable.value.code == "artifact_unreadable"
            assert await seen(installation) == ()

    asyncio.run(story())


async def _events(installation: Installation) -> list[dict[str, Any]]:
    from support.installations import execute

    found = execute(installation.settings, "SELECT object_id, kind FROM events WHERE kind = 'artifact.never_issued'")
    return [{"object_id": row[0]} for row in found]


def _operator() -> Any:
    from carnet.server.records import OPERATOR

    return OPERATOR
