"""
What license models keep beside licenses and seats: enrolment tokens, metered use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeAlias, TypeVar

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.core.progress import Progress
from carnet.server.records import AuditEntry, Enrolment, Event, License, Usage, UsageEvent

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

UsedSoFar: TypeAlias = Callable[[str, Instant], int]
"""How much of a meter is used in the period that began then, 0 if nothing; read under the license's lock."""


class EnrolmentChange(Struct):
    """An enrolment token's new state, and the audit row; `audit` None means that nothing changes."""

    enrolment: Enrolment
    audit: AuditEntry | None


class UsageQuery(Struct):
    """
    Whose use it is: a license by its id, by the keyed hashes of its key, or by that of an enrolment token that was not
    revoked; and the event, to learn if it counted.
    """

    product: str
    lookups: tuple[bytes, ...] = ()
    enrolment: bytes | None = None
    license_id: str | None = None
    event_id: str = ""


class UsageFacts(Struct):
    """
    What storage knows about a `UsageQuery`, under the license's lock.

    Attributes:
        license: None: there is none.
        counted: The event of that id, if it counted already.
        used: The use so far.
    """

    license: License | None
    counted: UsageEvent | None
    used: UsedSoFar


class UsageChange(Struct, Generic[_T_co]):
    """
    What a decision about use writes, all of it or nothing.

    Attributes:
        outcome: Given back once everything is durable.
        event: The event that counts now; the meter's use becomes its `used_after`.
        progress: Where the license stands from now on; None: as before.
        term: Start and end of a term that begins now.
        audit: Rows for the audit.
        events: For the outbox.
    """

    outcome: _T_co
    event: UsageEvent | None = None
    progress: Progress | None = None
    term: tuple[Instant, Instant] | None = None
    audit: tuple[AuditEntry, ...] = ()
    events: tuple[Event, ...] = ()


class ModelStore(Protocol):
    """Enrolment tokens, metered use."""

    async def add_enrolment(self, enrolment: Enrolment, entry: AuditEntry) -> None:
        """Store an enrolment token. Its license must exist."""
        ...

    async def enrolment(self, enrolment_id: str) -> Enrolment | None:
        """One enrolment token."""
        ...

    async def enrolments(self, license_id: str, *, after: str | None, limit: int) -> tuple[Enrolment, ...]:
        """Enrolment tokens of a license, newest first."""
        ...

    async def change_enrolment(
        self, enrolment_id: str, change: Callable[[Enrolment], EnrolmentChange]
    ) -> Enrolment | None:
        """Change an enrolment token; None if there is none."""
        ...

    async def count_use(self, query: UsageQuery, decide: Callable[[UsageFacts], UsageChange[_T]]) -> _T:
        """Lock the license, read, decide, write, commit; then the outcome."""
        ...

    async def usage(self, license_id: str, *, since: Instant) -> tuple[Usage, ...]:
        """A license's use in every period that began at *since* or later, by meter and period."""
        ...
