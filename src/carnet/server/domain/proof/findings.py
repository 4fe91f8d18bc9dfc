"""What a check of the proof finds, in words that name the row."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from carnet.core._base import Struct

Part: TypeAlias = Literal["audit", "register", "log", "checkpoints"]
Kind: TypeAlias = Literal[
    "edited",
    "deleted",
    "inserted",
    "swapped",
    "truncated",
    "seal_changed",
    "rewritten",
    "rolled_back",
    "not_genuine",
]

KEPT: Final = 20
"""Findings of each kind of check that are told one by one; of the others, how many there are."""


class Finding(Struct):
    """
    Something that is not as it was sealed.

    Attributes:
        part: Where: the audit, the register of what was issued, the log over it, or the checkpoints outside.
        kind: What was done to it, as far as that can be told.
        row: Which row or entry, in its own numbers.
        message: All of it in a sentence.
    """

    part: Part
    kind: Kind
    row: str
    message: str


class Verdict(Struct):
    """
    What a check found.

    Attributes:
        rows: Rows of the audit that the chain holds.
        unsealed: Rows of the audit that are not in the chain yet: nothing proves them so far.
        leaves: Entries of the log.
        unlogged: Issued artifacts that are not in the log yet.
        checkpoints: How many were compared.
        covered: Entries of the log that the newest of those covers.
        restores: What the checkpoints show of lives before, in sentences.
        findings: The first of what is wrong, the first bad row first.
        more: How many findings there are beyond those.
    """

    rows: int
    unsealed: int
    leaves: int
    unlogged: int
    checkpoints: int
    covered: int
    restores: tuple[str, ...]
    findings: tuple[Finding, ...]
    more: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
