"""The README's first run, word by word, by a newcomer with an empty directory (users-ask 1)."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from support.cli_runs import environment
from support.ports import own_port

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVE = "carnet serve"


def block(name: str) -> str:
    """The commands or program in the README under the mark *name*."""
    found = re.search(rf"<!-- first-run: {name} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found is not None, name
    return found[1]


def test_users_ask_01_the_first_run_of_the_readme_works_word_by_word(tmp_path: Path) -> None:
    port = own_port()
    env = environment({"CARNET_PORT": str(port), "CARNET_STATE": str(tmp_path / "state"), "NO_PROXY": "127.0.0.1"})
    env |= {"PATH": f"{Path(sys.executable).parent}:{env['PATH']}", "CARNET_DEVICE_ID": "newcomer"}

    def shell(commands: str) -> subprocess.CompletedProcess[str]:
        text = commands.replace(":8787", f":{port}")
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done

    *setting_up, serve = block("vendor").strip().splitlines()
    assert serve == SERVE
    shell("\n".join(setting_up))
    with subprocess.Popen(
        serve.split(), cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            began = time.monotonic()
            probe = f"import http.client; http.client.HTTPConnection('127.0.0.1', {port}).request('GET', '/readyz')"
            while subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode:
                assert time.monotonic() - began < 120, "the server did not start"
            told = shell(block("developer"))
            assert told.stdout.count("active · full access") == 2
        finally:
            server.terminate()
    assert server.returncode == 0
    shell(block("developer").splitlines()[0] + "\ncarnet status")  # "Stop the server and ask again"
    program = tmp_path / "app.py"
    program.write_text(block("app").replace(":8787", f":{port}"), encoding="utf-8")
    assert "active, 30 days left" in shell("python app.py").stdout


def test_the_readme_has_the_two_commands_and_the_makefile_knows_them() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert {"run", "test"} <= set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))


def test_every_page_that_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
