"""`carnet demo`, which is `make run`: the whole story in real processes, and what it does when something is wrong."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from carnet.cli import exits
from carnet.cli.commands.demo import tell
from carnet.cli.demo.show import Scene
from carnet.cli.demo.stage import Stage, StoryError
from carnet.cli.demo.story import Story
from carnet.cli.output import Output
from support.cli_runs import carnet, carnet_process, environment
from support.ports import own_port

STATES = {
    4: ("active", "full"),
    6: ("active", "full"),
    7: ("wrong_device", "none"),
    8: ("expiring", "full"),
    9: ("grace", "limited"),
    10: ("expired", "none"),
    11: ("active", "full"),
    12: ("active", "full"),
    13: ("revoked", "none"),
}


def test_the_story_once_as_json(tmp_path: Path) -> None:
    run = carnet_process("demo", "--once", "--json", env={"TMPDIR": str(tmp_path)})
    assert (run.code, run.err) == (exits.OK, "")
    *steps, last = [json.loads(line) for line in run.out.splitlines()]
    assert last == {"done": True}
    assert [step["step"] for step in steps] == list(range(1, 14))
    assert all(step["ok"] and step["title"] for step in steps)
    told = {
        step["step"]: (step["decision"]["state"], step["decision"]["access"]) for step in steps if "decision" in step
    }
    assert told == STATES
    assert steps[7]["decision"]["days_left"] == 10
    assert list(tmp_path.iterdir()) == [], "the story leaves nothing behind"


def test_the_story_then_stays_up_and_stops_cleanly(tmp_path: Path) -> None:
    port = own_port()
    env = environment({"TMPDIR": str(tmp_path), "CARNET_PORT": str(port)})
    with subprocess.Popen(
        [sys.executable, "-m", "carnet.cli", "demo"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        told = ""
        for line in process.stderr:  # where to go, once the story is told
            told += line
            if "audit list" in line:
                break
        if not told:
            pytest.fail(f"The story ended early:\n{process.stdout.read()}")
        assert f"http://127.0.0.1:{port}" in told
        _follow(told, env)
        process.send_signal(signal.SIGINT)
        story, _ = process.communicate(timeout=120)
    assert process.returncode == exits.OK
    assert "\x1b" not in story, "plain in a pipe"
    assert "⏰ Offline license expired" in story
    assert "── 13 of 13 ── " in story
    assert list(tmp_path.iterdir()) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server is gone"


def test_stopped_in_the_middle_it_leaves_no_server_and_no_files(tmp_path: Path) -> None:
    port = own_port()
    words = [sys.executable, "-m", "carnet.cli", "demo", "--once", "--json", "--port", str(port)]
    env = environment({"TMPDIR": str(tmp_path)})
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert '"step": 2' in process.stdout.readline(), "the server has started"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == exits.INTERRUPTED
    assert list(tmp_path.iterdir()) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def _follow(told: str, env: dict[str, str]) -> None:
    """What it says to do next works as printed."""
    commands = "\n".join(line.strip() for line in told.splitlines() if line.startswith("    "))
    assert commands.count("carnet ") == 4
    own = {**env, "CARNET_DEVICE_ID": "visitor", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        ["bash", "-e", "-c", commands], env=own, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "active · full access" in done.stdout
    assert "license.created" in done.stdout


def test_a_taken_port_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = carnet("demo", "--json", env={"TMPDIR": str(tmp_path), "CARNET_PORT": str(port)})
    assert (run.code, run.out, run.problem["code"]) == (exits.CONFLICT, "", "port_taken")
    assert str(port) in run.problem["detail"]
    assert carnet("demo", env={"CARNET_PORT": "many"}).code == exits.USAGE


def _broken(stage: Stage, step: int, error: Exception) -> Story:
    """The story with every step before *step* skipped, and *step* failing."""

    class Broken(Story):
        @property
        def steps(self) -> tuple[tuple[str, Callable[[], Scene]], ...]:
            def fail() -> Scene:
                raise error

            skipped = tuple((title, lambda: Scene(happened="")) for title, _ in super().steps[: step - 1])
            return (*skipped, (super().steps[step - 1][0], fail))

    return Broken(stage)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_step_that_fails_is_told_and_the_exit_code_says_so(tmp_path: Path, *, as_json: bool) -> None:
    stage = Stage(own_port(), directory=tmp_path)
    story = _broken(stage, 7, StoryError("story_failed", "It opened elsewhere.", "Report it."))
    shown = io.StringIO()
    assert tell(story, Output(json=as_json, stdout=shown, stderr=io.StringIO())) == exits.FAILED
    if as_json:
        *_, failed, last = [json.loads(line) for line in shown.getvalue().splitlines()]
        assert (failed["step"], failed["ok"], failed["problem"]["detail"]) == (7, False, "It opened elsewhere.")
        assert last == {"done": False}
    else:
        assert "This did not work: It opened elsewhere." in shown.getvalue()
        assert "whole story" not in shown.getvalue()


def test_every_step_checks_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With devices that answer `active` to everything, the copy to another computer is caught."""
    from carnet.cli.demo.stage import Said

    stage = Stage(own_port(), directory=tmp_path)
    story = Story(stage)
    always = Said(code=0, data={"state": "active", "access": "full"}, problem={})
    monkeypatch.setattr(stage, "on", lambda *_, **__: always)
    with pytest.raises(StoryError):
        story.copy()
    with pytest.raises(StoryError):
        story.stop()
    with pytest.raises(StoryError):
        story.refuse()


def test_the_story_does_not_touch_a_real_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARNET_DATA", "/srv/real")
    monkeypatch.setenv("CARNET_ADMIN_TOKEN", "real")
    stage = Stage(own_port(), directory=tmp_path)
    own = stage.device_environment(stage.device("x", "x"))
    assert {name for name in own if name.startswith("CARNET_")} == {
        *("CARNET_PRODUCT", "CARNET_SERVER", "CARNET_ROOT", "CARNET_DEVICE_ID", "CARNET_STATE"),
    }
    assert own["CARNET_STATE"].startswith(str(tmp_path))
