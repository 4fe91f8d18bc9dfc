from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.model import Entitlement, Policy
from carnet.formats.license_key import canonical_license_key
from carnet.server.domain.customers.commands import CreateCustomer
from carnet.server.domain.licenses.commands import CreatedLicense, CreateLicense, RenewLicense
from carnet.server.domain.policies.commands import CreatePolicy
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR, Actor
from support.installations import START, HeldClock, licensed
from support.stories import tell

VENDOR = Actor(kind="vendor", id="key-1")


def test_a_new_license_has_its_policys_rules_and_a_key_of_its_own(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        view = created.license
        assert (view.product, view.policy, view.type, view.status) == ("hustl", "consumer", "perpetual", "active")
        assert (view.seats.limit, view.seats.used) == (2, 0)
        assert (view.starts_at, view.expires_at, view.customer) == (None, None, None)
        assert canonical_license_key(created.key) == created.key
        assert view.key_last_four == created.key[-4:]
        assert (await installation.licenses.get(view.id)) == view
        assert (await installation.licenses.find(f" {created.key.lower()} ")) == view
        other = await licensed(installation)
        assert other.key != created.key
        assert other.license.id > view.id

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("changes", "kind", "starts", "ends"),
    [
        ({}, "perpetual", None, None),
        ({"duration_seconds": 1}, "timed", None, START + 1),
        ({"expires_at": Instant(START + 1)}, "timed", None, START + 1),
        ({"type": "trial", "duration_seconds": DAY}, "trial", None, START + DAY),
        ({"type": "timed", "starts_at": Instant(START + 5), "duration_seconds": 10}, "timed", START + 5, START + 15),
        ({"starts_at": Instant(START + 5)}, "perpetual", START + 5, None),
        ({"policy": "month"}, "timed", None, START + 30 * DAY),
        ({"policy": "month", "duration_seconds": DAY}, "timed", None, START + DAY),
        ({"policy": "month", "type": "trial"}, "trial", None, START + 30 * DAY),
        ({"policy": "month", "type": "perpetual"}, "perpetual", None, None),
        ({"expires_at": Instant(MAX_INSTANT)}, "timed", None, MAX_INSTANT),
    ],
)
def test_r_01_perpetual_timed_and_trial_licenses(
    tmp_path: Path, changes: dict[str, Any], kind: str, starts: int | None, ends: int | None
) -> None:
    async def story(installation: Installation, _: CreatedLicense, __: HeldClock) -> None:
        month = CreatePolicy(
            product="hustl", policy=Policy(name="month"), license_type="timed", duration_seconds=30 * DAY
        )
        await installation.policies.create(month, OPERATOR)
        view = (await licensed(installation, **changes)).license
        assert (view.type, view.starts_at, view.expires_at) == (kind, starts, ends)
        assert await installation.licenses.get(view.id) == view

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"product": "nowhere"}, "product_not_found"),
        ({"policy": "nothing"}, "policy_not_found"),
        ({"customer": "nobody"}, "customer_not_found"),
        ({"type": "timed"}, "invalid_argument"),  # and no end
        ({"type": "perpetual", "duration_seconds": 5}, "invalid_argument"),
        ({"duration_seconds": 5, "expires_at": Instant(START + 5)}, "invalid_argument"),
        ({"duration_seconds": 0}, "invalid_argument"),
        ({"duration_seconds": 100 * 366 * DAY + 1}, "invalid_argument"),
        ({"expires_at": START}, "invalid_argument"),
        ({"starts_at": Instant(START + 9), "expires_at": Instant(START + 9)}, "invalid_argument"),
        ({"metadata": {"a": 0.5}}, "invalid_argument"),
        ({"overrides": {"seats": 5}}, "bad_policy"),
        ({"overrides": {"seat_limit": 0}}, "bad_policy"),
        ({"overrides": {"name": "other"}}, "bad_policy"),
        ({"overrides": {"entitlements": [f"{number:0>90}" for number in range(200)]}}, "bad_policy"),  # > 8 KiB token
    ],
)
def test_what_cannot_be_issued_is_refused_and_nothing_is_stored(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        with pytest.raises(UsageError) as caught:
            await licensed(installation, **changes)
        assert caught.value.code == code
        assert caught.value.fix
        assert [view.id for view in (await installation.licenses.list()).items] == [created.license.id]

    tell(tmp_path, story)


def test_r_05_overrides_win_over_the_policy_and_the_rest_is_inherited(tmp_path: Path) -> None:
    async def story(_: Installation, created: CreatedLicense, __: HeldClock) -> None:
        view = created.license
        assert view.seats.limit == 7
        assert view.entitlements == (Entitlement(key="export", below_version="2.0.0"),)
        assert view.effective.grace_seconds == 7 * DAY
        assert (view.overrides["seat_limit"], view.metadata) == (7, {"order": "A-1", "nested": {"n": [1, None]}})

    tell(
        tmp_path,
        story,
        overrides={"seat_limit": 7, "entitlements": [{"key": "export", "below_version": "2.0.0"}]},
        metadata={"order": "A-1", "nested": {"n": [1, None]}},
    )


def test_a_customers_licenses_are_listed_and_the_customer_is_an_opaque_id(tmp_path: Path) -> None:
    async def story(installation: Installation, _: CreatedLicense, __: HeldClock) -> None:
        command = CreateCustomer(name="Zoë", email="zoe@example.com", metadata={"crm": 7})
        customer = await installation.customers.create(command, VENDOR)
        assert await installation.customers.get(customer.id) == customer
        assert (await installation.customers.list()).items == (customer,)
        made = await licensed(installation, customer=customer.id)
        listed = (await installation.licenses.list(customer=customer.id)).items
        assert [view.id for view in listed] == [made.license.id]
        # the audit names the customer by id only.
        assert "zoe" not in repr((await installation.audit.list()).items).lower()
        with pytest.raises(UsageError) as caught:
            await installation.customers.get("nobody")
        assert caught.value.code == "customer_not_found"

    tell(tmp_path, story)


def test_suspending_reinstating_and_revoking_are_idempotent_and_revoking_is_final(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        licenses, license_id = installation.licenses, created.license.id
        assert (await licenses.reinstate(license_id, VENDOR)).status == "active"
        assert (await licenses.suspend(license_id, VENDOR, reason="chargeback")).status == "suspended"
        assert (await licenses.suspend(license_id, VENDOR)).status == "suspended"
        assert (await licenses.reinstate(license_id, VENDOR)).status == "active"
        assert (await licenses.revoke(license_id, VENDOR)).status == "revoked"
        assert (await licenses.revoke(license_id, VENDOR)).status == "revoked"
        for call in (licenses.suspend, licenses.reinstate):
            with pytest.raises(UsageError) as caught:
                await call(license_id, VENDOR)
            assert caught.value.code == "conflict"
        with pytest.raises(UsageError) as caught:
            await licenses.renew(RenewLicense(license_id=license_id, duration_seconds=5), VENDOR)
        assert caught.value.code == "conflict"
        audited = [entry for entry in (await installation.audit.list()).items if entry.object_id == license_id]
        assert [entry.action for entry in audited] == [
            "license.revoked",
            "license.reinstated",
            "license.suspended",
            "license.created",
        ]
        assert audited[2].details == {"before": "active", "reason": "chargeback"}
        assert audited[2].actor == VENDOR

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("advance", "changes", "end"),
    [
        (5 * DAY, {"duration_seconds": DAY}, START + 11 * DAY),
        (5 * DAY, {"duration_seconds": DAY, "basis": "now"}, None),  # would be sooner than the present end
        (5 * DAY, {"duration_seconds": 20 * DAY, "basis": "now"}, START + 25 * DAY),
        (50 * DAY, {"duration_seconds": DAY, "basis": "now"}, START + 51 * DAY),
        (50 * DAY, {"duration_seconds": DAY}, None),  # would be over already
        (0, {"expires_at": Instant(START + 10 * DAY + 1)}, START + 10 * DAY + 1),
        (0, {"expires_at": Instant(START + 10 * DAY)}, None),
        (0, {}, None),  # the policy has no usual duration
        (0, {"duration_seconds": 5, "expires_at": Instant(START + 99 * DAY)}, None),
        (0, {"duration_seconds": 0}, None),
    ],
)
def test_users_ask_64_a_license_is_renewed_from_its_old_end_or_from_now(
    tmp_path: Path, advance: int, changes: dict[str, Any], end: int | None
) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        clock.advance(advance)
        command = RenewLicense(license_id=created.license.id, **changes)
        if end is None:
            with pytest.raises(UsageError) as caught:
                await installation.licenses.renew(command, OPERATOR)
            assert caught.value.code == "invalid_argument"
            assert (await installation.licenses.get(created.license.id)) == created.license
        else:
            view = await installation.licenses.renew(command, OPERATOR)
            assert view == replace(created.license, expires_at=Instant(end), revision=2)
            assert await installation.licenses.get(view.id) == view

    tell(tmp_path, story, duration_seconds=10 * DAY)


def test_a_renewal_without_a_duration_takes_the_policys(tmp_path: Path) -> None:
    async def story(installation: Installation, _: CreatedLicense, __: HeldClock) -> None:
        policy = CreatePolicy(
            product="hustl", policy=Policy(name="month"), license_type="timed", duration_seconds=30 * DAY
        )
        await installation.policies.create(policy, OPERATOR)
        created = await licensed(installation, policy="month")
        view = await installation.licenses.renew(RenewLicense(license_id=created.license.id), OPERATOR)
        assert view.expires_at == START + 60 * DAY

    tell(tmp_path, story)


def test_a_perpetual_license_has_no_end_to_renew_and_unknown_ones_are_not_found(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        with pytest.raises(UsageError) as caught:
            await installation.licenses.renew(RenewLicense(license_id=created.license.id, duration_seconds=5), OPERATOR)
        assert caught.value.code == "conflict"
        calls = (
            installation.licenses.get("nowhere"),
            installation.licenses.find("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"),
            installation.licenses.renew(RenewLicense(license_id="nowhere", duration_seconds=5), OPERATOR),
            installation.licenses.suspend("nowhere", OPERATOR),
            installation.licenses.reveal_key("nowhere", OPERATOR),
            installation.activations.list("nowhere"),
        )
        for call in calls:
            with pytest.raises(UsageError) as missing:
                await call
            assert missing.value.code == "license_not_found"

    tell(tmp_path, story)


def test_sec_32_a_key_is_revealed_for_reissue_and_who_asked_is_audited(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        assert await installation.licenses.reveal_key(created.license.id, VENDOR) == created.key
        newest = (await installation.audit.list(limit=1)).items[0]
        assert (newest.action, newest.object_id, newest.actor) == ("license.key_revealed", created.license.id, VENDOR)
        assert created.key not in repr(created)

    tell(tmp_path, story)


def test_lists_are_paged_newest_first_and_end_without_a_cursor(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        ids = [created.license.id] + [(await licensed(installation)).license.id for _ in range(6)]
        await installation.licenses.suspend(ids[3], OPERATOR)
        seen: list[str] = []
        after = None
        pages = 0
        while True:
            page = await installation.licenses.list(limit=3, after=after)
            seen += [view.id for view in page.items]
            pages += 1
            after = page.next_after
            if after is None:
                break
        assert seen == ids[::-1]
        assert pages == 3
        exact = await installation.licenses.list(limit=7)
        assert (len(exact.items), exact.next_after) == (7, None)
        suspended = await installation.licenses.list(status="suspended", product="hustl")
        assert [view.id for view in suspended.items] == [ids[3]]
        assert (await installation.licenses.list(product="nowhere")).items == ()

    tell(tmp_path, story)


def test_sec_05_two_products_keep_their_licenses_apart(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        await installation.products.create(CreateProduct(id="hustl-pro"), OPERATOR)
        other = await installation.licenses.create(CreateLicense(product="hustl-pro", policy="consumer"), OPERATOR)
        assert [view.id for view in (await installation.licenses.list(product="hustl")).items] == [created.license.id]
        listed = (await installation.licenses.list(product="hustl-pro")).items
        assert [view.id for view in listed] == [other.license.id]

    tell(tmp_path, story)
