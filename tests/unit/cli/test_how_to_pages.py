"""What the how-to pages tell people to type can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from carnet.cli.parser import build_parser

PAGES = Path(__file__).resolve().parents[3] / "docs" / "how-to"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
COMMANDS = sorted(
    {
        (page.name, line.strip())
        for page in PAGES.glob("*.md")
        for block in BLOCK.findall(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
        if line.startswith("carnet ")
    }
)


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_every_command_on_a_how_to_page_is_one(page: str, command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    assert callable(build_parser().parse_args(words).run), page


def test_the_pages_of_this_room_show_their_commands() -> None:
    shown = {page for page, _ in COMMANDS}
    assert {"check-a-file.md", "license-without-a-server.md"} <= shown
