"""When artifacts begin and end, to the second."""

from __future__ import annotations

import pytest

from carnet.core.errors import UsageError
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.terms import offline_window, term_ends_at
from support.decisions import at, policy

NOW = at(0)


def test_artifacts_are_dated_back_by_a_minute() -> None:
    window = offline_window(policy(), NOW)
    assert window.issued_at == window.not_before == NOW - 60
    assert window.machine_file_until == NOW - 60 + 30 * DAY
    assert window.token_until == NOW - 60 + 7 * DAY
    assert window.renew_after == NOW - 60 + DAY


@pytest.mark.parametrize(
    ("ttl", "left"), [(1, 1), (2, 2), (59, 59), (60, 60), (61, 60), (120, 60), (121, 61), (DAY, DAY - 60)]
)
def test_a_short_window_is_not_over_when_it_is_issued(ttl: int, left: int) -> None:
    window = offline_window(policy(), NOW, ttl_seconds=ttl)
    assert window.issued_at == NOW - 60
    assert window.machine_file_until == window.token_until == NOW + left
    assert offline_window(policy(token_ttl_seconds=ttl), NOW).token_until == NOW + left


def test_a_wish_is_capped_by_the_policy() -> None:
    rules = policy(max_offline_ttl_seconds=40 * DAY)
    for wish, ttl in ((None, 30 * DAY), (40 * DAY - 1, 40 * DAY - 1), (40 * DAY, 40 * DAY), (41 * DAY, 40 * DAY)):
        window = offline_window(rules, NOW, ttl_seconds=wish)
        assert window.machine_file_until - window.issued_at == ttl


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_wish_below_a_second_is_an_error(ttl: int) -> None:
    with pytest.raises(UsageError) as caught:
        offline_window(policy(), NOW, ttl_seconds=ttl)
    assert caught.value.code == "bad_ttl"


@pytest.mark.parametrize(
    ("seconds", "until"), [(-1, 0), (0, 7 * DAY), (1, 7 * DAY), (7 * DAY - 1, 7 * DAY), (7 * DAY, None)]
)
def test_nothing_outlives_the_term_nor_its_grace(seconds: int, until: int | None) -> None:
    expires_at = at(100 * DAY)
    now = Instant(expires_at + seconds)
    if until is None:
        with pytest.raises(UsageError) as caught:
            offline_window(policy(), now, license_expires_at=expires_at)
        assert caught.value.code == "license_expired"
        return
    window = offline_window(policy(), now, license_expires_at=expires_at)
    assert window.machine_file_until == expires_at + until
    assert window.token_until <= window.machine_file_until
    assert window.renew_after <= window.machine_file_until


@pytest.mark.parametrize(("seconds", "not_before"), [(0, 0), (30, 0), (60, 0), (61, 1)])
def test_nothing_is_valid_before_the_start(seconds: int, not_before: int) -> None:
    window = offline_window(policy(), Instant(NOW + seconds), license_starts_at=NOW)
    assert window.not_before == NOW + not_before
    assert window.issued_at == NOW + seconds - 60


def test_nothing_is_issued_before_the_start() -> None:
    with pytest.raises(UsageError) as caught:
        offline_window(policy(), Instant(NOW - 1), license_starts_at=NOW)
    assert caught.value.code == "license_not_started"


def test_times_stay_within_what_can_be_written() -> None:
    assert offline_window(policy(), Instant(5)).issued_at == 0
    late = offline_window(policy(), Instant(MAX_INSTANT - 5))
    assert late.machine_file_until == MAX_INSTANT
    assert term_ends_at(policy(), Instant(MAX_INSTANT - 5)) == MAX_INSTANT
    assert term_ends_at(policy(term_grace_seconds=-5), NOW) == NOW
