"""The life of signing keys: every pair of states, the wait, and the times that are noted (design.md §4)."""

from __future__ import annotations

from typing import get_args

import pytest

from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.keys import Ed25519Signer, KeyState
from carnet.server.domain.trust.life import (
    ANNOUNCE_SECONDS,
    FOLLOWING,
    check_announced_long_enough,
    moved,
)
from carnet.server.records import SigningKey

NOW = Instant(1_790_000_000)
LATER = Instant(NOW + DAY)
STATES: tuple[KeyState, ...] = get_args(KeyState)
ALLOWED = {
    ("announced", "active"),
    ("announced", "retired"),
    ("announced", "compromised"),
    ("active", "verify-only"),
    ("active", "compromised"),
    ("verify-only", "retired"),
    ("verify-only", "compromised"),
}


def key(state: KeyState = "announced") -> SigningKey:
    public = Ed25519Signer(bytes(32)).public_key
    return SigningKey(
        kid=public.kid,
        alg="Ed25519",
        roles=("token",),
        public_key=public.raw,
        location="file:k.json",
        state=state,
        announced_at=NOW,
    )


@pytest.mark.parametrize("after", STATES)
@pytest.mark.parametrize("before", STATES)
def test_a_key_goes_only_forward_through_its_life(before: KeyState, after: KeyState) -> None:
    if (before, after) in ALLOWED:
        assert moved(key(before), after, LATER).state == after
        return
    with pytest.raises(UsageError) as caught:
        moved(key(before), after, LATER)
    assert caught.value.code == "conflict"
    assert caught.value.fix


def test_every_state_says_what_may_follow_and_the_ends_are_ends() -> None:
    assert FOLLOWING.keys() == set(STATES)
    assert not FOLLOWING["retired"]
    assert not FOLLOWING["compromised"]


def test_each_step_notes_its_time_and_keeps_those_before() -> None:
    active = moved(key(), "active", LATER)
    assert (active.announced_at, active.activated_at, active.replaced_at, active.ended_at) == (NOW, LATER, None, None)
    third = Instant(LATER + 1)
    verify = moved(active, "verify-only", third)
    assert (verify.activated_at, verify.replaced_at, verify.ended_at) == (LATER, third, None)
    assert moved(verify, "retired", third).ended_at == third
    assert moved(active, "compromised", third).ended_at == third


@pytest.mark.parametrize(("seconds", "allowed"), [(DAY - 1, False), (DAY, True), (DAY + 1, True)])
def test_r_18_a_key_signs_only_when_it_was_announced_for_long_enough(seconds: int, allowed: bool) -> None:  # noqa: FBT001
    now = Instant(NOW + seconds)
    if allowed:
        check_announced_long_enough(key(), now, ANNOUNCE_SECONDS)
        return
    with pytest.raises(UsageError) as caught:
        check_announced_long_enough(key(), now, ANNOUNCE_SECONDS)
    assert caught.value.code == "key_not_announced_long_enough"
    assert str(LATER) in caught.value.message
    assert "compromise" in caught.value.fix
