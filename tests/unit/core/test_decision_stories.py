"""The decision in the words of the seeds, the design and the users: each test is one sentence of theirs."""

from __future__ import annotations

import pytest

from carnet.core._base import replace
from carnet.core.decision import Evidence, Host
from carnet.core.instant import DAY, HOUR
from carnet.core.model import Entitlement, Fault
from carnet.core.policies import PRESETS
from carnet.core.rules import decide
from support.decisions import DEVICE, HOST, OTHER_DEVICE, at, codes, evidence, grant, refusal

CONSUMER = grant(policy=PRESETS["consumer"])


def test_scenario_1_a_flight_of_14_hours_is_not_noticed() -> None:
    for hour in range(15):
        decision = decide(evidence(CONSUMER), at(2 * DAY + hour * HOUR), HOST)
        assert (decision.state, decision.access, decision.notice) == ("active", "full", None)


def test_scenario_2_on_day_20_of_30_the_plugin_says_10_days() -> None:
    decision = decide(evidence(CONSUMER), at(20 * DAY), HOST)
    assert decision.notice is not None
    assert decision.notice.title == "Offline license expires in 10 days"
    assert decision.access == "full"


def test_scenario_3_on_day_300_of_365_the_equipment_says_65_days() -> None:
    machine = grant(policy=PRESETS["enterprise"], offline_until=at(365 * DAY))
    assert decide(evidence(machine), at(300 * DAY - 1), HOST).notice is None
    decision = decide(evidence(machine), at(300 * DAY), HOST)
    assert decision.notice is not None
    assert decision.notice.title == "Offline license expires in 65 days"


def test_r_32_near_expiry_has_the_dialog_of_the_seed() -> None:
    notice = decide(evidence(CONSUMER), at(27 * DAY), HOST).notice
    assert notice is not None
    assert notice.title == "Offline license expires in 3 days"
    assert notice.text == "Connect to the internet to extend your offline access."
    assert notice.actions == ("remind_later", "connect")
    assert notice.severity == "warning"


def test_r_32_expired_in_grace_has_the_dialog_of_the_seed_and_the_days_left() -> None:
    decision = decide(evidence(CONSUMER), at(33 * DAY), HOST)
    assert (decision.state, decision.access, decision.days_left) == ("grace", "limited", 4)
    assert decision.notice is not None
    assert decision.notice.title == "Offline license expired"
    assert decision.notice.text.split("\n\n") == [
        "Your offline access has expired. Please connect to the internet to continue using all features.",
        "Limited mode: You can still open existing projects.",
        "You have 4 days left to connect.",
    ]
    assert decision.notice.actions == ("connect",)


def test_r_32_limited_mode_is_not_claimed_where_grace_gives_full_access() -> None:
    decision = decide(evidence(grant(grace_access="full")), at(33 * DAY), HOST)
    assert decision.access == "full"
    assert decision.notice is not None
    assert "Limited mode" not in decision.notice.text


def test_r_32_fully_expired_has_the_dialog_of_the_seed() -> None:
    decision = decide(evidence(CONSUMER), at(37 * DAY), HOST)
    assert (decision.state, decision.access, decision.days_left) == ("expired", "none", 0)
    assert decision.notice is not None
    assert decision.notice.title == "License validation required"
    assert decision.notice.text == "Please connect to the internet to validate your license."
    assert decision.notice.actions == ("try_again", "enter_key")
    assert decision.notice.severity == "error"


def test_r_33_an_expired_artifact_never_asks_for_activation() -> None:
    term = grant(offline_until=at(30 * DAY), license_expires_at=at(20 * DAY))
    for given in (CONSUMER, term):
        for day in range(60):
            decision = decide(evidence(given), at(day * DAY), HOST)
            assert decision.state != "not_activated"
            assert not any("ctivate" in reason.fix for reason in decision.reasons)
            if decision.notice is not None:
                assert "activate" not in decision.notice.actions


