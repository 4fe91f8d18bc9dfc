"""
Which lists are due, and what a list says: pure, from what the storage tells (SEC-26, SEC-27, SEC-28).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import Final

from carnet.core._base import Struct
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, Instant
from carnet.formats.encoding import sha256_hex
from carnet.formats.status_list import StatusList, pack_statuses
from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.server.ports import ListedLicense, PublishedList, ShardRows, StatusFacts

TTL_SECONDS: Final = 60
"""How long a cache may answer with a list without asking for a newer one (SEC-28)."""

LIFETIME_SECONDS: Final = 7 * DAY
"""`exp - iat`: how long readers that only know the IETF's draft may use a list that cannot be fetched anew."""

RESIGN_SECONDS: Final = HOUR
"""A list in which nothing changes is signed anew after this: devices go by `iat` when they ask how old it is."""


class DueList(Struct):
    """A list that is to be made: its shard, and what is served now."""

    shard: int
    published: PublishedList | None


def due_lists(facts: StatusFacts, *, now: Instant, kid: str, uri: Callable[[int], str]) -> tuple[DueList, ...]:
    """
    The lists to be made anew: of rows that have changed, of another life of the database, under a key or an address
    that changed, and those that are not fresh any more. Changes go first, then what is oldest.

    Args:
        facts: As stored.
        now: The server's time.
        kid: The key that signs lists now.
        uri: The address of a shard's list.
    """
    licenses: dict[int, list[ListedLicense]] = {}
    for each in facts.licenses:
        licenses.setdefault(each.position // SHARD_SIZE, []).append(each)
    published = {each.shard: each for each in facts.published}
    changed: list[DueList] = []
    stale: list[tuple[Instant, DueList]] = []
    for shard in facts.shards:
        served = published.get(shard)
        mark = mark_of(licenses.get(shard, ()), facts.ended.get(shard, 0), kid=kid, uri=uri(shard))
        if served is None or served.mark != mark or served.version[0] < facts.epoch:
            changed.append(DueList(shard=shard, published=served))
        elif abs(now - served.issued_at) >= RESIGN_SECONDS:  # or ahead: by a clock put right since (SEC-31)
            stale.append((served.issued_at, DueList(shard=shard, published=served)))
    return (*changed, *(due for _, due in sorted(stale, key=lambda each: each[0])))


def mark_of(licenses: Iterable[ListedLicense], ended: int, *, kid: str, uri: str) -> str:
    """
    What tells whether a list still says what the rows say: equal marks mean equal statuses, signer and address.

    And that nobody was reinstated meanwhile: a device that was answered in between minds no list from before, so one
    whose license is suspended again needs a new list that says the same (SEC-28).

    Activations that have ended stay so, and none is removed, so how many there are says which: no list of them is read
    to find out that nothing has changed.

    Args:
        licenses: Those of the shard that are not active, by position.
        ended: How many activations of the shard have ended.
        kid: The key that signs.
        uri: The list's address.
    """
    listed, revisions = array("q"), array("q")
    for each in licenses:
        listed.append(2 * each.position + each.is_revoked)
        if not each.is_revoked:
            revisions.append(each.revision)
    return sha256_hex(f"{ended}\0{kid}\0{uri}\0".encode() + listed.tobytes() + revisions.tobytes())


def next_version(published: PublishedList | None, epoch: int) -> tuple[int, int]:
    """
    The version of the list that follows *published*: always greater (SEC-27).

    A database that was put back from a backup begins a new epoch (REL-11), so what it publishes is newer than all that
    was ever served, whatever it forgot.
    """
    if published is None or published.version[0] < epoch:
        return epoch, 1
    return following(published.version)


def following(version: tuple[int, int]) -> tuple[int, int]:
    """The least version that the list after the one of *version* can have."""
    return version[0], version[1] + 1


def list_of(
    shard: int, rows: ShardRows, *, issuer: str, uri: str, version: tuple[int, int], now: Instant
) -> StatusList:
    """
    What the list of *shard* says.

    Args:
        shard: Which.
        rows: What it is made of.
        issuer: The installation's id.
        uri: The list's address.
        version: As `next_version` has it.
        now: A second that was over when *rows* were read: every change up to its end is among them.
    """
    begin = shard * SHARD_SIZE
    revoked = [each.position - begin for each in rows.licenses if each.is_revoked]
    suspended = [each.position - begin for each in rows.licenses if not each.is_revoked]
    bits, statuses = pack_statuses(SHARD_SIZE, [*revoked, *(place - begin for place in rows.ended)], suspended)
    return StatusList(
        issuer=issuer,
        uri=uri,
        version=version,
        issued_at=now,
        expires_at=Instant(min(now + LIFETIME_SECONDS, MAX_INSTANT)),
        ttl_seconds=TTL_SECONDS,
        bits=bits,
        statuses=statuses,
    )
