"""
One run of `carnet`: parse, dispatch, and turn everything that can go wrong into a sentence and an exit code.

Invariant: no traceback for anything a person, a file or a network can do. A defect of Carnet itself is reported in one
sentence too; `CARNET_DEBUG=1` shows where it happened.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from carnet.cli import exits
from carnet.cli.output import Output
from carnet.cli.parser import build_parser, command_in, overview
from carnet.core.errors import CarnetError


def main(argv: Sequence[str] | None = None, out: Output | None = None) -> int:
    """
    Run one command.

    Args:
        argv: The words after `carnet`; None takes those of this process.
        out: Where to write; None takes this process's own streams.

    Returns:
        The exit code (`exits.MEANINGS`).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if out is None:
        out = Output(json="--json" in arguments)
    try:
        return _run(arguments, out)
    except CarnetError as error:
        return out.error(error)
    except KeyboardInterrupt:
        out.say("Stopped.")
        return exits.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left (`carnet … | head`). Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILED
    except OSError as error:
        if os.environ.get("CARNET_DEBUG"):
            raise
        name = f"{error.filename}: " if error.filename else ""
        out.problem(
            "system_error", f"{name}{error.strerror or error}.", "Check the path, its permissions and free space."
        )
        return exits.FAILED
    except Exception as error:
        if os.environ.get("CARNET_DEBUG"):
            raise
        out.problem(
            "internal_error",
            f"Carnet has a defect: {type(error).__name__} in this command.",
            "Set CARNET_DEBUG=1 to see where, and please report it.",
        )
        return exits.FAILED


def _run(arguments: list[str], out: Output) -> int:
    name = command_in(arguments)
    if name is None and not {"--version"} & set(arguments):
        wanted = {"-h", "--help"} & set(arguments)
        if not wanted and set(arguments) - {"--json"}:
            build_parser("").parse_args(arguments)  # says which option it does not know
        if wanted:
            out.data({"help": overview()}, overview())
            return exits.OK
        out.problem("bad_usage", "Which command?", "See: carnet --help") if out.json else out.say(overview())
        return exits.USAGE
    try:
        options = build_parser(name or "").parse_args(arguments)
    except SystemExit as done:  # --help prints and leaves
        return exits.OK if not done.code else exits.USAGE
    if getattr(options, "version", False) and name is None:
        from carnet._version import __version__

        out.data({"version": __version__}, f"carnet {__version__}")
        return exits.OK
    result: int = options.run(options, out)
    return result


if __name__ == "__main__":
    sys.exit(main())