def test_a_lapsed_window_says_connect_and_a_lapsed_term_says_renew() -> None:
    window = decide(evidence(CONSUMER), at(40 * DAY), HOST)
    assert window.reasons[0].fix == "Connect to the internet."
    term = decide(evidence(grant(license_expires_at=at(20 * DAY))), at(29 * DAY), HOST)
    assert term.reasons[0].code == "license_expired"
    assert term.reasons[0].fix.startswith("Renew the license")
    assert term.notice is not None
    assert term.notice.actions[0] == "renew"


def test_messages_carry_days_and_dates() -> None:
    ending = decide(evidence(CONSUMER), at(27 * DAY + 5), HOST).reasons[0]
    assert ending.message == "Offline license expires in 3 days, on 2026-07-01 at 00:00 UTC."
    grace = decide(evidence(CONSUMER), at(36 * DAY), HOST).reasons[0]
    assert grace.message == "Offline license expired on 2026-07-01 at 00:00 UTC; 1 day of grace is left."
    over = decide(evidence(CONSUMER), at(37 * DAY), HOST).reasons[0]
    assert over.message == "Offline license expired on 2026-07-01 at 00:00 UTC."
    term = decide(evidence(grant(license_expires_at=at(29 * DAY))), at(28 * DAY), HOST).reasons[0]
    assert term.message == "The license expires in 1 day, on 2026-06-30 at 00:00 UTC."
    revoked = decide(evidence(CONSUMER, refusals=(refusal("license_revoked", DAY),)), at(2 * DAY), HOST)
    assert revoked.reasons[0].message == "The vendor revoked this license (as of 2026-06-02 at 00:00 UTC)."


def test_the_demo_story_step_by_step() -> None:
    """Issue 2, build 7: activate, offline, another device, warning, grace, expired, refreshed, revoked."""
    start = evidence(CONSUMER)
    assert decide(start, at(60), HOST).state == "active"
    assert decide(replace(start, device=OTHER_DEVICE), at(60), HOST).state == "wrong_device"
    assert decide(Evidence(foreign_state=True, device=OTHER_DEVICE), at(60), HOST).state == "wrong_device"
    states = [decide(start, at(day * DAY), HOST).state for day in (19, 20, 30, 37)]
    assert states == ["active", "expiring", "grace", "expired"]
    fresh = grant(id="file-2", issued_at=at(40 * DAY), not_before=at(40 * DAY), offline_until=at(70 * DAY))
    refreshed = evidence(CONSUMER, fresh)
    assert decide(refreshed, at(41 * DAY), HOST).state == "active"
    told = replace(refreshed, refusals=(refusal("license_revoked", 42 * DAY),))
    assert decide(told, at(42 * DAY), HOST).state == "revoked"


def test_a_grant_that_was_issued_right_after_a_refusal_beats_it() -> None:
    """A grant is dated back by 60 s; reactivating within that minute must not look older than the deactivation."""
    gone = refusal("deactivated", 5 * DAY)
    again = grant(id="file-2", issued_at=at(5 * DAY + 10 - 60), not_before=at(5 * DAY + 10 - 60))
    decision = decide(evidence(CONSUMER, again, refusals=(gone,)), at(5 * DAY + 11), HOST)
    assert decision.state == "active"


def test_users_ask_10_a_full_license_never_takes_a_held_seat() -> None:
    told = refusal("seat_limit_reached", 2 * DAY)
    assert decide(evidence(CONSUMER, refusals=(told,)), at(3 * DAY), HOST).state == "active"
    without = decide(evidence(refusals=(told,)), at(3 * DAY), HOST)
    assert (without.state, codes(without)) == ("not_activated", ["seat_limit_reached"])


def test_users_ask_41_a_small_skew_denies_nobody() -> None:
    """SEC-04 and SEC-29: artifacts are dated back, and a trusted time lifts a clock that is behind."""
    slow = decide(evidence(CONSUMER, trusted_at=at(60)), at(-5 * HOUR), HOST)
    assert slow.state == "active"
    assert slow.checked_at == at(60)


