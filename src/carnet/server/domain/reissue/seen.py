"""
Artifacts that were seen and never issued: what a thief signed with a key of ours, when it comes by (SEC-24).

Devices tell which artifacts they hold when they come anyway. That is noted in a microsecond and looked up in the
register a few times a minute, many at once, beside requests and never within one (design.md §2 rule 9). What the
register does not know as it is, is recorded, audited and told as ``artifact.never_issued``.

What a device tells proves nothing: whoever holds a license key can tell what they like. So a record says whether we saw
the artifact itself, nothing is refused because of one, and there are never more than `MAX_RECORDED`, nor more than
`MAX_OF_LICENSE` of one license: who has one license key cannot crowd out what others tell. What we saw ourselves is
always recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, MalformedError
from carnet.core.instant import MAX_INSTANT, Instant, parse_instant
from carnet.core.model import Grant
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.domain.reissue.held import HeldArtifact
from carnet.server.ports import Storage
from carnet.server.ports.never_issued import Strangeness, Stranger
from carnet.server.records import SYSTEM, ArtifactKind, AuditEntry, Event, Issuance

MAX_BUFFERED: Final = 20_000
MAX_RECORDED: Final = 10_000
MAX_OF_LICENSE: Final = 100
_LOT: Final = 500


class _Noted(Struct):
    """What a device told, and where it was when it did."""

    held: HeldArtifact
    at: Instant
    product: str
    license_id: str | None
    activation_id: str | None


class SeenArtifacts:
    """
    Notes what is seen and looks it up.

    `proved` and `unproved` count what this process recorded first, `dropped` what it did not note for want of room.

    Args:
        storage: The register.
        ids: For events.
        is_ours: Whether a key id is one that this installation signs with, or did.
        most: How many things wait to be looked up; more are not noted.
    """

    def __init__(self, storage: Storage, ids: Ids, is_ours: Callable[[str], bool], *, most: int = MAX_BUFFERED) -> None:
        self._storage = storage
        self._ids = ids
        self._is_ours = is_ours
        self._most = most
        self._noted: dict[tuple[str, str, str], _Noted] = {}
        self._told: Callable[[Stranger], None] = _nobody
        self.dropped = 0
        self.proved = 0
        self.unproved = 0

    def on_stranger(self, told: Callable[[Stranger], None]) -> None:
        """Call *told* with each that is new, once it is recorded."""
        self._told = told

    def note(
        self,
        held: tuple[HeldArtifact, ...],
        now: Instant,
        *,
        product: str,
        license_id: str | None,
        activation_id: str | None,
    ) -> None:
        """A device told what it holds."""
        for each in held:
            key = (each.jti, each.kid, each.expires_at)
            if key in self._noted:
                continue
            if len(self._noted) >= self._most:
                self.dropped += 1
                continue
            self._noted[key] = _Noted(
                held=each, at=now, product=product, license_id=license_id, activation_id=activation_id
            )

    async def flush(self) -> None:
        """
        Look up what was noted, and record what the register does not know.

        Raises:
            StateError: The storage is away; what was noted is looked up the next time.
        """
        noted, self._noted = self._noted, {}
        while noted:
            some = dict(noted.popitem() for _ in range(min(_LOT, len(noted))))
            try:
                await self._look_up(tuple(filter(None, map(self._read, some.values()))))
            except CarnetError:
                self._noted = {**noted, **some, **self._noted}
                raise

    def _read(self, noted: _Noted) -> Stranger | None:
        """What was told, as if it were strange; None where it names no key of ours, or no times."""
        held = noted.held
        if not self._is_ours(held.kid):
            return None
        try:
            issued_at, expires_at = parse_instant(held.issued_at), parse_instant(held.expires_at)
        except MalformedError:
            return None
        return Stranger(
            jti=held.jti,
            kid=held.kid,
            expires_at=expires_at,
            kind=held.kind,
            issued_at=issued_at,
            reason="unknown",
            proved=False,
            product=noted.product,
            license_id=noted.license_id,
            activation_id=noted.activation_id,
            first_seen_at=noted.at,
            last_seen_at=noted.at,
        )

    async def _look_up(self, seen: tuple[Stranger, ...]) -> None:
        if not seen:
            return
        lines = await self._storage.issuances_of(tuple({each.jti for each in seen}))
        known = {line.jti: line for line in lines}
        await self.record(
            tuple(
                replace(each, reason=reason)
                for each in seen
                if (reason := strangeness(each, known.get(each.jti))) is not None
            )
        )

    async def record(self, strangers: tuple[Stranger, ...]) -> None:
        """
        Record what was seen and never issued.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``.
        """
        if not strangers:
            return
        recorded = await self._storage.add_strangers(
            strangers, self._tell, most=MAX_RECORDED, most_of_license=MAX_OF_LICENSE
        )
        for each in recorded:
            self.proved += each.proved
            self.unproved += not each.proved
            self._told(each)

    def _tell(self, stranger: Stranger) -> tuple[AuditEntry, Event]:
        details = {
            "kid": stranger.kid,
            "artifact": stranger.kind,
            "reason": stranger.reason,
            "proved": stranger.proved,
            "license": stranger.license_id,
            "activation": stranger.activation_id,
            "issued_at": stranger.issued_at,
            "expires_at": stranger.expires_at,
        }
        at = stranger.last_seen_at
        return (
            entry(at, SYSTEM, "artifact.never_issued", stranger.jti, **details),
            event(self._ids, at, "artifact.never_issued", stranger.jti, stranger.product, **details),
        )


def strangeness(seen: Stranger, line: Issuance | None) -> Strangeness | None:
    """What is odd about *seen*, when the register says *line* of its id; None: it is what was issued."""
    if line is None:
        return "unknown"
    same = (line.kind, line.kid, line.issued_at, line.expires_at) == (
        seen.kind,
        seen.kid,
        seen.issued_at,
        seen.expires_at,
    )
    return None if same else "differs"


def stranger_of(
    grant: Grant, now: Instant, reason: Strangeness, *, kind: ArtifactKind, license_id: str | None
) -> Stranger:
    """An artifact that we saw ourselves, and whose signature verifies; *license_id* where its license is known."""
    return Stranger(
        jti=grant.id,
        kid=str(grant.kid),
        # What has no end says the same each time: the end is a part of what it is known again by.
        expires_at=grant.offline_until or grant.license_expires_at or Instant(MAX_INSTANT),
        kind=kind,
        issued_at=grant.issued_at,
        reason=reason,
        proved=True,
        product=grant.product,
        license_id=license_id,
        activation_id=grant.activation_id,
        first_seen_at=now,
        last_seen_at=now,
    )


def _nobody(_stranger: Stranger) -> None:
    """Nobody listens."""
