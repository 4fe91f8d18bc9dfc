"""`pip install carnet` without the extra `server`: every command works or says what to install, and none breaks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

EVERY_COMMAND = """
import argparse, contextlib, io, json, sys

ABSENT = set(sys.argv[1].split())

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from carnet.cli.main import main
from carnet.cli.parser import build_parser

def leaves(parser, words):
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield words, parser
        return
    for name, one in below[0].choices.items():
        yield from leaves(one, [*words, name])

def value(action):
    for text in action.choices or ("file", "1", "2030-01-01T00:00:00Z"):
        with contextlib.suppress(Exception):
            (action.type or str)(text)
            return text
    return "file"

for words, parser in leaves(build_parser(), []):
    for action in parser._actions:
        if action.nargs != 0 and (action.required or not action.option_strings):
            words = [*words, *action.option_strings[:1], value(action)]
    said = io.StringIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(b""))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        main([*words, "--json"])
    text = said.getvalue()
    print(json.dumps([" ".join(words), json.loads(text)["code"] if text.startswith("{") else ""]))
"""


def server_packages() -> list[str]:
    """What only the extra `server` brings, by the names it is imported by."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r"^server = \[\n(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert found is not None
    return [name.replace("-", "_") for name in re.findall(r'^  "([a-z-]+)', found[1], re.MULTILINE)]


def test_every_command_of_a_light_installation_works_or_names_the_extra(tmp_path: Path) -> None:
    packages = server_packages()
    assert {"litestar", "msgspec", "sqlalchemy", "uvicorn"} <= set(packages)
    (tmp_path / "file").write_text("x")
    env = {name: text for name, text in os.environ.items() if not name.startswith("CARNET_")}
    env |= {"CARNET_PRODUCT": "hustl", "CARNET_SERVER": "http://127.0.0.1:1", "CARNET_ROOT": "file"}
    env |= {"CARNET_STATE": str(tmp_path / "state"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", EVERY_COMMAND, " ".join(packages)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    told = dict(json.loads(line) for line in done.stdout.splitlines())
    assert [words for words, code in told.items() if code == "internal_error"] == []
    missing = {words.split()[0] for words, code in told.items() if code == "server_extra_missing"}
    assert {"init", "serve", "worker", "demo", "product", "license", "backup"} <= missing
    assert not missing & {"fingerprint", "status", "activate", "verify", "inspect", "install", "refresh"}
