"""The three dialogs of the LicenseSeat seed, drawn; and a decision as a person reads it."""

from __future__ import annotations

import pytest

from carnet.cli.notice import WIDTH, access_style, box, cells, explain, headline
from carnet.core.decision import Action, Decision, Notice, Reason, Severity
from carnet.core.instant import Instant, parse_instant
from carnet.core.model import Entitlement

NEAR = Notice(
    code="near_expiry",
    severity="warning",
    title="Offline license expires in 3 days",
    text="Connect to the internet to extend your offline access.",
    actions=("remind_later", "connect"),
)


def test_the_near_expiry_box_is_the_seeds() -> None:
    assert box(NEAR).splitlines() == [
        "┌─────────────────────────────────────────────────────────────────┐",
        "│ ⚠ Offline license expires in 3 days                             │",
        "│                                                                 │",
        "│ Connect to the internet to extend your offline access.          │",
        "│                                                                 │",
        "│ [Remind Me Later] [Connect Now]                                 │",
        "└─────────────────────────────────────────────────────────────────┘",
    ]


def test_without_unicode_the_box_is_ascii() -> None:
    assert box(NEAR, unicode=False).isascii()


@pytest.mark.parametrize("severity", ["info", "warning", "error"])
@pytest.mark.parametrize("unicode", [True, False])
def test_every_line_of_a_box_is_equally_wide(severity: Severity, *, unicode: bool) -> None:
    actions: tuple[Action, ...] = ("try_again", "enter_key", "renew", "activate", "update_app", "contact")
    notice = Notice(
        code="x",
        severity=severity,
        title="Offline license expired",
        text="Your offline access has expired. Please connect to the internet to continue using all features.\n\n"
        "Limited mode: You can still open existing projects. 山田さん",
        actions=actions,
    )
    assert {cells(line) for line in box(notice, unicode=unicode).splitlines()} == {WIDTH + 2}


def test_a_grace_box_carries_the_clock_and_a_locked_one_the_lock() -> None:
    grace = Notice(code="offline_grace", severity="warning", title="Offline license expired", text="…")
    assert "⏰ Offline license expired" in box(grace)
    over = Notice(code="offline_window_over", severity="error", title="License validation required", text="…")
    assert "🔒 License validation required" in box(over)


def test_sec_39_a_hostile_title_cannot_leave_its_box() -> None:
    notice = Notice(code="x", severity="info", title="\x1b[2Jboo", text="\x1b]0;title\x07")
    assert "\x1b" not in box(notice)


def test_users_ask_53_status_says_until_when_which_features_and_why() -> None:
    decision = Decision(
        state="expiring",
        access="full",
        reasons=(Reason(code="offline_window_ending", message="Ten days are left.", fix="Connect."),),
        product="hustl",
        checked_at=parse_instant("2026-11-22T09:30:00Z"),
        license_id="lic-1",
        device="ab" * 32,
        offline_until=parse_instant("2026-12-02T09:30:00Z"),
        grace_until=parse_instant("2026-12-09T09:30:00Z"),
        days_left=10,
        renew_after=Instant(1),
        entitlements=(Entitlement(key="export-pdf"), Entitlement(key="sync", expires_at=Instant(0))),
    )
    text = explain(decision)
    assert "2026-12-02 09:30 UTC, then grace until 2026-12-09 09:30 UTC, 10 days left" in text
    assert "Why: Ten days are left. (offline_window_ending)" in text
    assert "Connect." in text
    assert "export-pdf, sync (until 1970-01-01 00:00 UTC)" in text
    assert "no end" in text
    assert headline(decision.state, decision.access) == "expiring · full access"
    assert access_style(decision) == "yellow"