def test_users_ask_45_a_file_of_another_product_is_refused() -> None:
    for product in ("hustl-pro", "hust", "HUSTL", "hustl "):
        decision = decide(evidence(grant(product=product)), at(DAY), HOST)
        assert decision.state == "wrong_product"
        assert not decision


@pytest.mark.parametrize("product", ["a", "b"])
@pytest.mark.parametrize("device", [DEVICE, OTHER_DEVICE])
@pytest.mark.parametrize("issued_product", ["a", "b"])
@pytest.mark.parametrize("issued_device", [DEVICE, OTHER_DEVICE])
def test_sec_05_products_and_devices_are_compared_exactly(
    product: str, device: str, issued_product: str, issued_device: str
) -> None:
    given = evidence(grant(product=issued_product, device=issued_device), device=device)
    decision = decide(given, at(DAY), Host(product=product))
    assert bool(decision) is (product == issued_product and device == issued_device)


def test_sec_28_an_old_revocation_check_limits_and_never_stops() -> None:
    given = evidence(grant(max_revocation_age_seconds=DAY, essential=("open",), offline_until=at(500 * DAY)))
    for day in range(1, 400):
        decision = decide(given, at(day * DAY), HOST)
        assert (decision.state, decision.access) == ("needs_refresh", "limited")
        assert decision.allows("open")


def test_sec_29_nobody_with_a_dead_clock_battery_is_stopped_by_default() -> None:
    assert decide(evidence(CONSUMER, clock_suspect=True, trusted_at=at(DAY)), at(-DAY), HOST).state == "active"


def test_r_40_after_a_major_update_the_essential_features_stay() -> None:
    given = evidence(
        grant(
            below_version="3.0.0",
            essential=("open",),
            entitlements=(Entitlement(key="open"), Entitlement(key="export-pdf")),
        )
    )
    before = decide(given, at(DAY), replace(HOST, app_version="2.9.1"))
    after = decide(given, at(DAY), replace(HOST, app_version="3.0.0"))
    assert before.allows("export-pdf")
    assert (after.state, after.access) == ("edition_mismatch", "limited")
    assert after.allows("open")
    assert not after.allows("export-pdf")
    assert after.notice is not None
    assert "Limited mode" in after.notice.text


def test_a_plain_if_never_locks_a_paying_user_out_of_grace() -> None:
    assert decide(evidence(CONSUMER), at(36 * DAY), HOST)
    assert not decide(evidence(CONSUMER), at(37 * DAY), HOST)


def test_allows_compares_exactly() -> None:
    decision = decide(evidence(grant(entitlements=(Entitlement(key="export-pdf"),))), at(DAY), HOST)
    assert decision.allows("export-pdf")
    for near in ("export", "export-pdf2", "EXPORT-PDF", ""):
        assert not decision.allows(near)


def test_r_82_the_server_decides_with_the_same_function() -> None:
    record = grant(kind="record", id="record-1", offline_until=None, license_expires_at=at(10 * DAY))
    given = Evidence(grants=(record,), device=DEVICE, license_status="suspended")
    decision = decide(given, at(9 * DAY), HOST)
    assert codes(decision) == ["license_suspended", "license_term_ending"]
    assert decision.offline_until is None


def test_a_fault_tells_its_own_sentence() -> None:
    fault = Fault(code="bad_signature", message="The token was changed.", fix="Copy it again.", artifact="token")
    reason = decide(evidence(faults=(fault,)), at(DAY), HOST).reasons[0]
    assert (reason.code, reason.message, reason.fix) == ("bad_signature", "The token was changed.", "Copy it again.")


def test_renew_after_is_the_policy_s_and_never_past_the_window() -> None:
    assert decide(evidence(CONSUMER), at(0), HOST).renew_after == at(DAY)
    late = grant(refresh_after_seconds=90 * DAY)
    assert decide(evidence(late), at(0), HOST).renew_after == at(30 * DAY)
