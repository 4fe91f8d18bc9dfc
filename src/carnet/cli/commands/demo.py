"""
`carnet demo`, which is `make run`: the boarding-pass story on a real server, which then stays up (`--once` ends it).
`carnet demo --compromise`: the story of a stolen signing key.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from carnet.cli import exits
from carnet.cli.demo.compromise import CompromiseStory
from carnet.cli.demo.show import Show
from carnet.cli.demo.stage import LOOPBACK, Stage, StoryError, free_port
from carnet.cli.demo.story import Story
from carnet.cli.output import Output
from carnet.cli.parser import Parser
from carnet.cli.vendor import server_extra
from carnet.cli.words import whole
from carnet.core.errors import CarnetError, UsageError

DEFAULT_PORT = 8787
MAX_PORT = 65535


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_demo)
    parser.add_argument(
        "--compromise", action="store_true", help="another story: a stolen signing key, and the drill that ends it"
    )
    parser.add_argument("--once", action="store_true", help="end after the story; otherwise the server stays up")
    parser.add_argument(
        "--port", type=whole(1, MAX_PORT), help="default: $CARNET_PORT, 8787, or a free one with --once"
    )


def _demo(options: argparse.Namespace, out: Output) -> int:
    port = _port(options)
    with server_extra():
        from carnet.server.serve import bind
    bind(LOOPBACK, port).close()  # a taken port is said before anything is made
    signal.signal(signal.SIGTERM, _stop)
    stage = Stage(port)
    try:
        code = tell(CompromiseStory(stage) if options.compromise else Story(stage), out)
        if code == exits.OK and not options.once:
            _stay(stage, out)
        return code
    finally:
        for stopping in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stopping, signal.SIG_IGN)  # a second Ctrl-C must not leave the server behind
        stage.close()


def _port(options: argparse.Namespace) -> int:
    if options.port is not None:
        return int(options.port)
    if options.once:
        return free_port()
    given = os.environ.get("CARNET_PORT") or str(DEFAULT_PORT)
    try:
        port: int = whole(1, MAX_PORT)(given)
    except argparse.ArgumentTypeError as error:
        raise UsageError(
            "bad_setting", f"CARNET_PORT: {error}.", "Set it to a number, or unset it for 8787."
        ) from error
    return port


def tell(story: Story | CompromiseStory, out: Output) -> int:
    """Tell *story* step by step up to its end or to the first step that fails; returns the exit code."""
    show = Show(out, len(story.steps))
    show.opening(*story.opening)
    for number, (title, deed) in enumerate(story.steps, 1):
        try:
            with show.step(number, title):
                scene = deed()
        except CarnetError as error:
            show.failed(number, title, error)
            show.done(ok=False)
            return exits.FAILED
        show.scene(number, title, scene)
    show.done(ok=True)
    return exits.OK


def _stay(stage: Stage, out: Output) -> None:
    """Leave a server with a fresh license for whoever is watching, until Ctrl-C."""
    made = stage.vendor("license", "create", "--product", "hustl", "--policy", "consumer")
    key = stage.directory / "license-key.txt"
    key.write_text(f"{made['key']}\n", encoding="ascii")
    stage.start_server()
    carnet = _command()
    out.say(
        f"""
Now it is your turn. The server stays up until you press Ctrl-C.

  server    {stage.url}
  health    {stage.url}/readyz
  API       {stage.url}/openapi.json

As a customer's app, in another terminal:

    export CARNET_PRODUCT=hustl CARNET_SERVER={stage.url}
    export CARNET_ROOT={stage.root_path}
    export CARNET_STATE={stage.directory / "devices"}
    {carnet} activate --license-key-file {key}
    {carnet} status

As the vendor:

    export CARNET_DATA={stage.data}
    {carnet} license list
    {carnet} audit list
"""
    )
    try:
        stage.wait()
    except KeyboardInterrupt:
        out.say("Stopping. The demo's files are removed.")
        return
    raise StoryError("story_failed", "The server ended by itself.", "carnet doctor may know why.")


def _command() -> str:
    """How the `carnet` command is called from where this one was."""
    if shutil.which("carnet"):
        return "carnet"
    script = Path(sys.executable).with_name("carnet")
    return os.path.relpath(script) if script.exists() else f"{sys.executable} -m carnet.cli"


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM ends the demo as Ctrl-C does, so that it never leaves a server behind."""
    raise KeyboardInterrupt
