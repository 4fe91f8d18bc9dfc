"""Whatever is put into a state comes out of it, on this device and nowhere else (specs/state.md §2)."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from carnet.client.clock import ClockFacts
from carnet.client.fingerprint.values import Anchor
from carnet.client.state_file import DeviceState, open_copy, peek
from carnet.client.state_sealing import seal_copy
from carnet.core.instant import MAX_INSTANT, Instant

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
instants = st.integers(0, MAX_INSTANT).map(Instant)
anchors = st.lists(
    st.builds(Anchor, kind=st.sampled_from("abcd"), value=texts.filter(bool), strength=st.just("strong")),
    min_size=1,
    max_size=4,
    unique_by=lambda anchor: anchor.kind,
).map(tuple)
states = st.builds(
    DeviceState,
    license_key=st.none() | texts,
    fingerprint=st.none() | texts,
    device_seed=st.none() | st.binary(min_size=32, max_size=32),
    token=st.none() | texts,
    machine_file=st.none() | texts,
    roots=st.lists(texts, max_size=3).map(tuple),
    refusals=st.lists(texts, max_size=3).map(tuple),
    status_lists=st.lists(texts, max_size=3).map(tuple),
    server_time=st.none() | instants,
    contacts=st.integers(0, 2**53 - 1),
    clock=st.builds(
        ClockFacts,
        trusted_at=st.none() | instants,
        boot=st.none() | texts,
        uptime_seconds=st.integers(0, 2**40),
        behind_since=st.none() | instants,
    ),
)


@given(states, anchors, st.data(), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_state_comes_back_by_any_of_its_anchors_and_by_no_other(
    state: DeviceState, mine: tuple[Anchor, ...], data: st.DataObject, key: bytes, entropy: bytes
) -> None:
    sealed = seal_copy(state, product="p", sequence=3, key=key, anchors=mine, kept=(), entropy=entropy)
    one = data.draw(st.sampled_from(mine))
    copy = open_copy(sealed, peek(sealed, "p"), "p", (one,))
    assert (copy.condition, copy.state, copy.key) == ("open", state, key)
    other = data.draw(anchors)
    assume(not set(other) & set(mine))
    assert open_copy(sealed, peek(sealed, "p"), "p", other).condition == "foreign"


@given(st.binary(max_size=400))
def test_no_bytes_whatever_crash_the_reader(data: bytes) -> None:
    assert peek(data, "p").condition == "damaged"
    assert peek(b"carnet-state 1\n" + data, "p").condition == "damaged"
