"""
How dialogs and badge look on tkinter: styles of their own beside the host's theme, which is left as it is.

Sizes come from the system's own font, so that large fonts make large dialogs; colours from `look.py`.
"""

from __future__ import annotations

import base64
import tkinter as tk
from tkinter import font, ttk
from typing import Literal

from carnet.core.attention import Tone
from carnet.ui.look import DARK, Color, Palette, palette_on, shape_png, sign_png

Kind = Literal["title", "text", "quiet", "tone"]
_CORNER = 16


class Style:
    """Styles, fonts and pictures for one interpreter."""

    def __init__(self, root: tk.Misc, *, dark: bool | None) -> None:
        """
        Args:
            root: Any window of the app.
            dark: Whether it is dark; None looks at its ground.
        """
        self._root = root
        red, green, blue = (channel >> 8 for channel in root.winfo_rgb(root.winfo_toplevel()["background"]))
        ground: Color = (red, green, blue)
        self.palette: Palette = (
            palette_on(ground) if dark is None else palette_on((0, 0, 0) if dark else (255, 255, 255))
        )
        self._name = "dark" if self.palette is DARK else "light"
        self._ground = "#{:02x}{:02x}{:02x}".format(*ground)
        self.font: font.Font = font.nametofont("TkDefaultFont", root)
        self.title_font: font.Font = self.font.copy()
        size = self.font.actual("size")
        self.title_font.configure(size=round(size * 1.3), weight="bold")
        self.bold_font: font.Font = self.font.copy()
        self.bold_font.configure(weight="bold")
        self._em = self.font.metrics("linespace")
        self._pictures: dict[object, tk.PhotoImage] = {}
        self._prefix = f"Carnet{self._name}"
        self._styles = ttk.Style(root)
        self._make_styles()

    @property
    def measure(self) -> int:
        """How wide a line of text may get, in pixels: about sixty letters of the system's font, or what fits."""
        return min(self.font.measure("n") * 50, round(self._root.winfo_screenwidth() * 0.6))

    def gap(self, lines: float) -> int:
        """A distance, as a part of the height of a line."""
        return round(self._em * lines)

    @property
    def frame(self) -> str:
        """The style of a dialog's ground."""
        return f"{self._prefix}.TFrame"

    @property
    def entry(self) -> str:
        """The style of a field."""
        return f"{self._prefix}.TEntry"

    def label(self, kind: Kind, tone: Tone = "info") -> str:
        """The style of a text."""
        return f"{tone if kind == 'tone' else kind}.{self._prefix}.TLabel"

    def button(self, *, is_main: bool) -> str:
        """The style of a button."""
        return f"{'main' if is_main else 'plain'}.{self._prefix}.TButton"

    def badge(self, tone: Tone) -> str:
        """The style of a badge."""
        return f"{tone}.{self._prefix}Badge.TButton"

    def sign(self, tone: Tone, *, on_tile: bool) -> tk.PhotoImage:
        """The sign of *tone*: large on its tile, or as high as a line of text."""
        size = self.gap(2.2) if on_tile else self.gap(0.95)
        name: Literal["light", "dark"] = "dark" if self._name == "dark" else "light"
        return self._picture((tone, size, on_tile), sign_png(tone, name, size, on_tile=on_tile))

    def _make_styles(self) -> None:
        look, styles = self.palette, self._styles
        styles.configure(self.frame, background=look.ground)
        for kind, color, its_font in (
            ("title", look.text, self.title_font),
            ("text", look.text, self.font),
            ("quiet", look.quiet, self.font),
        ):
            styles.configure(f"{kind}.{self._prefix}.TLabel", background=look.ground, foreground=color, font=its_font)
        for tone, (ink, soft) in look.tones.items():
            style = f"{tone}.{self._prefix}.TLabel"
            styles.configure(style, background=look.ground, foreground=ink, font=self.bold_font)
            self._boxed(self.badge(tone), self._ground, ink, (soft, soft, soft), _CORNER // 2 - 1)
            styles.configure(self.badge(tone), padding=(self.gap(0.35), self.gap(0.05)), font=self.bold_font)
        self._boxed(self.button(is_main=True), look.ground, look.on_main, (look.main, look.main_hover, look.main), 6)
        edges = (look.plain, look.plain_hover, look.line)
        self._boxed(self.button(is_main=False), look.ground, look.text, edges, 6)
        for is_main in (True, False):
            style = self.button(is_main=is_main)
            styles.configure(style, padding=(self.gap(0.7), self.gap(0.22)), font=self.font, anchor="center")
            resting = look.quiet
            styles.map(style, foreground=[("disabled", resting if not is_main else look.on_main)])
        self._boxed(self.entry, look.ground, look.text, (look.ground, look.ground, look.line), 6)
        styles.layout(
            self.entry,
            [(f"{self.entry}.box", {"sticky": "nsew", "children": [
                ("Entry.padding", {"sticky": "nsew", "children": [("Entry.textarea", {"sticky": "nsew"})]})
            ]})],
        )  # fmt: skip
        styles.configure(self.entry, padding=self.gap(0.35), insertcolor=look.text, selectbackground=look.main)
        styles.configure(self.entry, selectforeground=look.on_main, fieldbackground=look.ground)

    def _boxed(self, style: str, ground: str, ink: str, fills: tuple[str, str, str], radius: int) -> None:
        """A rounded box behind the label: at rest, under the pointer, and with a ring where the keyboard is."""
        fill, hover, edge = fills
        element = f"{style}.box"
        pictures = {
            state: self._picture((element, state), shape_png(_CORNER + 2, radius, inside, edge, ring))
            for state, inside, ring in (
                ("rest", fill, None),
                ("hover", hover, None),
                ("focus", fill, self.palette.focus),
                ("both", hover, self.palette.focus),
            )
        }
        if element not in self._styles.element_names():
            self._styles.element_create(
                element,
                "image",
                pictures["rest"],
                ("active", "focus", pictures["both"]),
                ("active", "!disabled", pictures["hover"]),
                ("focus", pictures["focus"]),
                border=_CORNER // 2,
                sticky="nsew",
            )
        self._styles.layout(
            style,
            [(element, {"sticky": "nsew", "children": [
                ("Button.padding", {"sticky": "nsew", "children": [("Button.label", {"sticky": "nsew"})]})
            ]})],
        )  # fmt: skip
        self._styles.configure(style, background=ground, foreground=ink, borderwidth=0)
        self._styles.map(style, background=[("active", ground)], foreground=[("active", ink)], relief=[])

    def _picture(self, key: object, png: bytes) -> tk.PhotoImage:
        """Kept, because Tk only borrows it."""
        if key not in self._pictures:
            self._pictures[key] = tk.PhotoImage(master=self._root, data=base64.b64encode(png))
        return self._pictures[key]
