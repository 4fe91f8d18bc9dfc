from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.license_token import verify_license_token
from carnet.formats.machine_file import open_machine_file
from carnet.server.domain.activations.commands import (
    DeactivateCommand,
    DeactivationResult,
    DeviceProofInput,
    RefreshCommand,
)
from carnet.server.domain.answers import Answered
from carnet.server.domain.licenses.commands import CreatedLicense, RenewLicense
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR
from support.installations import PRODUCT, START, Device, HeldClock, fingerprint, licensed, query
from support.stories import granted, proved, refused, tell


def refresh(device: Device, proof: DeviceProofInput | None = None, **changes: Any) -> RefreshCommand:
    return RefreshCommand(product=PRODUCT, device=device.claim(), device_proof=proof, **changes)


def leave(device: Device, proof: DeviceProofInput | None = None, **changes: Any) -> DeactivateCommand:
    return DeactivateCommand(product=PRODUCT, device=device.claim(), device_proof=proof, **changes)


def freed(answered: Answered[DeactivationResult]) -> DeactivationResult:
    assert isinstance(answered.result, DeactivationResult), answered.result
    return answered.result


def test_r_21_a_refresh_by_activation_and_proof_gives_fresh_artifacts_for_the_same_seat(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        first = granted(await installation.activations.activate(device.activate(created.key)))
        clock.advance(3 * DAY)
        proof = device.proof(at=clock.at)
        answered = await installation.activations.refresh(
            refresh(device, proof, activation_id=first.activation.id, nonce="n")
        )
        second = granted(answered)
        assert not second.created
        assert second.activation.id == first.activation.id
        assert second.activation.refreshed_at == clock.at
        assert second.activation.covered_until == clock.at - 60 + 30 * DAY
        token = verify_license_token(second.token, installation.ring)
        assert token.issued_at == clock.at - 60
        open_machine_file(  # sealed for the stored key, which the request did not carry
            second.machine_file.encode(), installation.ring, license_key=created.key, fingerprint=fingerprint("one")
        )
        answer = proved(installation, answered)
        assert (answer.action, answer.outcome, answer.activation_id) == ("refresh", "granted", first.activation.id)
        assert second.license.seats.used == 1

    tell(tmp_path, story)


def test_sec_45_key_and_identifier_do_not_refresh_a_device_that_has_a_key_of_its_own(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device, thief = Device(), Device(seed=9)
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        known: dict[str, Any] = {"license_key": created.key, "activation_id": seat.activation.id}
        for proof in (
            None,
            thief.proof(at=clock.at),
            DeviceProofInput(proof="", method="POST", path="/v1/refresh", body=b"{}"),
            DeviceProofInput(proof="a.b.c", method="POST", path="/v1/refresh", body=b"{}"),
        ):
            code = "device_proof_required" if proof is None else "device_proof_invalid"
            refused(await installation.activations.refresh(refresh(device, proof, **known)), code)
            refused(await installation.activations.deactivate(leave(device, proof, **known)), code)
        assert (await installation.activations.get(seat.activation.id)).deactivated_at is None
        granted(await installation.activations.refresh(refresh(device, device.proof(at=clock.at), **known)))

    tell(tmp_path, story)


@pytest.mark.parametrize("seconds", [-301, -300, 0, 300, 301])
def test_sec_45_a_proof_counts_for_five_minutes_either_way(tmp_path: Path, seconds: int) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        command = refresh(device, device.proof(at=Instant(clock.at + seconds)), activation_id=seat.activation.id)
        answered = await installation.activations.refresh(command)
        if abs(seconds) <= 300:
            granted(answered)
        else:
            refused(answered, "device_proof_invalid")

    tell(tmp_path, story)


def test_sec_45_a_proof_counts_for_its_request_only(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        proof = device.proof(at=clock.at)
        for changes in (
            {"method": "PUT"},
            {"path": "/v1/deactivate"},
            {"body": b'{"product":"other"}'},
        ):
            moved = replace(proof, **changes)
            command = refresh(device, moved, activation_id=seat.activation.id)
            refused(await installation.activations.refresh(command), "device_proof_invalid")

    tell(tmp_path, story)


def test_sec_45_a_proof_works_once_also_in_parallel_and_after_a_restart(tmp_path: Path) -> None:
    taken: list[Any] = []

    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        command = refresh(device, device.proof(at=clock.at), activation_id=seat.activation.id)
        answers = await asyncio.gather(*(installation.activations.refresh(command) for _ in range(20)))
        assert sum(not hasattr(answered.result, "code") for answered in answers) == 1
        clock.advance(300)
        refused(await installation.activations.refresh(command), "device_proof_invalid")
        taken.append(command)

    async def later(installation: Installation, _: CreatedLicense, __: HeldClock) -> None:
        refused(await installation.activations.refresh(taken[0]), "device_proof_invalid")

    tell(tmp_path, story)
    tell(tmp_path, later)


def test_proofs_that_could_not_be_fresh_any_more_are_forgotten(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        for number in range(5):
            proof = device.proof(at=clock.at, nonce=f"n-{number}")
            granted(await installation.activations.refresh(refresh(device, proof, activation_id=seat.activation.id)))
            await installation.upkeep.forget_traffic()  # a job; SQLite's writer does it as it goes along, too
            clock.advance(700)

    tell(tmp_path, story)
    assert query(tmp_path, "SELECT count(*) FROM seen_proofs") == [(1,)]


def test_without_a_device_key_the_license_key_is_needed_and_enough(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key, with_key=False)))
        by_id = refresh(device, activation_id=seat.activation.id)
        refused(await installation.activations.refresh(by_id), "license_key_required")
        refused(
            await installation.activations.deactivate(leave(device, activation_id=seat.activation.id)),
            "license_key_required",
        )
        granted(await installation.activations.refresh(replace(by_id, license_key=created.key)))
        granted(await installation.activations.refresh(refresh(device, license_key=created.key)))

    tell(tmp_path, story)


def test_a_reinstalled_app_registers_its_new_key_and_the_old_one_ends(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        before, after = Device(), Device(seed=9)
        seat = granted(await installation.activations.activate(before.activate(created.key)))
        assert granted(await installation.activations.activate(after.activate(created.key))).activation.id == (
            seat.activation.id
        )
        known = {"activation_id": seat.activation.id}
        refused(
            await installation.activations.refresh(refresh(before, before.proof(at=clock.at), **known)),
            "device_proof_invalid",
        )
        granted(await installation.activations.refresh(refresh(after, after.proof(at=clock.at), **known)))
        audited = (await installation.audit.list()).items
        assert [entry.details.get("rekeyed") for entry in audited if entry.action == "activation.repeated"] == [True]

    tell(tmp_path, story)


def test_activating_again_without_a_key_does_not_take_the_registered_one_away(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        granted(await installation.activations.activate(device.activate(created.key, with_key=False)))
        command = refresh(device, activation_id=seat.activation.id, license_key=created.key)
        refused(await installation.activations.refresh(command), "device_proof_required")

    tell(tmp_path, story)


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        other = await licensed(installation)
        known = {"activation_id": seat.activation.id}
        proofs = (device.proof(at=clock.at, nonce=f"n-{number}") for number in range(99))
        for changes, code in (
            ({"activation_id": "nowhere"}, "activation_not_found"),
            ({"activation_id": seat.activation.id, "license_key": other.key}, "license_not_found"),
            ({"license_key": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"}, "license_not_found"),
            ({"license_key": other.key}, "activation_not_found"),
            ({**known, "product": "other"}, "wrong_product"),
            ({**known, "device": Device("two").claim()}, "wrong_device"),
        ):
            command = replace(refresh(device, next(proofs)), **changes)
            refused(await installation.activations.refresh(command), code)
            gone = replace(leave(device, next(proofs)), **changes)
            refused(await installation.activations.deactivate(gone), code)
        with pytest.raises(UsageError) as caught:
            await installation.activations.refresh(refresh(device))
        assert caught.value.code == "invalid_argument"

    tell(tmp_path, story)


def test_nobody_without_key_or_proof_learns_how_a_license_stands(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        await installation.licenses.revoke(created.license.id, OPERATOR)
        answered = await installation.activations.refresh(refresh(device, activation_id=seat.activation.id))
        refusal = refused(answered, "device_proof_required")
        assert (refusal.license_id, len(refusal.reasons)) == (None, 1)

    tell(tmp_path, story)


def test_r_24_a_refresh_of_a_stopped_license_is_refused_with_the_reason(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        numbers = iter(range(99))

        async def again() -> Any:
            proof = device.proof(at=clock.at, nonce=f"n-{next(numbers)}")
            return await installation.activations.refresh(
                refresh(device, proof, activation_id=seat.activation.id, nonce="n")
            )

        await installation.licenses.suspend(created.license.id, OPERATOR)
        answered = await again()
        refused(answered, "license_suspended")
        assert proved(installation, answered).code == "license_suspended"
        await installation.licenses.reinstate(created.license.id, OPERATOR)
        granted(await again())
        await installation.licenses.revoke(created.license.id, OPERATOR)
        refusal = refused(await again(), "license_revoked")
        assert (refusal.license_id, refusal.activation_id) == (created.license.id, seat.activation.id)

    tell(tmp_path, story)


def test_a_lapsed_license_refreshes_within_its_terms_grace_and_not_after(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        assert created.license.expires_at is not None
        end = created.license.expires_at + 7 * DAY
        for moment in (created.license.expires_at, end - 1, end):
            clock.at = Instant(moment)
            proof = device.proof(at=clock.at, nonce=f"at-{moment}")
            command = refresh(device, proof, activation_id=seat.activation.id)
            answered = await installation.activations.refresh(command)
            if moment < end:
                token = verify_license_token(granted(answered).token, installation.ring)
                assert token.offline_until is not None
                assert token.offline_until <= end
            else:
                refused(answered, "license_expired")
        renewed = RenewLicense(license_id=created.license.id, duration_seconds=30 * DAY)
        await installation.licenses.renew(renewed, OPERATOR)
        proof = device.proof(at=clock.at, nonce="after")
        granted(await installation.activations.refresh(refresh(device, proof, activation_id=seat.activation.id)))

    tell(tmp_path, story, duration_seconds=DAY)


def test_r_21_a_device_gives_its_seat_back_and_repeating_it_answers_the_same(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        clock.advance(10)
        known = {"activation_id": seat.activation.id}
        answered = await installation.activations.deactivate(
            leave(device, device.proof(at=clock.at), **known, nonce="n")
        )
        first = freed(answered)
        assert first.deactivated_at == first.activation.deactivated_at == clock.at
        answer = proved(installation, answered)
        assert (answer.action, answer.outcome, answer.artifacts) == ("deactivate", "granted", ())
        assert (await installation.licenses.get(created.license.id)).seats.used == 0
        clock.advance(10)
        proof = device.proof(at=clock.at, nonce="again")
        again = freed(await installation.activations.deactivate(leave(device, proof, **known)))
        assert (again.deactivated_at, again.activation) == (first.deactivated_at, first.activation)
        by_key = freed(
            await installation.activations.deactivate(
                leave(device, device.proof(at=clock.at, nonce="key"), license_key=created.key)
            )
        )
        assert by_key.activation == first.activation
        assert (await installation.licenses.get(created.license.id)).seats.used == 0
        actions = [entry.action for entry in (await installation.audit.list()).items]
        assert actions.count("activation.deactivated") == 1
        refusal = refused(
            await installation.activations.refresh(refresh(device, device.proof(at=clock.at, nonce="r"), **known)),
            "deactivated",
        )
        assert "2026" in refusal.reasons[0].message  # when

    tell(tmp_path, story)


@pytest.mark.parametrize("stop", ["suspend", "revoke"])
def test_a_stopped_license_still_takes_its_seats_back(tmp_path: Path, stop: str) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        await getattr(installation.licenses, stop)(created.license.id, OPERATOR)
        command = leave(device, device.proof(at=clock.at), activation_id=seat.activation.id)
        assert freed(await installation.activations.deactivate(command)).deactivated_at == START

    tell(tmp_path, story)


def test_users_ask_12_13_the_vendor_frees_a_seat_and_the_device_is_told(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        clock.advance(10)
        view = await installation.activations.deactivate_by_vendor(seat.activation.id, OPERATOR, reason="lost laptop")
        assert view.deactivated_at == clock.at
        assert view.covered_until == seat.activation.covered_until  # what it holds goes on until then
        clock.advance(10)
        assert await installation.activations.deactivate_by_vendor(seat.activation.id, OPERATOR) == view
        command = refresh(device, device.proof(at=clock.at), activation_id=seat.activation.id)
        refused(await installation.activations.refresh(command), "deactivated")
        audited = [
            entry for entry in (await installation.audit.list()).items if entry.action == "activation.deactivated"
        ]
        assert [(entry.actor, entry.details["reason"]) for entry in audited] == [(OPERATOR, "lost laptop")]
        with pytest.raises(UsageError) as caught:
            await installation.activations.deactivate_by_vendor("nowhere", OPERATOR)
        assert caught.value.code == "activation_not_found"

    tell(tmp_path, story)
