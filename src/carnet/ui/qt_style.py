"""How dialogs and badge look on Qt: a style sheet of their own, which leaves the host's alone."""

from __future__ import annotations

from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QWidget

from carnet.core.attention import Tone
from carnet.ui.look import DARK, Palette, sign_png


def sign(tone: Tone, palette: Palette, size: int, widget: QWidget, *, on_tile: bool) -> QPixmap:
    """The sign of *tone*, sharp on every screen."""
    ratio = widget.devicePixelRatioF()
    picture = QPixmap()
    picture.loadFromData(sign_png(tone, "dark" if palette is DARK else "light", round(size * ratio), on_tile=on_tile))
    picture.setDevicePixelRatio(ratio)
    return picture


def style_sheet(palette: Palette, line: int) -> str:
    """How the dialog looks; *line* is the height of a line of the system's font, which all distances follow."""
    return f"""
    QDialog {{ background: {palette.ground}; }}
    QLabel {{ color: {palette.text}; background: transparent; }}
    QLabel[kind="quiet"] {{ color: {palette.quiet}; }}
    QLineEdit {{
        color: {palette.text}; background: {palette.ground}; selection-background-color: {palette.main};
        selection-color: {palette.on_main}; padding: {line * 0.3:.0f}px;
        border: 2px solid {palette.line}; border-radius: 6px;
    }}
    QLineEdit:focus {{ border-color: {palette.main}; }}
    QPushButton {{
        color: {palette.text}; background: {palette.plain}; border: 1px solid {palette.line}; border-radius: 6px;
        padding: {line * 0.35:.0f}px {line * 0.9:.0f}px; margin: 2px;
    }}
    QPushButton:hover {{ background: {palette.plain_hover}; }}
    QPushButton:focus {{ border: 3px solid {palette.focus}; margin: 0px; }}
    QPushButton:disabled {{ color: {palette.quiet}; }}
    QPushButton[kind="main"] {{ color: {palette.on_main}; background: {palette.main}; border-color: {palette.main}; }}
    QPushButton[kind="main"]:hover {{ background: {palette.main_hover}; }}
    QPushButton[kind="main"]:focus {{ border-color: {palette.focus}; }}
    """


def badge_sheet(palette: Palette, tone: Tone, line: int) -> str:
    """How a badge looks."""
    ink, soft = palette.tones[tone]
    return f"""
    QPushButton {{
        color: {ink}; background: {soft}; font-weight: bold; border: 2px solid {soft};
        border-radius: {line * 0.45:.0f}px; padding: {line * 0.15:.0f}px {line * 0.5:.0f}px;
    }}
    QPushButton:focus {{ border-color: {palette.focus}; }}
    """
