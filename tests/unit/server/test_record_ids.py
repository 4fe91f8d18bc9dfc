from __future__ import annotations

import os
import uuid

from hypothesis import given
from hypothesis import strategies as st

from carnet.core.instant import Instant
from carnet.server.domain.ids import Ids

NOW = Instant(1_790_000_000)


def test_an_id_is_a_uuid_of_version_7_that_says_when() -> None:
    made = uuid.UUID(Ids(os.urandom).new(NOW))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == NOW * 1000


def test_ids_of_one_second_are_different_and_in_order() -> None:
    ids = Ids(bytes)  # even where the random source repeats
    made = [ids.new(NOW) for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == 10_000


@given(st.lists(st.integers(min_value=1, max_value=253402300799), min_size=2, max_size=40))
def test_ids_keep_their_order_whatever_the_clock_does(times: list[int]) -> None:
    ids = Ids(lambda n: b"\xff" * n)
    made = [ids.new(Instant(at)) for at in times]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
