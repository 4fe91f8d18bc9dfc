"""
Checking the audit's chain: each row's hash is computed from the row as it is now and the hash before it as it is
stored, so that one bad row does not make all that follow it bad, and the first bad one is the one that is named.
"""

from __future__ import annotations

from typing import Final

from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError
from carnet.formats.limits import MAX_ADMIN_BODY
from carnet.formats.log_leaves import AuditRow, chain_link, chain_start
from carnet.formats.strict_json import parse_json
from carnet.server.domain.proof.findings import KEPT, Finding, Kind
from carnet.server.ports.proof import ChainedRow

EPOCH_BEGUN: Final = "installation.epoch_begun"


class _Bad(Struct):
    """A place of the chain whose row is not what was sealed there, or is gone."""

    position: int
    seq: int
    before: bytes | None
    hash: bytes
    row: AuditRow | None
    is_seal: bool = False

    def fits(self, row: AuditRow | None) -> bool:
        """Whether *row*, as it is or numbered as the one here should be, is what was sealed here."""
        if row is None or self.before is None:
            return False
        return any(chain_link(self.before, each.digest()) == self.hash for each in (row, replace(row, seq=self.seq)))


def _was_moved(before: _Bad, bad: _Bad) -> bool:
    """Whether *bad* is only so because rows were numbered anew behind one that was inserted or deleted."""
    return before.position == bad.position - 1 and before.fits(bad.row) != bad.fits(before.row)


class ChainCheck:
    """
    Goes along the chain.

    Args:
        issuer: The installation.

    Attributes:
        last: The highest position so far.
        rows: How many there were.
        gaps: How often positions were missing.
        lives: Epochs that began, and how many leaves the log had then.
    """

    def __init__(self, issuer: str) -> None:
        self.last = 0
        self.rows = 0
        self.gaps = 0
        self.lives: list[tuple[int, int]] = []
        self._before: bytes | None = chain_start(issuer)
        self._if_seal_is_bad: bytes | None = None
        self._bad: list[_Bad] = []
        self._more = 0
        self._ends_missing: _Bad | None = None
        self._gaps_found: list[tuple[int, Finding]] = []

    def add(self, chained: ChainedRow) -> None:
        """Check the next row of the chain."""
        self.rows += 1
        if chained.position != self.last + 1:
            self._gap(chained)
        self.last = max(self.last, chained.position)
        bad = _Bad(position=chained.position, seq=chained.seq, before=self._before, hash=chained.hash, row=chained.row)
        other, self._before, self._if_seal_is_bad = self._if_seal_is_bad, chained.hash, None
        if chained.row is None:
            self._ends_missing = self._ends_missing or bad
            self._keep(bad)
            return
        self._ends_missing = None
        if bad.before is not None:  # behind a gap nothing tells what came before
            self._link(bad, chained.row, other)
        if chained.row.action == EPOCH_BEGUN:
            self._life(chained.row)

    def findings(self) -> tuple[list[Finding], int]:
        """What is wrong, by position, and how much more there is."""
        found, end = list(self._gaps_found), self._ends_missing
        for index, bad in enumerate(self._bad):
            if end is not None and bad.position > end.position:
                break
            if index and _was_moved(self._bad[index - 1], bad):
                continue
            kind, message = self._judged(bad)
            found.append((bad.position, Finding(part="audit", kind=kind, row=str(bad.seq), message=message)))
        found.sort(key=lambda each: each[0])
        return [finding for _, finding in found], self._more

    def _keep(self, bad: _Bad) -> None:
        if len(self._bad) < KEPT:
            self._bad.append(bad)
        else:
            self._more += 1

    def _gap(self, chained: ChainedRow) -> None:
        self.gaps += 1
        first, last = self.last + 1, chained.position - 1
        if chained.position <= self.last:
            finding = Finding(
                part="audit",
                kind="inserted",
                row=str(chained.seq),
                message=f"The chain has a row at position {chained.position}, which no chain has.",
            )
        else:
            finding = Finding(
                part="audit",
                kind="seal_changed",
                row=f"position {first}",
                message=f"The chain's rows at positions {first} to {last} are gone; what they sealed is not proven.",
            )
        self._before = None
        self._gaps_found.append((first, finding))

    def _link(self, bad: _Bad, row: AuditRow, other: bytes | None) -> None:
        assert bad.before is not None  # noqa: S101 - asked by the caller
        digest = row.digest()
        if (linked := chain_link(bad.before, digest)) == bad.hash:
            return
        if other is not None and chain_link(other, digest) == bad.hash:
            # The row before is what its follower was linked to: only its stored hash is not.
            if self._bad and self._bad[-1].position == bad.position - 1:
                self._bad[-1] = replace(self._bad[-1], is_seal=True)
            return
        self._if_seal_is_bad = linked
        self._keep(bad)

    def _judged(self, bad: _Bad) -> tuple[Kind, str]:
        seq, position = bad.seq, bad.position
        if bad.is_seal:
            return "seal_changed", f"The hash in the chain at position {position}, of audit row {seq}, was changed."
        for other in self._bad:
            here, there = bad.fits(other.row), other.fits(bad.row)
            if other is bad or not (here or there):
                continue
            if here and there:
                return "swapped", f"Audit rows {seq} and {other.seq} were swapped."
            if other.position == position + 1:
                what = "was inserted" if here else "was deleted"
                return (
                    "inserted" if here else "deleted",
                    f"Audit row {seq}, sealed at position {position}, {what}; those behind it were numbered anew.",
                )
        if bad.row is not None:
            return "edited", f"Audit row {seq}, sealed at position {position}, was edited."
        if bad is self._ends_missing or bad == self._ends_missing:
            count = self.last - position + 1
            gone = "the last row that was sealed is" if count == 1 else f"the last {count} rows that were sealed are"
            return "truncated", f"The audit ends before row {seq}: {gone} gone."
        return "deleted", f"Audit row {seq}, sealed at position {position}, was deleted."

    def _life(self, row: AuditRow) -> None:
        try:
            details = parse_json(row.details.encode(), max_bytes=MAX_ADMIN_BODY, what="Details")
        except (CarnetError, AttributeError):
            return
        epoch, leaves = (details.get(name) for name in ("epoch", "leaves")) if type(details) is dict else (None, None)
        if type(epoch) is int:
            self.lives.append((epoch, leaves if type(leaves) is int else 0))
