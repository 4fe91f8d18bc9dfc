"""
A proof that something was issued, in a file that anybody checks with nothing but the vendor's root file: entries of the
log, the hashes that lead from each to a checkpoint, and the checkpoint (specs/transparency.md §5).
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, MalformedError
from carnet.formats.checkpoint import Checkpoint, read_checkpoint, verify_checkpoint
from carnet.formats.encoding import b64_decode, b64_encode
from carnet.formats.limits import MIB
from carnet.formats.log_leaves import as_leaf, leaf_text
from carnet.formats.merkle import HASH_BYTES, MAX_PATH, leaf_hash, verify_inclusion
from carnet.formats.root import Root, next_root
from carnet.formats.strict_json import parse_object

FORMAT: Final = "carnet-log-proof/1"
MAX_LOG_PROOF: Final = MIB
MAX_ENTRIES: Final = 100
"""Entries in one file, so that it stays within what a strict reader takes."""

_WHAT: Final = "The proof"


class ProvenEntry(Struct):
    """A leaf, its number, and the hashes that lead to the root hash, nearest first."""

    index: int
    leaf: bytes
    path: tuple[bytes, ...]


class LogProof(Struct):
    """
    What a proof file holds. Nothing of it is verified.

    Attributes:
        checkpoint: The signed note.
        roots: Root files after version 1, as text, oldest first.
        entries: What is proven to be in the log.
    """

    checkpoint: str
    roots: tuple[str, ...]
    entries: tuple[ProvenEntry, ...]


class Proven(Struct):
    """What a verified proof proves: that these entries are in the log that the checkpoint covers."""

    checkpoint: Checkpoint
    issuer: str
    entries: tuple[dict[str, Any], ...]


def log_proof_members(proof: LogProof) -> dict[str, Any]:
    """What stands in the file, which is this in any spelling of JSON: nothing in it is signed as it is spelled."""
    return {
        "format": FORMAT,
        "checkpoint": proof.checkpoint,
        "roots": list(proof.roots),
        "entries": [
            {"index": each.index, "leaf": leaf_text(each.leaf), "path": [b64_encode(hash_) for hash_ in each.path]}
            for each in proof.entries
        ],
    }


def read_log_proof(data: bytes) -> LogProof:
    """
    Read a proof file.

    Args:
        data: The file, at most 1 MiB; white space around it, as in all JSON, does not matter.

    Raises:
        MalformedError: ``bad_log_proof``; those of the strict reader.
    """
    content = parse_object(data, max_bytes=MAX_LOG_PROOF, what=_WHAT, max_string=MAX_LOG_PROOF)
    checkpoint, roots, entries = (content.get(name) for name in ("checkpoint", "roots", "entries"))
    if content.get("format") != FORMAT or len(content) != 4 or type(checkpoint) is not str:
        raise _bad("it is not of the format carnet-log-proof/1")
    if type(roots) is not list or not all(type(each) is str for each in roots):
        raise _bad("its root files are none")
    if type(entries) is not list or not 1 <= len(entries) <= MAX_ENTRIES:
        raise _bad(f"it has not 1 to {MAX_ENTRIES} entries")
    return LogProof(checkpoint=checkpoint, roots=tuple(roots), entries=tuple(map(_entry, entries)))


def verify_log_proof(proof: LogProof, root: Root) -> Proven:
    """
    Verify that every entry of *proof* is in the vendor's log.

    The checkpoint may be signed by any key that *root* or one of the root files behind it allows to sign checkpoints:
    what was signed stays proven when the key is replaced.

    Args:
        proof: As read.
        root: The root file that is trusted.

    Raises:
        NotGenuineError: ``unknown_key``, ``bad_signature``: the checkpoint is not the vendor's; ``not_in_log``; those
            of a root file that does not continue the chain.
        MalformedError: ``bad_checkpoint``, ``bad_log_proof``; a root file that is none.

    Does not judge what was issued: whether it is valid now is another question.
    """
    keys = list(root.role_keys("checkpoint"))
    newest = root
    for text in proof.roots:
        newest = next_root(newest, text)
        keys += newest.role_keys("checkpoint")
    note = read_checkpoint(proof.checkpoint)
    checkpoint = verify_checkpoint(note, keys)
    for each in proof.entries:
        verify_inclusion(leaf_hash(each.leaf), each.index, checkpoint.size, each.path, checkpoint.root)
    return Proven(
        checkpoint=checkpoint,
        issuer=root.issuer,
        entries=tuple(_said(each.leaf) for each in proof.entries),
    )


def _said(leaf: bytes) -> dict[str, Any]:
    return parse_object(leaf_text(leaf).encode(), max_bytes=MAX_LOG_PROOF, what="An entry of the log")


def _entry(value: Any) -> ProvenEntry:
    if type(value) is not dict or value.keys() != {"index", "leaf", "path"}:
        raise _bad("an entry has other members than index, leaf and path")
    index, text, path = value["index"], value["leaf"], value["path"]
    if type(index) is not int or index < 0 or type(text) is not str:
        raise _bad("an entry has no number or says nothing")
    if type(path) is not list or len(path) > MAX_PATH or not all(type(each) is str for each in path):
        raise _bad("an entry has no path")
    try:
        hashes = tuple(b64_decode(each, "A hash") for each in path)
    except CarnetError:
        raise _bad("a hash is not Base64") from None
    if any(len(each) != HASH_BYTES for each in hashes):
        raise _bad("a hash has not 32 bytes")
    return ProvenEntry(index=index, leaf=as_leaf(text), path=hashes)


def _bad(how: str) -> MalformedError:
    return MalformedError(
        "bad_log_proof", f"This is not a proof: {how}.", "Take it whole, as carnet audit prove wrote it."
    )
