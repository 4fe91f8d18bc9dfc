"""Checkpoints, log proofs and drafts of root files under a trusted root: genuine or not, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from carnet.cli.trust import Trust
    from carnet.formats.root import Root


def find_log(kind: str, data: bytes, trust: Trust) -> tuple[str | None, dict[str, Any], str]:
    """
    Judge one of the three.

    Args:
        kind: ``checkpoint``, ``log-proof`` or ``root-draft``.
        data: Its file, as `read_kindly` gives it.
        trust: The root; for a checkpoint also one pinned key.

    Returns:
        The key that signed it, where one did; its facts; the same in a sentence.

    Raises:
        CarnetError: It is not genuine under *trust*.
    """
    if kind == "checkpoint":
        return _checkpoint(data, trust)
    assert trust.root is not None  # noqa: S101 - `trust_of` asks for a root
    return _log_proof(data, trust.root) if kind == "log-proof" else _root_draft(data, trust.root)


def _checkpoint(data: bytes, trust: Trust) -> tuple[str | None, dict[str, Any], str]:
    from carnet.formats.checkpoint import key_hash, read_checkpoint, verify_checkpoint
    from carnet.formats.encoding import b64_encode

    keys = [trust.key] if trust.key is not None else [] if trust.root is None else trust.root.role_keys("checkpoint")
    note = read_checkpoint(data + b"\n")
    said = verify_checkpoint(note, keys)
    hashes = {hash_ for name, hash_, _ in note.signatures if name == said.origin}
    kid = next((key.kid for key in keys if key_hash(said.origin, key) in hashes), None)
    facts = {"origin": said.origin, "size": said.size, "root_hash": b64_encode(said.root)}
    return kid, facts, f"It covers the first {how_many(said.size, 'entry', 'entries')} of the log {said.origin}."


def _log_proof(data: bytes, trusted: Root) -> tuple[None, dict[str, Any], str]:
    from carnet.formats.log_proof import read_log_proof, verify_log_proof

    proven = verify_log_proof(read_log_proof(data), trusted)
    facts = {"origin": proven.checkpoint.origin, "size": proven.checkpoint.size, "entries": len(proven.entries)}
    entries = how_many(len(proven.entries), "entry is", "entries are")
    return None, facts, f"{entries} in the vendor's log. What was issued is not judged by it."


def _root_draft(data: bytes, trusted: Root) -> tuple[None, dict[str, Any], str]:
    """A draft of the root that comes after the trusted one, or after one that continues it (SEC-21)."""
    from carnet.formats.root import next_root, read_root
    from carnet.formats.root_draft import needed, read_draft

    draft = read_draft(data)
    if trusted not in [read_root(file) for file in draft.roots]:
        next_root(trusted, draft.roots[-1])
    counted = needed(draft)
    facts = {
        "version": draft.root.version,
        "anchor": draft.anchor,
        "issuer": draft.root.issuer,
        "signed_by": [each.kid for each in draft.signatures],
        "missing": list(counted.missing),
    }
    state = "Enough have signed it." if counted.is_enough else "Signatures are missing: no reader takes it as a root."
    return None, facts, f"It continues the root that you trust, as version {draft.root.version}. {state}"
