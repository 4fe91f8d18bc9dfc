"""
Checking all of it: the chain, the register, the log, and the checkpoints that were kept outside (SEC-46).

What is found is told by the row it is about. What cannot be found: a row that whoever writes to the database adds now,
as the server would; what is not sealed yet; and, with no checkpoint from outside, a database whose chain and log were
computed anew altogether (specs/audit.md §5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias, TypeVar

from carnet.core._base import Struct
from carnet.core.errors import CarnetError
from carnet.core.instant import MINUTE
from carnet.core.model import BACKDATE_SECONDS
from carnet.core.quantities import how_many
from carnet.formats.checkpoint import Checkpoint, read_checkpoint, verify_checkpoint
from carnet.formats.keys import PublicKey
from carnet.server.domain.proof.chain_check import ChainCheck
from carnet.server.domain.proof.findings import KEPT, Finding, Verdict
from carnet.server.domain.proof.growing import before_second
from carnet.server.domain.proof.log_check import LogCheck, compare
from carnet.server.ports.backup import Life
from carnet.server.ports.proof import ProofReader, ProofState

_T = TypeVar("_T")

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is checked, how much of it was, and about how much there is."""

_TOLD_EVERY: Final = 20_000


class Outside(Struct):
    """
    What is known from outside the database.

    Attributes:
        checkpoints: As they were kept, the oldest first.
        keys: Public keys that ever were allowed to sign checkpoints, by the root files.
        mark: How far the database had got when this machine last saw it; None: unknown.
    """

    checkpoints: tuple[str, ...]
    keys: tuple[PublicKey, ...]
    mark: Life | None = None


def check_all(
    reader: ProofReader, *, issuer: str, life: Life, outside: Outside, progress: Progress | None = None
) -> Verdict:
    """
    Check everything that *reader* shows.

    Args:
        reader: The database, at one moment.
        issuer: Whose it is.
        life: How far it says that it has got.
        outside: What it is compared with.
        progress: Told now and then.
    """
    state = reader.state()
    kept, findings = _genuine(outside, issuer)
    rows, entries = reader.counts()
    chain = ChainCheck(issuer)
    logged_at: int | None = None
    for chained in _counted(reader.chain(), "audit", rows, progress):
        chain.add(chained)
        if chained.position == state.logged_to and chained.row is not None:
            logged_at = chained.row.at
    unsealed, unknown = _unsealed(reader, state, has_gaps=chain.gaps > 0)
    log = LogCheck(chain.last, {checkpoint.size for _, checkpoint in kept})
    for leaf in _counted(reader.leaves(), "log", entries, progress):
        log.add(leaf)
    for tile in reader.tiles():
        log.add_tile(tile)
    unlogged, hidden = _unlogged(reader, logged_at)
    forked, restores = compare(log, kept, life.epoch, chain.lives)
    of_chain, more_of_chain = chain.findings()
    of_log, more_of_log = log.findings()
    found = [*of_chain, *unknown, *of_log, *hidden, *forked, *_went_back(life, outside.mark), *findings]
    return Verdict(
        rows=chain.rows,
        unsealed=unsealed,
        leaves=log.size,
        unlogged=unlogged,
        checkpoints=len(kept),
        covered=max((checkpoint.size for epoch, checkpoint in kept if epoch == life.epoch), default=0),
        restores=tuple(restores),
        findings=tuple(found[:KEPT]),
        more=max(0, len(found) - KEPT) + more_of_chain + more_of_log,
    )


def _genuine(outside: Outside, issuer: str) -> tuple[list[tuple[int, Checkpoint]], list[Finding]]:
    """The checkpoints that are this installation's, by epoch; what is none of them."""
    kept, found = [], []
    for number, text in enumerate(outside.checkpoints, 1):
        try:
            checkpoint = verify_checkpoint(read_checkpoint(text), outside.keys)
            name, of, epoch = checkpoint.origin.split("/")
            if (name, of) != ("carnet", issuer) or not epoch.isdigit():
                raise ValueError  # noqa: TRY301 - told below, with what cannot be split
        except (CarnetError, ValueError) as error:
            why = f" ({error.message})" if isinstance(error, CarnetError) else ""
            what = f"Checkpoint {number} of those kept is not one of this installation{why}."
            found.append(Finding(part="checkpoints", kind="not_genuine", row=str(number), message=what))
        else:
            kept.append((int(epoch), checkpoint))
    return kept, found


def _unsealed(reader: ProofReader, state: ProofState, *, has_gaps: bool) -> tuple[int, list[Finding]]:
    """How many rows wait for their seal; those that never should have to."""
    waiting = 0
    found: list[Finding] = []
    for row in reader.unsealed():
        if row.seq > state.sealed_to or has_gaps:
            waiting += 1
        elif len(found) < KEPT:
            what = f"Audit row {row.seq} was never sealed and stands among rows that are: it was inserted."
            found.append(Finding(part="audit", kind="inserted", row=str(row.seq), message=what))
    return waiting, found


def _unlogged(reader: ProofReader, logged_at: int | None) -> tuple[int, list[Finding]]:
    """How much of what was issued waits for the log; what never should have to."""
    waiting = 0
    found: list[Finding] = []
    # By the second in its id, as the log looks for it: `issued_at` is earlier than the signing, sometimes by days. The
    # id of a signed license key has no second of its own.
    recent = "" if logged_at is None else before_second(logged_at - MINUTE)
    for row in reader.unlogged():
        is_key = row.kind == "license-key"
        if row.jti > recent or (is_key and row.issued_at + BACKDATE_SECONDS > (logged_at or 0) - MINUTE):
            waiting += 1
        elif len(found) < KEPT:
            what = f"{row.jti} stands in the register among what is logged and is not: it was inserted."
            found.append(Finding(part="register", kind="inserted", row=str(row.jti), message=what))
    return waiting, found


def _went_back(life: Life, mark: Life | None) -> list[Finding]:
    if mark is None or (life.epoch, life.audit) >= (mark.epoch, mark.audit):
        return []
    what = f"The database went back: it knows of {how_many(life.audit, 'change')} where this machine saw {mark.audit}."
    return [Finding(part="audit", kind="rolled_back", row=str(life.audit + 1), message=what)]


def _counted(rows: Iterable[_T], what: str, of: int, progress: Progress | None) -> Iterator[_T]:
    for number, row in enumerate(rows, 1):
        yield row
        if progress is not None and number % _TOLD_EVERY == 0:
            progress(what, number, of)
