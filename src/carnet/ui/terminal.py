"""
Notices for terminals: the boxes of the LicenseSeat seed, the badge as a line, and a program's one call.

Drawing is pure: text in, text out. Only `tell` looks at a stream, and only it may write.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from textwrap import wrap
from typing import TextIO
from unicodedata import combining, east_asian_width

from carnet.core.attention import Tone
from carnet.core.decision import Decision
from carnet.ui.model import Notices
from carnet.ui.views import BadgeView, DialogView

WIDTH = 65
"""Inner width of a box, as the seed draws it."""

SIGNS: dict[Tone, tuple[str, str]] = {
    "good": ("✓", "(ok)"),
    "info": ("ℹ", "(i)"),  # noqa: RUF001 - the sign is meant
    "warning": ("⚠", "(!)"),
    "grace": ("⏰", "(!)"),
    "error": ("🔒", "(x)"),
}
"""The seed's signs, and what stands for them where they cannot be shown."""

_COLORS: dict[Tone, str] = {"good": "32", "info": "36", "warning": "33", "grace": "33", "error": "31"}
_ENDS = {"┌": "+", "─": "-", "┐": "+", "│": "|", "└": "+", "┘": "+"}


def cells(text: str) -> int:
    """How many terminal columns *text* takes: wide East Asian characters and emoji take two, combining marks none."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def plain(text: str) -> str:
    """*text* without anything that a terminal could obey, or that reverses reading order (SEC-39)."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def draw(tone: Tone, title: str, text: str, buttons: Sequence[str], *, unicode: bool = True) -> str:
    """
    A box: sign and title, text, buttons.

    Args:
        tone: Which sign.
        title: One line.
        text: Paragraphs.
        buttons: What they say; they cannot be pressed here.
        unicode: Draw with lines and signs; False uses ASCII for both.
    """
    content = [f"{SIGNS[tone][not unicode]} {plain(title)}", ""]
    for paragraph in plain(text).split("\n"):
        content += wrap(paragraph, WIDTH - 2) or [""]
    if buttons:
        content += ["", *wrap(" ".join(f"[{button}]" for button in buttons), WIDTH - 2)]
    lines = [f"┌{'─' * WIDTH}┐"]
    lines += [f"│ {line}{' ' * max(0, WIDTH - 1 - cells(line))}│" for line in content]
    lines.append(f"└{'─' * WIDTH}┘")
    if unicode:
        return "\n".join(lines)
    return "\n".join("".join(_ENDS.get(c, c) for c in line) for line in lines)


def draw_dialog(dialog: DialogView, *, unicode: bool = True) -> str:
    """*dialog* as a box."""
    text = "\n\n".join(dialog.paragraphs)
    return draw(dialog.tone, dialog.title, text, [button.label for button in dialog.buttons], unicode=unicode)


def draw_badge(badge: BadgeView, *, unicode: bool = True) -> str:
    """*badge* as one line."""
    text = plain(badge.text)
    return f"{SIGNS[badge.tone][not unicode]} {text if unicode else text.replace('·', '-')}"


def tell(notices: Notices, stream: TextIO) -> Decision | None:
    """
    What a program for terminals calls at its start: `Carnet.start()`, and a box where one is due.

    A stream that is no terminal gets nothing but the notice of an app that may not run, so that no output that another
    program reads is ever changed by a reminder. Give it stderr.

    Args:
        notices: The program's notices.
        stream: Where to write.

    Returns:
        The decision; None where it cannot be told, because a setting is wrong.
    """
    sight = notices.look("start")
    dialog = sight.dialog
    if dialog is None or not sight.is_due or not (dialog.is_modal or stream.isatty()):
        return sight.decision
    box = draw_dialog(dialog, unicode=can_draw(stream))
    if stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        box = f"\x1b[{_COLORS[dialog.tone]}m{box}\x1b[0m"
    with suppress(OSError, ValueError):  # a terminal that is gone ends no program
        stream.write(f"{box}\n")
        stream.flush()
        notices.shown(sight)
    return sight.decision


def can_draw(stream: TextIO) -> bool:
    """Whether *stream* can carry box-drawing characters and signs."""
    try:
        "┌⚠🔒".encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
