"""The object behind every interface: views, replies, settings (R-41)."""

from __future__ import annotations

import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from carnet.core.attention import QuietHours
from carnet.core.decision import Decision
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, HOUR, MINUTE, Instant
from carnet.core.notices import NOTICES
from carnet.core.rules import decide
from carnet.ui.model import Notices
from carnet.ui.texts import catalog_for
from carnet.ui.texts.catalog import Button
from carnet.ui.views import NEEDS_PAGE, badge_view, dialog_view, unknown_badge
from support.decisions import HOST, at, evidence, grant, refusal
from support.issuing import LICENSE_KEY
from support.sdk import Desk

ENGLISH = catalog_for("en")
ALL: frozenset[Button] = frozenset({*NEEDS_PAGE, "save_request"})


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def judged(days: float, **changes: object) -> Decision:
    return decide(evidence(grant(**changes)), at(round(days * DAY)), HOST)


def actions(decision: Decision, offers: frozenset[Button] = frozenset()) -> list[str]:
    return [button.action for button in dialog_view(decision, ENGLISH, offers=offers).buttons]


def test_buttons_of_the_seed_stand_in_reading_order_with_the_main_one_last() -> None:
    assert actions(judged(27)) == ["remind_later", "connect"]
    assert actions(judged(33)) == ["connect"]
    assert actions(judged(40)) == ["enter_key", "try_again"]
    assert [button.is_main for button in dialog_view(judged(40), ENGLISH).buttons] == [False, True]


def test_what_the_app_has_no_page_for_is_no_button_and_there_is_always_one() -> None:
    ended = judged(25, license_expires_at=at(20 * DAY))
    assert actions(ended) == ["connect"]
    assert actions(ended, frozenset({"renew"})) == ["connect", "renew"]
    revoked = decide(evidence(grant(), refusals=(refusal("license_revoked", DAY),)), at(2 * DAY), HOST)
    assert actions(revoked) == ["enter_key"]
    assert actions(judged(9, max_revocation_age_seconds=DAY), ALL) == ["save_request", "connect"]
    edition = decide(evidence(grant(edition="studio")), at(DAY), HOST.__class__(product="hustl", edition="lite"))
    assert actions(edition) == ["close"]


def test_every_notice_has_buttons_that_do_different_things() -> None:
    for code, (_, _, _, its) in NOTICES.items():
        for offers in (frozenset[Button](), ALL):
            from carnet.ui.views import _buttons

            shown = [button.action for button in _buttons(its, code, ENGLISH, offers)]
            assert shown
            assert len(set(shown)) == len(shown)
            assert not {"connect", "try_again"} <= set(shown)
            assert not {"activate", "enter_key"} <= set(shown)


def test_who_is_not_activated_enters_a_key_not_a_new_one() -> None:
    fresh = decide(evidence(), at(0), HOST)
    assert [button.label for button in dialog_view(fresh, ENGLISH).buttons] == ["Enter License Key"]


def test_the_deadline_is_a_local_date_and_says_of_what() -> None:
    assert dialog_view(judged(27), ENGLISH).until == "Works offline until 1 July 2026"
    assert dialog_view(judged(27), ENGLISH, utc_offset_seconds=-1).until == "Works offline until 30 June 2026"
    assert dialog_view(judged(33), ENGLISH).until == "Grace period ends on 8 July 2026"
    term = judged(18, license_expires_at=at(20 * DAY))
    assert dialog_view(term, ENGLISH).until == "Licensed until 21 June 2026"
    assert dialog_view(judged(40), ENGLISH).until is None


def test_signs_say_what_colours_mean() -> None:
    shown = [dialog_view(judged(days), ENGLISH) for days in (2, 27, 33, 40)]
    assert [(each.tone, each.sign) for each in shown] == [
        ("good", "In order"),
        ("warning", "Warning"),
        ("grace", "Grace period"),
        ("error", "Stopped"),
    ]
    assert dialog_view(decide(evidence(), at(0), HOST), ENGLISH).sign == "Information"


def test_who_asks_while_all_is_well_is_told_until_when() -> None:
    plain = dialog_view(judged(2), ENGLISH)
    assert plain.title == "Your license is active"
    assert plain.paragraphs[1] == (
        "This device works without a connection until 1 July 2026. The license has no end date."
    )
    term = dialog_view(judged(2, license_expires_at=at(90 * DAY)), ENGLISH)
    assert term.paragraphs[1].endswith("The license ends on 30 August 2026.")
    key = dialog_view(judged(2, offline_until=None), ENGLISH)
    assert key.paragraphs[1] == "The license has no end date."


