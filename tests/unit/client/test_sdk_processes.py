"""Several processes and one state; and an interpreter that ends while something is under way (REL-17, issue 5)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import carnet
from carnet.client.wire import HttpRequest
from carnet.core.instant import DAY
from carnet.testing import FakeClock
from support.issuing import LICENSE_KEY, ROOT_TEXT
from support.sdk import Desk

HEAD = "from carnet import Carnet\napp = Carnet(timeout_seconds=120, proxy='')\n"


@contextmanager
def served(desk: Desk, *, after: threading.Event | None = None) -> Iterator[tuple[str, list[str]]]:
    """The desk's vendor on a socket; its answers wait for *after*."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers["Idempotency-Key"])
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if after is not None:
                after.wait(120)
            request = HttpRequest(method="POST", path=self.path, headers=tuple(self.headers.items()), body=body)
            answer = desk.vendor.answer(request)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name that the base has
            del format, arguments

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            del request, client_address  # the client was killed

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        if after is not None:
            after.set()
        server.shutdown()
        server.server_close()
        thread.join(120)


@pytest.fixture
def due(desk: Desk) -> Desk:
    """A device, activated two days ago in real time, whose refresh is due."""
    desk.clock = FakeClock(int(time.time()) - 2 * DAY)
    desk.vendor.now = desk.clock.now
    desk.app().activate(LICENSE_KEY)
    desk.clock.advance(2 * DAY)
    return desk


def environment(desk: Desk, address: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONWARNINGS": "error",
        "CARNET_PRODUCT": "hustl",
        "CARNET_SERVER": address,
        "CARNET_ROOT": ROOT_TEXT,
        "CARNET_STATE": str(desk.state),
        "CARNET_DEVICE_ID": "line-4",
    }


def process(desk: Desk, address: str, script: str, *, kept: tuple[int, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(desk, address),
        pass_fds=kept,
    )


REFRESHING = """
import sys, json, os
from carnet.client import turns
waiting, pause = [], turns.Pause
def tell(*, seconds):
    if not waiting:
        waiting.append(os.write(WAITING, b"w"))
    return pause(seconds=seconds)
turns.Pause = tell
app.check()
print("ready", flush=True)
sys.stdin.readline()
decision = app.refresh()
print(json.dumps([decision.state, str(decision.renew_after), app.last_problem and app.last_problem.code]))
"""


def test_eight_processes_that_refresh_at_once_ask_once(due: Desk) -> None:
    go, (told, telling) = threading.Event(), os.pipe()
    with served(due, after=go) as (address, asked), open(told, "rb") as waiting:  # noqa: PTH123 - a pipe
        apps = [process(due, address, f"WAITING = {telling}\n{REFRESHING}", kept=(telling,)) for _ in range(8)]
        os.close(telling)
        for app in apps:
            assert app.stdout is not None
            assert app.stdout.readline() == "ready\n"
        for app in apps:
            assert app.stdin is not None
            app.stdin.write("\n")
            app.stdin.flush()
        assert waiting.read(7) == b"w" * 7, "the others wait for the one"
        go.set()
        said = [app.communicate(timeout=120) for app in apps]
    assert [errors for _, errors in said] == [""] * 8
    answers = [json.loads(text) for text, _ in said]
    assert {state for state, _, _ in answers} == {"active"}
    assert {problem for _, _, problem in answers} == {None}
    assert len(set(asked)) == 1, "one flight"


def test_a_process_killed_while_it_asks_keeps_nobody(due: Desk) -> None:
    never = threading.Event()
    with served(due, after=never) as (address, asked):
        # Its claim ends by itself after its budget and a moment.
        killed = process(due, address, "app._timeout_seconds = 3\napp.start()\nimport time\ntime.sleep(600)\n")
        deadline = time.monotonic() + 120
        while not asked:
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=120)
        never.set()
        script = "print(app.refresh().state, app.last_problem)\n"
        text, errors = process(due, address, script).communicate(timeout=120)
    assert (text, errors) == ("active None\n", "")


ENDINGS = {
    "falling off the end": "app.start()",
    "sys.exit": "import sys\napp.start()\nsys.exit(0)",
    "a listener and a lease": "app.subscribe(print)\nseat = app.lease()\napp.start()\napp.check()",
    "a worker under way": "import threading\nthreading.Thread(target=app.refresh, daemon=True).start()\napp.start()",
    "closed at exit": "import atexit\natexit.register(app.close)\napp.start()",
    "started at exit": "import atexit\natexit.register(app.start)\natexit.register(app.check)",
    "on an event loop": (
        "import asyncio\nfrom carnet import AsyncCarnet\n"
        "async def main():\n    app = AsyncCarnet(proxy='')\n"
        "    app.subscribe(lambda event: None)\n    await app.start()\n"
        "asyncio.run(main())"
    ),
    "forgotten": "import gc\napp.start()\ndel app\ngc.collect()",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_interpreter_that_ends_while_a_refresh_is_under_way_is_quiet_and_quick(due: Desk, ending: str) -> None:
    with served(due, after=threading.Event()) as (address, _):
        began = time.monotonic()
        app = process(due, address, ENDINGS[ending] + "\n")
        text, errors = app.communicate(timeout=120)
        assert (app.returncode, errors) == (0, "")
        assert text == "" or ending == "a listener and a lease"
        assert time.monotonic() - began < 100, "nobody waited for the server, which would answer after 120 seconds"


def test_a_program_that_ends_at_once_may_wait_for_its_refresh(due: Desk) -> None:
    with served(due) as (address, asked):
        script = "app.start()\nprint(app.settle(), app.last_problem)\napp.close()\n"
        text, errors = process(due, address, script).communicate(timeout=120)
    assert (text, errors) == ("True None\n", "")
    assert len(asked) == 1


TWO_COPIES = """
import sys, threading
sys.path.insert(0, PLACE)
import vendored_carnet
other = vendored_carnet.Carnet(timeout_seconds=120, proxy="")
for each in (app, other):
    events = []
    each.subscribe(events.append)
    assert each.start().state == "active" and each.settle(120), each.last_problem
assert type(app) is not type(other)
assert [thread.name for thread in threading.enumerate()].count("carnet") == 2
threads = [threading.Thread(target=each.refresh) for each in (app, other) * 3]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert app.last_problem is None and other.last_problem is None, (app.last_problem, other.last_problem)
assert app.check().offline_until == other.check().offline_until
app.close()
assert other.refresh().state == "active" and other.last_problem is None
other.close()
"""


def test_two_copies_of_the_package_in_one_process_do_not_fight(due: Desk, tmp_path: Path) -> None:
    """A host with two plug-ins, one of which brought its own Carnet under another name, as vendoring tools do."""
    source = Path(carnet.__file__).parent
    for name in ("core", "formats", "client"):
        shutil.copytree(source / name, tmp_path / "vendored_carnet" / name, ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("__init__.py", "_version.py", "errors.py"):
        shutil.copy(source / name, tmp_path / "vendored_carnet" / name)
    for file in (tmp_path / "vendored_carnet").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"\b(from|import) carnet\b", r"\1 vendored_carnet", text), encoding="utf-8")
    with served(due) as (address, _):
        text, errors = process(due, address, f"PLACE = {str(tmp_path)!r}\n{TWO_COPIES}").communicate(timeout=120)
    assert (text, errors) == ("", "")
