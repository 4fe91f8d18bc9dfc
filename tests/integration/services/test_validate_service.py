from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carnet.core.instant import DAY, Instant
from carnet.formats.answer import answer_to_refusal
from carnet.server.domain.activations.commands import ValidateCommand, ValidationResult
from carnet.server.domain.answers import Answered
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR
from support.installations import PRODUCT, Device, HeldClock, licensed, query
from support.stories import granted, proved, refused, tell

SHORT_WARNING = {"warn_before_seconds": DAY, "term_grace_seconds": DAY}


def validate(key: str, device: Device | None = None, **changes: Any) -> ValidateCommand:
    command: dict[str, Any] = {"license_key": key, "product": PRODUCT, **changes}
    return ValidateCommand(device=None if device is None else device.claim(), **command)


def valid(answered: Answered[ValidationResult], state: str) -> ValidationResult:
    assert isinstance(answered.result, ValidationResult), answered.result
    assert answered.result.decision.state == state
    assert answered.result.valid == bool(answered.result.decision)
    return answered.result


def test_r_21_an_activated_device_is_valid_and_one_without_a_seat_is_not(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        seat = granted(await installation.activations.activate(Device().activate(created.key)))
        result = valid(await installation.activations.validate(validate(created.key, Device())), "active")
        assert result.activation is not None
        assert result.activation.id == seat.activation.id
        assert result.license.id == created.license.id
        result = valid(await installation.activations.validate(validate(created.key, Device("two"))), "not_activated")
        assert result.activation is None
        assert not result.valid
        valid(await installation.activations.validate(validate(created.key.lower())), "active")  # the license alone

    tell(tmp_path, story)


def test_a_device_that_gave_its_seat_back_is_told_when(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        seat = granted(await installation.activations.activate(Device().activate(created.key)))
        await installation.activations.deactivate_by_vendor(seat.activation.id, OPERATOR)
        result = valid(await installation.activations.validate(validate(created.key, Device())), "not_activated")
        assert [reason.code for reason in result.decision.reasons] == ["deactivated"]
        assert result.activation is None

    tell(tmp_path, story)


def test_a_policy_that_needs_no_activation_is_valid_on_any_device(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        valid(await installation.activations.validate(validate(created.key, Device())), "active")

    tell(tmp_path, story, overrides={"require_activation": False})


def test_r_82_every_reason_is_told_not_only_the_first(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        granted(await installation.activations.activate(Device().activate(created.key, domain="example.com")))
        await installation.licenses.suspend(created.license.id, OPERATOR)
        clock.advance(30 * DAY)
        result = valid(
            await installation.activations.validate(validate(created.key, Device(), domain="evil.org")), "wrong_domain"
        )
        codes = [reason.code for reason in result.decision.reasons]
        assert codes[0] == "wrong_domain"
        assert {"license_suspended", "license_expired"} <= set(codes)

    tell(tmp_path, story, duration_seconds=DAY, overrides={"domains": ["example.com"]})


@pytest.mark.parametrize(
    ("days", "first_two"),
    [
        (0, ["not_activated", "license_not_started"]),
        (1, ["not_activated"]),
        (4, ["not_activated", "license_term_ending"]),
        (5, ["not_activated", "license_expired"]),
        (12, ["not_activated", "license_expired"]),
    ],
)
def test_r_82_a_device_without_a_seat_is_told_all_that_is_in_its_way(
    tmp_path: Path, days: int, first_two: list[str]
) -> None:
    async def story(installation: Installation, _: CreatedLicense, clock: HeldClock) -> None:
        made = await licensed(
            installation, starts_at=Instant(clock.at + DAY), duration_seconds=4 * DAY, overrides=SHORT_WARNING
        )
        clock.advance(days * DAY)
        result = valid(await installation.activations.validate(validate(made.key, Device())), "not_activated")
        assert [reason.code for reason in result.decision.reasons] == first_two
        assert not result.valid
        assert result.decision.entitlements == ()
        assert result.decision.license_id == made.license.id

    tell(tmp_path, story)


def test_r_82_a_device_that_gave_its_seat_back_hears_of_domain_and_term_too(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        seat = granted(await installation.activations.activate(Device().activate(created.key, domain="example.com")))
        await installation.activations.deactivate_by_vendor(seat.activation.id, OPERATOR)
        clock.advance(60 * DAY)
        result = valid(
            await installation.activations.validate(validate(created.key, Device(), domain="evil.org")), "wrong_domain"
        )
        codes = [reason.code for reason in result.decision.reasons]
        assert codes == ["wrong_domain", "deactivated", "license_expired"]

    tell(tmp_path, story, duration_seconds=DAY, overrides={"domains": ["example.com"]})


def test_a_check_now_is_never_too_old_a_check(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        seat = granted(await installation.activations.activate(Device().activate(created.key)))
        await installation.activations.deactivate_by_vendor(seat.activation.id, OPERATOR)
        clock.advance(60 * DAY)
        result = valid(await installation.activations.validate(validate(created.key, Device())), "not_activated")
        assert [reason.code for reason in result.decision.reasons] == ["deactivated"]

    tell(tmp_path, story, overrides={"max_revocation_age_seconds": 1})


def test_the_term_of_a_license_is_judged_to_the_second(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        granted(await installation.activations.activate(Device().activate(created.key)))
        assert created.license.expires_at is not None
        end = created.license.expires_at
        for moment, state in (
            (end - 10 * DAY - 1, "active"),
            (end - 1, "expiring"),
            (end, "grace"),
            (end + 7 * DAY - 1, "grace"),
            (end + 7 * DAY, "expired"),
        ):
            clock.at = Instant(moment)
            valid(await installation.activations.validate(validate(created.key, Device())), state)

    tell(tmp_path, story, duration_seconds=60 * DAY)


def test_r_40_an_app_version_beyond_the_ceiling_is_limited(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        for version, state in (("2.9.9", "active"), ("3.0.0", "edition_mismatch")):
            command = validate(created.key, app_version=version)
            valid(await installation.activations.validate(command), state)

    tell(tmp_path, story, overrides={"below_version": "3.0.0"})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"license_key": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"}, "license_not_found"),
        ({"product": "other"}, "wrong_product"),
    ],
)
def test_only_key_and_product_that_name_no_license_are_refused(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        command = validate(
            **{"key": created.key, **{("key" if k == "license_key" else k): v for k, v in changes.items()}}
        )
        refused(await installation.activations.validate(command), code)

    tell(tmp_path, story)


def test_sec_30_a_validation_is_proved_and_a_no_becomes_a_tombstone(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        seat = granted(await installation.activations.activate(Device().activate(created.key)))
        answer = proved(
            installation, await installation.activations.validate(validate(created.key, Device(), nonce="n"))
        )
        assert (answer.action, answer.outcome, answer.activation_id) == ("validate", "granted", seat.activation.id)
        await installation.licenses.revoke(created.license.id, OPERATOR)
        answered = await installation.activations.validate(validate(created.key, Device(), nonce="n"))
        valid(answered, "revoked")
        refusal = answer_to_refusal(proved(installation, answered))
        assert (refusal.code, refusal.activation_id) == ("license_revoked", seat.activation.id)

    tell(tmp_path, story)


def test_design_2_9_validating_writes_nothing(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        granted(await installation.activations.activate(Device().activate(created.key)))
        before = installation.storage_stats()
        for _turn in range(20):
            await installation.activations.validate(validate(created.key, Device(), nonce="n"))
            await installation.activations.validate(validate("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", Device()))
        assert installation.storage_stats() == before

    tell(tmp_path, story)


def test_sec_34_refusals_of_an_activation_write_nothing_whatever_their_reason(tmp_path: Path) -> None:
    def writes() -> int:
        return int(query(tmp_path, "SELECT max(seq) FROM audit")[0][0])

    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        suspended = await licensed(installation)
        await installation.licenses.suspend(suspended.license.id, OPERATOR)
        before = writes()
        for command in (
            Device().activate("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"),
            Device().activate(created.key, product="other"),
            Device().activate(suspended.key),
        ):
            refused_answer = await installation.activations.activate(command)
            assert hasattr(refused_answer.result, "code")
        assert writes() == before

    tell(tmp_path, story)
