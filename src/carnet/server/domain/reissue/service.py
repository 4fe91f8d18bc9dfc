"""
Everything that a lost key signed for devices, signed anew: the drill of SEC-24 after the new root is in force.

Batch by batch: read without a lock, draw up, register in one short transaction, then sign. So it stands in the register
before it can leave (design.md §2 rule 7), memory is bounded by a batch, and whoever serves beside it waits for
milliseconds. Nothing notes how far it got: what still is to be done is what the register says. Killed at any moment, it
is run again and does the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.core.model import Grant
from carnet.formats.keys import Role
from carnet.server.domain.activations.issuing import grant_from_json, issuance_of
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.ids import Ids
from carnet.server.domain.reissue.commands import BundleSink, DeviceBundle, Progress, Reissued
from carnet.server.domain.reissue.drawing import drawn_again, is_over
from carnet.server.domain.reissue.signing import BundleMaker, Pair
from carnet.server.domain.reissue.totals import Tally, reissued_of
from carnet.server.ports import Clock, Storage
from carnet.server.ports.reissue import SeatUnder, Successor
from carnet.server.records import Actor, ArtifactKind, AuditEntry, Issuance

BATCH = 250
"""Activations in one transaction: some tens of milliseconds of an embedded database's one writer."""

SETTLE_SECONDS = 6.0
"""After so long no process signs with the lost key any more: more than the five seconds in which all must follow."""

_ROLES: dict[ArtifactKind, Role] = {"token": "token", "machine-file": "machine-file"}
_CHECK_ONE_IN = 64


class _Drawn(Struct):
    """A seat with what it is to have, and which of the lines of that are new."""

    pair: Pair
    successors: tuple[Successor, ...]


