"""The bytes of one copy of the state: every flipped bit, every truncation, foreign anchors (REL-18, specs/state.md)."""

from __future__ import annotations

import pytest

from carnet.client import state_sealing
from carnet.client.clock import ClockFacts
from carnet.client.fingerprint.values import Anchor
from carnet.client.state_file import (
    CHECKSUM_BYTES,
    MAX_SEQUENCE,
    Copy,
    DeviceState,
    open_copy,
    peek,
)
from carnet.client.state_sealing import seal_copy
from carnet.core.errors import UsageError
from carnet.core.instant import Instant
from carnet.formats.encoding import sha256

KEY = bytes(range(32))
ENTROPY = bytes(32)
MACHINE = Anchor(kind="linux-machine-id", value="9f4c1d6f0e7b4a0c8f5d2b3a1e6c7d88", strength="strong")
FIRMWARE = Anchor(kind="linux-product-uuid", value="4c4c4544-0042-3510-8052-b3c04f4b4e32", strength="strong")
OTHER = Anchor(kind="linux-machine-id", value="11112222333344445555666677778888", strength="strong")

SMALL = DeviceState(license_key="K", contacts=1)
FULL = DeviceState(
    license_key="AB3DE-FGH7J-KMNPQ-RSTVW-XYZ01",
    fingerprint="ab" * 32,
    device_seed=bytes(32),
    token="header.claims.signature",
    machine_file="-----BEGIN MACHINE FILE-----\nAAAA\n-----END MACHINE FILE-----",
    roots=('{"root":2}', '{"root":3}'),
    refusals=("a.b.c",),
    status_lists=("d.e.f", "g.h.i"),
    server_time=Instant(1_800_000_000),
    contacts=7,
    clock=ClockFacts(trusted_at=Instant(1_800_000_100), boot="b-1", uptime_seconds=55, behind_since=Instant(9)),
    others=(("from_a_newer_version", {"kept": [1, "two", None]}),),
)


def seal(
    state: DeviceState = SMALL,
    *,
    product: str = "hustl",
    sequence: int = 5,
    anchors: tuple[Anchor, ...] = (MACHINE,),
    earlier: Copy | None = None,
    entropy: bytes = ENTROPY,
) -> bytes:
    return seal_copy(
        state,
        product=product,
        sequence=sequence,
        key=KEY,
        anchors=anchors,
        kept=() if earlier is None else earlier.slots,
        entropy=entropy,
    )


def read(data: bytes, *anchors: Anchor, product: str = "hustl") -> Copy:
    return open_copy(data, peek(data, product), product, anchors or (MACHINE,))


def resealed(data: bytes) -> bytes:
    """*data* with a checksum that fits it again, as someone who edits the file would write it."""
    return data[:-CHECKSUM_BYTES] + sha256(data[:-CHECKSUM_BYTES])


def test_what_was_written_is_read_back() -> None:
    copy = read(seal(FULL))
    assert (copy.condition, copy.sequence, copy.state) == ("open", 5, FULL)


def test_rel_18_no_flipped_bit_is_ever_read_as_content() -> None:
    data = seal()
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            assert peek(bytes(flipped), "hustl").condition == "damaged", (position, bit)
    assert len(data) < 1024, "keep this state small: the loop is exhaustive"


def test_rel_18_no_flipped_bit_under_a_fitting_checksum_gives_other_content() -> None:
    data = seal()
    payload = len(data) - CHECKSUM_BYTES
    outcomes = set()
    for position in range(payload):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            copy = read(resealed(bytes(flipped)))
            outcomes.add(copy.condition)
            assert copy.condition != "open", (position, bit)
            assert copy.state == DeviceState()
    assert outcomes == {"damaged", "foreign", "too_new"}


def test_rel_18_no_truncation_is_ever_read_as_content() -> None:
    data = seal()
    for size in range(len(data)):
        assert peek(data[:size], "hustl").condition == "damaged", size
    for size in range(len(data) - CHECKSUM_BYTES):
        assert read(resealed(data[:size] + bytes(CHECKSUM_BYTES))).condition != "open", size


def test_rel_18_nothing_may_follow_a_state() -> None:
    assert read(seal() + b"\0").condition == "damaged"
    assert read(resealed(seal() + b"\0")).condition == "damaged"


def test_a_state_of_another_device_is_foreign_and_not_damaged() -> None:
    assert read(seal(), OTHER).condition == "foreign"
    assert read(seal(), FIRMWARE).condition == "foreign"
    assert read(seal()).condition == "open"
    assert open_copy(seal(), peek(seal(), "hustl"), "hustl", ()).condition == "foreign"


def test_any_one_anchor_opens_the_state() -> None:
    data = seal(anchors=(MACHINE, FIRMWARE))
    assert read(data, MACHINE).state == read(data, FIRMWARE).state == read(data, OTHER, FIRMWARE).state == SMALL


def test_an_anchor_that_cannot_be_read_just_now_keeps_its_slot() -> None:
    as_root = read(seal(anchors=(MACHINE, FIRMWARE)), MACHINE)
    as_user = seal(anchors=(MACHINE,), earlier=as_root, sequence=6)
    assert read(as_user, FIRMWARE).state == SMALL


