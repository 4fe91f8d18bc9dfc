"""docs/how-to/notices.md: its code runs, its pictures are there, and its table of what comes when is the rules'."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carnet.core.attention import may_show, pause_seconds, quiet_hours, remember
from carnet.core.instant import DAY, HOUR
from carnet.core.rules import decide
from support import display
from support.decisions import HOST, at, evidence, grant
from support.issuing import LICENSE_KEY
from support.sdk import Desk
from support.windows import TOOLKITS, Toolkit, missing

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "notices.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def block(name: str) -> str:
    return str(next(each for each in BLOCKS if f"def {name}(" in each))


def run(name: str, *arguments: object) -> Any:
    names: dict[str, Any] = {}
    exec(block(name), names)  # noqa: S102 - the page's own code
    return names[name](*arguments)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    assert desk.app().activate(LICENSE_KEY)
    desk.transport.online = False
    return desk


def test_the_page_has_one_example_for_each_interface_of_about_ten_lines() -> None:
    assert len(BLOCKS) == 4
    assert all(len(each.splitlines()) <= 14 for each in BLOCKS)


def test_the_headless_example_runs(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.pass_time(33 * DAY)
    assert run("by_yourself", desk.app()) == "Abgelaufen · noch 4 Tage Frist"
    assert capsys.readouterr().out.startswith("Offline-Lizenz abgelaufen\nIhre Offline-Lizenz ist abgelaufen.")
    run("by_yourself", desk.app())
    assert capsys.readouterr().out == ""


def test_the_terminal_example_runs(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.pass_time(33 * DAY)
    assert run("at_the_start", desk.app()).access == "limited"
    desk.pass_time(33 * DAY)
    with pytest.raises(SystemExit) as ended:
        run("at_the_start", desk.app())
    assert ended.value.code == 5
    assert "License validation required" in capsys.readouterr().err


@pytest.mark.parametrize(
    "toolkit",
    [
        pytest.param(kit, marks=pytest.mark.skipif(bool(missing(kit)), reason=f"not run here: {missing(kit)}"))
        for kit in TOOLKITS
    ],
)
def test_the_examples_for_windows_run(toolkit: Toolkit) -> None:
    code = block("main_window" if toolkit == "tk" else "status_bar")
    with display.Display() as screen:
        done = subprocess.run(
            [sys.executable, "-m", "support.page_stage", toolkit],
            input=code,
            env=display.environment(DISPLAY=screen.name, QT_QPA_PLATFORM="offscreen"),
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "Expired · 4 days of grace left"


def test_every_picture_of_the_page_is_there_and_has_words_for_those_who_do_not_see_it() -> None:
    shown = re.findall(r"!\[(.*?)\]\((.*?)\)", TEXT)
    assert len(shown) >= 15
    for words, path in shown:
        assert words
        data = (PAGE.parent / path).read_bytes()
        assert display.pixels_of(data)[0] > 100
        assert len(data) < 40_000
    assert {name for _, path in shown for name in re.findall(r"(tk|qt)-", path)} == {"tk", "qt"}


def test_what_comes_when_is_as_the_page_says() -> None:
    near = decide(evidence(grant()), at(20 * DAY), HOST)
    assert pause_seconds(near) == 5 * DAY
    assert pause_seconds(decide(evidence(grant()), at(29 * DAY), HOST)) == DAY
    assert pause_seconds(decide(evidence(grant()), at(31 * DAY), HOST)) == DAY
    over = decide(evidence(grant()), at(40 * DAY), HOST)
    assert pause_seconds(over) == HOUR
    assert may_show(over, remember((), over), occasion="start", quiet=quiet_hours("00:00-23:59"), is_busy=True)
