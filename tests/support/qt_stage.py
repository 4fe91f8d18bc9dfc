"""Plays the scenes of `window_scenes` on Qt: ``python -m support.qt_stage DIRECTORY [SCENE …]``."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEventLoop, QPoint, Qt, QTimer
from PySide6.QtGui import QColor, QFont, QPainter, QPalette, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QLineEdit, QPushButton, QTextEdit, QVBoxLayout, QWidget

from carnet.ui.qt import QtNotices
from carnet.ui.qt_dialog import Dialog
from support.window_scenes import Scene, Stage, play


class Show:
    """One scene on the screen."""

    def __init__(self, application: QApplication, directory: Path, name: str, scene: Scene) -> None:
        self.application, self.directory, self.name, self.scene = application, directory, name, scene
        application.setFont(QFont("Open Sans", round(10 * scene.scale)))
        self.stage = Stage(scene)
        self.window = QWidget()
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Window, QColor("#14161b" if scene.dark else "#eef0f4"))
        palette.setColor(QPalette.ColorRole.Base, QColor("#1b1e25" if scene.dark else "#ffffff"))
        self.window.setPalette(palette)
        self.window.resize(780, 560)
        self.notices = QtNotices(self.stage.app, self.window, **self.stage.settings(scene))
        self.badge = self.notices.badge()
        self.document = QTextEdit()
        self.document.setFrameStyle(0)
        bar = QHBoxLayout()
        bar.addStretch()
        bar.addWidget(self.badge)
        layout = QVBoxLayout(self.window)
        layout.addLayout(bar)
        layout.addWidget(self.document)
        self.window.show()
        self.document.setFocus()
        self._until(self.window.isActiveWindow)

    def play(self) -> dict[str, Any]:
        """What became of it."""
        self.notices.start()
        self._until(lambda: bool(self.badge.text()))
        if self.scene.asks:
            QTest.keyClick(self.badge, Qt.Key.Key_Space)
            self._until(lambda: self.notices.dialog is not None)
        told: list[str] = []
        self.stage.desk.transport.online = self.scene.is_online
        for action in self.scene.presses:
            self._until(lambda: self.notices.dialog is not None)
            before = self._texts()
            self._dialog().buttons[action].click()  # type: ignore[index]
            self._until(functools.partial(self._has_answered, before))
            told.append(self._told())
        if self.scene.types is not None:
            entry = self._dialog().entry
            assert entry is not None
            QTest.keyClicks(entry, self.scene.types)
            QTest.keyClick(entry, Qt.Key.Key_Return)
            self._until(lambda: bool(self._told()) and not self._is_busy())
            told.append(self._told())
        return self._report(told)

    def _dialog(self) -> Dialog:
        assert self.notices.dialog is not None
        return self.notices.dialog

    def _texts(self) -> list[str]:
        return [str(each["text"]) for each in self._widgets()]

    def _is_busy(self) -> bool:
        return any(not button.isEnabled() for button in self._dialog().buttons.values())

    def _has_answered(self, before: list[str]) -> bool:
        return self.notices.dialog is None or (not self._is_busy() and self._texts() != before)

    def _told(self) -> str:
        return "" if self.notices.dialog is None else self.notices.dialog._told.text()

    def _report(self, told: list[str]) -> dict[str, Any]:
        for _ in range(5):
            self.application.processEvents()
        dialog = self.notices.dialog
        report: dict[str, Any] = {
            "badge": self.badge.text().strip(),
            "badge_spoken": self.badge.accessibleName(),
            "told": told,
            "failure": repr(self.notices.presenter.last_failure),
            "failures": [],
            "requests": self.stage.requests,
            "dialog": None,
            "document_has_focus": self.document.hasFocus() or self.window.focusWidget() is self.document,
        }
        self._shoot(f"{self.name}-badge", self.badge, 6)
        if dialog is not None:
            report["dialog"] = {
                "title": dialog.windowTitle(),
                "size": [dialog.width(), dialog.height()],
                "is_modal": dialog.windowModality() != Qt.WindowModality.NonModal,
                "widgets": self._widgets(),
                "focus": self._name_of(dialog.focusWidget()),
                "has_keyboard": dialog.focusWidget() is self.application.focusWidget(),
                "order": self._order(dialog),
                "spoken": [dialog.accessibleName(), dialog.accessibleDescription()],
                "takes_focus": not dialog.testAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating),
            }
            self._shoot(self.name, dialog, 14)
            QTest.keyClick(dialog, Qt.Key.Key_Escape)
            self.application.processEvents()
            report["escaped"] = self.notices.dialog is None
        self.notices.close()
        self.window.close()
        self.window.deleteLater()
        self.application.processEvents()
        return report

    def _order(self, dialog: Dialog) -> list[str]:
        """What the Tab key visits, from the first."""
        first = dialog.entry or next(iter(dialog.buttons.values()))
        seen: list[QWidget] = []
        at: QWidget | None = first
        while at is not None and at not in seen:
            seen.append(at)
            at = at.nextInFocusChain()
            while at is not None and (at.focusPolicy() == Qt.FocusPolicy.NoFocus or at is dialog):
                at = at.nextInFocusChain()
        return [self._name_of(each) for each in seen]

    def _name_of(self, widget: QWidget | None) -> str:
        if isinstance(widget, QLineEdit):
            return "entry"
        return widget.text() if isinstance(widget, QPushButton) else type(widget).__name__

    def _widgets(self) -> list[dict[str, Any]]:
        found = []
        content = self._dialog()._content
        assert content is not None
        for each in content.findChildren(QWidget):
            if isinstance(each, QLabel | QPushButton | QLineEdit) and each.isVisible():
                corner = each.mapToGlobal(QPoint(0, 0))
                hint = each.minimumSizeHint()
                wants = each.heightForWidth(each.width()) if each.hasHeightForWidth() else hint.height()
                found.append(
                    {
                        "kind": {"QPushButton": "Button", "QLineEdit": "Entry"}.get(type(each).__name__, "Label"),
                        "text": each.text(),
                        "place": [corner.x(), corner.y(), each.width(), each.height()],
                        "wants": [hint.width() if isinstance(each, QPushButton) else 0, wants],
                        "is_visible": each.isVisible() and not each.visibleRegion().isEmpty(),
                        "spoken": each.accessibleName() or each.text(),
                    }
                )
        return found

    def _shoot(self, name: str, widget: QWidget, margin: int) -> None:
        """With some of the app around it, so that edges show."""
        picture = widget.grab()
        around = QPixmap(widget.width() + 2 * margin, widget.height() + 2 * margin)
        around.fill(self.window.palette().color(QPalette.ColorRole.Window))
        painter = QPainter(around)
        painter.drawPixmap(margin, margin, picture)
        painter.end()
        around.save(str(self.directory / f"{name}.png"))

    def _until(self, is_so: Callable[[], bool]) -> None:
        late: list[int] = []
        alarm = QTimer(singleShot=True)
        alarm.timeout.connect(lambda: late.append(1))
        alarm.start(60_000)
        while not is_so():
            assert not late, (self.name, self._told(), self.notices.presenter.last_failure)
            self.application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def main() -> None:
    """Play what is asked for."""
    directory, *names = sys.argv[1:]
    application = QApplication([])
    application.setQuitOnLastWindowClosed(False)
    application.setStyle("Fusion")
    json.dump(play(lambda name, scene: Show(application, Path(directory), name, scene).play(), names), sys.stdout)


if __name__ == "__main__":
    main()
