"""
When a license's term begins and how long it lasts (issue of licenses; R-01, R-05; specs/decision.md §7.2).

A term that waits for its first activation or first use has no start and no end until then; what it will be is fixed
when the license is issued. Pure: whoever begins a term writes it in the same transaction as what began it.
"""

from __future__ import annotations

from typing import Any, Literal

from carnet.core._base import Struct
from carnet.core.dates import add_months
from carnet.core.instant import MAX_INSTANT, Instant

StartBasis = Literal["issue", "first_activation", "first_use"]
StartEvent = Literal["activation", "use"]

START_BASES: tuple[StartBasis, ...] = ("issue", "first_activation", "first_use")


class Term(Struct):
    """How long something lasts: whole seconds or calendar months, one of them and at least 1; neither: without end."""

    seconds: int | None = None
    months: int | None = None

    @property
    def is_endless(self) -> bool:
        """Neither seconds nor months are given."""
        return self.seconds is None and self.months is None


class PendingTerm(Struct):
    """A term that has not begun. `basis` is never ``issue``; an endless term is never pending."""

    basis: StartBasis
    term: Term


def end_of(term: Term, start: int) -> int | None:
    """
    First second after a term that begins at *start*; None if it is endless.

    A term of months ends at the same time of day on the same day of the month, or on the last day of a shorter month.
    The answer may lie beyond what can be stored: callers check.
    """
    if term.months is not None:
        return add_months(start, term.months)
    return None if term.seconds is None else start + term.seconds


def begins_with(pending: PendingTerm, event: StartEvent) -> bool:
    """Whether *event* begins the term. An activation is a use too; a use (validate, metered usage) is no activation."""
    return event == "activation" or pending.basis == "first_use"


def begin(pending: PendingTerm, now: Instant) -> tuple[Instant, Instant]:
    """
    Start and end of a term that begins *now*.

    An end after the year 9999 cannot be written; issuing refused such a term when it would have begun at once, so only
    one that waited for centuries could meet it, and it then ends with the year 9999.
    """
    end = end_of(pending.term, now)
    return now, Instant(MAX_INSTANT if end is None else min(end, MAX_INSTANT))


def pending_to_json(pending: PendingTerm) -> dict[str, Any]:
    """*pending* as plain JSON, as licenses store it."""
    return {"basis": pending.basis, "seconds": pending.term.seconds, "months": pending.term.months}


def pending_from_json(value: dict[str, Any]) -> PendingTerm:
    """What `pending_to_json` wrote."""
    return PendingTerm(basis=value["basis"], term=Term(seconds=value["seconds"], months=value["months"]))
