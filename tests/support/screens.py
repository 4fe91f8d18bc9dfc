"""A toolkit without pixels: what a presenter does to a screen, on a UI thread that the test itself is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from carnet.ui.model import Reply
from carnet.ui.presenter import Presenter
from carnet.ui.views import BadgeView, DialogView


class PlainScreen:
    """
    A `carnet.ui.presenter.Screen`.

    Attributes:
        badges: Every badge that was shown.
        dialogs: Every dialog that was shown, with whether it took the keyboard.
        told: Every sentence, with whether the dialog was busy.
        is_up: Whether a dialog is up.
        threads: Which threads called anything but `post`.
    """

    def __init__(self) -> None:
        self.badges: list[BadgeView] = []
        self.dialogs: list[tuple[DialogView, bool]] = []
        self.told: list[tuple[Reply, bool]] = []
        self.is_up = False
        self.timer: tuple[int, Callable[[], None]] | None = None
        self.threads: set[str] = set()
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def post(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def later(self, seconds: int, call: Callable[[], None]) -> None:
        self._seen()
        self.timer = (seconds, call)

    def show_badge(self, badge: BadgeView) -> None:
        self._seen()
        self.badges.append(badge)

    def show_dialog(self, dialog: DialogView, *, takes_focus: bool) -> None:
        self._seen()
        self.dialogs.append((dialog, takes_focus))
        self.is_up = True

    def tell(self, reply: Reply, *, is_busy: bool) -> None:
        self._seen()
        self.told.append((reply, is_busy))

    def hide_dialog(self) -> None:
        self._seen()
        self.is_up = False

    def run_until(self, is_so: Callable[[], bool]) -> None:
        """Be the UI's thread until something is so."""
        while not is_so():
            self._calls.get(timeout=120)()

    def run_all(self, presenter: Presenter) -> None:
        """Be the UI's thread until nothing is under way any more."""
        while True:
            with presenter._lock:
                is_working = presenter._is_working
            if self._calls.empty() and not is_working:
                return
            if not self._calls.empty():
                self._calls.get()()
            else:
                for thread in threading.enumerate():
                    if thread.name == "carnet-ui":
                        thread.join(0.05)

    def _seen(self) -> None:
        self.threads.add(threading.current_thread().name)
