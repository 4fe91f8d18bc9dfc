"""
What Tk and Qt share: when to look, what to put on the screen, and work that never holds up the UI's own thread.

A toolkit is a `Screen`. Everything here runs on the UI's thread, except what `_off_thread` starts; what that finds
comes back through `Screen.post`. A failure of ours, or of the toolkit, is kept in `last_failure` and never raised into
the host (users-ask 58): an app must not fall over its license notice.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Protocol, TypeVar

from carnet.client.events import Event
from carnet.core.attention import Occasion
from carnet.ui.model import Notices, Reply, Sight
from carnet.ui.texts.catalog import Button
from carnet.ui.views import BadgeView, DialogView, labelled

_T = TypeVar("_T")
_ASKS_FOR_KEY: tuple[Button, ...] = ("enter_key", "enter_first_key", "activate")


class KeyView(DialogView):
    """A dialog that asks for a license key; `label` names the field for everyone, screen readers too."""

    label: str


class Screen(Protocol):
    """One toolkit's hands. All but `post` are called on the UI's thread."""

    def post(self, call: Callable[[], None]) -> None:
        """Run *call* on the UI's thread, soon; callable from any thread, and without waiting for it."""
        ...

    def later(self, seconds: int, call: Callable[[], None]) -> None:
        """Run *call* on the UI's thread in *seconds*, in place of an earlier such call."""
        ...

    def show_badge(self, badge: BadgeView) -> None:
        """Make every badge say this."""
        ...

    def show_dialog(self, dialog: DialogView, *, takes_focus: bool) -> None:
        """Bring the dialog up, or put this in place of what it shows. Only a modal one may stand in the way."""
        ...

    def tell(self, reply: Reply, *, is_busy: bool) -> None:
        """Show a sentence in the dialog; while busy its buttons rest, and it can still be closed."""
        ...

    def hide_dialog(self) -> None:
        """Take the dialog away, if there is one."""
        ...


