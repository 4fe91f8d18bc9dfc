"""
Publishing status lists: what is revoked, suspended or given back shows in them within a minute (SEC-28).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from carnet.core.errors import StateError
from carnet.core.instant import Instant
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.status_list import StatusList, issue_status_list, verify_status_list
from carnet.server.domain.status.allocation import SHARD_SIZE, StatusAllocator
from carnet.server.domain.status.building import DueList, due_lists, list_of, mark_of, next_version
from carnet.server.domain.status.lists import StatusLists
from carnet.server.ports import Clock, PublishedList, SigningKeys, StatusStore

PUBLISH_SECONDS: Final = 15
"""How often the job looks: with the time that a job needs to change hands, a change is published within 60 seconds."""

_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.5

_AT_ONCE: Final = 32
"""Lists of one batch: a job ends between two of them."""


class StatusPublisher:
    """
    Publishes the lists that are due.

    Args:
        storage: What they are made of, and where they are published.
        clock: The server's time.
        keys: Signs them.
        ring: The public keys of the newest root, to check what was made.
        issuer: This installation's id.
        places: The lists' addresses.
        lists: What this process serves.
        pause: Lets seconds pass; None where a test holds the clock, and nothing happens between two of its steps.
    """

    def __init__(
        self,
        storage: StatusStore,
        clock: Clock,
        keys: SigningKeys,
        ring: KeyRing,
        issuer: str,
        *,
        places: StatusAllocator,
        lists: StatusLists,
        pause: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._keys = keys
        self._ring = ring
        self._issuer = issuer
        self._places = places
        self._lists = lists
        self._pause = pause

    async def publish(self) -> bool:
        """
        Publish some of the lists that are due; whether there are more.

        Safe to repeat and to be done by two at once: a list is replaced by whoever names the version it has, so that
        each version is published once. What cannot be signed changes nothing: the list before goes on (REL-08).

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``; ``no_signing_key``, ``clock_behind``,
                ``clock_jumped`` and what a signer says that is away; ``signing_failed``: what was made is not sound.
        """
        signer, now = self._keys.signer("status-list"), self._clock.now()
        facts = await self._storage.status_facts(shard_size=SHARD_SIZE)
        due = due_lists(facts, now=now, kid=signer.kid, uri=self._places.uri)
        second = self._clock.now()
        if due:
            await self._end_of(second)
        for each in due[:_AT_ONCE]:
            await self._publish(each, signer, facts.epoch, second)
        return len(due) > _AT_ONCE

    async def _end_of(self, second: Instant) -> None:
        """
        Wait until *second* is over; not for ever, whatever the clock does.

        A list counts against what was issued in the second that it is dated by (specs/decision.md §4.4). So it is read
        when nothing more is issued in that second: else it would call somebody suspended who was reinstated and
        answered right after it was read.
        """
        waited = 0.0
        while self._pause is not None and waited < _LONGEST_PAUSE_SECONDS and self._clock.now() <= second:
            await self._pause(_PAUSE_SECONDS)
            waited += _PAUSE_SECONDS

    async def _publish(self, due: DueList, signer: Signer, epoch: int, ended: Instant) -> None:
        now = max(ended, Instant(self._clock.now() - 1))  # the last second that is over
        uri, begin = self._places.uri(due.shard), due.shard * SHARD_SIZE
        rows = await self._storage.status_rows(begin=begin, end=begin + SHARD_SIZE)
        version = next_version(due.published, epoch)
        listed = list_of(due.shard, rows, issuer=self._issuer, uri=uri, version=version, now=now)
        made = PublishedList(
            shard=due.shard,
            version=version,
            mark=mark_of(rows.licenses, len(rows.ended), kid=signer.kid, uri=uri),
            token=await asyncio.to_thread(self._signed, listed, signer),  # packing takes a while, a signer may, too
            issued_at=Instant(listed.issued_at),
            expires_at=listed.expires_at,
        )
        if await self._storage.publish_list(made, over=None if due.published is None else due.published.version):
            self._lists.take(made)
            self._lists.published += 1

    def _signed(self, listed: StatusList, signer: Signer) -> str:
        token = issue_status_list(listed, signer)
        if verify_status_list(token, self._ring, uri=listed.uri) != listed:
            raise StateError(
                "signing_failed",
                "A status list did not verify after it was signed; the one before is still served.",
                "Check the signing keys with carnet doctor.",
            )
        return token
