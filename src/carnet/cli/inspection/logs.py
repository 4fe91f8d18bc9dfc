"""The readers of what the log and the ceremonies hand out: checkpoints, log proofs, drafts of root files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.cli.inspection.lines import Explained, Line, Problem, moment, shown
from carnet.cli.inspection.tables import TITLES
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from carnet.core.instant import Instant


def checkpoint(data: bytes, _: Instant | None) -> Explained:
    """A signed note, in the form that `formats.checkpoint` reads."""
    from carnet.formats.checkpoint import read_checkpoint
    from carnet.formats.encoding import b64_encode, read_kindly

    note = read_checkpoint(read_kindly(data) + b"\n")
    said = note.unverified
    signatures = [{"name": name, "key_hash": hash_.hex()} for name, hash_, _ in note.signatures]
    return Explained(
        title=TITLES["checkpoint"],
        members={
            "origin": said.origin,
            "size": said.size,
            "root_hash": b64_encode(said.root),
            "signatures": signatures,
        },
        lines=(
            Line(name="origin", value=said.origin, meaning="Which log: one for each life of an installation."),
            Line(name="size", value=str(said.size), meaning="How many entries of the log it covers."),
            Line(
                name="root hash",
                value=b64_encode(said.root),
                meaning="The hash over all of them: another one of the same size means another history.",
            ),
            *(
                Line(
                    name=f"signature {number}",
                    value=f"{each['name']} {each['key_hash']}",
                    meaning="Name of the key that is said to have signed it, and the start of a hash of that key.",
                )
                for number, each in enumerate(signatures, 1)
            ),
        ),
    )


def log_proof(data: bytes, now: Instant | None) -> Explained:
    """A proof file: its entries line by line, and the checkpoint in it as a part."""
    from carnet.formats.encoding import read_kindly
    from carnet.formats.log_leaves import leaf_text
    from carnet.formats.log_proof import read_log_proof

    proof = read_log_proof(read_kindly(data))
    lines = [
        Line(
            name="roots",
            value=str(len(proof.roots)),
            meaning="Root files after version 1 that come with it, for keys that were replaced since.",
        )
    ]
    for number, entry in enumerate(proof.entries, 1):
        text = leaf_text(entry.leaf)
        lines.append(
            Line(
                name=f"entry {number}",
                value=f"{entry.index}: {shown(text)}",
                meaning=f"Its number in the log and what it says; the way from it to the checkpoint has"
                f" {len(entry.path)} hashes.",
            )
        )
    try:
        part = checkpoint(proof.checkpoint.encode("utf-8", "surrogatepass"), now)
    except CarnetError as error:
        problem = Problem(code=error.code, message=error.message)
        part = Explained(title=TITLES["checkpoint"], members={}, problems=(problem,))
    return Explained(
        title=TITLES["log-proof"],
        members={
            "entries": [{"index": each.index, "leaf": leaf_text(each.leaf)} for each in proof.entries],
            "roots": len(proof.roots),
            "checkpoint": part.members,
        },
        lines=tuple(lines),
        problems=part.problems,
        parts=(("checkpoint", part),),
    )


def root_draft(data: bytes, now: Instant | None) -> Explained:
    """A draft: what it would change, who signed it, and who has to. Its own signatures are verified by its reader."""
    from carnet.cli.keys.words import changes
    from carnet.formats.encoding import read_kindly
    from carnet.formats.root_draft import needed, read_draft

    draft = read_draft(read_kindly(data))
    root, counted = draft.root, needed(draft)
    told = changes(draft.before, root)
    signed = [each.kid for each in draft.signatures]
    members: dict[str, Any] = {
        "version": root.version,
        "issuer": root.issuer,
        "anchor": draft.anchor,
        "issued_at": str(root.issued_at),
        "expires_at": str(root.expires_at),
        "changes": told,
        "signed_by": signed,
        "missing": list(counted.missing),
    }
    lines = [
        Line(name="version", value=str(root.version), meaning="Which root file it becomes once enough have signed."),
        Line(name="issuer", value=root.issuer, meaning="The installation whose root it is."),
        Line(name="anchor", value=draft.anchor, meaning="SHA-256 of root file version 1: compare it with the app's."),
        Line(name="issued_at", value=moment(root.issued_at, now), meaning="When it was drafted."),
        Line(
            name="expires_at",
            value=moment(root.expires_at, now),
            meaning="From here on it vouches for no new keys; what is signed already stays genuine.",
        ),
        *(
            Line(name=f"change {number}", value=each, meaning="What it changes of the root before.")
            for number, each in enumerate(told, 1)
        ),
        Line(
            name="signed by",
            value=", ".join(signed) or "nobody",
            meaning=f"{counted.before} of {counted.before_threshold} needed keys of the root before,"
            f" {counted.own} of {counted.own_threshold} of its own.",
        ),
        Line(
            name="missing",
            value=", ".join(counted.missing) or "nobody",
            meaning="Root keys whose signature would still count.",
        ),
    ]
    return Explained(title=TITLES["root-draft"], members=members, lines=tuple(lines))
