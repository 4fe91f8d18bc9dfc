"""
argparse with our manners: mistakes become one `UsageError`, secrets are refused on the command line, modules load late.

What belongs here: how words on the command line become options. What does not: what a command does.
Invariant: no message ever repeats an argument that could be a license key (design.md §2 rule 10).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from carnet.cli.catalog import CATALOG, SECTIONS, find
from carnet.cli.redaction import redact
from carnet.core.errors import UsageError

if TYPE_CHECKING:
    from carnet.cli.output import Output

Run = Callable[[argparse.Namespace, "Output"], int]


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` instead of exiting, and never guesses abbreviations."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("formatter_class", _HelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(*args, **options)
        self.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for programs")

    def error(self, message: str) -> NoReturn:
        """Raise ``bad_usage`` with argparse's sentence, keys redacted."""
        raise UsageError("bad_usage", f"{_sentence(redact(message))}", f"See: {self.prog} --help")

    def commands(self, what: str) -> argparse._SubParsersAction[Parser]:
        """Commands below this one; naming none of them is a usage error that lists them."""
        return self.add_subparsers(
            metavar=what, dest=argparse.SUPPRESS, required=True, title=f"{what}s", prog=self.prog
        )


def leaf(group: argparse._SubParsersAction[Parser], name: str, summary: str, run: Run) -> Parser:
    """Add the command *name* to *group*: *summary* is its one line, *run* what it does."""
    parser = group.add_parser(name, help=summary, description=_sentence(summary))
    parser.set_defaults(run=run)
    return parser


class SecretOption(argparse.Action):
    """An option that must not exist, and says why."""

    def __init__(self, option_strings: Sequence[str], dest: str, *, instead: str, **options: Any) -> None:
        options.update(help=argparse.SUPPRESS, default=argparse.SUPPRESS)
        super().__init__(option_strings, argparse.SUPPRESS if dest == "secret" else dest, **options)
        self.instead = instead

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,  # noqa: ARG002
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Raise ``secret_on_command_line``, unless argparse only reports that the word is absent."""
        if values in ([], None):
            return
        raise UsageError(
            "secret_on_command_line",
            "A secret on the command line can be read by every process on this computer and stays in the shell's"
            " history, so it is not accepted there.",
            self.instead,
        )


def build_parser(only: str | None = None) -> Parser:
    """
    The parser of the whole command.

    Args:
        only: Import and configure just this command's module; None does so for all of them (documentation).
    """
    parser = Parser(
        prog="carnet",
        description="Software licensing that you host yourself and that keeps working offline.",
        epilog="carnet COMMAND --help explains a command. Exit codes: docs/reference/cli.md",
        usage="carnet [--json] COMMAND …",
    )
    parser.add_argument("--version", action="store_true", help="say which version this is")
    parser.set_defaults(json=False)
    group = parser.add_subparsers(metavar="COMMAND", dest="command", required=False, title="commands", prog=parser.prog)
    for command in CATALOG:
        below = group.add_parser(command.name, help=command.summary, description=_sentence(command.summary))
        if only is None or only == command.name:
            import_module(f"carnet.cli.commands.{command.module}").configure(below)
    return parser


def command_in(arguments: Sequence[str]) -> str | None:
    """
    The command's name in *arguments*: the first word that is not an option.

    Raises:
        UsageError: ``unknown_command``, with the closest names.
    """
    name = next((word for word in arguments if not word.startswith("-")), None)
    if name is None or find(name) is not None:
        return name
    near = get_close_matches(name, [command.name for command in CATALOG], n=3, cutoff=0.5)
    fix = f"Did you mean: {', '.join(near)}?" if near else "See: carnet --help"
    raise UsageError("unknown_command", f"There is no command {redact(name)[:40]!r}.", fix)


def overview() -> str:
    """What `carnet --help` prints: every command, by where it is used."""
    width = max(len(command.name) for command in CATALOG) + 2
    lines = ["Carnet: software licensing that you host yourself and that keeps working offline.", ""]
    lines += ["usage: carnet [--json] COMMAND …", ""]
    for where, title in SECTIONS:
        lines.append(f"{title}:")
        lines += [f"  {c.name:<{width}}{c.summary}" for c in CATALOG if c.where == where]
        lines.append("")
    lines.append("carnet COMMAND --help explains a command; --json makes any of them answer in JSON; --version.")
    return "\n".join(lines)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."


class _HelpFormatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        for below in self._iter_indented_subactions(action):  # argparse forgets their indent, and wraps the longest
            length = len(self._format_action_invocation(below)) + self._current_indent
            self._action_max_length = max(self._action_max_length, length)
