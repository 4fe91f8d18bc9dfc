"""
`carnet audit list|verify|prove|check-proof|export|checkpoint`: who changed what, and what proves it.

`check-proof` needs nothing but a file and the vendor's root file; the others read the database of an installation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.device import add_device_options, read_artifact, read_root, required
from carnet.cli.output import Output, as_json, facts, plain
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import (
    add_installation_options,
    add_list_options,
    administer,
    collect,
    server_extra,
    settings_of,
    show_list,
)
from carnet.cli.views import audit_json
from carnet.cli.words import whole
from carnet.core.errors import StateError, UsageError
from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import TypeVar

    from carnet.server.domain.proof.findings import Verdict
    from carnet.server.proof_desk import ProofDesk
    from carnet.server.records import AuditEntry

    _T = TypeVar("_T")


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    listing = leaf(group, "list", "changes, newest first", _list)
    listing.add_argument("--object", metavar="ID", help="only changes of this product, license, activation, …")
    listing.add_argument("--action", help="only this kind of change, e.g. license.revoked")
    add_list_options(listing)
    verify = leaf(group, "verify", "look for changes to the audit, to what was issued, and to the log over it", _verify)
    verify.add_argument(
        "--checkpoints",
        type=Path,
        action="append",
        metavar="DIR",
        help="compare with the checkpoints kept here (default: where the server keeps them); may be repeated",
    )
    prove = leaf(group, "prove", "write a proof that what a license was given is in the log", _prove)
    prove.add_argument("subject", metavar="LICENSE|JTI", help="a license id, or the id of one issued artifact")
    prove.add_argument("--output", type=Path, metavar="FILE", help="a new file (default: standard output)")
    check = leaf(group, "check-proof", "check such a proof, with nothing but the vendor's root file", _check_proof)
    check.add_argument("file", metavar="FILE", help="what carnet audit prove wrote; - reads stdin")
    add_device_options(check, "root")
    export = leaf(group, "export", "every change with its place in the chain, as JSON Lines", _export)
    export.add_argument(
        "--after", type=whole(0, 10**18), default=0, metavar="POSITION", help="only changes sealed behind this position"
    )
    checkpoint = leaf(group, "checkpoint", "print the newest signed checkpoint, to keep it elsewhere", _checkpoint)
    for command in (listing, verify, prove, export, checkpoint):
        add_installation_options(command)


def _list(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.audit.commands import AuditFilter

    which = AuditFilter(object_id=options.object, action=options.action)
    page = administer(
        options,
        out,
        lambda installation: collect(lambda a, n: installation.audit.list(which, after=a, limit=n), options),
    )
    show_list(out, page, audit_json, _COLUMNS, "Nothing was changed yet.")
    return exits.OK


def _verify(options: argparse.Namespace, out: Output) -> int:
    def progress(what: str, done: int, of: int) -> None:
        out.say(f"{what}: {done:,} of {of:,} …")

    settings = settings_of(options)
    folders = tuple(options.checkpoints or [settings.checkpoint_folder])
    for folder in folders if options.checkpoints else ():
        if not folder.is_dir():
            raise UsageError("checkpoints_not_found", f"There is no folder {folder}.", "Check the path.")
    verdict = _at_the_desk(options, out, lambda desk: desk.verify(folders, progress=progress))
    out.data(_verdict_json(verdict), _verdict_text(verdict, out))
    _talk(verdict, out)
    return exits.OK if verdict.is_sound else exits.FAILED


def _prove(options: argparse.Namespace, out: Output) -> int:
    from carnet.formats.log_proof import log_proof_members

    proof = _at_the_desk(options, out, lambda desk: desk.prove(options.subject))
    content = as_json(log_proof_members(proof))
    if options.output is None:
        out.stdout.write(f"{content}\n")
        return exits.OK
    try:
        with options.output.open("x", encoding="ascii") as file:
            file.write(f"{content}\n")
    except FileExistsError:
        raise UsageError(
            "file_exists", f"{options.output} exists already.", "Choose another name, or remove it first."
        ) from None
    except OSError as error:
        raise StateError(
            "output_not_written", f"{options.output} cannot be written ({error.strerror}).", "Choose another place."
        ) from error
    out.data(
        {"file": str(options.output), "entries": len(proof.entries)},
        facts([("Proof", str(options.output)), ("Entries", len(proof.entries))]),
    )
    out.say(f"Anybody can check it: carnet audit check-proof {options.output} --root root.json")
    return exits.OK


def _check_proof(options: argparse.Namespace, out: Output) -> int:
    from carnet.formats.log_proof import read_log_proof, verify_log_proof

    root = read_root(required(options, "root"))
    proven = verify_log_proof(read_log_proof(read_artifact(options.file)), root)
    checkpoint = proven.checkpoint
    document = {
        "ok": True,
        "issuer": proven.issuer,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "entries": list(proven.entries),
    }
    rows: list[tuple[str, object]] = [
        ("Log", checkpoint.origin),
        ("Checkpoint over", how_many(checkpoint.size, "entry", "entries")),
    ]
    rows += [
        ("Issued", f"{entry.get('kind')} {entry.get('jti')} for license {entry.get('license_id')}")
        for entry in proven.entries
    ]
    out.data(document, facts(rows))
    out.say("Everything listed is in the vendor's log. Whether it is valid now is another question: carnet verify")
    return exits.OK


def _export(options: argparse.Namespace, out: Output) -> int:
    def write(line: dict[str, Any]) -> None:
        out.stdout.write(f"{as_json(line)}\n")

    sealed, unsealed = _at_the_desk(options, out, lambda desk: desk.export(write, after=options.after))
    out.stdout.flush()
    behind = how_many(unsealed, "behind them is", "behind them are")
    out.say(f"{how_many(sealed, 'sealed change')}; {behind} not sealed yet and no proof so far.")
    return exits.OK


def _checkpoint(options: argparse.Namespace, out: Output) -> int:
    text = _at_the_desk(options, out, lambda desk: desk.checkpoint())
    if text is None:
        raise UsageError(
            "checkpoint_not_found",
            "No checkpoint was signed yet.",
            "The server signs one within a minute of a change: carnet serve, or carnet worker.",
        )
    out.data({"checkpoint": text}, text.removesuffix("\n"))
    return exits.OK


def _at_the_desk(options: argparse.Namespace, out: Output, work: Callable[[ProofDesk], Awaitable[_T]]) -> _T:
    """Open what auditors need of the installation, do *work*, close it."""
    import asyncio

    with server_extra():
        from carnet.server.proof_desk import open_proof_desk

    async def run() -> _T:
        async with open_proof_desk(settings_of(options), say=out.say) as desk:
            return await work(desk)

    return asyncio.run(run())


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "ok": verdict.is_sound,
        "sealed": verdict.rows,
        "unsealed": verdict.unsealed,
        "logged": verdict.leaves,
        "unlogged": verdict.unlogged,
        "checkpoints": verdict.checkpoints,
        "covered": verdict.covered,
        "restores": list(verdict.restores),
        "findings": [
            {"part": each.part, "kind": each.kind, "row": each.row, "message": each.message}
            for each in verdict.findings
        ],
        "more": verdict.more,
    }


def _verdict_text(verdict: Verdict, out: Output) -> str:
    good = verdict.is_sound
    heading = "As it was sealed" if good else "CHANGED AFTER IT WAS SEALED"
    rows: list[tuple[str, object]] = [
        ("Audit", f"{how_many(verdict.rows, 'row')} sealed, {verdict.unsealed:,} not yet"),
        ("Log", f"{how_many(verdict.leaves, 'entry', 'entries')}, {verdict.unlogged:,} issued and not there yet"),
        (
            "Checkpoints",
            f"{verdict.checkpoints:,} compared; the newest covers {how_many(verdict.covered, 'entry', 'entries')}",
        ),
    ]
    rows += [("Restored", each) for each in verdict.restores]
    lines = [out.style(heading, "bold", "green" if good else "red"), facts(rows)]
    for number, finding in enumerate(verdict.findings):
        lines.append(f"{'First' if number == 0 else 'Then'}: {plain(finding.message)}")
    if verdict.more:
        lines.append(f"And {verdict.more:,} more.")
    return "\n".join(lines)


def _talk(verdict: Verdict, out: Output) -> None:
    if not verdict.is_sound:
        out.say("Keep a copy of the database and of the checkpoints as they are now, before anything else is done.")
    elif verdict.checkpoints == 0:
        out.say("No checkpoint was compared: a database that was computed anew altogether looks like this, too.")


_COLUMNS: Mapping[str, Callable[[AuditEntry], object]] = {
    "AT": lambda entry: entry.at,
    "WHO": lambda entry: entry.actor.kind if entry.actor.id is None else f"{entry.actor.kind} {entry.actor.id}",
    "WHAT": lambda entry: entry.action,
    "OBJECT": lambda entry: entry.object_id,
    "DETAILS": lambda entry: (
        ", ".join(f"{k}={v if isinstance(v, str) else as_json(v)}" for k, v in entry.details.items()) or None
    ),
}
