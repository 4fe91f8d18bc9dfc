"""SEC-35: buckets to the nanosecond, in bounded memory, shared between processes; and who an address is."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.errors import StateError, UsageError
from carnet.server.domain.limits.addresses import caller_address, network_of, networks_from_text
from carnet.server.domain.limits.buckets import Buckets
from carnet.server.domain.limits.rules import NO_LIMITS, Limit, RateLimits, rate_limits_from_text
from carnet.server.domain.limits.service import RateLimiter
from carnet.server.ports import LimitCharge, LimitLevel

NOW = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
TEN_IN_TEN = Limit(name="misses", count=10, seconds=10)
A, B = b"a" * 16, b"b" * 16


def taken(buckets: Buckets, bucket: bytes, now: int, times: int) -> int:
    return sum(buckets.take(bucket, now) == 0 for _ in range(times))


@pytest.mark.parametrize("count", [1, 2, 10, 300_000])
def test_exactly_the_count_is_let_in_at_once(count: int) -> None:
    buckets = Buckets(Limit(name="x", count=count, seconds=60))
    assert taken(buckets, A, NOW, count) == count
    assert buckets.take(A, NOW) > 0


def test_one_more_is_let_in_when_one_has_drained_and_not_a_nanosecond_before() -> None:
    buckets = Buckets(TEN_IN_TEN)
    taken(buckets, A, NOW, 10)
    assert buckets.take(A, NOW) == SECOND
    assert buckets.take(A, NOW + SECOND - 1) == 1
    assert buckets.take(A, NOW + SECOND) == 0
    assert buckets.take(A, NOW + SECOND) == SECOND


def test_what_is_refused_is_not_charged() -> None:
    buckets = Buckets(TEN_IN_TEN)
    taken(buckets, A, NOW, 10_000)
    assert buckets.take(A, NOW + SECOND) == 0


def test_looking_says_what_taking_would_and_charges_nothing() -> None:
    buckets = Buckets(TEN_IN_TEN)
    for _ in range(9):
        assert buckets.look(A, NOW) == 0
        assert buckets.take(A, NOW) == 0
    assert [buckets.look(A, NOW) for _ in range(100)] == [0] * 100
    assert buckets.take(A, NOW) == 0
    assert buckets.look(A, NOW) == buckets.take(A, NOW) == SECOND


def test_one_does_not_pay_for_another() -> None:
    buckets = Buckets(TEN_IN_TEN)
    taken(buckets, A, NOW, 100)
    assert taken(buckets, B, NOW, 100) == 10


@pytest.mark.parametrize("back", [1, 60, 86_400 * 365])
def test_a_clock_that_goes_back_locks_nobody_out_for_longer_than_the_limit(back: int) -> None:
    buckets = Buckets(TEN_IN_TEN)
    taken(buckets, A, NOW, 10)
    assert 0 < buckets.take(A, NOW - back * SECOND) <= 10 * SECOND
    assert buckets.look(A, NOW - back * SECOND) <= SECOND


@given(st.lists(st.integers(0, 5 * SECOND), max_size=60))
def test_never_more_than_count_plus_what_drained_is_let_in(steps: list[int]) -> None:
    buckets, now, let_in = Buckets(TEN_IN_TEN), NOW, 0
    for step in steps:
        now += step
        let_in += buckets.take(A, now) == 0
        assert let_in <= 10 + (now - NOW) // SECOND


def test_memory_is_bounded_and_a_full_bucket_is_not_washed_out() -> None:
    buckets = Buckets(TEN_IN_TEN, most=1_000)
    taken(buckets, A, NOW, 10)
    for number in range(50_000):
        buckets.take(number.to_bytes(16, "big"), NOW)
    assert len(buckets) <= 1_000 + 4_096
    assert buckets.take(A, NOW) > 0
    assert buckets.look(A, NOW) > 0


def test_those_who_share_a_bucket_are_limited_together() -> None:
    buckets = Buckets(TEN_IN_TEN, most=1)
    buckets.take(A, NOW)
    one, other = b"\x00\x00\x00\x01" + bytes(12), b"\x00\x00\x00\x01" + bytes(11) + b"x"
    assert taken(buckets, one, NOW, 6) + taken(buckets, other, NOW, 6) == 10
    assert buckets.look(other, NOW) > 0
    assert buckets.look(b"\x00\x00\x00\x02" + bytes(12), NOW) == 0


def test_empty_buckets_make_room() -> None:
    buckets = Buckets(TEN_IN_TEN, most=10)
    for number in range(10):
        buckets.take(number.to_bytes(16, "big"), NOW)
    later = NOW + 20 * SECOND
    assert taken(buckets, A, later, 100) == 10
    assert len(buckets) == 1


def test_only_what_is_a_quarter_full_is_told_and_only_once() -> None:
    buckets = Buckets(Limit(name="x", count=8, seconds=8))
    taken(buckets, A, NOW, 1)
    taken(buckets, B, NOW, 2)
    assert buckets.collect(NOW, most=10) == {B: 2 * SECOND}
    assert buckets.collect(NOW, most=10) == {}
    taken(buckets, A, NOW, 1)
    assert buckets.collect(NOW, most=10) == {A: 2 * SECOND}


def test_of_too_many_the_fullest_are_told() -> None:
    buckets = Buckets(TEN_IN_TEN)
    for number in range(1, 8):
        taken(buckets, bytes([number]) * 16, NOW, 3 + number % 5)
    told = buckets.collect(NOW, most=2)
    assert sorted(told.values()) == [6 * SECOND, 7 * SECOND]


class Shelf:
    """What processes share: the storage's rules in a dictionary; the real ones are tested on real databases."""

    def __init__(self) -> None:
        self.levels: dict[tuple[str, bytes], int] = {}
        self.is_down = False

    async def share_limits(
        self, charges: tuple[LimitCharge, ...], *, now_ns: int, since_ns: int
    ) -> tuple[LimitLevel, ...]:
        assert since_ns <= now_ns
        if self.is_down:
            raise StateError("storage_unavailable", "It is away.", "")
        for charge in charges:
            key = (charge.kind, charge.bucket)
            self.levels[key] = max(self.levels.get(key, 0), now_ns) + charge.charged_ns
        return tuple(LimitLevel(kind=k, bucket=b, empty_at_ns=at) for (k, b), at in self.levels.items() if at > now_ns)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def limiter(shelf: Shelf, clock: Clock, limits: RateLimits | None = None) -> RateLimiter:
    wanted = limits or RateLimits(misses=TEN_IN_TEN)
    return RateLimiter(wanted, secret=b"s" * 32, store=shelf, clock_ns=clock)


