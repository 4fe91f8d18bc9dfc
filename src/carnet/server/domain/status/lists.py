"""
The published status lists in this process's memory: what is served, sent along with answers, and named by artifacts as
the oldest version that counts. Some 4 KB for each 131,072 indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from carnet.core.errors import CarnetError
from carnet.core.instant import MINUTE, Instant
from carnet.core.model import Grant, StatusRef
from carnet.formats.keys import KeyRing
from carnet.formats.status_list import SUSPENDED, StatusList, verify_status_list
from carnet.server.domain.status.allocation import SHARD_SIZE, StatusAllocator
from carnet.server.domain.status.building import RESIGN_SECONDS, following
from carnet.server.ports import PublishedList, StatusStore

LATE_SECONDS = RESIGN_SECONDS + 15 * MINUTE
"""A list that is older is published by nobody."""


class StatusLists:
    """
    What is known of the published lists: as new as the last `keep_up`, or our own publishing.

    Args:
        storage: Where they are published.
        places: Where each position is found.
        ring: The public keys of the newest root, to read them with.
    """

    def __init__(self, storage: StatusStore, places: StatusAllocator, ring: KeyRing) -> None:
        self._storage = storage
        self._places = places
        self._ring = ring
        self._pausing: dict[int, tuple[tuple[int, int], StatusList | None]] = {}
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

    def refs(self, licensed: int, seat: int | None = None) -> tuple[StatusRef, StatusRef | None]:
        """
        Where the bits of a license and its seat are found, and the versions of the lists that count from now on.

        Those that are served; but where that list still says that the license is suspended, the one after it. The
        license is active, or nothing would be issued, so what the list says was true before it was reinstated (SEC-27).
        Of what is final, "revoked" and "ended", no list is passed over.

        Args:
            licensed: The license's position. It is active, by what the database says under the lock of the very change
                that issues.
            seat: The activation's; None where there is none.
        """
        served = self._lists.get(licensed // SHARD_SIZE)
        passed = served if served is not None and self._says_suspended(served, licensed) else None
        return self._ref(licensed, passed), None if seat is None else self._ref(seat, passed)

    def _ref(self, position: int, passed: PublishedList | None) -> StatusRef:
        plain, served = self._places.ref(position), self._lists.get(position // SHARD_SIZE)
        version = None if served is None else served.version
        if passed is not None and served is not None and passed.shard == served.shard:
            version = max(following(passed.version), served.version)  # another may have taken its place just now
        return StatusRef(uri=plain.uri, index=plain.index, minimum=version)

    def _says_suspended(self, served: PublishedList, position: int) -> bool:
        """Whether *served* does, of *position*; each list is read once, and kept if anybody is."""
        known = self._pausing.get(served.shard)
        if known is None or known[0] != served.version:
            known = self._pausing[served.shard] = served.version, self._with_suspended(served)
        index, listed = position % SHARD_SIZE, known[1]
        return listed is not None and index < listed.size and listed.status(index) == SUSPENDED

    def _with_suspended(self, published: PublishedList) -> StatusList | None:
        """What *published* says, if it says of anybody that he is suspended; else None."""
        try:
            listed = verify_status_list(published.token, self._ring)
        except CarnetError:
            return None  # under a key that the root dropped: no device minds it
        return listed if listed.bits > 1 else None

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
