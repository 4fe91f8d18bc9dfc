"""The dialog on Qt: one window whose content changes. It shows what it is given, and tells what was pressed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from carnet.ui.look import Palette
from carnet.ui.model import Reply
from carnet.ui.presenter import KeyView
from carnet.ui.qt_style import sign, style_sheet
from carnet.ui.texts.catalog import Button
from carnet.ui.views import DialogView


class Dialog(QDialog):
    """A window of the app's own, never a nested event loop."""

    def __init__(
        self,
        parent: QWidget | None,
        palette: Palette,
        *,
        pressed: Callable[[Button], None],
        entered: Callable[[str], None],
        dismissed: Callable[[], None],
    ) -> None:
        """
        Args:
            parent: The app's window.
            palette: Its colours.
            pressed: Told of a button.
            entered: Told of a license key.
            dismissed: Told when the window is closed.
        """
        super().__init__(parent)
        self._pressed, self._entered, self._dismissed = pressed, entered, dismissed
        self._palette = palette
        self._line = self.fontMetrics().lineSpacing()
        letters = self.fontMetrics().horizontalAdvance("n") * 50
        self._measure = min(letters, round(self.screen().availableGeometry().width() * 0.6))
        self.buttons: dict[Button, QPushButton] = {}
        self.entry: QLineEdit | None = None
        self._content: QWidget | None = None
        self.setStyleSheet(style_sheet(palette, self._line))
        self._told = QLabel()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSizeConstraint(QVBoxLayout.SizeConstraint.SetFixedSize)

    def fill(self, view: DialogView, *, takes_focus: bool) -> None:
        """Show *view* in place of what is shown."""
        if self._content is not None:
            self._layout.removeWidget(self._content)
            self._content.setParent(None)  # out of the keyboard's way at once; the event loop deletes it later
            self._content.deleteLater()
        self.setWindowTitle(view.title)
        self.setAccessibleName(view.title)
        self.setAccessibleDescription(" ".join([view.sign, view.until or "", *view.paragraphs]))
        line = self._line
        self._content = content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(*[round(line * 1.4)] * 4)
        grid.setHorizontalSpacing(line)
        grid.setVerticalSpacing(0)
        picture = QLabel()
        picture.setPixmap(sign(view.tone, self._palette, round(line * 2.2), self, on_tile=True))
        picture.setAccessibleName(view.sign)
        grid.addWidget(picture, 0, 0, 2, 1, Qt.AlignmentFlag.AlignTop)
        self._say(grid, view.title, 0, font_scale=1.3)
        if view.until is not None:
            self._say(grid, view.until, 0.2, color=self._palette.tones[view.tone][0])
        for index, paragraph in enumerate(view.paragraphs):
            self._say(grid, paragraph, 0.75, kind="quiet" if index and view.tone == "good" else "text")
        self.entry = self._field(grid, view.label) if isinstance(view, KeyView) else None
        self._told = self._say(grid, "", 0.9, color=self._palette.quiet)
        self._told.hide()
        main = self._footer(grid, view)
        self._layout.addWidget(content)
        content.show()  # the layout would do it later, and what is not shown yet does not get the keyboard
        self.setWindowModality(Qt.WindowModality.WindowModal if view.is_modal else Qt.WindowModality.NonModal)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating, not takes_focus)
        is_new = not self.isVisible()
        (self.entry or main).setFocus()
        if is_new:
            self.adjustSize()
            self._place(in_the_middle=takes_focus)
            self.show()
        if takes_focus:
            self.raise_()
            self.activateWindow()

    def tell(self, reply: Reply, *, is_busy: bool) -> None:
        """A sentence above the buttons, which rest while something is under way."""
        self._told.setText(reply.text)
        ink = self._palette.quiet if is_busy else self._palette.tones[reply.tone][0]
        self._told.setStyleSheet(f"color: {ink};")
        self._told.setVisible(bool(reply.text))
        for button in self.buttons.values():
            button.setDisabled(is_busy)
        if reply.proposal is not None and self.entry is not None:
            self.entry.setText(reply.proposal)
            self.entry.selectAll()
            self.entry.setFocus()

    def reject(self) -> None:
        """Escape, or the window's frame."""
        self._dismissed()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Enter presses the button that the keyboard is on, else the main one."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            focused = self.focusWidget()
            button = focused if isinstance(focused, QPushButton) else [*self.buttons.values()][-1]
            button.click()
        else:
            super().keyPressEvent(event)

    def _say(
        self, grid: QGridLayout, text: str, space: float, *, kind: str = "text", font_scale: float = 1, color: str = ""
    ) -> QLabel:
        label = QLabel(text)
        label.setTextFormat(Qt.TextFormat.PlainText)  # what a server wrote is text, never markup (SEC-39)
        label.setWordWrap(True)
        label.setFixedWidth(self._measure)
        label.setProperty("kind", kind)
        label.setContentsMargins(0, round(self._line * space), 0, 0)
        font = label.font()
        if font_scale != 1 or color:
            font.setBold(True)
            font.setPointSizeF(font.pointSizeF() * font_scale)
        label.setFont(font)
        if color:
            label.setStyleSheet(f"color: {color};")
        grid.addWidget(label, self._next_row(grid), 1)
        return label

    def _next_row(self, grid: QGridLayout) -> int:
        """The first row without a text; the sign beside them spans the first two."""
        return next((row for row in range(grid.rowCount()) if grid.itemAtPosition(row, 1) is None), grid.rowCount())

    def _field(self, grid: QGridLayout, text: str) -> QLineEdit:
        label = self._say(grid, text, 0.8, kind="quiet")
        label.setContentsMargins(0, round(self._line * 0.8), 0, round(self._line * 0.25))
        entry = QLineEdit()
        entry.setAccessibleName(text)
        label.setBuddy(entry)
        grid.addWidget(entry, self._next_row(grid), 1)
        return entry

    def _footer(self, grid: QGridLayout, view: DialogView) -> QPushButton:
        """The buttons: side by side where they fit, otherwise one below the other, the main one last in both."""
        self.buttons = {}
        for each in view.buttons:
            button = QPushButton(each.label)
            button.setProperty("kind", "main" if each.is_main else "plain")
            button.setAutoDefault(False)
            button.clicked.connect(lambda _=False, action=each.action: self._press(action))
            button.setStyleSheet(self.styleSheet())
            self.buttons[each.action] = button
        wide = sum(button.sizeHint().width() + self._line // 2 for button in self.buttons.values())
        side_by_side = wide <= self._measure + 3 * self._line
        row = QHBoxLayout() if side_by_side else QVBoxLayout()
        row.setContentsMargins(0, round(self._line * 1.4), 0, 0)
        row.setSpacing(round(self._line * 0.4))
        for button in self.buttons.values():
            row.addWidget(button)
        grid.addLayout(row, self._next_row(grid), 0, 1, 2, Qt.AlignmentFlag.AlignRight)
        order = [*([self.entry] if self.entry is not None else []), *self.buttons.values()]
        for one, other in pairwise(order):
            self.setTabOrder(one, other)
        return next(self.buttons[each.action] for each in view.buttons if each.is_main)

    def _press(self, action: Button) -> None:
        if action == "activate_now" and self.entry is not None:
            self._entered(self.entry.text())
        else:
            self._pressed(action)

    def _place(self, *, in_the_middle: bool) -> None:
        """In the middle of the app where somebody asked; otherwise in its lower corner, out of the way."""
        parent = self.parentWidget()
        if parent is None:
            return
        around = QRect(parent.window().mapToGlobal(parent.window().rect().topLeft()), parent.window().size())
        free_x, free_y = around.width() - self.width(), around.height() - self.height()
        x = around.x() + (free_x // 2 if in_the_middle else free_x - self._line)
        y = around.y() + (free_y // 3 if in_the_middle else free_y - self._line)
        screen = parent.screen().availableGeometry()
        x = max(screen.left(), min(x, screen.right() - self.width()))
        self.move(x, max(screen.top(), min(y, screen.bottom() - self.height())))
