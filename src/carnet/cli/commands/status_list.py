"""`carnet status-list list|export`: the published status lists, and as files for a CDN or an app's update (R-83)."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, table, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, administer
from carnet.core.errors import UsageError
from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carnet.server.installation import Installation
    from carnet.server.ports import PublishedList

BUNDLE = "status-lists.carnet"
"""What an app brings with it: every list, and the root files that lead to the key of the newest."""


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    shown = leaf(group, "list", "the lists that are published, with their age", _list)
    export = leaf(group, "export", "write every list into a folder: for a CDN, and for an app's update", _export)
    export.add_argument("folder", metavar="FOLDER", help="made if it is not there; an earlier export is replaced")
    for command in (shown, export):
        add_installation_options(command)


def _list(options: argparse.Namespace, out: Output) -> int:
    lists, _ = administer(options, out, _published)
    items = [
        {
            "number": each.shard,
            "version": list(each.version),
            "issued_at": str(each.issued_at),
            "expires_at": str(each.expires_at),
            "bytes": len(each.token),
        }
        for each in lists
    ]
    rows = [
        [each.shard, f"{each.version[0]}.{each.version[1]}", when(each.issued_at), len(each.token)] for each in lists
    ]
    out.data({"items": items}, table(["LIST", "VERSION", "PUBLISHED", "BYTES"], rows, "No list is published yet."))
    return exits.OK


def _export(options: argparse.Namespace, out: Output) -> int:
    (lists, roots), problem = administer(options, out, _newest)
    if problem is not None:
        out.say(f"What changed last is not in them: {problem}")
    written = []
    try:
        for path, content in _files(lists, roots):
            target = os.path.join(options.folder, *path.split("/"))  # noqa: PTH118 - names of ours below one of theirs
            _write(target, content)
            written.append(path)
    except OSError as error:
        raise UsageError(
            "folder_not_writable",
            f"{options.folder} cannot be written ({error.strerror}).",
            "Choose another folder, or give this user the right to write there.",
        ) from error
    out.data({"folder": options.folder, "lists": len(lists), "files": written}, options.folder)
    out.say(
        f"{how_many(len(lists), 'list')}."
        f" Serve what is below v1/ at the address of your server; give {BUNDLE} to the app."
        if lists
        else "No list is published yet: there is no license."
    )
    return exits.OK


async def _published(installation: Installation) -> tuple[tuple[PublishedList, ...], tuple[str, ...]]:
    return installation.lists.all(), installation.roots


async def _newest(
    installation: Installation,
) -> tuple[tuple[tuple[PublishedList, ...], tuple[str, ...]], str | None]:
    """
    What is published, and what kept it from being up to date. What is due is published first, unless a running server
    or worker does that: its variables say under which address, and what it serves is at most some seconds old.
    """
    from carnet.server.jobs.catalog import PUBLISH_JOB, jobs_of
    from carnet.server.jobs.runner import Runner

    jobs = tuple(job for job in jobs_of(installation, (), lambda *_: None) if job.name == PUBLISH_JOB)
    problems = await Runner(installation.store, jobs).once()
    await installation.lists.keep_up()
    return await _published(installation), problems.get(PUBLISH_JOB)


def _files(lists: tuple[PublishedList, ...], roots: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    from carnet.formats.bundle import MAX_STATUS_LISTS, Bundle, write_bundle
    from carnet.formats.limits import MAX_ROOT_STEPS

    for each in lists:
        yield f"v1/status/{each.shard}", each.token
    for begin in range(0, len(lists), MAX_STATUS_LISTS):
        some = tuple(each.token for each in lists[begin : begin + MAX_STATUS_LISTS])
        number = begin // MAX_STATUS_LISTS
        name = BUNDLE if number == 0 else BUNDLE.replace(".", f"-{number + 1}.")
        yield name, write_bundle(Bundle(roots=roots[1:][-MAX_ROOT_STEPS:], status_lists=some))


def _write(path: str, content: str) -> None:
    """A whole file or the one before: a CDN may read at any moment."""
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    temporary = f"{path}.tmp"
    with open(temporary, "w", encoding="ascii", newline="\n") as file:  # noqa: PTH123
        file.write(content)
    os.replace(temporary, path)  # noqa: PTH105
