"""SEC-19, R-86: which changes of a device are still the same device; every combination, and the edges of the rule."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.devices import (
    MAX_STRONG,
    REBIND_PERIOD_SECONDS,
    REBINDS_BESIDE_SEATS,
    STRONG,
    WEAK,
    Component,
    count_rebind,
    may_rebind,
    overlap,
    same_device,
    strong_digests,
)
from carnet.core.instant import Instant
from carnet.core.tallies import Tally

NOW = Instant(1_900_000_000)
WEIGHTS = {**STRONG, **WEAK}
LAPTOP = ("linux-machine-id", "linux-product-uuid", "disk-serial", "board-serial", "network-card", "model")


def parts(kinds: tuple[str, ...], owner: str = "mine") -> tuple[Component, ...]:
    return tuple((kind, f"{owner}-{kind}") for kind in kinds)


ENROLLED = parts(LAPTOP)


def with_changed(changed: tuple[str, ...]) -> tuple[Component, ...]:
    return tuple((kind, f"new-{kind}" if kind in changed else digest) for kind, digest in ENROLLED)


def test_sec_19_the_drift_table_of_every_combination_of_changed_parts() -> None:
    """All 64: the same device exactly where half of the weight and something strong are left."""
    kept_seats = 0
    for count in range(len(LAPTOP) + 1):
        for changed in itertools.combinations(LAPTOP, count):
            left = [kind for kind in LAPTOP if kind not in changed]
            expected = 2 * sum(map(WEIGHTS.__getitem__, left)) >= 15 and any(kind in STRONG for kind in left)
            result = overlap(ENROLLED, with_changed(changed))
            assert result.is_same_device is expected, changed
            assert result.changed == tuple(sorted(changed))
            assert result.total == 15
            kept_seats += expected
    assert kept_seats == 32


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ((), True),
        (("network-card",), True),  # a dock, a new card, a VPN
        (("disk-serial",), True),
        (("linux-machine-id",), True),  # the system was installed anew
        (("linux-machine-id", "disk-serial"), True),  # on a new disk
        (("linux-product-uuid", "board-serial", "network-card"), True),  # a new board
        (("linux-product-uuid", "board-serial", "network-card", "model"), False),  # and another model: 7 of 15
        (("linux-machine-id", "linux-product-uuid"), False),
        (LAPTOP, False),
    ],
)
def test_r_38_what_happens_to_computers(changed: tuple[str, ...], *, same: bool) -> None:
    assert overlap(ENROLLED, with_changed(changed)).is_same_device is same


def test_half_of_the_weight_is_the_edge_at_minus_1_0_plus_1() -> None:
    enrolled = parts(("linux-machine-id", "board-serial", "network-card", "model"))  # 4 + 2 + 1 + 1 = 8
    assert overlap(enrolled, parts(("linux-machine-id",))).is_same_device  # 4 of 8
    enrolled = parts(("linux-machine-id", "disk-serial", "network-card"))  # 4 + 3 + 1 = 8
    assert not overlap(enrolled, parts(("disk-serial",))).is_same_device  # 3 of 8
    assert overlap(enrolled, parts(("disk-serial", "network-card"))).is_same_device  # 4 of 8
    enrolled = parts(("linux-machine-id", "disk-serial", "board-serial"))  # 9
    assert overlap(enrolled, parts(("disk-serial", "board-serial"))).is_same_device  # 5 of 9
    assert not overlap(enrolled, parts(("disk-serial",))).is_same_device


def test_sec_19_weak_parts_alone_are_never_a_device_however_many() -> None:
    """Serial numbers stand on boxes, and network cards are seen on the network."""
    enrolled = parts(tuple(WEAK))
    assert not overlap(enrolled, enrolled).is_same_device
    assert overlap((*enrolled, *parts(("linux-machine-id",))), enrolled).matched == 4
    assert not overlap((*enrolled, *parts(("linux-machine-id",))), enrolled).is_same_device  # 4 of 8, none strong


def test_an_adversary_gains_nothing_by_sending_more_less_or_other_kinds() -> None:
    known = parts(("network-card", "model", "board-serial"))
    assert not overlap(ENROLLED, known).is_same_device
    # Everything known, under every kind: a digest counts only under its own.
    relabelled = tuple((kind, digest) for kind in WEIGHTS for _, digest in known)
    assert not overlap(ENROLLED, (*known, *relabelled)).is_same_device
    # A pile of guesses.
    guesses = tuple((kind, f"guess-{n}") for kind in WEIGHTS for n in range(50))
    assert overlap(ENROLLED, guesses).matched == 0
    # Leaving out what differs changes nothing.
    stolen = parts(("disk-serial", "model"))
    assert overlap(ENROLLED, stolen) == overlap(ENROLLED, (*stolen, ("linux-machine-id", "another")))


def test_kinds_of_a_newer_version_and_declared_ones_do_not_count() -> None:
    extended = (*ENROLLED, ("tpm-key", "x"), ("declared", "y"))
    assert overlap(extended, ENROLLED).total == 15
    assert not overlap(parts(("tpm-key", "declared")), parts(("tpm-key", "declared"))).is_same_device
    assert not overlap((), ENROLLED).is_same_device


def test_of_several_disks_one_is_enough_and_counts_once() -> None:
    enrolled = (("disk-serial", "a"), ("disk-serial", "b"), ("linux-machine-id", "m"))
    result = overlap(enrolled, (("disk-serial", "b"),))
    assert (result.matched, result.total, result.changed) == (3, 7, ("linux-machine-id",))
    assert overlap((("disk-serial", "a"), ("disk-serial", "a")), (("disk-serial", "a"),)).matched == 3


def test_clones_are_told_apart_by_nothing_and_take_seats_of_their_own() -> None:
    other = parts(LAPTOP, "other")
    assert same_device([other, ENROLLED], with_changed(("linux-machine-id",))) == 1
    assert same_device([ENROLLED, ENROLLED], ENROLLED) is None
    assert same_device([], ENROLLED) is None
    assert same_device([other], ENROLLED) is None


@pytest.mark.parametrize("seats", [0, 1, 25])
def test_users_ask_30_a_seat_may_follow_so_often_in_a_year(seats: int) -> None:
    tally = Tally()
    for _ in range(REBINDS_BESIDE_SEATS + seats):
        assert may_rebind(tally, seats, NOW)
        tally = count_rebind(tally, NOW)
    assert not may_rebind(tally, seats, NOW)
    assert not may_rebind(tally, seats, Instant(NOW + REBIND_PERIOD_SECONDS - 1))
    assert may_rebind(tally, seats, Instant(NOW + REBIND_PERIOD_SECONDS))
    assert count_rebind(tally, Instant(NOW + REBIND_PERIOD_SECONDS)).count == 1


def test_the_weights_are_those_of_the_page() -> None:
    page = (Path(__file__).resolve().parents[3] / "specs" / "fingerprint.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*`) \| (\d) \| (yes|no) \|", page, re.MULTILINE)
    told = {
        (kind, int(weight), strong == "yes") for kinds, weight, strong in rows for kind in re.findall(r"`(.*?)`", kinds)
    }
    assert told == {(kind, weight, kind in STRONG) for kind, weight in WEIGHTS.items()}
    assert len(told) == 10


def test_storage_is_asked_for_strong_digests_and_not_for_many() -> None:
    assert strong_digests(ENROLLED) == tuple(digest for kind, digest in ENROLLED if kind in STRONG)
    many = tuple(("disk-serial", str(number)) for number in range(100))
    assert strong_digests(many) == tuple(str(number) for number in range(MAX_STRONG))


_components = st.lists(st.tuples(st.sampled_from([*WEIGHTS, "unknown"]), st.sampled_from("abcd")), max_size=12)


@given(_components, _components)
def test_more_of_the_same_never_makes_a_device_less_itself(enrolled: list[Component], offered: list[Component]) -> None:
    result = overlap(enrolled, offered)
    assert 0 <= result.matched <= result.total
    assert overlap(enrolled, [*offered, *enrolled]).matched == result.total
    assert overlap(list(reversed(enrolled)), list(reversed(offered))) == result
    if result.is_same_device:
        assert overlap(enrolled, [*offered, ("model", "z")]).is_same_device
