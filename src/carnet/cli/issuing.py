"""
What `carnet license` does with things that are handed out: files of new licenses, and signed artifacts.

Belongs here: files that are made once, with the owner's permissions, and never over another. Not here: what an artifact
says, and whether it may be issued.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.output import Output, as_json, when
from carnet.cli.vendor import administer
from carnet.cli.views import artifact_with_its_text_json, license_with_its_keys_json
from carnet.core.decision import Refused
from carnet.core.errors import CarnetError, StateError, UsageError

if TYPE_CHECKING:
    from carnet.server.domain.artifacts.commands import IssuedArtifact
    from carnet.server.domain.licenses.commands import CreatedLicense
    from carnet.server.installation import Installation

_COLUMNS = ("id", "key", "signed_key", "product", "policy", "expires_at")
_STEPS = 20


def add_output_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Let *parser* write *what* to a file."""
    parser.add_argument(
        "--output", metavar="FILE", help=f"write {what} to FILE, which only you may read; it must not exist"
    )


@contextlib.contextmanager
def new_file(path: str) -> Iterator[IO[str]]:
    """
    A file that was not there, readable by its owner only, for text; taken away again if nothing was written to it.

    Raises:
        UsageError: ``already_exists``: there is something of that name; it was not touched.
        StateError: ``data_not_writable``.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except FileExistsError:
        raise UsageError(
            "already_exists", f"There is a file {path} already; nothing was made.", "Choose another name."
        ) from None
    except OSError as error:
        raise _not_writable(path, error) from error
    with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
        try:
            yield file
            file.flush()
        except OSError as error:
            raise _not_writable(path, error) from error
        finally:
            with contextlib.suppress(OSError):
                file.flush()
                if os.fstat(descriptor).st_size == 0:
                    os.unlink(path)  # noqa: PTH108 - as above


def _not_writable(path: str, error: OSError) -> StateError:
    return StateError(
        "data_not_writable", f"{path} cannot be written ({error.strerror}).", "Choose another place for it."
    )


def write_licenses(
    options: argparse.Namespace,
    out: Output,
    make: Callable[[Installation], Awaitable[AsyncIterator[tuple[CreatedLicense, ...]]]],
) -> int:
    """
    Make licenses lot by lot, and write each lot to `--output` as soon as it is durable.

    Stopped in the middle, the file holds every license of the lots that came; the audit names those of the last lot,
    if the machine failed between the two.
    """
    as_csv = options.format == "csv" or (options.format is None and options.output.lower().endswith(".csv"))
    total = options.count
    with new_file(options.output) as file:
        write = _csv_writer(file, signed=options.signed) if as_csv else _lines_writer(file)

        made = 0

        async def work(installation: Installation) -> None:
            nonlocal made
            shown = 0
            async for lot in await make(installation):
                for created in lot:
                    write(license_with_its_keys_json(created))
                file.flush()
                os.fsync(file.fileno())
                made += len(lot)
                if made == total or made - shown >= total / _STEPS:
                    shown = made
                    out.say(f"{made:,} of {total:,}")

        try:
            administer(options, out, work)
        except CarnetError:
            if made:
                out.say(f"It stopped after {made:,} of {total:,}; {options.output} holds all that were made.")
            raise
    noun = "license" if made == 1 else "licenses"
    out.data({"created": made, "output": options.output}, f"{made:,} {noun} in {options.output}")
    out.say("The file holds keys in clear: hand it on safely, then remove it.")
    return exits.OK


def _csv_writer(file: IO[str], *, signed: bool) -> Callable[[dict[str, Any]], object]:
    import csv

    columns = [column for column in _COLUMNS if signed or column != "signed_key"]
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    is_new = True

    def write(document: dict[str, Any]) -> None:
        nonlocal is_new
        if is_new:  # not before the first license is made: a file that holds none is taken away
            writer.writeheader()
            is_new = False
        writer.writerow(document)

    return write


def _lines_writer(file: IO[str]) -> Callable[[dict[str, Any]], object]:
    return lambda document: file.write(f"{as_json(document)}\n")


def hand_out(
    options: argparse.Namespace,
    out: Output,
    issue: Callable[[Installation], Awaitable[IssuedArtifact | Refused]],
) -> int:
    """Issue an artifact, and print it or write it to `--output`; or say why there is none."""

    def run() -> IssuedArtifact | Refused:
        return administer(options, out, issue)

    if options.output is None:
        result = run()
    else:
        with new_file(options.output) as file:
            result = run()
            if not isinstance(result, Refused):
                file.write(f"{result.text}\n")
    if isinstance(result, Refused):
        return out.refused(result)
    document = artifact_with_its_text_json(result)
    if options.output is None:
        out.data(document, result.text)
    else:
        del document["text"]
        out.data({**document, "output": options.output}, options.output)
    out.say(f"For {result.product}, license {result.license_id}, ends: {when(result.expires_at)}.")
    return exits.OK
