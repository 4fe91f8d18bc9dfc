"""
Runs what docs/how-to/notices.md tells people to write for Tk and Qt: ``python -m support.page_stage tk|qt < CODE``.

Prints what the badge said once it said something.
"""

from __future__ import annotations

import sys
from typing import Any

from support.window_scenes import SCENES, Stage


def on_tk(code: dict[str, Any], app: object) -> str:
    """The page's `main_window`."""
    from tkinter import ttk

    root = code["main_window"](app)
    badge = next(child for child in root.winfo_children() if isinstance(child, ttk.Button))
    root.after(60_000, root.destroy)
    while not badge.cget("text"):
        root.tk.dooneevent()
    return str(badge.cget("text")).strip()


def on_qt(code: dict[str, Any], app: object) -> str:
    """The page's `status_bar`."""
    from PySide6.QtCore import QEventLoop, QTimer
    from PySide6.QtWidgets import QApplication, QMainWindow, QPushButton

    application = QApplication([])
    window = QMainWindow()
    code["status_bar"](app, window)
    window.show()
    badge = window.statusBar().findChildren(QPushButton)[0]
    QTimer.singleShot(60_000, application.quit)
    while not badge.text():
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    return badge.text().strip()


if __name__ == "__main__":
    names: dict[str, Any] = {}
    exec(sys.stdin.read(), names)  # noqa: S102 - the page's own code
    play = on_tk if sys.argv[1] == "tk" else on_qt
    sys.stdout.write(play(names, Stage(SCENES["grace"]).app))