def miss(one: RateLimiter, address: str, times: int) -> None:
    for _ in range(times):
        one.missed(address)


def test_sec_35_a_restarted_server_knows_who_failed() -> None:
    shelf, clock = Shelf(), Clock()
    before, after = limiter(shelf, clock), limiter(shelf, clock)
    miss(before, "192.0.2.1", 10)
    asyncio.run(before.flush())
    assert after.admit_address("192.0.2.1") is None
    asyncio.run(after.flush())
    wait = after.admit_address("192.0.2.1")
    assert wait is not None
    assert (wait.limit.name, wait.seconds) == ("misses", 1)
    assert after.admit_address("192.0.2.2") is None


def test_sec_35_two_processes_share_one_limit() -> None:
    shelf, clock = Shelf(), Clock()
    one, two = limiter(shelf, clock), limiter(shelf, clock)
    miss(one, "192.0.2.1", 5)
    miss(two, "192.0.2.1", 5)
    for each in (one, two, one):
        asyncio.run(each.flush())
    assert one.admit_address("192.0.2.1") is not None
    assert two.admit_address("192.0.2.1") is not None
    clock.now += 10 * SECOND
    assert one.admit_address("192.0.2.1") is None


def test_what_a_broken_database_did_not_take_is_told_the_next_time() -> None:
    shelf, clock = Shelf(), Clock()
    one, two = limiter(shelf, clock), limiter(shelf, clock)
    miss(one, "192.0.2.1", 10)
    shelf.is_down = True
    with pytest.raises(StateError):
        asyncio.run(one.flush())
    shelf.is_down = False
    asyncio.run(one.flush())
    asyncio.run(two.flush())
    assert two.admit_address("192.0.2.1") is not None


def test_telling_does_not_charge_twice() -> None:
    shelf, clock = Shelf(), Clock()
    one = limiter(shelf, clock)
    miss(one, "192.0.2.1", 9)
    for _ in range(5):
        asyncio.run(one.flush())
    assert one.admit_address("192.0.2.1") is None
    miss(one, "192.0.2.1", 1)
    assert one.admit_address("192.0.2.1") is not None


