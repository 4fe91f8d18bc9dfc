"""The life of badge and dialog, with the real SDK and no toolkit: nothing blocks, nothing raises, nothing nags."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.client.reminders import FILE
from carnet.core.instant import DAY, HOUR
from carnet.ui.model import Notices
from carnet.ui.presenter import KeyView, Presenter
from support.issuing import LICENSE_KEY
from support.screens import PlainScreen
from support.sdk import Desk
from support.window_scenes import MISTYPED


class Room:
    """A device, its app, and what is on its screen."""

    def __init__(self, state: Path, *, day: float | None = 27, is_online: bool = False, **settings: Any) -> None:
        self.desk = Desk(state)
        if day is not None:
            assert self.desk.app().activate(LICENSE_KEY)
            self.desk.pass_time(round(day * DAY))
        self.desk.transport.online = is_online
        self.settings = {"language": "en", **settings}
        self.app = self.desk.app()
        self.screen = PlainScreen()
        self.presenter = Presenter(Notices(self.app, **self.settings), self.screen)

    def begin(self) -> None:
        """The app starts and everything settles."""
        self.presenter.start()
        self.settle()

    def settle(self) -> None:
        """Until nothing is under way."""
        self.app.settle(120)
        self.screen.run_all(self.presenter)

    def again(self) -> Room:
        """The app, started anew."""
        self.presenter.close()
        self.app.close()
        self.app = self.desk.app()
        self.screen = PlainScreen()
        self.presenter = Presenter(Notices(self.app, **self.settings), self.screen)
        self.begin()
        return self

    def press(self, action: Any) -> None:
        """A button."""
        self.presenter.pressed(action)
        self.settle()


@pytest.fixture
def room(tmp_path: Path) -> Callable[..., Room]:
    return lambda **settings: Room(tmp_path, **settings)


def test_a_license_that_is_in_order_shows_its_badge_and_nothing_else(room: Callable[..., Room]) -> None:
    quiet = room(day=2)
    quiet.begin()
    assert {badge.text for badge in quiet.screen.badges} == {"Licensed · 28 days offline"}
    assert quiet.screen.dialogs == []
    assert quiet.screen.timer is not None
    assert quiet.screen.timer[0] <= HOUR
    assert quiet.presenter.last_failure is None


def test_users_ask_57_a_warning_comes_once_and_not_again_in_the_next_start(room: Callable[..., Room]) -> None:
    near = room()
    near.begin()
    assert [dialog.title for dialog, _ in near.screen.dialogs] == ["Offline license expires in 3 days"]
    assert near.again().screen.dialogs == []
    near.desk.pass_time(DAY)
    assert near.again().screen.dialogs == []
    near.desk.pass_time(DAY)
    assert [dialog.title for dialog, _ in near.again().screen.dialogs] == ["Offline license expires in 1 day"]


def test_remind_me_later_is_remembered_in_a_file_and_grace_breaks_it(room: Callable[..., Room], tmp_path: Path) -> None:
    near = room()
    near.begin()
    near.press("remind_later")
    assert not near.screen.is_up
    assert '"snoozed_until":"20' in (tmp_path / "hustl" / FILE).read_text()
    near.desk.pass_time(DAY)
    assert near.again().screen.dialogs == []
    near.desk.pass_time(2 * DAY)
    assert [dialog.code for dialog, _ in near.again().screen.dialogs] == ["offline_grace"]


def test_who_asks_is_answered_whatever_was_put_off(room: Callable[..., Room]) -> None:
    near = room()
    near.begin()
    near.press("remind_later")
    near.presenter.asked()
    near.settle()
    assert near.screen.is_up
    assert near.screen.dialogs[-1][1], "it was asked for: it takes the keyboard"


def test_who_asks_again_gets_the_dialog_to_the_front(room: Callable[..., Room]) -> None:
    near = room()
    near.begin()
    near.presenter.asked()
    assert [takes_focus for _, takes_focus in near.screen.dialogs] == [False, True]
    near.presenter.pressed("enter_key")
    near.presenter.asked()  # not while a key is being typed
    assert len(near.screen.dialogs) == 3


def test_only_an_app_that_may_not_run_loses_the_keyboard_to_a_dialog(room: Callable[..., Room], tmp_path: Path) -> None:
    for day, takes in ((27, False), (33, False), (40, True)):
        shown = Room(tmp_path / str(day), day=day)
        shown.begin()
        assert [takes_focus for _, takes_focus in shown.screen.dialogs] == [takes]
        assert shown.screen.dialogs[0][0].is_modal is takes


def test_the_ui_thread_never_waits_for_the_network(room: Callable[..., Room]) -> None:
    grace = room(day=33)
    grace.begin()
    let_go = threading.Event()
    answer = grace.desk.transport._answer

    def slowly(request: Any) -> Any:
        assert let_go.wait(120)
        return answer(request)

    grace.desk.transport._answer = slowly
    grace.desk.transport.online = True
    grace.presenter.pressed("connect")  # returns while the server has not answered
    assert grace.screen.told[-1] == (grace.screen.told[-1][0], True)
    assert grace.screen.told[-1][0].text == "Asking the license server …"
    before = len(grace.screen.told)
    grace.presenter.pressed("connect")  # an impatient second click does nothing
    assert len(grace.screen.told) == before
    let_go.set()
    grace.settle()
    assert grace.screen.told[-1][0].text == "Thank you. Your license is up to date."
    assert grace.screen.badges[-1].text == "Licensed · 30 days offline"
    assert grace.screen.threads == {"MainThread"}


def test_a_dialog_can_be_closed_while_the_server_thinks(room: Callable[..., Room]) -> None:
    grace = room(day=33)
    grace.begin()
    grace.desk.transport.online = True
    grace.presenter.pressed("connect")
    grace.presenter.dismissed()
    told = len(grace.screen.told)
    grace.settle()
    assert not grace.screen.is_up
    assert len(grace.screen.told) == told
    assert grace.screen.badges[-1].tone == "good"


def test_an_event_of_the_sdk_brings_the_badge_up_to_date(room: Callable[..., Room]) -> None:
    grace = room(day=33)
    grace.begin()
    grace.presenter.dismissed()
    grace.desk.transport.online = True
    assert grace.app.refresh()  # by the app itself, not by our button
    grace.screen.run_until(lambda: grace.screen.badges[-1].tone == "good")
    grace.settle()
    assert not grace.screen.is_up


def test_a_key_is_entered_and_back_leads_back(room: Callable[..., Room]) -> None:
    fresh = room(day=None, is_online=True)
    fresh.begin()
    assert fresh.screen.dialogs[-1][0].code == "not_activated"
    fresh.press("enter_first_key")
    asking = fresh.screen.dialogs[-1][0]
    assert isinstance(asking, KeyView)
    assert (asking.label, asking.is_modal) == ("License key", True)
    fresh.press("back")
    assert fresh.screen.dialogs[-1][0].code == "not_activated"
    fresh.press("enter_first_key")
    for typed, tone, said in (
        ("  ", "warning", "Please enter a license key."),
        (MISTYPED, "warning", f"There may be a typing error. Did you mean {LICENSE_KEY}?"),
        (LICENSE_KEY, "good", "Thank you. Your license is up to date."),
    ):
        fresh.presenter.entered(typed)
        fresh.settle()
        reply, is_busy = fresh.screen.told[-1]
        assert (reply.tone, reply.text, is_busy) == (tone, said, False)
    assert fresh.screen.dialogs[-1][0].code == "active"
    assert fresh.screen.badges[-1].text == "Licensed · 30 days offline"


def test_nobody_is_disturbed_in_the_middle_of_typing(room: Callable[..., Room]) -> None:
    fresh = room(day=None)
    fresh.begin()
    fresh.press("enter_first_key")
    shown = len(fresh.screen.dialogs)
    assert fresh.screen.timer is not None
    fresh.screen.timer[1]()
    fresh.settle()
    assert len(fresh.screen.dialogs) == shown


@pytest.mark.parametrize("broken", ["show_badge", "show_dialog", "later", "tell", "hide_dialog"])
def test_users_ask_58_a_toolkit_that_fails_does_not_fail_the_app(room: Callable[..., Room], broken: str) -> None:
    grace = room(day=33)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the widget is gone")

    setattr(grace.screen, broken, fail)
    grace.begin()
    grace.press("connect")
    grace.presenter.entered("x")
    grace.settle()
    grace.presenter.dismissed()
    grace.presenter.close()
    assert isinstance(grace.presenter.last_failure, RuntimeError)


def test_users_ask_58_a_function_of_the_app_that_fails_is_told_in_the_dialog(
    room: Callable[..., Room], tmp_path: Path
) -> None:
    def fail() -> str:
        raise ZeroDivisionError

    over = room(day=40, offline_request=fail)
    over.begin()
    over.press("save_request")
    assert over.screen.told[-1][0].text == "That did not work (ZeroDivisionError). Nothing has changed."
    assert isinstance(over.presenter.last_failure, ZeroDivisionError)
    busy = Room(tmp_path / "other", day=40, is_busy=fail)
    busy.begin()
    assert isinstance(busy.presenter.last_failure, ZeroDivisionError)


def test_a_wrong_setting_of_the_app_is_a_badge_without_a_statement(tmp_path: Path) -> None:
    shown = Room(tmp_path, day=None)
    shown.app = shown.desk.app(root="nowhere.json")
    shown.presenter = Presenter(Notices(shown.app, language="de"), shown.screen)
    shown.begin()
    assert [badge.text for badge in shown.screen.badges] == ["Lizenzstatus unbekannt"]
    shown.presenter.asked()
    shown.settle()
    assert shown.screen.dialogs == []


def test_after_closing_nothing_reaches_the_screen(room: Callable[..., Room]) -> None:
    near = room()
    near.presenter.start()
    near.presenter.close()
    near.screen.is_up = False
    near.app.settle(120)
    near.screen.run_all(near.presenter)
    assert near.screen.badges == []
    assert near.screen.dialogs == []
    near.presenter.start()
    near.presenter.asked()
    near.screen.run_all(near.presenter)
    assert near.screen.badges == []


def test_a_look_from_before_does_not_bring_back_what_was_just_closed(room: Callable[..., Room]) -> None:
    near = room()
    near.begin()
    assert near.screen.timer is not None
    sight = near.presenter.notices.look("asked")  # what a look found before it was remembered that it was shown
    turn = near.presenter._turn
    near.presenter.pressed("remind_later")
    shown = len(near.screen.dialogs)
    near.presenter._saw("running", turn, sight)
    near.settle()
    assert len(near.screen.dialogs) == shown
    assert not near.screen.is_up
