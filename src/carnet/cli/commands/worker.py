"""
`carnet worker`: the jobs of the server in a process of their own.

`carnet serve` does them too, unless `CARNET_JOBS=off`. See docs/how-to/workers-and-jobs.md.
"""

from __future__ import annotations

import argparse

from carnet.cli import exits
from carnet.cli.output import Output
from carnet.cli.parser import Parser
from carnet.cli.secrets import interactive
from carnet.cli.vendor import add_installation_options, ask_passphrase, server_extra, settings_of
from carnet.core._base import replace
from carnet.core.errors import CarnetError

_ABOUT = (
    "Do the jobs of the server in a process of their own: deliver events, tell what ends and what runs out, forget what"
    " is over, write backups."
    " One process is enough for most: carnet serve does all of it by itself. Beside several carnet serve on PostgreSQL,"
    " run one or two workers and set CARNET_JOBS=off for the servers. Each job is done by one process at a time; when"
    " that is killed, another takes over within 40 seconds. Stop it with SIGTERM: its jobs are free at once."
)


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.description = _ABOUT
    parser.set_defaults(run=_work)
    add_installation_options(parser)
    parser.add_argument("--once", action="store_true", help="do what is to be done now and end, for a timer")


def _work(options: argparse.Namespace, out: Output) -> int:
    settings = settings_of(options)
    with server_extra():
        from carnet.server.jobs.worker import work

    try:
        done = work(settings, once=options.once)
    except CarnetError as error:
        if error.code != "passphrase_needed" or not interactive():
            raise
        done = work(replace(settings, passphrase=ask_passphrase()), once=options.once)
    problems = {job: problem for job, problem in done.items() if problem is not None}
    if options.once:
        lines = [f"{job}: {problem}" for job, problem in problems.items()]
        all_well = (
            f"Done: {', '.join(done)}." if done else "Nothing was to be done here: another process does the jobs."
        )
        out.data({"ok": not problems, "done": sorted(done), "problems": problems}, "\n".join(lines or [all_well]))
    return exits.FAILED if problems else exits.OK