class ReissueService:
    """
    Signs anew.

    Args:
        storage: The register.
        clock: What time it is.
        ids: For the new artifacts.
        bundles: Signs.
        roots: Every root file of now, version 1 first.
        pause: Waits so many seconds.
        running: Seconds of a clock that only runs on.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        ids: Ids,
        bundles: BundleMaker,
        roots: Callable[[], tuple[str, ...]],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        running: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._bundles = bundles
        self._roots = roots
        self._pause = pause
        self._running = running

    async def run(
        self,
        kid: str,
        actor: Actor,
        *,
        sink: BundleSink | None = None,
        progress: Progress | None = None,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> Reissued:
        """
        Give every live activation whose newest token or machine file is signed with *kid* another one.

        Other processes follow a new root within seconds, and until then may sign with the lost key: what they did is
        looked for once more at the end.

        Args:
            kid: The lost key, which the root in force names no more.
            actor: Who, for the audit.
            sink: Where the devices' bundles go; None: none are made, and a device gets its artifacts by coming.
            progress: Told after every batch.
            settle_seconds: When the last look is, counted from the beginning.

        Raises:
            StateError: ``key_still_trusted``. And, with what is done until then done: ``signing_failed``,
                ``key_does_not_open``, ``no_signing_key``, ``clock_behind``, ``clock_jumped``, ``data_not_writable``,
                ``storage_unavailable``, ``storage_busy``: run it again.
        """
        began = self._running()
        self._bundles.check_lost(kid)
        await self._bundles.keep_up()
        total = await self._storage.count_seats_under(kid)
        first = await self._pass(kid, actor, sink, lambda done: progress and progress(done, max(done, total)))
        worked = self._running() - began
        if total:
            await self._pause(max(0.0, settle_seconds - worked))
        began = self._running()
        last = await self._pass(kid, actor, sink, None)
        by_hand = await self._storage.by_hand(kid, now=self._clock.now())
        return reissued_of(kid, first, last, seconds=worked + self._running() - began, by_hand=by_hand)

    async def _pass(
        self, kid: str, actor: Actor, sink: BundleSink | None, told: Callable[[int], object] | None
    ) -> Tally:
        """Once through the register; where nobody is *told*, only for what the first time left or came late."""
        tally, roots = Tally(), self._roots()[1:]
        after: str | None = None
        while True:
            page = await self._storage.seats_under(kid, after=after, limit=BATCH, only_lines_of_it=told is None)
            if page.last is None:
                return tally
            after = page.last
            now = self._clock.now()
            drawn = await asyncio.to_thread(self._draw, page.seats, kid, now, to_sign=sink is not None)
            made = await self._register(kid, actor, drawn, now)
            kept = tuple(each for each in drawn if all(one.issuance.jti in made for one in each.successors))
            if sink is not None:
                tally.bundles += await asyncio.to_thread(self._keep, sink, [each.pair for each in kept], roots)
            tally.looked_at += page.looked_at
            tally.live += len(page.seats)
            tally.over += len(page.seats) - len(drawn)
            tally.artifacts += len(made)
            for each in kept:
                tally.lives(each.pair, now, is_new=bool(each.successors))
            if told is not None:
                told(tally.looked_at)

    # ── one batch ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _draw(self, seats: tuple[SeatUnder, ...], kid: str, now: Instant, *, to_sign: bool) -> tuple[_Drawn, ...]:
        """
        What each of *seats* is to have; those are left out for whom nothing lives that could be replaced.

        Where bundles are *to_sign*, what a key signed that only verifies now is drawn up anew as well: a bundle must
        hold exactly what the register says.
        """
        drawn = []
        for seat in seats:
            grants: dict[ArtifactKind, Grant] = {}
            successors: list[Successor] = []
            for line in seat.newest:
                grant = grant_from_json(line.claims)
                if is_over(grant, now):
                    continue
                role = _ROLES[line.kind]
                if line.kid == kid or (to_sign and not self._bundles.can_sign(role, line.kid)):
                    by = self._bundles.signer(role).kid
                    again = drawn_again(grant, id_=self._ids.new(now), kid=by, now=now)
                    if again is None:
                        continue
                    grant = again
                    successors.append(Successor(replaces=line.jti, issuance=issuance_of(grant, line.kind)))
                grants[line.kind] = grant
            if grants:
                pair = Pair(seat=seat, token=grants.get("token"), machine_file=grants.get("machine-file"))
                drawn.append(_Drawn(pair=pair, successors=tuple(successors)))
        return tuple(drawn)

    async def _register(self, kid: str, actor: Actor, drawn: tuple[_Drawn, ...], now: Instant) -> frozenset[str]:
        """Register what is new; the ids of what was."""
        successors = tuple(each for one in drawn for each in one.successors)
        if not successors:
            return frozenset()

        def audit(made: tuple[Issuance, ...]) -> AuditEntry:
            of = sorted({str(each.activation_id) for each in made})
            return entry(
                now,
                actor,
                "key.artifacts_reissued",
                kid,
                activations=len(of),
                artifacts=len(made),
                first=of[0],
                last=of[-1],
            )

        return frozenset(each.jti for each in await self._storage.register_again(successors, audit))

    def _keep(self, sink: BundleSink, pairs: list[Pair], roots: tuple[str, ...]) -> int:
        """Make and keep the bundles that are not there yet; how many these are."""
        missing = [pair for pair in pairs if not sink.has(pair.seat.activation)]
        sink.keep(
            tuple(
                DeviceBundle(
                    activation=pair.seat.activation,
                    customer=pair.seat.customer,
                    key_last_four=pair.seat.key_last_four,
                    covered_until=_end_of(pair),
                    text=self._bundles.make(pair, roots, checked=number % _CHECK_ONE_IN == 0),
                )
                for number, pair in enumerate(missing)
            )
        )
        return len(missing)


def _end_of(pair: Pair) -> Instant:
    """Until when a device that has both works offline."""
    return max(grant.offline_until for grant in (pair.token, pair.machine_file) if grant and grant.offline_until)
