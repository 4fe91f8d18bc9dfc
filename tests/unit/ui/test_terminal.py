"""Notices for terminals: drawn as the seed draws them, and never in the way of another program."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from carnet.core.instant import DAY
from carnet.ui.model import Notices
from carnet.ui.terminal import WIDTH, cells, draw, draw_badge, draw_dialog, tell
from carnet.ui.texts import LANGUAGES
from carnet.ui.views import BadgeView
from support.issuing import LICENSE_KEY
from support.sdk import Desk


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("NO_COLOR", "1")
    desk = Desk(tmp_path)
    desk.app().activate(LICENSE_KEY)
    desk.transport.online = False
    return desk


def test_a_terminal_sees_the_warning_once_and_a_pipe_never(desk: Desk) -> None:
    desk.pass_time(27 * DAY)
    pipe, terminal, again = io.StringIO(), Terminal(), Terminal()
    assert tell(Notices(desk.app(), language="en"), pipe)
    assert tell(Notices(desk.app(), language="en"), terminal)
    assert tell(Notices(desk.app(), language="en"), again)
    assert pipe.getvalue() == again.getvalue() == ""
    assert terminal.getvalue().splitlines()[1] == "│ ⚠ Offline license expires in 3 days                             │"
    assert terminal.getvalue().splitlines()[-2] == (
        "│ [Remind Me Later] [Connect Now]                                 │"
    )


def test_an_app_that_may_not_run_says_why_everywhere_and_every_time(desk: Desk) -> None:
    desk.pass_time(40 * DAY)
    for stream in (io.StringIO(), io.StringIO(), Terminal()):
        assert not tell(Notices(desk.app(), language="en"), stream)
        assert "🔒 License validation required" in stream.getvalue()


def test_colour_is_for_terminals_that_want_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.pass_time(40 * DAY)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    for stream, is_coloured in ((Terminal(), True), (io.StringIO(), False)):
        tell(Notices(desk.app()), stream)
        assert stream.getvalue().startswith("\x1b[31m") is is_coloured
    monkeypatch.setenv("TERM", "dumb")
    dumb = Terminal()
    tell(Notices(desk.app()), dumb)
    assert "\x1b" not in dumb.getvalue()


def test_a_stream_that_carries_no_signs_gets_ascii_and_a_closed_one_ends_nothing(desk: Desk) -> None:
    desk.pass_time(40 * DAY)
    raw = io.BytesIO()
    ascii_only = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    tell(Notices(desk.app(), language="en"), ascii_only)
    assert raw.getvalue().startswith(b"+---")
    gone = Terminal()
    gone.close()
    with pytest.raises(ValueError, match="closed"):
        gone.write("x")

    class Broken(io.StringIO):
        def write(self, _text: str, /) -> int:
            raise BrokenPipeError

    assert not tell(Notices(desk.app()), Broken())


def test_nothing_is_said_while_all_is_well(desk: Desk) -> None:
    terminal = Terminal()
    assert tell(Notices(desk.app()), terminal)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("days", [27, 33, 40])
def test_every_line_of_every_box_is_equally_wide(desk: Desk, language: str, days: int) -> None:
    desk.pass_time(days * DAY)
    dialog = Notices(desk.app(), language=language).look().dialog
    assert dialog is not None
    for unicode in (True, False):
        box = draw_dialog(dialog, unicode=unicode)
        assert {cells(line) for line in box.splitlines()} == {WIDTH + 2}


def test_sec_39_text_from_outside_cannot_leave_its_box_or_badge() -> None:
    assert "\x1b" not in draw("error", "\x1b[2Jboo", "\x1b]0;title\x07\u202e", ["x"])
    badge = BadgeView(tone="good", text="\x1b[31mLicensed · 3", spoken="")
    assert draw_badge(badge) == "✓ \\x1b[31mLicensed · 3"
    assert draw_badge(badge, unicode=False).isascii()
