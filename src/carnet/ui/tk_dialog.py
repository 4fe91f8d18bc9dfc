"""The dialog on tkinter: one window whose content changes. It shows what it is given, and tells what was pressed."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from contextlib import suppress
from tkinter import ttk

from carnet.ui.model import Reply
from carnet.ui.presenter import KeyView
from carnet.ui.texts.catalog import Button
from carnet.ui.tk_style import Kind, Style
from carnet.ui.views import DialogView


class Dialog:
    """A window of the app's own, never a nested event loop."""

    def __init__(
        self,
        root: tk.Misc,
        style: Style,
        *,
        pressed: Callable[[Button], None],
        entered: Callable[[str], None],
        dismissed: Callable[[], None],
    ) -> None:
        """
        Args:
            root: The app's main window.
            style: How it looks.
            pressed: Told of a button.
            entered: Told of a license key.
            dismissed: Told when the window is closed.
        """
        self._root = root.winfo_toplevel()
        self._style = style
        self._pressed = pressed
        self._entered = entered
        line = style.palette.line
        self.window: tk.Toplevel = tk.Toplevel(self._root, background=style.palette.ground)
        self.window.configure(highlightthickness=1, highlightbackground=line, highlightcolor=line)
        self.window.withdraw()
        self.window.transient(self._root)
        self.window.resizable(width=False, height=False)
        self.window.protocol("WM_DELETE_WINDOW", dismissed)
        self.window.bind("<Escape>", lambda _: dismissed())
        self.buttons: dict[Button, ttk.Button] = {}
        self.entry: ttk.Entry | None = None
        self._told: ttk.Label | None = None
        self._before: tk.Misc | None = None
        self._is_up = False

    def fill(self, view: DialogView, *, takes_focus: bool) -> None:
        """Show *view* in place of what is shown."""
        window, style = self.window, self._style
        for child in window.winfo_children():
            child.destroy()
        window.title(view.title)
        frame = ttk.Frame(window, style=style.frame, padding=style.gap(1.4))
        frame.grid(sticky="nsew")
        sign = ttk.Label(frame, image=style.sign(view.tone, on_tile=True), style=style.label("text"))
        sign.grid(row=0, column=0, rowspan=2, sticky="nw", padx=(0, style.gap(1)))
        rows: list[tuple[str, Kind, float]] = [(view.title, "title", 0)]
        rows += [] if view.until is None else [(view.until, "tone", 0.15)]
        is_calm = view.tone == "good"
        rows += [(text, "quiet" if index and is_calm else "text", 0.7) for index, text in enumerate(view.paragraphs)]
        for row, (text, kind, space) in enumerate(rows):
            label = ttk.Label(
                frame, text=text, style=style.label(kind, view.tone), wraplength=style.measure, justify="left"
            )
            label.grid(row=row, column=1, sticky="w", pady=(style.gap(space), 0))
        self.entry = self._field(frame, view.label, len(rows)) if isinstance(view, KeyView) else None
        self._told = ttk.Label(frame, style=style.label("quiet"), wraplength=style.measure - style.gap(1.5))
        self._told.grid(row=len(rows) + 2, column=1, sticky="w", pady=(style.gap(0.9), 0))
        self._told.grid_remove()
        main = self._footer(frame, view, len(rows) + 3)
        frame.columnconfigure(1, minsize=style.measure)
        window.bind("<Return>", self._entered_by_keyboard)
        if not self._is_up:
            self._come_up(in_the_middle=takes_focus)
        if view.is_modal:
            window.after_idle(self._stand_in_the_way)
        if takes_focus:
            window.lift()
            window.focus_force()
            (self.entry or main).focus_set()

    def tell(self, reply: Reply, *, is_busy: bool) -> None:
        """A sentence above the buttons, which rest while something is under way."""
        if self._told is not None:
            self._told.configure(
                text=f" {reply.text}",
                style=self._style.label("quiet" if is_busy else "tone", reply.tone),
                image=self._style.sign(reply.tone, on_tile=False),
                compound="left",
            )
            if reply.text:
                self._told.grid()
            else:
                self._told.grid_remove()
        for button in self.buttons.values():
            button.state(["disabled" if is_busy else "!disabled"])
        if reply.proposal is not None and self.entry is not None:
            self.entry.delete(0, "end")
            self.entry.insert(0, reply.proposal)
            self.entry.selection_range(0, "end")
            self.entry.focus_set()

    def destroy(self) -> None:
        """Take the window away, and give the keyboard back to the app."""
        with suppress(tk.TclError):
            self.window.destroy()
            if self._before is not None and self._before.winfo_exists():
                self._before.focus_set()

    def _field(self, frame: ttk.Frame, label: str, row: int) -> ttk.Entry:
        style = self._style
        name = ttk.Label(frame, text=label, style=style.label("quiet"))
        name.grid(row=row, column=1, sticky="w", pady=(style.gap(0.8), style.gap(0.2)))
        entry = ttk.Entry(frame, style=style.entry, font=style.font, width=36)
        entry.grid(row=row + 1, column=1, sticky="we")
        return entry

    def _footer(self, frame: ttk.Frame, view: DialogView, row: int) -> ttk.Button:
        """The buttons: side by side where they fit, otherwise one below the other, the main one last in both."""
        style = self._style
        footer = ttk.Frame(frame, style=style.frame)
        footer.grid(row=row, column=0, columnspan=2, sticky="e", pady=(style.gap(1.4), 0))
        self.buttons = {}
        for each in view.buttons:
            button = ttk.Button(footer, text=each.label, style=style.button(is_main=each.is_main), takefocus=True)
            button.configure(command=lambda action=each.action: self._press(action))  # type: ignore[misc]
            self.buttons[each.action] = button
        wide = sum(button.winfo_reqwidth() + style.gap(0.5) for button in self.buttons.values())
        side_by_side = wide <= style.measure + style.gap(3)
        for index, button in enumerate(self.buttons.values()):
            if side_by_side:
                button.grid(row=0, column=index, padx=(style.gap(0.5) if index else 0, 0))
            else:
                button.grid(row=index, column=0, sticky="we", pady=(style.gap(0.4) if index else 0, 0))
        return next(self.buttons[each.action] for each in view.buttons if each.is_main)

    def _press(self, action: Button) -> None:
        if action == "activate_now" and self.entry is not None:
            self._entered(self.entry.get())
        else:
            self._pressed(action)

    def _entered_by_keyboard(self, event: tk.Event[tk.Misc]) -> None:
        """Enter presses the button that the keyboard is on, else the main one, which is the last."""
        focused = event.widget
        button = focused if isinstance(focused, ttk.Button) else [*self.buttons.values()][-1]
        button.invoke()

    def _come_up(self, *, in_the_middle: bool) -> None:
        """In the middle of the app where somebody asked; otherwise in its lower corner, out of the way."""
        window, root = self.window, self._root
        window.update_idletasks()
        width, height = window.winfo_reqwidth(), window.winfo_reqheight()
        free_x, free_y = root.winfo_width() - width, root.winfo_height() - height
        margin = 0 if in_the_middle else self._style.gap(1)
        x = root.winfo_rootx() + (free_x // 2 if in_the_middle else free_x - margin)
        y = root.winfo_rooty() + (free_y // 3 if in_the_middle else free_y - margin)
        x = max(0, min(x, root.winfo_screenwidth() - width))
        y = max(0, min(y, root.winfo_screenheight() - height))
        window.geometry(f"+{x}+{y}")
        self._before = root.focus_get()
        window.deiconify()
        if not in_the_middle and self._before is not None:
            self._before.focus_set()  # whoever was typing goes on typing
        self._is_up = True

    def _stand_in_the_way(self) -> None:
        with suppress(tk.TclError):  # not on the screen yet, or another program holds the keyboard
            self.window.grab_set()
