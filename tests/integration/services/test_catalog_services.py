from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Policy
from carnet.core.policies import PRESETS
from carnet.formats.keys import public_key_from_jwk
from carnet.formats.root import read_root
from carnet.formats.time_answer import verify_time_answer
from carnet.server.domain.apikeys.commands import CreateApiKey
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.domain.policies.commands import CreatePolicy, UpdatePolicy
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR, Actor
from support.installations import START, Device, HeldClock, licensed
from support.stories import granted, refused, tell


def test_r_02_every_product_comes_with_the_three_presets(tmp_path: Path) -> None:
    async def story(installation: Installation, _: CreatedLicense, __: HeldClock) -> None:
        page = await installation.policies.list("hustl")
        assert {stored.policy.name: stored.policy for stored in page.items} == PRESETS
        assert [stored.policy.name for stored in page.items] == ["consumer", "enterprise", "professional"]
        assert all(stored.license_type == "perpetual" for stored in page.items)

    tell(tmp_path, story)


def test_products_are_unique_and_listed_by_their_slugs(tmp_path: Path) -> None:
    async def story(installation: Installation, _: CreatedLicense, __: HeldClock) -> None:
        made = await installation.products.create(
            CreateProduct(id="inkwell", name="Inkwell Pro", metadata={"tier": 1}), OPERATOR
        )
        assert (made.id, made.name, made.metadata, made.created_at) == ("inkwell", "Inkwell Pro", {"tier": 1}, START)
        assert await installation.products.get("inkwell") == made
        with pytest.raises(UsageError) as caught:
            await installation.products.create(CreateProduct(id="inkwell"), OPERATOR)
        assert caught.value.code == "already_exists"
        page = await installation.products.list(limit=1)
        assert ([product.id for product in page.items], page.next_after) == (["hustl"], "hustl")
        page = await installation.products.list(limit=1, after=page.next_after)
        assert ([product.id for product in page.items], page.next_after) == (["inkwell"], None)
        for call in (installation.products.get("nowhere"), installation.policies.list("nowhere")):
            with pytest.raises(UsageError) as missing:
                await call
            assert missing.value.code == "product_not_found"
        with pytest.raises(UsageError) as bad:
            await installation.products.create(CreateProduct(id="Not A Slug"), OPERATOR)
        assert bad.value.code == "invalid_argument"

    tell(tmp_path, story)


def test_policies_are_made_shown_and_refused(tmp_path: Path) -> None:
    async def story(installation: Installation, _: CreatedLicense, __: HeldClock) -> None:
        policy = Policy(
            name="plugin", seat_limit=None, entitlements=(Entitlement(key="vst", expires_at=Instant(START + 5)),)
        )
        command = CreatePolicy(product="hustl", policy=policy, license_type="trial", duration_seconds=14 * DAY)
        stored = await installation.policies.create(command, OPERATOR)
        assert await installation.policies.get("hustl", "plugin") == stored
        assert (stored.policy, stored.license_type, stored.duration_seconds) == (policy, "trial", 14 * DAY)
        too_many = tuple(Entitlement(key=f"{number:0>90}") for number in range(200))
        refusals: tuple[tuple[CreatePolicy, str], ...] = (
            (command, "already_exists"),
            (replace(command, product="nowhere"), "product_not_found"),
            (replace(command, policy=Policy(name="")), "bad_policy"),
            (replace(command, policy=Policy(name="big", entitlements=too_many)), "bad_policy"),
            (replace(command, policy=Policy(name="x"), license_type="perpetual"), "invalid_argument"),
            (replace(command, policy=Policy(name="x"), duration_seconds=0), "invalid_argument"),
        )
        for wrong, code in refusals:
            with pytest.raises(UsageError) as caught:
                await installation.policies.create(wrong, OPERATOR)
            assert caught.value.code == code
            assert caught.value.fix
        with pytest.raises(UsageError) as missing:
            await installation.policies.get("hustl", "x")
        assert missing.value.code == "policy_not_found"

    tell(tmp_path, story)


