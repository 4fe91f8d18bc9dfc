"""Plays the scenes of `window_scenes` on tkinter: ``python -m support.tk_stage FRAMEBUFFER DIRECTORY [SCENE …]``."""

from __future__ import annotations

import functools
import gc
import json
import os
import sys
import tkinter as tk
from collections.abc import Callable
from pathlib import Path
from tkinter import font, ttk
from types import SimpleNamespace
from typing import Any

import carnet.ui.tk
from carnet.ui.tk import TkNotices
from support.display import picture
from support.window_scenes import Scene, Stage, play

GROUND = {False: "#eef0f4", True: "#14161b"}
PANEL = {False: "#ffffff", True: "#1b1e25"}


class Show:
    """One scene on the screen."""

    def __init__(self, framebuffer: str, directory: Path, name: str, scene: Scene) -> None:
        self.framebuffer, self.directory, self.name, self.scene = framebuffer, directory, name, scene
        self.stage = Stage(scene)
        self.root = tk.Tk()
        self.root.report_callback_exception = self._raise
        for each in ("TkDefaultFont", "TkTextFont"):
            its = font.nametofont(each, self.root)
            its.configure(size=round(its.actual("size") * scene.scale))
        self.failures: list[str] = []
        self.root.title("Hustl")
        self.root.geometry("780x560+20+20")
        self.root.configure(background=GROUND[scene.dark])
        bar = tk.Frame(self.root, background=GROUND[scene.dark])
        bar.pack(fill="x", padx=16, pady=10)
        self.document = tk.Text(self.root, background=PANEL[scene.dark], relief="flat", highlightthickness=0)
        self.document.pack(fill="both", expand=True, padx=16, pady=(0, 16))
        self.root.update()
        # Without a window manager the keyboard is where the pointer is.
        self.root.event_generate("<Motion>", warp=True, x=30, y=300)
        self.document.focus_force()
        if not scene.has_pipe:
            vars(carnet.ui.tk)["os"] = SimpleNamespace(name="nt")
        self.notices = TkNotices(self.stage.app, self.root, **self.stage.settings(scene))
        self.badge = self.notices.badge(bar)
        self.badge.pack(side="right")

    def play(self) -> dict[str, Any]:
        """What became of it."""
        self.notices.start()
        self._until(lambda: bool(self.badge.cget("text")))
        if self.scene.asks:
            self.badge.focus_force()
            self.badge.event_generate("<Return>")
            self._until(lambda: self.notices.dialog is not None)
        told: list[str] = []
        self.stage.desk.transport.online = self.scene.is_online
        for action in self.scene.presses:
            self._until(lambda: self.notices.dialog is not None)
            dialog = self._dialog()
            before = [str(each["text"]) for each in self._widgets(dialog.window)]
            dialog.buttons[action].invoke()
            self._until(functools.partial(self._has_answered, before))
            told.append(self._told())
        if self.scene.types is not None:
            entry = self._dialog().entry
            assert entry is not None
            entry.insert(0, self.scene.types)
            entry.event_generate("<Return>")
            self._until(lambda: bool(self._told()) and not self._is_busy())
            told.append(self._told())
        return self._report(told)

    def _dialog(self) -> Any:
        assert self.notices.dialog is not None
        return self.notices.dialog

    def _is_busy(self) -> bool:
        return any("disabled" in button.state() for button in self._dialog().buttons.values())

    def _has_answered(self, before: list[str]) -> bool:
        if self.notices.dialog is None:
            return True
        return not self._is_busy() and [each["text"] for each in self._widgets(self._dialog().window)] != before

    def _told(self) -> str:
        if self.notices.dialog is None or self.notices.dialog._told is None:
            return ""
        label = self.notices.dialog._told
        return str(label.cget("text")).strip() if label.winfo_manager() else ""

    def _report(self, told: list[str]) -> dict[str, Any]:
        for _ in range(3):
            self.root.update()
        report: dict[str, Any] = {
            "badge": str(self.badge.cget("text")).strip(),
            "told": told,
            "failure": repr(self.notices.presenter.last_failure),
            "failures": self.failures,
            "requests": self.stage.requests,
            "dialog": None,
            "document_has_focus": self.root.focus_get() is self.document,
        }
        self._shoot(f"{self.name}-badge", self.badge, 6)
        if self.notices.dialog is not None:
            window = self.notices.dialog.window
            report["dialog"] = {
                "title": window.title(),
                "size": [window.winfo_width(), window.winfo_height()],
                "is_modal": window.grab_status() is not None,
                "widgets": self._widgets(window),
                "focus": self._name_of(self.root.focus_get()),
                "order": self._order(window),
            }
            self._shoot(self.name, window, 14)
            window.event_generate("<Escape>", when="tail")
            if window.grab_status() is None and not self.scene.asks and not self.scene.presses:
                window.focus_force()
            self.root.update()
            report["escaped"] = self.notices.dialog is None
        self.notices.close()
        vars(carnet.ui.tk)["os"] = os
        self.root.destroy()
        gc.collect()
        return report

    def _order(self, window: tk.Toplevel) -> list[str]:
        """What the Tab key visits, from the window's start."""
        seen: list[tk.Misc] = []
        at: tk.Misc | None = window.tk_focusNext()
        while at is not None and at not in seen:
            seen.append(at)
            at = at.tk_focusNext()
        return [self._name_of(each) for each in seen if each.winfo_toplevel() is window]

    def _name_of(self, widget: tk.Misc | None) -> str:
        if isinstance(widget, ttk.Entry):
            return "entry"
        return str(widget.cget("text")) if isinstance(widget, ttk.Button) else type(widget).__name__

    def _widgets(self, parent: tk.Misc) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for child in parent.winfo_children():
            if isinstance(child, ttk.Label | ttk.Button | ttk.Entry) and child.winfo_manager():
                text = child.get() if isinstance(child, ttk.Entry) else str(child.cget("text"))
                found.append(
                    {
                        "kind": type(child).__name__,
                        "text": text.strip(),
                        "place": [child.winfo_rootx(), child.winfo_rooty(), child.winfo_width(), child.winfo_height()],
                        "wants": [child.winfo_reqwidth(), child.winfo_reqheight()],
                        "is_visible": bool(child.winfo_viewable()),
                    }
                )
            found += self._widgets(child)
        return found

    def _shoot(self, name: str, widget: tk.Misc, margin: int) -> None:
        """With some of the app around it, so that edges show."""
        left, top = widget.winfo_rootx() - margin, widget.winfo_rooty() - margin
        width, height = widget.winfo_width() + 2 * margin, widget.winfo_height() + 2 * margin
        data = picture(self.framebuffer, left, top, width, height)
        (self.directory / f"{name}.png").write_bytes(data)

    def _until(self, is_so: Callable[[], bool]) -> None:
        late: list[int] = []
        alarm = self.root.after(60_000, lambda: late.append(1))
        while not is_so():
            assert not late, (self.name, self._told(), self.notices.presenter.last_failure)
            if self.scene.has_pipe:
                self.root.tk.dooneevent()
            else:  # events from other threads are taken only while Tk's own loop runs, as it does in apps
                self.root.after(20, self.root.quit)
                self.root.mainloop()
        self.root.after_cancel(alarm)

    def _raise(self, *details: Any) -> None:
        self.failures.append(repr(details[1]))


def main() -> None:
    """Play what is asked for."""
    framebuffer, directory, *names = sys.argv[1:]
    gc.disable()  # a root window that is collected on another thread than its own takes the process along
    json.dump(play(lambda name, scene: Show(framebuffer, Path(directory), name, scene).play(), names), sys.stdout)


if __name__ == "__main__":
    main()