def test_the_badge_speaks() -> None:
    badge = badge_view(judged(33), ENGLISH)
    assert (badge.tone, badge.text) == ("grace", "Expired · 4 days of grace left")
    assert badge.spoken == "License status: Expired · 4 days of grace left. Opens the details."
    assert unknown_badge(ENGLISH).text == "License status unknown"


@pytest.mark.parametrize(
    "settings",
    [
        {"renewal_url": "javascript:alert(1)"},
        {"contact_url": "file:///etc/passwd"},
        {"update_url": "https://example.com/\n"},
        {"renewal_url": ""},
    ],
)
def test_only_addresses_of_pages_and_mail_are_opened(desk: Desk, settings: dict[str, str]) -> None:
    with pytest.raises(UsageError) as refused:
        Notices(desk.app(), **settings)  # type: ignore[arg-type]
    assert refused.value.code == "bad_url"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_pages_open_in_the_browser_and_where_there_is_none_the_address_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = Notices(desk.app(), language="en", renewal_url="https://example.com/renew", contact_url="mailto:a@b.c")
    opened: list[str] = []

    def fake(address: str) -> bool:
        opened.append(address)
        if address.startswith("mailto"):
            raise webbrowser.Error
        return len(opened) == 1

    monkeypatch.setattr(webbrowser, "open", fake)
    replies = [notices.act("renew"), notices.act("renew"), notices.act("contact")]
    assert [(reply.tone, reply.text) for reply in replies if reply] == [
        ("info", "Opening https://example.com/renew in your browser …"),
        ("warning", "No browser could be opened. The address is https://example.com/renew"),
        ("warning", "No browser could be opened. The address is mailto:a@b.c"),
    ]
    assert notices.act("update_app") is None
    assert notices.act("close") is None


def test_quiet_hours_are_of_the_local_clock(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.transport.online = False
    desk.pass_time(25 * DAY)
    hour = desk.clock.now() % DAY // HOUR
    for zone, is_quiet in (("UTC", True), ("XXX-6", False), ("XXX+6", False)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        quiet = f"{hour:02d}:00-{(hour + 1) % 24:02d}:00"
        sight = Notices(desk.app(), language="en", quiet=quiet).look()
        assert sight.is_due is not is_quiet, zone
        assert sight.look_again_seconds <= HOUR
    monkeypatch.undo()
    time.tzset()


def test_it_looks_again_when_the_night_is_over_and_not_every_second(desk: Desk, utc: None) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.transport.online = False
    desk.pass_time(25 * DAY)
    minute = desk.clock.now() % DAY // MINUTE
    quiet = QuietHours(from_minute=minute, until_minute=(minute + 20) % 1440)
    sight = Notices(desk.app(), quiet=quiet).look()
    assert not sight.is_due
    assert 19 * MINUTE <= sight.look_again_seconds <= 20 * MINUTE
    assert Notices(desk.app()).look().look_again_seconds == HOUR


def test_an_app_on_a_stage_is_left_alone(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.transport.online = False
    desk.pass_time(29 * DAY)
    assert not Notices(desk.app(), is_busy=lambda: True).look().is_due
    assert Notices(desk.app(), is_busy=lambda: False).look().is_due
    assert Notices(desk.app(), is_busy=lambda: True).look("asked").is_due


def test_a_snooze_ends_while_there_is_time_to_act(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.transport.online = False
    desk.pass_time(21 * DAY)
    notices = Notices(desk.app())
    notices.snooze(notices.look(), 3 * DAY)
    for days, expected in ((2, False), (5, True)):
        desk.clock.set_wall(desk.true_time.now() + days * DAY)
        assert notices.look().is_due is expected
    notices.snooze(notices.look(), 10**15)
    assert not notices.look().is_due
    desk.clock.set_wall(desk.true_time.now() + 8 * DAY + HOUR)
    assert notices.look().is_due
    notices.snooze(notices._unknown())
    notices.shown(notices._unknown())


def test_other_failures_than_the_network_are_told_by_their_code(desk: Desk) -> None:
    notices = Notices(desk.app(root="nowhere.json"), language="en")
    for reply in (notices.enter_key("x"), notices.act("connect")):
        assert reply is not None
        assert reply.text == "That did not work (root_unreadable). Nothing has changed."


def test_a_refused_key_is_explained_in_the_language_of_the_person(desk: Desk) -> None:
    notices = Notices(desk.app(), language="de")
    reply = notices.enter_key("not a key of anybody")
    assert (reply.tone, reply.proposal) == ("error", None)
    assert reply.text == "Bitte prüfen Sie Ihren Lizenzschlüssel auf Tippfehler oder geben Sie einen anderen ein."


def test_a_moment_beyond_every_calendar_is_borne(desk: Desk) -> None:
    from carnet.ui.model import _utc_offset

    assert _utc_offset(Instant(2**70)) == 0
    assert abs(_utc_offset(Instant(0))) < DAY