def test_an_updated_policy_counts_at_once_for_licenses_that_inherit(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        own = await licensed(installation, overrides={"seat_limit": 1})
        clock.advance(5)
        rules = replace(PRESETS["consumer"], seat_limit=3, grace_seconds=0)
        command = UpdatePolicy(product="hustl", name="consumer", policy=rules)
        stored = await installation.policies.update(command, OPERATOR)
        assert (stored.created_at, stored.updated_at) == (START, START + 5)
        inherits = await installation.licenses.get(created.license.id)
        assert (inherits.seats.limit, inherits.effective.grace_seconds) == (3, 0)
        keeps = await installation.licenses.get(own.license.id)
        assert (keeps.seats.limit, keeps.effective.grace_seconds) == (1, 0)
        newest = (await installation.audit.list(limit=1)).items[0]
        assert newest.action == "policy.updated"
        assert newest.details["before"] == {"seat_limit": 2, "grace_seconds": 7 * DAY}
        assert newest.details["after"] == {"seat_limit": 3, "grace_seconds": 0}
        for wrong, code in (
            (replace(command, name="nothing", policy=replace(rules, name="nothing")), "policy_not_found"),
            (replace(command, name="enterprise"), "invalid_argument"),
            (replace(command, policy=replace(rules, seat_limit=0)), "bad_policy"),
        ):
            with pytest.raises(UsageError) as caught:
                await installation.policies.update(wrong, OPERATOR)
            assert caught.value.code == code

    tell(tmp_path, story)


def test_a_policy_update_that_contradicts_a_licenses_own_values_is_refused(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        rules = replace(PRESETS["consumer"], offline_ttl_seconds=45 * DAY, max_offline_ttl_seconds=45 * DAY)
        command = UpdatePolicy(product="hustl", name="consumer", policy=rules)
        with pytest.raises(UsageError, match="max_offline_ttl_seconds") as caught:
            await installation.policies.update(command, OPERATOR)
        assert caught.value.code == "bad_policy"
        assert (await installation.policies.get("hustl", "consumer")).policy == PRESETS["consumer"]
        assert (await installation.licenses.get(created.license.id)) == created.license
        fits = replace(rules, offline_ttl_seconds=40 * DAY)
        await installation.policies.update(replace(command, policy=fits), OPERATOR)
        granted(await installation.activations.activate(Device().activate(created.key)))

    tell(tmp_path, story, overrides={"max_offline_ttl_seconds": 40 * DAY})


def test_users_ask_10_a_limit_that_sinks_below_the_seats_in_use_takes_none_away(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        async def limit(seats: int | None) -> None:
            rules = replace(PRESETS["enterprise"], seat_limit=seats)
            await installation.policies.update(UpdatePolicy(product="hustl", name="enterprise", policy=rules), OPERATOR)

        async def seats() -> tuple[int | None, int]:
            view = await installation.licenses.get(created.license.id)
            return view.seats.limit, view.seats.used

        devices = [Device(f"d{number}") for number in range(5)]
        held = [granted(await installation.activations.activate(each.activate(created.key))) for each in devices]
        await limit(2)
        assert await seats() == (2, 5)
        for device in devices:  # those that hold a seat go on
            granted(await installation.activations.activate(device.activate(created.key)))
        refused(await installation.activations.activate(Device("new").activate(created.key)), "seat_limit_reached")
        for number in range(3):  # 4, 3, 2 are held: still none is free
            await installation.activations.deactivate_by_vendor(held[number].activation.id, OPERATOR)
            refused(await installation.activations.activate(Device("new").activate(created.key)), "seat_limit_reached")
        await installation.activations.deactivate_by_vendor(held[3].activation.id, OPERATOR)
        granted(await installation.activations.activate(Device("new").activate(created.key)))
        assert await seats() == (2, 2)
        refused(await installation.activations.activate(Device("newer").activate(created.key)), "seat_limit_reached")
        await limit(None)
        granted(await installation.activations.activate(Device("newer").activate(created.key)))
        await limit(3)
        assert await seats() == (3, 3)

    tell(tmp_path, story, policy="enterprise")


def test_sec_46_every_change_leaves_an_audit_row_with_its_actor_and_reading_leaves_none(tmp_path: Path) -> None:
    vendor = Actor(kind="vendor", id="key-7")

    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = Device()
        seat = granted(await installation.activations.activate(device.activate(created.key)))
        await installation.licenses.suspend(created.license.id, vendor)
        await installation.licenses.get(created.license.id)
        await installation.activations.deactivate_by_vendor(seat.activation.id, vendor)
        clock.advance(1)
        api_key = await installation.apikeys.create(CreateApiKey(name="ci"), vendor)
        await installation.apikeys.revoke(api_key.api_key.id, vendor)
        await installation.apikeys.revoke(api_key.api_key.id, vendor)
        page = await installation.audit.list()
        assert [(entry.action, entry.actor.kind) for entry in page.items] == [
            ("apikey.revoked", "vendor"),
            ("apikey.created", "vendor"),
            ("activation.deactivated", "vendor"),
            ("license.suspended", "vendor"),
            ("activation.created", "device"),
            ("license.created", "operator"),
            ("product.created", "operator"),
            ("installation.created", "operator"),
        ]
        assert [entry.seq for entry in page.items] == [8, 7, 6, 5, 4, 3, 2, 1]
        assert page.items[0].at == START + 1
        assert page.items[4].actor.id == created.license.id
        about = await installation.audit.list(AuditFilter(object_id=seat.activation.id))
        assert [entry.action for entry in about.items] == ["activation.deactivated", "activation.created"]
        created_ones = await installation.audit.list(AuditFilter(action="license.created"), limit=1)
        assert [entry.object_id for entry in created_ones.items] == [created.license.id]
        first = await installation.audit.list(limit=3)
        rest = await installation.audit.list(limit=100, after=first.next_after)
        assert first.items + rest.items == page.items
        for after in ("x", "-1", "9" * 19, "\u0663"):
            with pytest.raises(UsageError):
                await installation.audit.list(after=after)

    tell(tmp_path, story)


def test_an_admin_token_works_until_it_expires_or_is_revoked(tmp_path: Path) -> None:
    async def story(installation: Installation, _: CreatedLicense, clock: HeldClock) -> None:
        keys = installation.apikeys
        made = await keys.create(CreateApiKey(name="ci", scopes=("read",), expires_at=Instant(START + 10)), OPERATOR)
        assert made.token not in repr(made)
        found = await keys.authenticate(made.token)
        assert found == made.api_key
        assert found.scopes == ("read",)
        for wrong in (made.token[:-1], made.token + "x", made.token.upper(), "", "x" * 513, "\ud800"):
            assert await keys.authenticate(wrong) is None
        clock.advance(9)
        assert await keys.authenticate(made.token) is not None
        clock.advance(1)
        assert await keys.authenticate(made.token) is None
        other = await keys.create(CreateApiKey(name="other"), OPERATOR)
        await keys.revoke(other.api_key.id, OPERATOR)
        assert await keys.authenticate(other.token) is None
        listed = (await keys.list()).items
        assert [api_key.name for api_key in listed] == ["other", "ci", "first"]
        with pytest.raises(UsageError) as caught:
            await keys.revoke("nowhere", OPERATOR)
        assert caught.value.code == "apikey_not_found"
        wrong_ones: tuple[dict[str, Any], ...] = (
            {"name": ""},
            {"name": "x", "scopes": ()},
            {"name": "x", "scopes": ("root",)},
            {"name": "x", "scopes": ("read", "read")},
            {"name": "x", "expires_at": clock.at},
        )
        for changes in wrong_ones:
            with pytest.raises(UsageError) as bad:
                await keys.create(CreateApiKey(**changes), OPERATOR)
            assert bad.value.code == "invalid_argument"

    tell(tmp_path, story)


def test_what_clients_need_to_trust_is_published(tmp_path: Path) -> None:
    async def story(installation: Installation, _: CreatedLicense, clock: HeldClock) -> None:
        root = read_root(installation.trust.roots[-1])
        assert root.issuer == installation.issuer
        assert root.version == 1
        jwks = (await installation.trust.jwks())["keys"]
        published = {public_key_from_jwk(jwk).kid for jwk in jwks}
        assert published == {key.kid for key in root.keys} - {key.kid for key in root.role_keys("root")}
        assert len(jwks) == 4
        signed = await installation.trust.time("my-nonce")
        answer = verify_time_answer(signed.token, installation.ring, nonce="my-nonce")
        assert signed.at == answer.at == clock.at
        with pytest.raises(UsageError):
            await installation.trust.time("")

    tell(tmp_path, story)