def test_a_changed_anchor_gets_a_new_slot_in_place_of_the_old_one() -> None:
    before = read(seal(anchors=(MACHINE, FIRMWARE)), FIRMWARE)
    after = seal(anchors=(OTHER, FIRMWARE), earlier=before, sequence=6)
    assert read(after, OTHER).condition == read(after, FIRMWARE).condition == "open"
    assert read(after, MACHINE).condition == "foreign"


def test_sec_05_a_state_is_of_one_product() -> None:
    assert read(seal(product="inkwell")).condition == "damaged"
    assert read(seal(product="inkwell"), product="inkwell").condition == "open"


def test_sec_05_a_slot_of_one_product_does_not_open_under_anothers_name() -> None:
    moved = resealed(seal(product="hustl").replace(b'"product":"hustl"', b'"product":"fancy"'))
    assert read(moved, product="fancy").condition == "foreign"


def test_users_ask_59_a_newer_versions_state_is_told_from_damage() -> None:
    newer = resealed(seal().replace(b"carnet-state 1\n", b"carnet-state 2\n"))
    assert read(newer).condition == "too_new"
    assert peek(seal().replace(b"carnet-state 1\n", b"carnet-state 2\n"), "hustl").condition == "damaged"


def test_users_ask_59_members_of_a_newer_writer_are_kept() -> None:
    copy = read(seal(FULL))
    again = seal_copy(
        copy.state, product="hustl", sequence=6, key=copy.key, anchors=(MACHINE,), kept=copy.slots, entropy=ENTROPY
    )
    assert read(again).state.others == FULL.others


def test_sec_15_a_repeating_random_source_repeats_no_ciphertext_for_other_content() -> None:
    first, second = seal(SMALL), seal(DeviceState(license_key="L", contacts=1))
    salts = {peek(data, "hustl").header.salt for data in (first, second)}  # type: ignore[union-attr]
    assert len(salts) == 2
    assert seal(SMALL) == first
    assert seal(SMALL, entropy=b"\1" * 32) != first


def test_nothing_secret_is_readable_without_an_anchor() -> None:
    data = seal(FULL)
    assert b"AB3DE" not in data
    assert MACHINE.value.encode() not in data
    assert b"ab" * 32 not in data
    assert "AB3DE" not in repr(read(data))
    assert "AB3DE" not in repr(FULL)


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"product":"hustl","salt":"","sequence":5,"slots":[]}',
        b'{"product":"hustl","salt":"AA","sequence":-1,"slots":[{"anchor":"a","key":"","salt":""}]}',
        b'{"product":"hustl","salt":"AA","sequence":true,"slots":[{"anchor":"a","key":"","salt":""}]}',
        b'{"product":"hustl","salt":7,"sequence":1,"slots":[{"anchor":"a","key":"","salt":""}]}',
        b'{"product":"hustl","salt":"AA","sequence":1,"slots":[7]}',
        b'{"product":"hustl","salt":"AA","sequence":1,"slots":{}}',
        b'{"product":"hustl","salt":"AA","sequence":1,"slots":[{"anchor":"a","key":7,"salt":""}]}',
        b'{"product":"hustl","salt":"AA","sequence":%d,"slots":[{"anchor":"a","key":"","salt":""}]}'
        % (MAX_SEQUENCE + 1),
    ],
)
def test_an_intact_file_with_a_nonsense_header_is_damaged(header: bytes) -> None:
    payload = b"carnet-state 1\n" + header + b"\nbody"
    assert peek(payload + sha256(payload), "hustl").condition == "damaged"


@pytest.mark.parametrize("others", [(("license_key_2", "x"),), ()])
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("license_key", 7),
        ("device_seed", "!"),
        ("device_seed", 7),
        ("roots", "x"),
        ("roots", [7]),
        ("server_time", -1),
        ("server_time", "2026"),
        ("server_time", True),
        ("contacts", -1),
        ("clock", [1]),
        ("clock", {"trusted_at": "x"}),
        ("clock", {"uptime_seconds": -1}),
        ("clock", {"boot": 7}),
    ],
)
def test_an_authentic_body_with_a_nonsense_member_is_damaged(
    member: str, value: object, others: tuple[tuple[str, object], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = state_sealing.state_to_json
    with monkeypatch.context() as patch:
        patch.setattr(state_sealing, "state_to_json", lambda state: {**plain(state), member: value, **dict(others)})
        patch.setattr(state_sealing, "_is_readable", lambda *_: True)
        data = seal(FULL)
    assert read(data).condition == "damaged"


@pytest.mark.parametrize(
    "state",
    [
        DeviceState(contacts=-1),
        DeviceState(clock=ClockFacts(trusted_at=Instant(1), boot="b", uptime_seconds=-1)),
        DeviceState(license_key="half\ud800"),
        DeviceState(token="nul\0"),
        DeviceState(others=(("fraction", 0.5),)),
    ],
)
def test_nothing_is_written_that_could_not_be_read_again(state: DeviceState) -> None:
    with pytest.raises(UsageError):
        seal(state)
