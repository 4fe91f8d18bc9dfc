"""Metered use and enrolment tokens through the services, on both databases (R-29, users-ask 14 and 63)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carnet.core.decision import Refused
from carnet.core.errors import DoesNotOpenError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.machine_file import open_machine_file
from carnet.server.domain.activations.commands import ActivationResult, DeactivateCommand, RefreshCommand
from carnet.server.domain.enrolment.commands import CreatedEnrolment, CreateEnrolment
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.domain.metering.commands import CorrectUse, RecordUse, UseResult
from carnet.server.records import OPERATOR
from support.installations import PRODUCT, START, Device, fingerprint, query
from support.license_models import Market, at_market, decided, refused, seated

METERS: list[dict[str, Any]] = [
    {"name": "exports", "period": "month", "limit": 10},
    {"name": "pages", "period": "day", "limit": 5, "overage": "report"},
    {"name": "ever", "period": "total"},
]


async def use(
    market: Market, sold: CreatedLicense, meter: str, event_id: str, amount: int = 1, **changes: Any
) -> UseResult | Refused:
    command = RecordUse(license_key=sold.key, product=PRODUCT, meter=meter, event_id=event_id, amount=amount, **changes)
    return await market.installation.metering.record(command)


def counted(outcome: UseResult | Refused) -> UseResult:
    assert isinstance(outcome, UseResult), outcome
    return outcome


def test_r_29_an_event_counts_once_whatever_happens_on_the_way(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(conditions={"meters": METERS})
        first = counted(await use(market, sold, "exports", "e-1", 4))
        assert (first.counted_now, first.usage.used, first.usage.remaining) == (True, 4, 6)
        market.clock.advance(60)
        again = counted(await use(market, sold, "exports", "e-1", 4))
        assert (again.counted_now, again.usage.used, again.counted_at) == (False, 4, START)
        outcomes = await asyncio.gather(*(use(market, sold, "exports", "e-2", 1) for _ in range(12)))
        assert sum(counted(each).counted_now for each in outcomes) == 1
        for meter, amount in (("exports", 5), ("ever", 4)):
            with pytest.raises(UsageError) as caught:
                await use(market, sold, meter, "e-1", amount)
            assert caught.value.code == "idempotency_mismatch"
        assert [each.used for each in await market.installation.metering.read(sold.license.id)] == [5, 0, 0]

    at_market(tmp_path, story)


def test_r_29_a_limit_is_exact_also_when_many_count_at_once(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(conditions={"meters": METERS})
        outcomes = await asyncio.gather(*(use(market, sold, "exports", f"e-{number}") for number in range(25)))
        assert sum(isinstance(each, UseResult) for each in outcomes) == 10
        codes = {code for each in outcomes if isinstance(each, Refused) for code in refused(each)}
        assert codes == {"usage_limit_reached"}
        missing = next(n for n, each in enumerate(outcomes) if isinstance(each, Refused))
        market.clock.advance(10 * DAY)  # the next month; what was refused was not remembered
        again = counted(await use(market, sold, "exports", f"e-{missing}"))
        assert (again.counted_now, again.usage.used) == (True, 1)

    at_market(tmp_path, story)
    sums = "SELECT sum(amount) FROM usage_events GROUP BY period_starts_at ORDER BY 1"
    assert [int(each) for (each,) in query(tmp_path, sums)] == [1, 10]


def test_r_29_a_meter_that_reports_goes_on_and_tells_once(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(conditions={"meters": METERS})
        for number in range(7):
            result = counted(await use(market, sold, "pages", f"p-{number}"))
            assert (result.usage.is_over, result.usage.remaining) == (number >= 5, max(0, 4 - number))
        assert [each.payload["used"] for each in await market.events("license.usage_over_limit")] == [6]
        midnight = Instant(START - START % DAY + DAY)
        for second, used in ((-1, 8), (0, 1), (1, 2)):
            market.clock.at = Instant(midnight + second)
            assert counted(await use(market, sold, "pages", f"m{second}")).usage.used == used

    at_market(tmp_path, story)


def test_users_ask_63_the_vendor_corrects_a_count(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(conditions={"meters": METERS})
        counted(await use(market, sold, "exports", "e-1", 10))
        assert refused(await use(market, sold, "exports", "e-2")) == ["usage_limit_reached"]
        fix = CorrectUse(license_id=sold.license.id, meter="exports", event_id="credit-1", amount=-3)
        for _ in range(2):
            assert counted(await market.installation.metering.correct(fix, OPERATOR)).usage.used == 7
        counted(await use(market, sold, "exports", "e-2"))
        entries = await market.installation._storage.audit_entries(
            object_id=sold.license.id, action="usage.corrected", before=None, limit=5
        )
        assert [(each.details["before"], each.details["after"]) for each in entries] == [(10, 7)]
        nobody = CorrectUse(license_id="nobody", meter="exports", event_id="x", amount=1)
        with pytest.raises(UsageError) as caught:
            await market.installation.metering.correct(nobody, OPERATOR)
        assert caught.value.code == "license_not_found"

    at_market(tmp_path, story)


def test_what_cannot_be_counted_is_refused_with_its_reason(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(domains=("example.com",), conditions={"meters": METERS})
        assert refused(await use(market, sold, "exports", "e-1")) == ["wrong_domain"]
        counted(await use(market, sold, "exports", "e-1", domain="example.com"))
        assert refused(await use(market, sold, "imports", "e-2", domain="example.com")) == ["meter_not_found"]
        stranger = RecordUse(license_key="nobody's", product=PRODUCT, meter="exports", event_id="e-3")
        assert refused(await market.installation.metering.record(stranger)) == ["license_not_found"]
        other = RecordUse(license_key=sold.key, product="other", meter="exports", event_id="e-3")
        assert refused(await market.installation.metering.record(other)) == ["wrong_product"]
        await market.installation.licenses.suspend(sold.license.id, OPERATOR)
        assert refused(await use(market, sold, "exports", "e-4", domain="example.com")) == ["license_suspended"]
        wrong: tuple[dict[str, Any], ...] = (
            {"amount": 0},
            {"amount": -1},
            {"amount": 10**12 + 1},
            {"event_id": ""},
            {"event_id": "a b"},
        )
        for changes in wrong:
            with pytest.raises(UsageError) as caught:
                await use(market, sold, **{"meter": "exports", "event_id": "e-9", **changes})
            assert caught.value.code == "invalid_argument"

    at_market(tmp_path, story)


# ── enrolment tokens ─────────────────────────────────────────────────────────────────────────────────────────────────


async def token(market: Market, sold: CreatedLicense, **changes: Any) -> CreatedEnrolment:
    command = CreateEnrolment(license_id=sold.license.id, name="fleet", **changes)
    return await market.installation.enrolments.create(command, OPERATOR)


def test_users_ask_14_many_machines_enrol_with_one_secret_and_none_learns_the_key(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=None)
        made = await token(market, sold, max_uses=2, group="render farm")
        ring = market.installation.ring
        for number in range(2):
            result = seated(await market.activate(made.token, number))
            opened = open_machine_file(
                result.machine_file.encode(), ring, license_key=made.token, fingerprint=fingerprint(number)
            )
            assert opened.license_id == sold.license.id
            with pytest.raises(DoesNotOpenError):
                open_machine_file(
                    result.machine_file.encode(), ring, license_key=sold.key, fingerprint=fingerprint(number)
                )
        assert refused(await market.activate(made.token, 2)) == ["enrolment_used_up"]
        again = seated(await market.activate(made.token, 1))  # the same device, the same seat
        assert not again.created
        listed = await market.installation.enrolments.list(sold.license.id)
        assert [(each.used, each.last_four, each.group) for each in listed.items] == [
            (2, made.token[-4:], "render farm")
        ]
        refreshed = seated(await market.refresh(made.token, 1))
        open_machine_file(refreshed.machine_file.encode(), ring, license_key=made.token, fingerprint=fingerprint(1))
        assert decided(await market.validate(made.token, 1))
        assert decided(await market.validate(sold.key, 1))

    at_market(tmp_path, story)
    assert query(tmp_path, "SELECT DISTINCT seat_group FROM activations") == [("render farm",)]


def test_users_ask_14_the_cap_is_exact_when_many_enrol_at_once(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=None)
        made = await token(market, sold, max_uses=3)
        outcomes = await asyncio.gather(*(market.activate(made.token, number) for number in range(12)))
        assert sum(isinstance(each, ActivationResult) for each in outcomes) == 3
        assert len(await market.events("enrolment.used")) == 3

    at_market(tmp_path, story)


def test_users_ask_14_a_token_ends_is_revoked_and_keeps_to_its_networks(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=None)
        made = await token(market, sold, expires_at=Instant(START + DAY), networks=("10.0.0.0/8",))
        assert refused(await market.activate(made.token, 1)) == ["enrolment_network"]
        assert refused(await market.activate(made.token, 1, address="192.0.2.1")) == ["enrolment_network"]
        seated(await market.activate(made.token, 1, address="10.1.2.3"))
        await market.installation.enrolments.revoke(made.enrolment.id, OPERATOR)
        assert refused(await market.activate(made.token, 2, address="10.1.2.3")) == ["enrolment_revoked"]
        # who enrolled keeps the seat, from wherever
        seated(await market.activate(made.token, 1))
        seated(await market.refresh(made.token, 1))
        market.clock.advance(DAY)
        assert refused(await market.activate(made.token, 2)) == [
            "enrolment_revoked",
            "enrolment_expired",
            "enrolment_network",
        ]
        assert refused(await market.activate(sold.key + "x", 3)) == ["license_not_found"]
        with pytest.raises(UsageError) as caught:
            await market.installation.enrolments.revoke("nobody", OPERATOR)
        assert caught.value.code == "enrolment_not_found"

    at_market(tmp_path, story)


def test_users_ask_14_a_token_speaks_for_its_own_devices_only(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=None)
        made, other = await token(market, sold), await token(market, sold)
        seated(await market.activate(sold.key, "by key"))
        seated(await market.activate(made.token, "by token"))
        for device in ("by key", "by token"):
            claim = Device(device).claim(with_key=False)
            for name in ("refresh", "deactivate"):
                kind = RefreshCommand if name == "refresh" else DeactivateCommand
                command: Any = kind(product=PRODUCT, device=claim, license_key=other.token)
                answered = await getattr(market.installation.activations, name)(command)
                assert refused(answered.result) == ["license_not_found"]
        assert refused(await market.refresh(made.token, "by key")) == ["license_not_found"]
        await market.leave(made.token, "by token")
        assert (await market.view(sold)).seats.used == 1

    at_market(tmp_path, story)


def test_a_device_that_came_with_a_token_counts_with_it_until_it_is_revoked(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(conditions={"meters": METERS})
        made = await token(market, sold)
        command = RecordUse(license_key=made.token, product=PRODUCT, meter="exports", event_id="e-1", amount=2)
        assert counted(await market.installation.metering.record(command)).usage.used == 2
        assert counted(await use(market, sold, "exports", "e-2")).usage.used == 3
        await market.installation.enrolments.revoke(made.enrolment.id, OPERATOR)
        again = RecordUse(license_key=made.token, product=PRODUCT, meter="exports", event_id="e-3")
        assert refused(await market.installation.metering.record(again)) == ["license_not_found"]

    at_market(tmp_path, story)


def test_sec_32_no_enrolment_token_is_in_the_database(tmp_path: Path) -> None:
    seen: list[str] = []

    async def story(market: Market) -> None:
        made = await token(market, await market.sold())
        seated(await market.activate(made.token))
        seen.append(made.token)

    at_market(tmp_path, story)
    for table in ("enrolments", "events", "audit", "issuances", "activations", "licenses"):
        for row in query(tmp_path, f"SELECT * FROM {table}"):  # noqa: S608 - our own names
            for value in row:
                text = value if isinstance(value, bytes) else str(value).encode()
                assert seen[0].encode() not in text


@pytest.mark.parametrize(
    "changes",
    [
        {"max_uses": 0},
        {"max_uses": 10**9 + 1},
        {"expires_at": START},
        {"networks": ("10.1.2.3/8",)},
        {"networks": ("everywhere",)},
        {"networks": ("10.0.0.0/8",) * 65},
        {"group": ""},
    ],
)
def test_tokens_are_bounded(tmp_path: Path, changes: dict[str, Any]) -> None:
    async def story(market: Market) -> None:
        with pytest.raises(UsageError) as caught:
            await token(market, await market.sold(), **changes)
        assert caught.value.code == "invalid_argument"

    at_market(tmp_path, story)
