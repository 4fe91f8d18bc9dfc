"""R-25: what looks odd about a license: from how many on, once a day, in bounded memory."""

from __future__ import annotations

import pytest

from carnet.core.instant import Instant
from carnet.server.domain.statistics.anomalies import DAY_SECONDS, Alert, Anomalies, AnomalyRules

NOON = Instant(20_000 * DAY_SECONDS + 43_200)
RULES = AnomalyRules(activations=5, addresses=5, device_keys=3)


def kinds(alerts: tuple[Alert, ...]) -> list[str]:
    return [alert.kind for alert in alerts]


def network(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.mark.parametrize(("seats", "odd_from"), [(1, 6), (2, 7), (3, 10), (10, 31)])
def test_many_new_devices_are_odd_from_one_more_than_the_rule_on(seats: int, odd_from: int) -> None:
    watch = Anomalies(RULES)
    for number in range(1, odd_from + 1):
        watch.used("license", seats, network(0), NOON, is_new_device=True)
        alerts = watch.take_alerts()
        assert kinds(alerts) == (["many_activations"] if number == odd_from else [])
    assert alerts == (
        Alert(kind="many_activations", license_id="license", activation_id=None, count=odd_from, at=NOON),
    )


@pytest.mark.parametrize(("seats", "odd_from"), [(1, 6), (2, 7), (3, 10)])
def test_many_addresses_are_odd_and_the_same_one_counts_once(seats: int, odd_from: int) -> None:
    watch = Anomalies(RULES)
    for number in range(1, odd_from + 1):
        for _ in range(20):
            watch.used("license", seats, network(number), NOON)
        assert kinds(watch.take_alerts()) == (["many_addresses"] if number == odd_from else [])


def test_it_is_said_once_a_day_for_each_license_and_kind() -> None:
    watch = Anomalies(RULES)
    for day in (0, 1):
        at = Instant(NOON + day * DAY_SECONDS)
        for license_id in ("one", "two"):
            for number in range(40):
                watch.used(license_id, 1, network(number), at, is_new_device=True)
        assert sorted((each.license_id, each.kind) for each in watch.take_alerts()) == [
            (license_id, kind) for license_id in ("one", "two") for kind in ("many_activations", "many_addresses")
        ]


def test_yesterday_does_not_count() -> None:
    watch = Anomalies(RULES)
    midnight = Instant(20_001 * DAY_SECONDS)
    for number in range(5):
        watch.used("license", 1, network(number), Instant(midnight - 1), is_new_device=True)
    for number in range(5, 10):
        watch.used("license", 1, network(number), midnight, is_new_device=True)
    assert watch.take_alerts() == ()


def test_a_license_without_a_seat_limit_is_not_judged_by_numbers() -> None:
    watch = Anomalies(RULES)
    for number in range(1_000):
        watch.used("license", None, network(number), NOON, is_new_device=True)
    assert watch.take_alerts() == ()


def registered(watch: Anomalies, keys: str) -> list[str]:
    for key in keys:
        watch.identified("license", "activation", key.encode(), NOON)
    return kinds(watch.take_alerts())


@pytest.mark.parametrize(
    ("keys", "is_clone"),
    [
        ("a", False),
        ("aaaa", False),
        ("ab", False),  # reinstalled
        ("abc", False),
        ("aba", True),  # the key that was replaced is back: two devices have one identity
        ("aabba", True),
        ("abca", True),
        ("abcd", True),  # one more than the rule
    ],
)
def test_a_cloned_device_shows_in_its_keys(keys: str, is_clone: bool) -> None:  # noqa: FBT001
    assert registered(Anomalies(RULES), keys) == (["cloned_device"] if is_clone else [])


def test_a_device_without_a_key_is_not_judged_by_keys() -> None:
    watch = Anomalies(RULES)
    for _ in range(10):
        watch.identified("license", "activation", None, NOON)
    assert watch.take_alerts() == ()


def test_memory_is_bounded_whatever_comes() -> None:
    watch = Anomalies(RULES, most=100)
    for number in range(5_000):
        watch.used(f"license {number}", 1, network(number), NOON)
        watch.identified(f"license {number}", f"activation {number}", network(number), NOON)
    for number in range(5_000):
        watch.used("one", 1, network(number), NOON)
    assert len(watch._licenses) == len(watch._device_keys) == 100
    assert len(watch._licenses["one"].addresses) <= 6
