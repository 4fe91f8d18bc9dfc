from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from carnet.server.domain.status.allocation import SHARD_SIZE, StatusAllocator

BASE = "https://license.example.com"
KEY = bytes(range(32))


def test_sec_26_a_million_allocations_are_all_different_and_fill_their_shards() -> None:
    allocator = StatusAllocator(KEY, BASE)
    seen = bytearray(8 * SHARD_SIZE)  # one for each position: a set of a million takes as long as making them
    for sequence in range(1_000_000):
        position = allocator.place(sequence)
        assert position // SHARD_SIZE == sequence // SHARD_SIZE
        seen[position] += 1
    assert max(seen) == 1
    assert sum(seen) == 1_000_000
    # Seven whole shards: every index of them was given exactly once.
    assert min(seen[: 7 * SHARD_SIZE]) == 1


def test_sec_26_the_indices_of_a_shard_look_random() -> None:
    allocator = StatusAllocator(KEY, BASE)
    positions = [allocator.place(sequence) for sequence in range(2000)]
    rising = sum(after > before for before, after in itertools.pairwise(positions))
    assert 880 <= rising <= 1120  # half of 1,999, ± more than five standard deviations of a random order
    near = sum(abs(after - before) < 100 for before, after in itertools.pairwise(positions))
    assert near < 30  # a random order has about three
    halves = sum(position < SHARD_SIZE // 2 for position in positions)
    assert 880 <= halves <= 1120


def test_another_key_gives_another_order() -> None:
    one, other = StatusAllocator(KEY, BASE), StatusAllocator(bytes(32), BASE)
    same = sum(one.place(sequence) == other.place(sequence) for sequence in range(1000))
    assert same < 5


def test_another_shard_has_another_order() -> None:
    allocator = StatusAllocator(KEY, BASE)
    same = sum(
        allocator.place(sequence) == allocator.place(sequence + SHARD_SIZE) - SHARD_SIZE for sequence in range(1000)
    )
    assert same < 5


def test_the_same_key_gives_the_same_order_for_ever() -> None:
    # Published positions are in artifacts for years: a change of these figures would hand out indices twice.
    allocator = StatusAllocator(KEY, BASE)
    assert [allocator.place(sequence) for sequence in (0, 1, 2, SHARD_SIZE - 1, SHARD_SIZE)] == PINNED


PINNED = [110281, 49836, 95531, 67097, 185791]


@given(st.integers(min_value=0, max_value=2**45))
def test_any_sequence_stays_in_its_shard_and_its_reference_says_which(sequence: int) -> None:
    allocator = StatusAllocator(KEY, BASE)
    ref = allocator.ref(allocator.place(sequence))
    assert ref.uri == f"{BASE}/v1/status/{sequence // SHARD_SIZE}"
    assert 0 <= ref.index < SHARD_SIZE
