"""
License keys and passphrases: from the environment, a file, stdin or a prompt, never from the command line.

Reads, never prints. A key read here is the text as it was typed, without surrounding blanks; correcting it is
`carnet.cli.typing_errors`' business.
"""

from __future__ import annotations

import argparse
import os
import sys

from carnet.cli.parser import SecretOption
from carnet.core.errors import UsageError

MAX_TYPED = 512
"""Characters of a license key as typed (security-requirements, Limits)."""

MAX_BYTES = 4096
"""Of a file or standard input that should hold one secret; more is not read."""

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


def license_key(options: argparse.Namespace, *, prompt: bool) -> str | None:
    """
    The license key that was given, as typed.

    Args:
        options: Parsed with `add_license_key_options`.
        prompt: Ask for it where a person is there to answer and nothing else was given.

    Returns:
        1 … 512 characters without surrounding blanks, or None where none was given.

    Raises:
        UsageError: ``license_key_empty`` or ``license_key_too_long``.
        OSError: The file cannot be read.
    """
    if options.license_key_stdin:
        typed = read_stdin(MAX_BYTES).decode("utf-8", "replace")
    elif options.license_key_file:
        return key_in_file(options.license_key_file)
    elif os.environ.get("CARNET_LICENSE_KEY"):
        typed = os.environ["CARNET_LICENSE_KEY"]
    elif prompt and interactive():
        typed = ask("License key: ")
    else:
        return None
    return _trimmed(typed)


def key_in_file(path: str) -> str:
    """
    The license key in the file *path*, as typed.

    Raises:
        UsageError: ``license_key_empty`` or ``license_key_too_long``.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib is not loaded on devices
        return _trimmed(file.read(MAX_BYTES).decode("utf-8", "replace"))


def _trimmed(typed: str) -> str:
    typed = typed.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}").strip()
    if not typed:
        raise UsageError("license_key_empty", "The license key is empty.", HOW)
    if len(typed) > MAX_TYPED:
        raise UsageError("license_key_too_long", f"A license key has at most {MAX_TYPED} characters.", HOW)
    return typed


def passphrase(path: str) -> bytes:
    """
    A passphrase from the file *path*, without its line end.

    Raises:
        UsageError: ``empty_passphrase``.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib is not loaded on devices
        secret = file.read(MAX_BYTES).removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise UsageError("empty_passphrase", f"{path} is empty.", "Put the passphrase on its first line.")
    return secret


def read_stdin(most: int) -> bytes:
    """At most *most* bytes of standard input; none where there is no standard input."""
    return sys.stdin.buffer.read(most) if sys.stdin is not None else b""


def interactive() -> bool:
    """Whether a person can be asked: both ends of the conversation are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def ask(question: str) -> str:
    """Ask on stderr, so that stdout stays data; the answer comes without its line end."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().rstrip("\n")


def confirm(question: str) -> bool:
    """Ask a yes-or-no question; Enter means yes, the end of input means no."""
    sys.stderr.write(f"{question} [Y/n] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    return bool(answer) and answer.strip().lower() in {"", "y", "yes"}
