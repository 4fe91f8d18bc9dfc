"""
What the commands on a device share: product, server, root, state and device id, from flags and environment.

The commands call the SDK (`carnet.Carnet`) exactly as an app does; what `carnet status` says, the app decides.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.notice import access_style, box, explain, headline, severity_style
from carnet.cli.output import Output
from carnet.cli.secrets import read_stdin
from carnet.cli.words import whole
from carnet.core.errors import UsageError

if TYPE_CHECKING:
    from carnet import Carnet
    from carnet.core.decision import Decision
    from carnet.formats.root import Root

_SETTINGS: tuple[tuple[str, str, str, str], ...] = (
    ("product", "CARNET_PRODUCT", "NAME", "the product"),
    ("server", "CARNET_SERVER", "URL", "the vendor's server"),
    ("root", "CARNET_ROOT", "FILE", "the vendor's root file (root.json)"),
    ("state", "CARNET_STATE", "DIR", "where this device keeps its license"),
    ("device-id", "CARNET_DEVICE_ID", "TEXT", "what identifies this device, where nothing else does"),
)

DEFAULT_SECONDS = 15
"""For a contact that a person asked for and waits for; an app's own default is shorter (REL-17)."""
MAX_SECONDS = 600


def add_device_options(parser: argparse.ArgumentParser, *names: str) -> None:
    """Let *parser* take the device settings called *names*; all of them when none is named."""
    for name, variable, metavar, summary in _SETTINGS:
        if not names or name in names:
            parser.add_argument(f"--{name}", metavar=metavar, help=f"{summary} (default: ${variable})")


def setting(options: argparse.Namespace, name: str) -> str | None:
    """A device setting: the flag, else the environment; empty counts as not given."""
    variable = next(v for n, v, _, _ in _SETTINGS if n == name)
    return getattr(options, name.replace("-", "_"), None) or os.environ.get(variable) or None


def required(options: argparse.Namespace, name: str) -> str:
    """
    A device setting that must be there.

    Raises:
        UsageError: ``product_required``, ``server_required``, ``root_required``, naming the flag and the variable.
    """
    value = setting(options, name)
    if value is None:
        variable, summary = next((v, s) for n, v, _, s in _SETTINGS if n == name)
        what = f"{summary[0].upper()}{summary[1:]}"
        raise UsageError(f"{name}_required", f"{what} is not given.", f"Add --{name}, or set {variable}.")
    return value


def read_root(given: str) -> Root:
    """
    The root file that is *given* as text or as a path, with its signatures checked.

    Raises:
        UsageError: ``root_not_found``.
        MalformedError, NotGenuineError: It is not a root file.
        OSError: It cannot be read.
    """
    from carnet.formats.limits import MAX_ROOT
    from carnet.formats.root import read_root as parse

    if given.lstrip().startswith("{"):
        return parse(given)
    try:
        with open(given, "rb") as file:  # noqa: PTH123 - pathlib is not loaded on devices
            return parse(file.read(MAX_ROOT + 1))
    except (FileNotFoundError, ValueError) as error:  # ValueError: a name with NUL in it, which no file has
        fix = "It is the root.json that the vendor published, or that `carnet init` made."
        raise UsageError("root_not_found", f"There is no root file at {given}.", fix) from error


def this_device(options: argparse.Namespace, *, needs_root: bool = True) -> str | None:
    """
    This computer's fingerprint for the product, or None where nothing identifies it.

    Args:
        options: Parsed with `add_device_options`.
        needs_root: Look into the state, which an enrolled fingerprint stands in and which needs the root; False where
            no root is at hand: then it is the one that an activation would enrol.

    Raises:
        UsageError: A setting is missing or wrong.
    """
    if needs_root:
        return carnet_of(options).info().fingerprint
    from carnet.client.fingerprint import identify
    from carnet.client.state import state_root
    from carnet.formats.fingerprint import native_fingerprint

    identity = identify(declared=setting(options, "device-id"), state_directory=state_root(setting(options, "state")))
    return native_fingerprint(required(options, "product"), identity.anchors[0].value) if identity.anchors else None


def read_artifact(path: str) -> bytes:
    """
    The content of the file at *path*, or of standard input for ``-``; one byte more than any artifact may have at most.

    Raises:
        UsageError: ``file_not_found``.
        OSError: It cannot be read.
    """
    from carnet.formats.app_manifest import MAX_MANIFEST

    if path == "-":
        return read_stdin(MAX_MANIFEST + 1)
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is not loaded on devices
            return file.read(MAX_MANIFEST + 1)
    except (FileNotFoundError, ValueError) as error:  # ValueError: a name with NUL in it, which no file has
        raise UsageError("file_not_found", f"There is no file {path}.", "Check the name.") from error


def carnet_of(options: argparse.Namespace) -> Carnet:
    """The SDK, configured as this command was: flags, then environment. Touches nothing yet."""
    from carnet import Carnet

    return Carnet(
        product=required(options, "product"),
        server=setting(options, "server"),
        root=setting(options, "root"),
        state=setting(options, "state"),
        device_id=setting(options, "device-id"),
        timeout_seconds=getattr(options, "timeout", None) or DEFAULT_SECONDS,
    )


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Let *parser* bound its contact with the server."""
    parser.add_argument(
        "--timeout",
        type=whole(1, MAX_SECONDS),
        metavar="SECONDS",
        help=f"for the whole contact (default {DEFAULT_SECONDS})",
    )


def report(carnet: Carnet, decision: Decision, out: Output) -> int:
    """Print what came of a contact, and what was wrong with it if anything; returns the exit code."""
    problem = carnet.last_problem
    show_decision(decision, out)
    if problem is None:
        return exits.of_decision(decision)
    out.problem(problem.code, problem.message, problem.fix, retryable=problem.retryable)
    return exits.of_problem(problem)


def decision_text(decision: Decision, out: Output) -> str:
    """A decision as a person reads it: the headline, the facts, and its notice as a dialog."""
    line = out.style(headline(decision.state, decision.access), access_style(decision), "bold")
    text = f"{line}\n\n{explain(decision)}"
    if decision.notice is not None:
        drawn = box(decision.notice, unicode=out.can_draw(out.stdout))
        color = severity_style(decision.notice)
        text += "\n\n" + "\n".join(out.style(row, color) for row in drawn.splitlines())
    return text


def show_decision(decision: Decision, out: Output) -> int:
    """Print a decision; returns its exit code."""
    out.data(decision.to_json(), decision_text(decision, out))
    return exits.of_decision(decision)
