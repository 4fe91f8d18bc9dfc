"""
What status lists say about grants (R-15, R-83, SEC-27, SEC-28; specs/decision.md §2.6).

A status that ends or stops something is what a refusal at the list's issue time would be: a tombstone that outranks
older grants and yields to newer ones. A list that says nothing against a grant is a check for revocation. So
`rules.decide` needs no rule of its own for lists. Pure; what is genuine was decided before, by `formats.status_list`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from carnet.core._base import Struct, replace
from carnet.core.decision import Evidence
from carnet.core.instant import Instant
from carnet.core.model import Grant, Refusal, StatusRef

VALID = 0
SUSPENDED = 2


class Listed(Struct):
    """
    What one genuine status list says of the indices that somebody asked about.

    Attributes:
        issuer: The installation whose list it is.
        uri: Which list it is.
        version: Epoch and number: of two lists of one *uri* the greater is the newer, whatever their times (SEC-27).
        issued_at: Every change before this moment is in it.
        statuses: Index and status; an index that the list does not have is left out. 0 is valid, 2 suspended, anything
            else ended for good (IETF Token Status List §7.1).
    """

    issuer: str
    uri: str
    version: tuple[int, int]
    issued_at: Instant
    statuses: tuple[tuple[int, int], ...] = ()


class _List(Protocol):
    @property
    def issuer(self) -> str: ...
    @property
    def uri(self) -> str: ...
    @property
    def version(self) -> tuple[int, int]: ...
    @property
    def issued_at(self) -> Instant: ...


_L = TypeVar("_L", bound=_List)


def newest_lists(lists: Iterable[_L]) -> dict[tuple[str, str], _L]:
    """
    The newest of *lists* for each issuer and address: that of the greatest version, and only then of the latest time.

    Of two that are equal in both, which no vendor signs, one is taken that does not depend on the order.
    """
    newest: dict[tuple[str, str], _L] = {}
    for one in lists:
        other = newest.get((one.issuer, one.uri))
        newest[one.issuer, one.uri] = one if other is None else max(one, other, key=_rank)
    return newest


def _rank(listed: _List) -> tuple[tuple[int, int], Instant, str]:
    return listed.version, listed.issued_at, repr(listed)


def with_lists(evidence: Evidence, lists: Iterable[Listed]) -> Evidence:
    """
    *evidence* with what *lists* add to it: refusals, and the moment of the last check for revocation.

    Args:
        evidence: Everything else that is known.
        lists: What the lists at hand say, in any order; old ones and those of others may be among them.

    Returns:
        Evidence whose refusals each concern one of its grants. Its `revocation_checked_at` is later than before only
        where lists cover every grant, because only `rules.decide` says which of them is judged.
    """
    newest = newest_lists(lists)
    refusals: list[Refusal] = []
    checked: list[Instant | None] = []
    for grant in evidence.grants:
        times: list[Instant | None] = []
        for ref in (grant.license_status_ref, grant.activation_status_ref):
            if ref is None:
                continue
            listed = newest.get((grant.issuer, ref.uri))
            status = None if listed is None else _status(listed, ref)
            if listed is None or status is None:
                times.append(None)
                continue
            times.append(listed.issued_at)
            if status != VALID:
                refusals.append(_refusal(grant, ref, listed, status))
        # The license and its seat may be in two lists: both have to be known, and the older one says how far.
        checked.append(_earliest(times))
    moments = [moment for moment in (evidence.revocation_checked_at, _earliest(checked)) if moment is not None]
    return replace(
        evidence,
        refusals=(*evidence.refusals, *dict.fromkeys(refusals)),
        revocation_checked_at=max(moments, default=None),
    )


def _status(listed: Listed, ref: StatusRef) -> int | None:
    """What *listed* says of *ref*; None where it is older than the artifact allows (SEC-27), or has no such index."""
    if ref.minimum is not None and listed.version < ref.minimum:
        return None
    return dict(listed.statuses).get(ref.index)


def _earliest(moments: list[Instant | None]) -> Instant | None:
    """The earliest of *moments*; None where one is missing, or all are."""
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None


def _refusal(grant: Grant, ref: StatusRef, listed: Listed, status: int) -> Refusal:
    """The tombstone that *status* is. A seat is there or it has ended: it knows no suspension."""
    epoch, number = listed.version
    ended = "license_suspended" if status == SUSPENDED else "license_revoked"
    return Refusal(
        id=f"{listed.uri}#{epoch}.{number}/{ref.index}",
        code=ended if ref is grant.license_status_ref else "deactivated",
        at=listed.issued_at,
        product=grant.product,
        license_id=grant.license_id,
        activation_id=grant.activation_id,
    )
