"""
The published status lists in this process's memory: what is served, sent along with answers, and named by artifacts as
the oldest version that counts. Some 4 KB for each 131,072 indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from carnet.core.instant import MINUTE, Instant
from carnet.core.model import Grant, StatusRef
from carnet.server.domain.status.allocation import SHARD_SIZE, StatusAllocator
from carnet.server.domain.status.building import RESIGN_SECONDS
from carnet.server.ports import PublishedList, StatusStore

LATE_SECONDS = RESIGN_SECONDS + 15 * MINUTE
"""A list that is older is published by nobody."""


class StatusLists:
    """
    What is known of the published lists: as new as the last `keep_up`, or our own publishing.

    Args:
        storage: Where they are published.
        places: Where each position is found.
    """

    def __init__(self, storage: StatusStore, places: StatusAllocator) -> None:
        self._storage = storage
        self._places = places
        self._lists: dict[int, PublishedList] = {}
        self._by_uri: dict[str, PublishedList] = {}
        self._refs: dict[int, tuple[int, int]] = {}
        self.published = 0
        """How many this process has published."""

    async def keep_up(self) -> None:
        """
        Take in what other processes published. One short read where nothing was.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``.
        """
        for each in await self._storage.published_lists(self._refs):
            self.take(each)

    def take(self, made: PublishedList) -> None:
        """Serve *made*, unless what is served is newer: this process never goes back (SEC-27)."""
        known = self._refs.get(made.shard)
        if known is None or known < made.version:
            self._lists[made.shard] = self._by_uri[self._places.uri(made.shard)] = made
            self._refs[made.shard] = made.version

    def all(self) -> tuple[PublishedList, ...]:
        """Every list, by shard."""
        return tuple(self._lists[shard] for shard in sorted(self._lists))

    def list(self, shard: int) -> PublishedList | None:
        """The newest list of *shard*; None: there is none."""
        return self._lists.get(shard)

    def ref(self, position: int) -> StatusRef:
        """Where the bit at *position* is found, and the version of the list that counts from now on (SEC-27)."""
        plain = self._places.ref(position)
        return StatusRef(uri=plain.uri, index=plain.index, minimum=self._refs.get(position // SHARD_SIZE))

    def named_by(self, grants: Iterable[Grant]) -> tuple[str, ...]:
        """The lists that *grants* name, each once: for a bundle, whose device cannot ask."""
        refs = [ref for grant in grants for ref in (grant.license_status_ref, grant.activation_status_ref)]
        found = (self._by_uri.get(uri) for uri in dict.fromkeys(ref.uri for ref in refs if ref is not None))
        return tuple(each.token for each in found if each is not None)

    def newer(self, positions: Iterable[int], known: Mapping[str, tuple[int, int]] | None) -> tuple[str, ...] | None:
        """
        The lists that *positions* are in, by shard, but for those that are known.

        Args:
            positions: Of a license and an activation.
            known: The versions that the asker has, by address; None: it did not ask.

        Returns:
            None where nobody asked.
        """
        if known is None:
            return None
        newer = []
        for shard in sorted({position // SHARD_SIZE for position in positions}):
            served = self._lists.get(shard)
            if served is not None:
                version = known.get(self._places.uri(shard))
                if version is None or version < served.version:
                    newer.append(served.token)
        return tuple(newer)

    def oldest_age_seconds(self, now: Instant) -> int:
        """How long ago the oldest list was issued; 0 where there is none."""
        return max((max(0, now - each.issued_at) for each in self._lists.values()), default=0)

    def problem(self, now: Instant) -> str:
        """A sentence where lists are not published as they should be; else empty."""
        age = self.oldest_age_seconds(now)
        return f"The oldest status list was published {age // MINUTE} minutes ago." if age > LATE_SECONDS else ""
