"""
The three dialogs and the badge for tkinter. Make and use it on the thread that runs Tk; nothing here blocks it.

Tk has no interface for screen readers (as of Tk 8.6): keyboard, contrast, large fonts and dark windows are seen to
here, and an app that needs more shows `carnet.ui.model` in a toolkit that has one.
"""

from __future__ import annotations

import os
import tkinter as tk
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from tkinter import ttk
from typing import Any

from carnet.ui.model import Licensed, Notices, Reply
from carnet.ui.presenter import Presenter
from carnet.ui.tk_dialog import Dialog
from carnet.ui.tk_style import Style
from carnet.ui.views import BadgeView, DialogView

_WAKE = "<<CarnetNotices>>"


class TkNotices:
    """
    License notices and status badges of a tkinter app.

    .. code-block:: python

        notices = TkNotices(carnet, root, renewal_url="https://example.com/renew")
        notices.badge(toolbar).pack(side="right")
        notices.start()
    """

    def __init__(self, carnet: Licensed, root: tk.Misc, *, dark: bool | None = None, **settings: Any) -> None:
        """
        Args:
            carnet: The app's `Carnet`.
            root: The app's main window.
            dark: Whether its windows are dark; None looks at the ground of *root*.
            **settings: Those of `carnet.ui.model.Notices`.
        """
        self.presenter: Presenter = Presenter(Notices(carnet, **settings), self)
        self.dialog: Dialog | None = None
        self._root = root
        self._style = Style(root, dark=dark)
        self._badges: list[ttk.Button] = []
        self._said: BadgeView | None = None
        self._timer: str | None = None
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._pipe: tuple[int, int] | None = None
        self._listen()

    def start(self) -> None:
        """As `Presenter.start`: from now on the badge is right, and dialogs come when they are due."""
        self.presenter.start()

    def badge(self, parent: tk.Misc) -> ttk.Button:
        """A status badge, to be put into the app's own window: days left, and the details when it is pressed."""
        button = ttk.Button(parent, command=self.presenter.asked, takefocus=True)
        for key in ("<Return>", "<KP_Enter>"):
            button.bind(key, lambda _: button.invoke())
        self._badges.append(button)
        if self._said is not None:
            self.show_badge(self._said)
        return button

    def close(self) -> None:
        """End; the app's window and its `Carnet` stay."""
        self.presenter.close()
        with suppress(tk.TclError):
            if self._timer is not None:
                self._root.after_cancel(self._timer)
            if self._pipe is not None:
                self._root.tk.deletefilehandler(self._pipe[0])
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            for end in pipe:
                os.close(end)

    def post(self, call: Callable[[], None]) -> None:
        """From any thread. Where Tk can watch a pipe, a byte in it wakes it at once; elsewhere an event does."""
        self._calls.put(call)
        if self._pipe is not None:
            with suppress(OSError):
                os.write(self._pipe[1], b"\0")
        else:
            with suppress(RuntimeError, tk.TclError):  # nobody runs Tk any more
                self._root.event_generate(_WAKE, when="tail")

    def later(self, seconds: int, call: Callable[[], None]) -> None:
        """On the UI's thread, in place of an earlier call."""
        if self._timer is not None:
            self._root.after_cancel(self._timer)
        self._timer = self._root.after(seconds * 1000, call)

    def show_badge(self, badge: BadgeView) -> None:
        """Every badge says *badge*."""
        self._said = badge
        self._badges = [button for button in self._badges if button.winfo_exists()]
        sign = self._style.sign(badge.tone, on_tile=False)
        for button in self._badges:
            button.configure(text=f" {badge.text}", image=sign, compound="left", style=self._style.badge(badge.tone))

    def show_dialog(self, dialog: DialogView, *, takes_focus: bool) -> None:
        """Bring up *dialog*, or put it in place of what is shown."""
        if self.dialog is None:
            self.dialog = Dialog(
                self._root,
                self._style,
                pressed=self.presenter.pressed,
                entered=self.presenter.entered,
                dismissed=self.presenter.dismissed,
            )
        self.dialog.fill(dialog, takes_focus=takes_focus)

    def tell(self, reply: Reply, *, is_busy: bool) -> None:
        """A sentence in the dialog."""
        if self.dialog is not None:
            self.dialog.tell(reply, is_busy=is_busy)

    def hide_dialog(self) -> None:
        """Take the dialog away."""
        dialog, self.dialog = self.dialog, None
        if dialog is not None:
            dialog.destroy()

    def _listen(self) -> None:
        self._root.bind(_WAKE, lambda _: self._work(), add=True)
        if hasattr(self._root.tk, "createfilehandler") and os.name == "posix":
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)
            self._root.tk.createfilehandler(self._pipe[0], tk.READABLE, lambda *_: self._work())

    def _work(self) -> None:
        """On the UI's thread: what other threads found."""
        if self._pipe is not None:
            with suppress(OSError):
                os.read(self._pipe[0], 4096)
        with suppress(Empty):
            while True:
                self._calls.get_nowait()()
