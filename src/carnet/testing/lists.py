"""The status list of a `FakeServer`: real bits under a real seal, for a vendor with one short list."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from carnet.core.instant import DAY, Instant
from carnet.core.model import StatusRef
from carnet.formats.keys import Signer
from carnet.formats.status_list import StatusList, issue_status_list, pack_statuses

URI = "https://license.example.com/v1/status/0"
PATH = "/v1/status/0"
SIZE = 8192
_EPOCH = 1
_TTL_SECONDS = 60


class FakeLists:
    """
    Gives licenses and seats their places in one list, and publishes it.

    Attributes:
        version: Of the list that was published last; a number of 0 says that none was.
    """

    def __init__(self, issuer: str, now: Callable[[], Instant], signer: Signer) -> None:
        """
        Args:
            issuer: The installation's id.
            now: The server's clock.
            signer: Holder of a key of the role ``status-list``.
        """
        self.version: tuple[int, int] = (_EPOCH, 0)
        self._issuer = issuer
        self._now = now
        self._signer = signer
        self._places: dict[str, int] = {}
        self._suspended: frozenset[str] = frozenset()

    def ref(self, name: str) -> StatusRef:
        """
        Where the license or seat *name* stands; what is issued now accepts no list before the newest, nor one that
        still says that the license is suspended (specs/status-list.md §6).
        """
        index = self._places.setdefault(name, len(self._places))
        least = (_EPOCH, self.version[1] + (name in self._suspended))
        return StatusRef(uri=URI, index=index, minimum=least if self.version[1] else None)

    def publish(self, ended: Iterable[str], suspended: Iterable[str]) -> str:
        """The list of this moment, in a version that is one more than the last."""
        self._suspended = frozenset(suspended)
        bits, statuses = pack_statuses(
            SIZE,
            [self._places[name] for name in ended if name in self._places],
            [self._places[name] for name in self._suspended if name in self._places],
        )
        self.version = (_EPOCH, self.version[1] + 1)
        listed = StatusList(
            issuer=self._issuer,
            uri=URI,
            version=self.version,
            issued_at=self._now(),
            expires_at=Instant(self._now() + 7 * DAY),
            ttl_seconds=_TTL_SECONDS,
            bits=bits,
            statuses=statuses,
        )
        return issue_status_list(listed, self._signer)
