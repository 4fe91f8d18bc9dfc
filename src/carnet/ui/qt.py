"""
The three dialogs and the badge for Qt, by PySide6 (``pip install "carnet[qt]"``).

Make and use it on Qt's own thread; nothing here blocks it. What other threads find comes over a signal. Every widget
has a name for screen readers; text from outside is plain text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QIcon, QPalette
from PySide6.QtWidgets import QPushButton, QWidget

from carnet.ui.look import DARK, LIGHT, Palette, palette_on
from carnet.ui.model import Licensed, Notices, Reply
from carnet.ui.presenter import Presenter
from carnet.ui.qt_dialog import Dialog
from carnet.ui.qt_style import badge_sheet, sign
from carnet.ui.views import BadgeView, DialogView


class QtNotices(QObject):
    """
    License notices and status badges of a Qt app.

    .. code-block:: python

        notices = QtNotices(carnet, window, renewal_url="https://example.com/renew")
        window.statusBar().addPermanentWidget(notices.badge())
        notices.start()
    """

    _posted = Signal(object)

    def __init__(self, carnet: Licensed, parent: QWidget, *, dark: bool | None = None, **settings: Any) -> None:
        """
        Args:
            carnet: The app's `Carnet`.
            parent: The app's window, which this belongs to.
            dark: Whether its windows are dark; None looks at its palette.
            **settings: Those of `carnet.ui.model.Notices`.
        """
        super().__init__(parent)
        self.presenter: Presenter = Presenter(Notices(carnet, **settings), self)
        self.dialog: Dialog | None = None
        self._window = parent
        self._dark = dark
        self._badges: list[QPushButton] = []
        self._said: BadgeView | None = None
        self._later: Callable[[], None] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._due)
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        """As `Presenter.start`: from now on the badge is right, and dialogs come when they are due."""
        self.presenter.start()

    def badge(self, parent: QWidget | None = None) -> QPushButton:
        """A status badge, to be put into the app's own window: days left, and the details when it is pressed."""
        button = QPushButton(parent)
        button.clicked.connect(lambda _=False: self.presenter.asked())
        self._badges.append(button)
        if self._said is not None:
            self.show_badge(self._said)
        return button

    def close(self) -> None:
        """End; the app's window and its `Carnet` stay."""
        self._timer.stop()
        self._later = None
        self.presenter.close()

    def post(self, call: Callable[[], None]) -> None:
        """From any thread."""
        self._posted.emit(call)

    def later(self, seconds: int, call: Callable[[], None]) -> None:
        """On the UI's thread, in place of an earlier call."""
        self._later = call
        self._timer.start(seconds * 1000)

    def show_badge(self, badge: BadgeView) -> None:
        """Every badge says *badge*."""
        self._said = badge
        self._badges = [button for button in self._badges if shiboken6.isValid(button)]
        palette = self._palette()
        for button in self._badges:
            line = button.fontMetrics().lineSpacing()
            button.setText(f" {badge.text}")
            button.setAccessibleName(badge.spoken)
            button.setIcon(QIcon(sign(badge.tone, palette, round(line * 0.95), button, on_tile=False)))
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            button.setStyleSheet(badge_sheet(palette, badge.tone, line))

    def show_dialog(self, dialog: DialogView, *, takes_focus: bool) -> None:
        """Bring up *dialog*, or put it in place of what is shown."""
        if self.dialog is None or not shiboken6.isValid(self.dialog):
            presenter = self.presenter
            self.dialog = Dialog(
                self._window,
                self._palette(),
                pressed=presenter.pressed,
                entered=presenter.entered,
                dismissed=presenter.dismissed,
            )
        self.dialog.fill(dialog, takes_focus=takes_focus)

    def tell(self, reply: Reply, *, is_busy: bool) -> None:
        """A sentence in the dialog."""
        if self.dialog is not None:
            self.dialog.tell(reply, is_busy=is_busy)

    def hide_dialog(self) -> None:
        """Take the dialog away."""
        dialog, self.dialog = self.dialog, None
        if dialog is not None and shiboken6.isValid(dialog):
            dialog.hide()
            dialog.deleteLater()

    @Slot(object)
    def _run(self, call: Callable[[], None]) -> None:
        """On the UI's thread: what other threads found."""
        call()

    def _due(self) -> None:
        if self._later is not None:
            self._later()

    def _palette(self) -> Palette:
        if self._dark is not None:
            return DARK if self._dark else LIGHT
        ground = self._window.palette().color(QPalette.ColorRole.Window)
        return palette_on((ground.red(), ground.green(), ground.blue()))