class Presenter:
    """The life of a badge and a dialog."""

    def __init__(self, notices: Notices, screen: Screen) -> None:
        """
        Args:
            notices: What to show.
            screen: Where.
        """
        self.notices = notices
        self.last_failure: Exception | None = None
        self._screen = screen
        self._sight: Sight | None = None
        self._view: DialogView | None = None
        self._is_open = self._is_asking = self._is_busy = self._is_closed = False
        self._turn = 0  # counts what comes up and goes: a look from before must not bring back what was just closed
        self._jobs: deque[Callable[[], None]] = deque()
        self._is_working = False
        self._lock = Lock()
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin: `Carnet.start()` and the first look, then again whenever something may have changed."""
        if self._unsubscribe is None:
            self._unsubscribe = self._safely(lambda: self.notices.carnet.subscribe(self._heard))
        self._look("start")

    def asked(self) -> None:
        """A person wants to know: the badge was pressed. A dialog that is up already comes to the front."""
        view = self._view
        if not self._is_open:
            self._look("asked")
        elif view is not None and not self._is_asking and not self._is_busy:
            self._safely(lambda: self._show(view, takes_focus=True))

    def pressed(self, action: Button) -> None:
        """A button of the dialog was pressed."""
        if self._is_busy:
            return
        sight = self._sight
        if action in _ASKS_FOR_KEY:
            self._ask_for_key()
        elif action == "back" and sight is not None and sight.dialog is not None:
            self._show(sight.dialog, takes_focus=True)
        elif action in {"close", "remind_later"}:
            self._off_thread(lambda: self.notices.act(action, sight), lambda _: None)
            self.dismissed()
        else:
            self._wait_for(lambda: self.notices.act(action, sight))

    def entered(self, license_key: str) -> None:
        """A license key was typed and confirmed."""
        if not self._is_busy:
            self._wait_for(lambda: self.notices.enter_key(license_key))

    def dismissed(self) -> None:
        """The dialog was closed, by a button, Escape, or its frame."""
        self._is_open = self._is_asking = False
        self._turn += 1
        self._safely(self._screen.hide_dialog)

    def close(self) -> None:
        """End: nothing is shown and nothing is looked at any more. The app's `Carnet` stays open."""
        self._is_closed = True
        if self._unsubscribe is not None:
            self._safely(self._unsubscribe)
        self.dismissed()
        # Work that is still under way must not hold the last reference to a window: toolkits die of being torn down on
        # another thread than their own.
        self._screen = _Nowhere()

    def _heard(self, event: Event) -> None:
        """On the SDK's own thread: something changed."""
        if event.kind != "refresh_finished":
            self._safely(lambda: self._screen.post(lambda: self._look("running")))

    def _look(self, occasion: Occasion) -> None:
        if not self._is_closed:
            self._off_thread(lambda: self.notices.look(occasion), functools.partial(self._saw, occasion, self._turn))

    def _saw(self, occasion: Occasion, turn: int, sight: Sight) -> None:
        self._screen.show_badge(sight.badge)
        self._screen.later(sight.look_again_seconds, lambda: self._look("running"))
        if self._is_busy or self._is_asking:
            return  # somebody is in the middle of something
        self._sight = sight
        if sight.dialog is None or not (sight.is_due or self._is_open):
            return
        if not self._is_open and turn != self._turn and occasion != "asked":
            self._look(occasion)
            return
        is_new = not self._is_open
        if is_new or sight.dialog != self._view:
            self._show(sight.dialog, takes_focus=is_new and (sight.dialog.is_modal or occasion == "asked"))
        if is_new:
            self._off_thread(lambda: self.notices.shown(sight), lambda _: None)

    def _show(self, dialog: DialogView, *, takes_focus: bool) -> None:
        self._turn += not self._is_open
        self._is_open, self._is_asking, self._view = True, isinstance(dialog, KeyView), dialog
        self._screen.show_dialog(dialog, takes_focus=takes_focus)

    def _ask_for_key(self) -> None:
        texts = self.notices.texts
        is_modal = self._sight is not None and self._sight.dialog is not None and self._sight.dialog.is_modal
        dialog = KeyView(
            code="enter_key",
            tone="info",
            sign=texts.say("icon_info"),
            title=texts.say("key_title"),
            paragraphs=(texts.say("key_help"),),
            until=None,
            buttons=labelled(("back", "activate_now"), texts, main="activate_now"),
            is_modal=is_modal,
            label=texts.say("key_label"),
        )
        self._safely(lambda: self._show(dialog, takes_focus=True))

    def _wait_for(self, work: Callable[[], Reply | None]) -> None:
        self._is_busy = True
        busy = Reply(tone="info", text=self.notices.texts.say("checking"))
        self._safely(lambda: self._screen.tell(busy, is_busy=True))
        self._off_thread(work, self._answered)

    def _answered(self, reply: Reply | None) -> None:
        self._is_busy = False
        if reply is None:
            self.dismissed()
            return
        sight = reply.sight
        if sight is not None:
            self._screen.show_badge(sight.badge)
            if not self._is_asking or reply.tone == "good":
                self._sight = sight
        if not self._is_open:
            return
        if sight is not None and sight.dialog is not None and (not self._is_asking or reply.tone == "good"):
            self._show(sight.dialog, takes_focus=True)
        self._screen.tell(reply, is_busy=False)

    def _off_thread(self, work: Callable[[], _T], then: Callable[[_T], None]) -> None:
        """Do *work* after what was asked for before, and hand what it finds to *then* on the UI's thread."""

        def job() -> None:
            try:
                found = work()
            except Exception as failure:  # noqa: BLE001 - the host's own functions are called too (users-ask 58)
                self.last_failure = failure
                self._post(self._failed)
            else:
                self._post(lambda: then(found))

        with self._lock:
            self._jobs.append(job)
            if self._is_working:
                return
            self._is_working = True
        try:
            Thread(target=self._work, name="carnet-ui", daemon=True).start()
        except RuntimeError as failure:  # the interpreter is going down
            self.last_failure = failure
            self._is_working = False

    def _work(self) -> None:
        """One thread at a time, in order, and none while there is nothing to do."""
        while True:
            with self._lock:
                if not self._jobs:
                    self._is_working = False
                    return
                job = self._jobs.popleft()
            job()

    def _post(self, call: Callable[[], None]) -> None:
        with suppress(Exception):  # the toolkit is gone: there is nobody left to tell
            self._screen.post(lambda: None if self._is_closed else self._safely(call))

    def _failed(self) -> None:
        if self._is_busy:
            self._is_busy = False
            words = self.notices.texts.say("not_done", code=type(self.last_failure).__name__)
            self._screen.tell(Reply(tone="warning", text=words), is_busy=False)

    def _safely(self, call: Callable[[], _T]) -> _T | None:
        try:
            return call()
        except Exception as failure:  # noqa: BLE001 - see the module's first paragraph
            self.last_failure = failure
            return None


class _Nowhere:
    """The screen of a presenter that was closed."""

    def post(self, call: Callable[[], None]) -> None:
        """Nobody is there."""

    def later(self, seconds: int, call: Callable[[], None]) -> None:
        """Nobody is there."""

    def show_badge(self, badge: BadgeView) -> None:
        """Nobody is there."""

    def show_dialog(self, dialog: DialogView, *, takes_focus: bool) -> None:
        """Nobody is there."""

    def tell(self, reply: Reply, *, is_busy: bool) -> None:
        """Nobody is there."""

    def hide_dialog(self) -> None:
        """Nobody is there."""
