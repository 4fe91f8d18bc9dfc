"""Each license model walked through the services, on both databases (docs/how-to/license-models.md; R-01, R-03)."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant, parse_instant
from carnet.core.lease_terms import LeaseHolder, LeaseTerms
from carnet.core.model import Entitlement
from carnet.formats.license_token import verify_license_token
from carnet.formats.machine_file import open_machine_file
from carnet.server.domain.leases.commands import ClaimLease, LeaseResult
from carnet.server.domain.metering.commands import RecordUse
from carnet.server.records import OPERATOR
from support.installations import PRODUCT, START, fingerprint
from support.license_models import Market, at_market, decided, refused, seated

YEAR = 365 * DAY


# ── by time ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_model_perpetual_has_no_end(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold()
        assert (sold.license.type, sold.license.expires_at) == ("perpetual", None)
        seated(await market.activate(sold.key))
        market.clock.advance(100 * YEAR)
        assert decided(await market.validate(sold.key)).state == "active"
        with pytest.raises(UsageError) as caught:
            await market.renew(sold, duration_seconds=DAY)
        assert caught.value.code == "conflict"

    at_market(tmp_path, story)


def test_model_perpetual_with_update_window_in_the_signed_policy_and_moved_by_renewal(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        plan = await market.policy(
            entitlements=(Entitlement(key="pro"),), conditions={"updates_months": 12, "updates_below_version": "3.0.0"}
        )
        sold = await market.license(plan)
        until = parse_instant("2027-09-21T14:13:20Z")
        assert str(START) == "2026-09-21T14:13:20Z"
        result = seated(await market.activate(sold.key))
        token = verify_license_token(result.token, market.installation.ring)
        assert token.license_expires_at is None
        assert token.entitlements == (Entitlement(key="pro"), Entitlement(key="updates", expires_at=until))
        machine_file = open_machine_file(
            result.machine_file.encode(), market.installation.ring, license_key=sold.key, fingerprint=fingerprint("one")
        )
        assert machine_file.policy.below_version == "3.0.0"
        # inside the window and after it; the release ceiling holds all the time
        for seconds, usable in ((-1, True), (0, False), (1, False)):
            market.clock.at = Instant(until + seconds)
            decision = decided(await market.validate(sold.key, app_version="2.9.9"))
            assert decision.state == "active"
            assert decision.allows("updates") is usable
            assert decision.allows("pro")
        ahead = decided(await market.validate(sold.key, app_version="3.0.0"))
        assert [reason.code for reason in ahead.reasons] == ["version_not_covered"]
        # the vendor releases 3.0; who bought before gets it by renewing, and not by the policy's new ceiling
        stored = await market.installation.policies.get("hustl", plan)
        await market.change_policy(plan, conditions=replace(stored.conditions, updates_below_version="4.0.0"))
        assert not decided(await market.validate(sold.key, app_version="3.0.0")).allows("pro")
        market.clock.at = Instant(until + 2 * YEAR)
        with pytest.raises(UsageError) as caught:  # a year from the old end is over already
            await market.renew(sold, basis="expiry")
        assert caught.value.code == "invalid_argument"
        view = await market.renew(sold, basis="now")
        assert view.effective.below_version == "4.0.0"
        assert view.progress.updates_until == parse_instant("2030-09-20T14:13:20Z")
        now = decided(await market.validate(sold.key, app_version="3.9.0"))
        assert (now.state, now.allows("updates")) == ("active", True)

    at_market(tmp_path, story)


@pytest.mark.parametrize("seconds", [1, DAY, YEAR])
def test_model_timed_from_its_issue_ends_to_the_second(tmp_path: Path, seconds: int) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold("timed", duration_seconds=seconds, term_grace_seconds=0)
        assert sold.license.expires_at == START + seconds
        seated(await market.activate(sold.key))
        for shift, state in ((-1, "expiring"), (0, "expired"), (1, "expired")):
            market.clock.at = Instant(START + seconds + shift)
            assert decided(await market.validate(sold.key)).state == state
        assert refused(await market.activate(sold.key, "two")) == ["license_expired"]

    at_market(tmp_path, story)


def test_rel_15_model_timed_in_calendar_months(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        market.clock.at = parse_instant("2027-01-31T10:00:00Z")
        sold = await market.sold(
            "timed", conditions={"duration_months": 1, "renewal_basis": "anchor_day", "anchor_day": 31}
        )
        ends = [str(sold.license.expires_at), *[str((await market.renew(sold)).expires_at) for _ in range(3)]]
        assert ends == ["2027-02-28T10:00:00Z", "2027-03-31T10:00:00Z", "2027-04-30T10:00:00Z", "2027-05-31T10:00:00Z"]
        own = await market.license(sold.license.policy, duration_months=13)
        assert str(own.license.expires_at) == "2028-02-29T10:00:00Z"

    at_market(tmp_path, story)


def test_model_timed_from_the_first_activation(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold("timed", duration_seconds=10 * DAY, conditions={"start_basis": "first_activation"})
        assert (sold.license.starts_at, sold.license.expires_at) == (None, None)
        market.clock.advance(YEAR)  # in a drawer
        assert decided(await market.validate(sold.key)).state == "active"  # a use is no activation
        assert (await market.view(sold)).expires_at is None
        begun = market.clock.at
        result = seated(await market.activate(sold.key))
        assert (result.license.starts_at, result.license.expires_at) == (begun, begun + 10 * DAY)
        token = verify_license_token(result.token, market.installation.ring)
        assert (token.license_starts_at, token.license_expires_at) == (begun, begun + 10 * DAY)
        market.clock.advance(DAY)
        second = seated(await market.activate(sold.key, "two"))
        assert second.license.expires_at == begun + 10 * DAY  # it began once
        assert [each.payload for each in await market.events("license.started")] == [
            {"starts_at": str(begun), "expires_at": str(Instant(begun + 10 * DAY))}
        ]

    at_market(tmp_path, story)


@pytest.mark.parametrize("by", ["activate", "validate", "usage"])
def test_model_timed_from_the_first_use(tmp_path: Path, by: str) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(
            "timed",
            duration_seconds=10 * DAY,
            require_activation=False,
            conditions={"start_basis": "first_use", "meters": ["exports"]},
        )
        market.clock.advance(YEAR)
        begun = market.clock.at
        if by == "activate":
            seated(await market.activate(sold.key))
        elif by == "validate":
            assert decided(await market.validate(sold.key))
        else:
            use = RecordUse(license_key=sold.key, product="hustl", meter="exports", event_id="e-1")
            await market.installation.metering.record(use)
        view = await market.view(sold)
        assert (view.starts_at, view.expires_at) == (begun, begun + 10 * DAY)
        market.clock.advance(DAY)
        await market.validate(sold.key)
        assert (await market.view(sold)).expires_at == begun + 10 * DAY
        assert len(await market.events("license.started")) == 1

    at_market(tmp_path, story)


@pytest.mark.parametrize("basis", ["first_activation", "first_use"])
def test_model_floating_a_claim_begins_a_term_that_waits(tmp_path: Path, basis: str) -> None:
    async def story(market: Market) -> None:
        leases = market.installation.leases
        sold = await market.sold(
            "timed", duration_seconds=10 * DAY, term_grace_seconds=0, conditions={"start_basis": basis}
        )
        holder = LeaseHolder(kind="process", id="one")

        async def claim(who: LeaseHolder) -> object:
            command = ClaimLease(license_key=sold.key, product=PRODUCT, holder=who, ttl_seconds=60)
            return (await leases.claim(command)).result

        assert refused(await claim(holder)) == ["leases_not_offered"]
        await leases.change_terms(LeaseTerms(limit=1), OPERATOR, license_id=sold.license.id)
        assert (await market.view(sold)).starts_at is None  # what was refused began nothing
        market.clock.advance(YEAR)
        begun = market.clock.at
        assert isinstance(await claim(holder), LeaseResult)
        view = await market.view(sold)
        assert (view.starts_at, view.expires_at) == (begun, begun + 10 * DAY)
        assert len(await market.events("license.started")) == 1
        market.clock.advance(10 * DAY)
        assert refused(await claim(holder)) == ["license_expired"]

    at_market(tmp_path, story)


def test_a_refused_activation_begins_no_term(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold("timed", duration_seconds=DAY, conditions={"start_basis": "first_use"})
        await market.installation.licenses.suspend(sold.license.id, OPERATOR)
        assert refused(await market.activate(sold.key)) == ["license_suspended"]
        assert not decided(await market.validate(sold.key))
        assert (await market.view(sold)).starts_at is None
        with pytest.raises(UsageError) as caught:
            await market.renew(sold)
        assert caught.value.code == "conflict"

    at_market(tmp_path, story)


# ── trials ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_r_03_model_trial_one_for_each_device_whichever_license(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        plan = await market.policy("trial", duration_seconds=14 * DAY)
        first, second = await market.license(plan), await market.license(plan)
        seated(await market.activate(first.key))
        assert refused(await market.activate(second.key)) == ["trial_used"]
        seated(await market.activate(second.key, "another"))
        # given back and taken again: still the same trial
        await market.leave(first.key)
        assert refused(await market.activate(second.key)) == ["trial_used"]
        seated(await market.activate(first.key))
        assert (await market.kinds()).count("trial.started") == 2

    at_market(tmp_path, story)


def test_r_03_model_trial_converts_to_paid_in_place(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        trial = await market.policy("trial", duration_seconds=14 * DAY, seat_limit=1)
        paid = await market.policy("timed", duration_seconds=YEAR, seat_limit=3, entitlements=(Entitlement(key="pro"),))
        sold = await market.license(trial)
        before = seated(await market.activate(sold.key))
        market.clock.advance(10 * DAY)
        view = await market.convert(sold, policy=paid)
        assert (view.type, view.policy) == ("timed", paid)
        assert view.expires_at == market.clock.at + YEAR
        assert (view.seats.limit, view.seats.used) == (3, 1)
        after = seated(await market.refresh(sold.key))  # same key, same seat, no new install
        assert after.activation.id == before.activation.id
        token = verify_license_token(after.token, market.installation.ring)
        assert (token.license_expires_at, token.entitlements) == (view.expires_at, (Entitlement(key="pro"),))
        again = await market.license(trial)
        assert refused(await market.activate(again.key)) == ["trial_used"]  # it had its trial
        converted = (await market.events("license.converted"))[0]
        assert converted.payload == {"changed": ["expires_at", "policy", "type"]}

    at_market(tmp_path, story)


def test_r_03_a_trial_that_is_over_can_be_bought_too(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold("trial", duration_seconds=DAY, term_grace_seconds=0)
        seated(await market.activate(sold.key))
        market.clock.advance(2 * DAY)
        assert refused(await market.refresh(sold.key)) == ["license_expired"]
        await market.convert(sold, type="perpetual")
        result = seated(await market.refresh(sold.key))
        assert (result.license.type, result.license.expires_at) == ("perpetual", None)

    at_market(tmp_path, story)


# ── by what, where and who ───────────────────────────────────────────────────────────────────────────────────────────


def test_model_feature_license_grants_what_it_names(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        pro = Entitlement(key="pro", expires_at=Instant(START + DAY))
        sold = await market.sold(entitlements=(Entitlement(key="base", below_version="2.0"), pro))
        seated(await market.activate(sold.key))
        decision = decided(await market.validate(sold.key, app_version="1.9"))
        assert (decision.allows("base"), decision.allows("pro"), decision.allows("other")) == (True, True, False)
        market.clock.advance(DAY)
        decision = decided(await market.validate(sold.key, app_version="2.0"))
        assert (decision.allows("base"), decision.allows("pro")) == (False, False)

    at_market(tmp_path, story)


def test_model_seat_limited_and_machine_bound(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1)
        result = seated(await market.activate(sold.key))
        assert refused(await market.activate(sold.key, "two")) == ["seat_limit_reached"]
        token = verify_license_token(result.token, market.installation.ring)
        assert token.device == fingerprint("one")
        assert decided(await market.validate(sold.key, "one"))
        assert not decided(await market.validate(sold.key, "two"))

    at_market(tmp_path, story)


def test_r_27_model_domain_bound_holds_through_activate_refresh_and_validate(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(domains=("shop.example.com", "*.example.org"))
        for number, domain in enumerate(
            (None, "example.com", "a.shop.example.com", "evilshop.example.com", "a.b.example.org")
        ):
            assert refused(await market.activate(sold.key, number, domain=domain)) == ["wrong_domain"]
            decision = decided(await market.validate(sold.key, domain=domain))
            assert (decision.state, bool(decision)) == ("wrong_domain", False)
        assert (await market.view(sold)).seats.used == 0
        seated(await market.activate(sold.key, domain="SHOP.example.com:443"))
        seated(await market.activate(sold.key, "two", domain="a.example.org"))
        seated(await market.refresh(sold.key))  # the host that it named stands
        assert refused(await market.refresh(sold.key, domain="example.com")) == ["wrong_domain"]
        assert decided(await market.validate(sold.key, "two", domain="b.example.org"))

    at_market(tmp_path, story)


def test_r_28_model_account_bound_survives_a_reinstall(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=2, conditions={"seat_scope": "user", "moves_per_year": 0})
        assert refused(await market.activate(sold.key)) == ["user_required"]
        old = seated(await market.activate(sold.key, "phone", user="ada"))
        new = seated(await market.activate(sold.key, "phone after a reset", user="ada"))
        assert new.created
        assert new.activation.id != old.activation.id
        assert new.license.seats.used == 1
        assert not decided(await market.validate(sold.key, "phone"))
        assert decided(await market.validate(sold.key, "phone after a reset"))
        seated(await market.activate(sold.key, "desk", user="bob"))
        assert refused(await market.activate(sold.key, "third", user="eve")) == ["seat_limit_reached"]
        seated(await market.activate(sold.key, "desk two", user="bob"))  # full, and still his own seat
        view = await market.view(sold)
        assert view.seats.used == 2

    at_market(tmp_path, story)


def test_users_ask_10_and_r_28_a_users_seat_moves_also_above_a_lowered_limit(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        plan = await market.policy(seat_limit=3, conditions={"seat_scope": "user"})
        sold = await market.license(plan)
        for user in ("ada", "bob", "eve"):
            seated(await market.activate(sold.key, user, user=user))
        await market.change_policy(plan, seat_limit=1)
        result = seated(await market.activate(sold.key, "ada's new phone", user="ada"))
        assert (result.license.seats.used, result.license.seats.limit) == (3, 1)
        assert refused(await market.activate(sold.key, "four", user="dan")) == ["seat_limit_reached"]

    at_market(tmp_path, story)
