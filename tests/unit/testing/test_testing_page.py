"""The page that tells app developers how to test runs as it stands, in a pytest of its own (style.md §2)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "testing-your-app.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
INI = re.compile(r"```toml\n(.*?)```", re.DOTALL)


def test_everything_on_the_page_runs_in_an_apps_own_pytest(tmp_path: Path) -> None:
    """With the entry point, warnings as errors, and no server extra in sight."""
    text = PAGE.read_text(encoding="utf-8")
    code = "\n\n".join(BLOCK.findall(text))
    # What apps do not have installed cannot be imported here either.
    blocked = "import sys\nsys.modules.update(dict.fromkeys(('litestar', 'msgspec', 'sqlalchemy', 'carnet.server')))\n"
    (tmp_path / "conftest.py").write_text(blocked, encoding="utf-8")
    (tmp_path / "test_page.py").write_text(code, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("".join(INI.findall(text)), encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CARNET"))}
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        ".",
    ]
    run = subprocess.run(
        command, cwd=tmp_path, env={**environ, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    tests = len(re.findall(r"^ *def test_", code, re.MULTILINE))
    assert tests >= 7
    assert f"{tests} passed" in run.stdout, run.stdout + run.stderr


def test_expired_in_grace_on_a_plane_is_three_lines() -> None:
    three = BLOCK.findall(PAGE.read_text(encoding="utf-8"))[0].strip().splitlines()
    assert three[0].startswith("def test_expired_in_grace_on_a_plane(")
    assert len(three) == 1 + 3
