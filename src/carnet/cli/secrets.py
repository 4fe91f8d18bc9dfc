"""
License keys and passphrases: from the environment, a file, stdin or a prompt, never from the command line.

Reads, never prints. A key read here is the text as it was typed, without surrounding blanks; correcting it is
`carnet.cli.typing_errors`' business.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TextIO

from carnet.cli.parser import SecretOption
from carnet.core.errors import UsageError

MAX_TYPED = 512
"""Characters of a license key as typed (security-requirements, Limits)."""

HOW = (
    "Set CARNET_LICENSE_KEY, use --license-key-file FILE or --license-key-stdin,"
    " or start the command in a terminal and it asks."
)


def add_license_key_options(parser: argparse.ArgumentParser, *, positional: bool) -> None:
    """
    Let *parser* take a license key in the safe ways, and refuse the unsafe ones with the reason.

    Args:
        parser: Gets `--license-key-stdin`, `--license-key-file` and hidden traps for keys typed into the command.
        positional: Whether a stray word would be taken for a key (where the command has no other words).
    """
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--license-key-stdin", action="store_true", help="read the license key from standard input")
    group.add_argument("--license-key-file", metavar="FILE", help="read the license key from FILE")
    parser.add_argument("--license-key", "--key", dest="secret", nargs="?", action=SecretOption, instead=HOW)
    if positional:
        parser.add_argument("secret", nargs="*", action=SecretOption, instead=HOW)


def license_key(options: argparse.Namespace, *, prompt: bool, stdin: TextIO | None = None) -> str | None:
    """
    The license key that was given, as typed.

    Args:
        options: Parsed with `add_license_key_options`.
        prompt: Ask for it where a person is there to answer and nothing else was given.
        stdin: Standard input; None takes this process's own.

    Returns:
        1 … 512 characters without surrounding blanks, or None where none was given.

    Raises:
        UsageError: ``license_key_empty`` or ``license_key_too_long``.
        OSError: The file cannot be read.
    """
    stdin = stdin if stdin is not None else sys.stdin
    if options.license_key_stdin:
        typed = stdin.read(MAX_TYPED * 4)
    elif options.license_key_file:
        with open(options.license_key_file, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - light start
            typed = file.read(MAX_TYPED * 4)
    elif os.environ.get("CARNET_LICENSE_KEY"):
        typed = os.environ["CARNET_LICENSE_KEY"]
    elif prompt and interactive(stdin):
        typed = ask("License key: ", stdin)
    else:
        return None
    typed = typed.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}").strip()
    if not typed:
        raise UsageError("license_key_empty", "The license key is empty.", HOW)
    if len(typed) > MAX_TYPED:
        raise UsageError("license_key_too_long", f"A license key has at most {MAX_TYPED} characters.", HOW)
    return typed


def interactive(stdin: TextIO | None = None) -> bool:
    """Whether a person can be asked: both ends of the conversation are a terminal."""
    return (stdin if stdin is not None else sys.stdin).isatty() and sys.stderr.isatty()


def ask(question: str, stdin: TextIO | None = None) -> str:
    """Ask on stderr, so that stdout stays data, and return the answer without its line end."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return (stdin if stdin is not None else sys.stdin).readline().rstrip("\n")


def confirm(question: str, stdin: TextIO | None = None) -> bool:
    """Ask a yes-or-no question; Enter means yes, the end of input means no."""
    sys.stderr.write(f"{question} [Y/n] ")
    sys.stderr.flush()
    answer = (stdin if stdin is not None else sys.stdin).readline()
    return bool(answer) and answer.strip().lower() in {"", "y", "yes"}