def test_r_67_what_is_shared_holds_neither_addresses_nor_keys() -> None:
    shelf, clock = Shelf(), Clock()
    one = limiter(shelf, clock, RateLimits(misses=TEN_IN_TEN, key=TEN_IN_TEN))
    miss(one, "192.0.2.1", 10)
    for _ in range(10):
        one.admit_key("1CR5A-YMZRK-MGWCT-RFPHC-V7PV7", "hustl")
    asyncio.run(one.flush())
    written = repr(shelf.levels)
    assert len(shelf.levels) == 2
    assert "192.0" not in written
    assert "1CR5A" not in written


@pytest.mark.parametrize(
    "spelled", ["1cr5a-ymzrk-mgwct-rfphc-v7pv7", "ICR5AYMZRKMGWCTRFPHCV7PV7", " 1CR5A YMZRK MGWCT RFPHC V7PV7\n"]
)
def test_sec_35_spellings_of_one_key_are_one_key(spelled: str) -> None:
    one = limiter(Shelf(), Clock(), RateLimits(key=Limit(name="key", count=1, seconds=60)))
    assert one.admit_key("1CR5A-YMZRK-MGWCT-RFPHC-V7PV7", None) is None
    assert one.admit_key(spelled, None) is not None
    assert one.admit_key("2CR5A-YMZRK-MGWCT-RFPHC-V7PV7", None) is None


def test_products_have_a_limit_of_their_own() -> None:
    one = limiter(Shelf(), Clock(), RateLimits(product=Limit(name="product", count=2, seconds=60)))
    assert [one.admit_key(key, "hustl") is None for key in ("a", "b", "c")] == [True, True, False]
    assert one.admit_key("a", "other") is None
    assert one.admit_key("a", None) is None


def test_without_limits_nobody_waits() -> None:
    one = limiter(Shelf(), Clock(), NO_LIMITS)
    miss(one, "192.0.2.1", 10_000)
    assert all(one.admit_address("192.0.2.1") is None for _ in range(1000))
    assert one.admit_key("a", "hustl") is None


# ── who an address is ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_sec_35_an_ipv6_address_counts_as_its_64(address: str, network: str) -> None:
    assert network_of(address) == network


PROXIES = networks_from_text("10.0.0.0/8, 2001:db8:ffff::/48 192.0.2.7")


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),  # no proxy of ours: what it says is made up
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),  # what stands left was written by the caller
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 192.0.2.7, 10.2.3.4"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9, 192.0.2.7"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["1.1.1.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, nonsense, 10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [", ,"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1" + ", 10.0.0.9" * 500], "10.0.0.9"),
        ("2001:db8:ffff::1", ["203.0.113.9"], "203.0.113.9"),
        ("", ["203.0.113.9"], ""),
    ],
)
def test_sec_35_forwarding_headers_count_only_from_our_proxies_and_from_the_right(
    peer: str, forwarded: list[str], caller: str
) -> None:
    assert caller_address(peer, forwarded, PROXIES) == caller


@given(st.lists(st.ip_addresses().map(str) | st.text(max_size=20), max_size=10))
def test_sec_35_nobody_but_our_proxies_can_choose_an_address(claimed: list[str]) -> None:
    assert caller_address("198.51.100.1", [", ".join(claimed)], PROXIES) == "198.51.100.1"
    assert caller_address("10.0.0.1", [", ".join([*claimed, "203.0.113.9"])], PROXIES) == "203.0.113.9"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "nonsense", "10.0.0.0/33", "1.2.3", " ".join(["10.0.0.0/8"] * 257)])
def test_networks_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        networks_from_text(text)
    assert caught.value.code == "bad_network"


def test_a_single_address_is_a_network() -> None:
    assert networks_from_text("192.0.2.7 ,::1") == (
        ipaddress.ip_network("192.0.2.7/32"),
        ipaddress.ip_network("::1/128"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", NO_LIMITS),
        ("misses=5/60", RateLimits(misses=Limit(name="misses", count=5, seconds=60))),
        ("key=off, product=1/86400", RateLimits(key=None, product=Limit(name="product", count=1, seconds=86400))),
    ],
)
def test_limits_as_an_operator_writes_them(text: str, expected: RateLimits) -> None:
    assert rate_limits_from_text(text) == expected


BAD_LIMITS = [
    "misses", "misses=", "misses=5", "misses=/60", "misses=0/60", "misses=5/0", "misses=5/86401", "x=1/1",
    "misses=5/60 misses=6/60", "misses=-5/60", "misses=5/60/1", "misses=100000001/1", "misses=\u0665/60", "on",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_LIMITS)
def test_limits_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        rate_limits_from_text(text)
    assert caught.value.code == "bad_rate_limit"
