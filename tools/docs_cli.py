"""Write docs/reference/cli.md from the parser itself: every command, argument, option and exit code."""

from __future__ import annotations

import argparse

from carnet.cli.catalog import CATALOG, SECTIONS
from carnet.cli.exits import MEANINGS
from carnet.cli.parser import build_parser

HEAD = """\
# The `carnet` command

<!-- Made from the parser by `make docs`; a test keeps it so. -->

Data goes to standard output, talk to standard error.
`--json` works with every command: the result is one line of JSON on standard output,
a problem is one JSON object on standard error.
`NO_COLOR` is respected; in a pipe there is no colour.
An option comes before an environment variable, and that before a default.

License keys and passphrases are never accepted on the command line, where every process can read them.
They come from the environment, a file, standard input or a prompt.
`CARNET_DEBUG=1` shows where an unexpected defect happened.

## Exit codes

| code | meaning |
|---|---|
"""


def page() -> str:
    """The whole page."""
    parser = build_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))  # noqa: SLF001
    text = HEAD + "".join(f"| {code} | {meaning} |\n" for code, meaning in MEANINGS)
    for where, title in SECTIONS:
        text += f"\n## {title[0].upper()}{title[1:]}\n"
        for command in CATALOG:
            if command.where == where:
                text += _command(f"carnet {command.name}", commands.choices[command.name])
    return text


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]  # noqa: SLF001
    if below:
        text = f"\n### `{name}`\n\n{parser.description}\n"
        for subname, subparser in below[0].choices.items():
            text += _leaf(f"{name} {subname}", subparser, "####")
        return text
    return _leaf(name, parser, "###")


def _leaf(name: str, parser: argparse.ArgumentParser, heading: str) -> str:
    shown = [a for a in parser._actions if a.help != argparse.SUPPRESS and a.dest not in {"help", "json"}]  # noqa: SLF001
    words = "".join(f" {_positional(action)}" for action in shown if not action.option_strings)
    text = f"\n{heading} `{name}{words}`\n\n{parser.description}\n"
    options = [action for action in shown if action.option_strings]
    if options:
        text += "\n| option | |\n|---|---|\n"
        text += "".join(f"| `{_option(action)}` | {_help(action)} |\n" for action in options)
    return text


def _positional(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest.upper())
    return f"[{name}]" if action.nargs in {"?", "*"} else name


def _option(action: argparse.Action) -> str:
    flags = ", ".join(action.option_strings)
    if action.nargs == 0:
        return flags
    value = (
        "|".join(str(choice) for choice in action.choices) if action.choices else action.metavar or action.dest.upper()
    )
    return f"{flags} {value}".replace("|", "\\|")


def _help(action: argparse.Action) -> str:
    text = action.help or ""
    if action.default not in (None, False, [], argparse.SUPPRESS) and "default" not in text and action.nargs != 0:
        text += f" (default {action.default})"
    return f"{text}{'; required' if action.required else ''}"
