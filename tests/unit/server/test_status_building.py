"""Which status lists are due, what they say, and their versions: pure (SEC-27, SEC-28)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carnet.core.instant import MAX_INSTANT, Instant
from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.server.domain.status.building import (
    LIFETIME_SECONDS,
    RESIGN_SECONDS,
    TTL_SECONDS,
    due_lists,
    list_of,
    mark_of,
    next_version,
)
from carnet.server.ports import ListedLicense, PublishedList, ShardRows, StatusFacts

NOW = Instant(1_790_000_000)
FAR = 1_790_000_000  # the first shard of a life that a restore began
NUMBERS = st.integers(0, 2**50)


def uri(shard: int) -> str:
    return f"https://license.example.com/v1/status/{shard}"


def published(shard: int, *, age: int = 0, version: tuple[int, int] = (0, 1), mark: str | None = None) -> PublishedList:
    return PublishedList(
        shard=shard,
        version=version,
        mark=mark_of((), 0, kid="k", uri=uri(shard)) if mark is None else mark,
        token="",
        issued_at=Instant(NOW - age),
        expires_at=Instant(NOW - age + LIFETIME_SECONDS),
    )


def due(*lists: PublishedList, now: Instant = NOW, kid: str = "k", **changes: Any) -> list[int]:
    facts: dict[str, Any] = {"epoch": 0, "shards": (0, 1, FAR), "licenses": (), "ended": {}, **changes}
    return [each.shard for each in due_lists(StatusFacts(published=lists, **facts), now=now, kid=kid, uri=uri)]


def test_every_shard_that_exists_has_a_list_and_no_other() -> None:
    assert due() == [0, 1, FAR]
    assert due(published(0), published(FAR)) == [1]
    assert due(published(0), published(1), published(FAR)) == []
    assert due(published(7), shards=()) == []


def test_sec_28_a_list_is_due_when_somebody_was_reinstated_and_suspended_again() -> None:
    paused = ListedLicense(position=7, is_revoked=False, revision=3)
    mark = mark_of((paused,), 0, kid="k", uri=uri(0))
    lists = [published(0, mark=mark), published(1), published(FAR)]
    assert due(*lists, licenses=(paused,)) == []
    assert due(*lists, licenses=(ListedLicense(position=7, is_revoked=False, revision=5),)) == [0]


def test_sec_28_a_list_is_due_when_what_it_was_made_of_has_changed() -> None:
    lists = [published(0), published(1), published(FAR)]
    revoked = ListedLicense(position=SHARD_SIZE, is_revoked=True)
    last = ListedLicense(position=SHARD_SIZE - 1, is_revoked=False)
    assert due(*lists, licenses=(revoked,)) == [1]
    assert due(*lists, licenses=(last,)) == [0]
    assert due(*lists, licenses=(last, revoked)) == [0, 1]
    assert due(*lists, ended={FAR: 1}) == [FAR]
    assert due(*lists, ended={FAR: 0}) == []
    assert due(*lists, kid="other") == [0, 1, FAR]
    assert due(*lists, epoch=1) == [0, 1, FAR]
    assert due(*[published(shard, version=(1, 9)) for shard in (0, 1, FAR)], epoch=1) == []


def test_sec_28_a_list_is_due_after_an_hour_and_changes_go_first() -> None:
    for age, expected in ((RESIGN_SECONDS - 1, []), (RESIGN_SECONDS, [1]), (RESIGN_SECONDS + 1, [1])):
        assert due(published(0), published(1, age=age), published(FAR)) == expected
    older = [published(0, age=RESIGN_SECONDS), published(1, age=RESIGN_SECONDS + 5), published(FAR, mark="another")]
    assert due(*older) == [FAR, 1, 0]
    assert due(*older, now=Instant(NOW - 10)) == [FAR]  # a clock that was set back makes nothing stale
    for ahead, expected in ((RESIGN_SECONDS - 1, []), (RESIGN_SECONDS, [0])):  # signed by a clock that was put right
        assert due(published(0, age=-ahead), published(1), published(FAR)) == expected


LICENSES = st.lists(st.builds(ListedLicense, position=st.integers(0, 9), is_revoked=st.booleans()), max_size=3)


@given(LICENSES, LICENSES, st.integers(0, 3), st.integers(0, 3))
def test_sec_28_equal_marks_mean_equal_rows(
    one: list[ListedLicense], other: list[ListedLicense], ended: int, ended_later: int
) -> None:
    same = (one, ended) == (other, ended_later)
    marks = mark_of(one, ended, kid="k", uri="u") == mark_of(other, ended_later, kid="k", uri="u")
    assert marks == same
    assert mark_of(one, ended, kid="k", uri="u") != mark_of(one, ended, kid="k2", uri="u")
    assert mark_of(one, ended, kid="k", uri="u") != mark_of(one, ended, kid="k", uri="u2")


@given(NUMBERS, NUMBERS, NUMBERS)
def test_sec_27_the_next_version_is_always_greater(epoch: int, number: int, now: int) -> None:
    before = published(0, version=(epoch, number))
    assert next_version(before, now) > before.version
    assert next_version(before, now) == ((now, 1) if now > epoch else (epoch, number + 1))
    assert next_version(None, now) == (now, 1)


def test_a_list_says_what_its_rows_say() -> None:
    begin = 3 * SHARD_SIZE
    rows = ShardRows(
        licenses=(
            ListedLicense(position=begin, is_revoked=True),
            ListedLicense(position=begin + 1, is_revoked=False),
        ),
        ended=(begin + 2, begin + SHARD_SIZE - 1),
    )
    made = list_of(3, rows, issuer="i", uri=uri(3), version=(0, 5), now=NOW)
    found = {index: made.status(index) for index in (0, 1, 2, 3, SHARD_SIZE - 2, SHARD_SIZE - 1)}
    assert found == {0: 1, 1: 2, 2: 1, 3: 0, SHARD_SIZE - 2: 0, SHARD_SIZE - 1: 1}
    assert (made.bits, made.size, made.ttl_seconds, made.uri, made.version) == (
        2,
        SHARD_SIZE,
        TTL_SECONDS,
        uri(3),
        (0, 5),
    )
    assert (made.issued_at, made.expires_at - NOW) == (NOW, LIFETIME_SECONDS)
    last = list_of(
        3, ShardRows(licenses=(), ended=()), issuer="i", uri=uri(3), version=(0, 5), now=Instant(MAX_INSTANT - 1)
    )
    assert (last.bits, last.expires_at) == (1, MAX_INSTANT)
