"""
The proof as an auditor asks for it: check all of it, prove that something was issued, export the audit.

Nothing is signed and no signing key is opened, and a database that a server would refuse to serve, because it is in an
older state than it was, is looked at all the same: that is what a check is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from carnet.core.errors import NotGenuineError, StateError, UsageError
from carnet.core.instant import Instant
from carnet.formats.checkpoint import read_checkpoint
from carnet.formats.encoding import b64url_encode
from carnet.formats.limits import MAX_ROOT
from carnet.formats.log_leaves import AuditRow, issued_leaf
from carnet.formats.log_proof import MAX_ENTRIES, LogProof, ProvenEntry, verify_log_proof
from carnet.formats.merkle import inclusion_ranges
from carnet.formats.root import Root, next_root, read_root
from carnet.server.backup.high_water import read_mark
from carnet.server.checkpoint_folder import CheckpointFolder
from carnet.server.domain.proof.edge import range_hash
from carnet.server.domain.proof.findings import Verdict
from carnet.server.domain.proof.verifying import Outside, Progress, check_all
from carnet.server.layout import InstallationRecord, Layout, read_record
from carnet.server.opening import open_database, open_storage
from carnet.server.ports import Storage
from carnet.server.ports.proof import ProofReader
from carnet.server.settings import Settings
from carnet.server.signing.file_store import read_file

_NO_PROOF_FIX: Final = "Name a license id, as carnet license list shows it, or a jti, as carnet inspect FILE shows it."


class ProofDesk:
    """
    Answers auditors. `open_proof_desk` makes one.

    Args:
        storage: The database.
        record: Whose it is.
        roots: Every root file, version 1 first, as text.
        mark: How far the database had got when this machine last saw it.
    """

    def __init__(self, storage: Storage, record: InstallationRecord, roots: tuple[str, ...], layout: Layout) -> None:
        self._storage = storage
        self._record = record
        self._roots = roots
        self._layout = layout

    async def verify(self, folders: tuple[Path, ...], *, progress: Progress | None = None) -> Verdict:
        """
        Check the chain, the register, the log, and what the checkpoints in *folders* say of it.

        Raises:
            StateError: ``checkpoints_not_readable``, ``storage_unavailable``, ``bad_installation_file``.
        """
        kept = tuple(text for folder in folders for text in CheckpointFolder(folder).all())
        keys = tuple({key.kid: key for root in self._chain() for key in root.role_keys("checkpoint")}.values())
        mark = await asyncio.to_thread(read_mark, self._layout.high_water)  # first: a server that runs raises it
        life = await self._storage.life()
        outside = Outside(checkpoints=kept, keys=keys, mark=mark)
        issuer = self._record.issuer
        return await self._storage.read_proof(
            lambda reader: check_all(reader, issuer=issuer, life=life, outside=outside, progress=progress)
        )

    async def prove(self, subject: str) -> LogProof:
        """
        Prove that what was issued for a license, or as a jti, is in the log: the newest of it, at most 100 entries.

        Raises:
            UsageError: ``proof_not_found``: nothing of that name was issued; ``proof_not_ready``: no checkpoint covers
                it yet.
            StateError: ``log_damaged``: also where what would be handed out does not verify; ``storage_unavailable``.
        """
        found = (await self._storage.leaves_about(subject))[-MAX_ENTRIES:]
        text = (await self._storage.proof_state()).checkpoint
        size = 0 if text is None else read_checkpoint(text).unverified.size
        if not found:
            raise UsageError("proof_not_found", "Nothing in the log was issued under that name.", _NO_PROOF_FIX)
        if text is None or found[-1].number >= size:
            raise UsageError(
                "proof_not_ready",
                "No checkpoint covers that yet.",
                "Try again in a minute, while carnet serve or carnet worker runs.",
            )
        entries = []
        for leaf in found:
            if leaf.issued is None:
                continue
            path = [await range_hash(self._storage, each) for each in inclusion_ranges(leaf.number, size)]
            entries.append(ProvenEntry(index=leaf.number, leaf=issued_leaf(leaf.issued), path=tuple(path)))
        proof = LogProof(checkpoint=text, roots=self._roots[1:], entries=tuple(entries))
        try:
            verify_log_proof(proof, read_root(self._roots[0]))  # own output, before anybody relies on it
        except NotGenuineError:
            raise StateError(
                "log_damaged",
                "What is in the register does not lead to the checkpoint: it, the log or the checkpoint was changed.",
                "Find out what: carnet audit verify",
            ) from None
        return proof

    async def checkpoint(self) -> str | None:
        """The newest checkpoint that any process signed; None: none yet."""
        return (await self._storage.proof_state()).checkpoint

    async def export(self, write: Callable[[dict[str, Any]], None], *, after: int = 0) -> tuple[int, int]:
        """
        Hand every row of the audit to *write*, with its place in the chain: those above a position first, in the
        chain's order, then those that are not sealed yet, with no place (specs/audit.md §4).

        Returns:
            How many were sealed, and how many were not.
        """

        def work(reader: ProofReader) -> tuple[int, int]:
            sealed = unsealed = 0
            for chained in reader.chain(after=after):
                row = None if chained.row is None else _exported(chained.row)
                write({"position": chained.position, "hash": b64url_encode(chained.hash), "row": row})
                sealed += 1
            for waiting in reader.unsealed():
                write({"position": None, "hash": None, "row": _exported(waiting)})
                unsealed += 1
            return sealed, unsealed

        return await self._storage.read_proof(work)

    def _chain(self) -> list[Root]:
        chain = [read_root(self._roots[0])]
        for text in self._roots[1:]:
            chain.append(next_root(chain[-1], text))
        return chain


@asynccontextmanager
async def open_proof_desk(settings: Settings, *, say: Callable[[str], None] | None = None) -> AsyncIterator[ProofDesk]:
    """
    Open an installation for auditors: its record, root files and database; no keys.

    Args:
        settings: Where it is.
        say: Told a sentence before anything slow or lasting happens.

    Raises:
        StateError: ``not_initialised``, ``half_initialised``, ``missing_file``, ``bad_installation_file``,
            ``database_too_new``, ``database_of_another``, ``database_not_found``, ``storage_unavailable``,
            ``storage_busy``, ``data_not_readable``.
    """
    layout = Layout(data=settings.data)
    record = read_record(layout)
    first = read_file(layout.root, max_bytes=MAX_ROOT).decode().strip()
    await asyncio.to_thread(open_database, settings.database, record, say)
    storage = await open_storage(settings, lambda number: number, None)
    try:
        later = await storage.root_files(after=1)
        yield ProofDesk(storage, record, (first, *(each.file for each in later)), layout)
    finally:
        await storage.close()


def _exported(row: AuditRow) -> dict[str, Any]:
    at = row.at
    return {
        "seq": row.seq,
        "at": str(Instant(at)) if type(at) is int and 0 <= at < 2**40 else at,
        "actor_kind": row.actor_kind,
        "actor_id": row.actor_id,
        "action": row.action,
        "object_kind": row.object_kind,
        "object_id": row.object_id,
        "details": row.details,
    }
