"""specs/status-list.md: the draft's own examples, every claim and bound, bombs, and the bits (SEC-26, SEC-27)."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jws import sign_jws, unverified_jws
from carnet.formats.keys import Ed25519Signer, KeyRing
from carnet.formats.status_list import (
    INVALID,
    SUSPENDED,
    VALID,
    StatusList,
    deflate_statuses,
    inflate_statuses,
    issue_status_list,
    pack_statuses,
    verify_status_list,
)

TYP = "statuslist+jwt"
SIGNER = Ed25519Signer(bytes(range(32)))
RING = KeyRing.single("status-list", SIGNER.public_key)
AT = 1_795_339_800
LAST = 253_402_300_799
TEN_YEARS = 10 * 365 * 86_400
URI = "https://license.example.com/v1/status/0"
LISTED = StatusList(
    issuer="installation-1",
    uri=URI,
    version=(1, 12),
    issued_at=Instant(AT),
    expires_at=Instant(AT + 86_400),
    ttl_seconds=60,
    bits=2,
    statuses=bytes((0x89, 0x44, 0x99, 0x00)),
)
CLAIMS: dict[str, Any] = {
    "iss": "installation-1",
    "sub": URI,
    "iat": AT,
    "exp": AT + 86_400,
    "ttl": 60,
    "version": [1, 12],
    "size": 16,
    "status_list": {"bits": 2, "lst": b64url_encode(zlib.compress(LISTED.statuses))},
}

# draft-ietf-oauth-status-list-20 §4.1, §4.2 and appendix C: bits, `lst`, number of statuses, those that are not 0.
MILLION = 1 << 20
DRAFT_EXAMPLES: dict[str, tuple[int, str, int, dict[int, int]]] = {
    "one bit": (1, "eNrbuRgAAhcBXQ", 16, dict.fromkeys((0, 3, 4, 5, 7, 8, 9, 13, 15), 1)),
    "two bits": (2, "eNo76fITAAPfAgc", 12, {0: 1, 1: 2, 3: 3, 5: 1, 7: 1, 8: 1, 9: 2, 10: 3, 11: 3}),
    "one bit, 2^20": (
        1,
        (
            "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAA"
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAA"
            "AJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb"
        ),
        MILLION,
        dict.fromkeys(
            (0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345),
            1,
        ),
    ),
    "two bits, 2^20": (
        2,
        (
            "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5"
            "WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            "AAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIA"
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoA"
            "AAAAAAAAAAAAAEBqH81gAQw"
        ),
        MILLION,
        {
            0: 1,
            1993: 2,
            25460: 1,
            159495: 3,
            495669: 1,
            554353: 1,
            645645: 2,
            723232: 1,
            854545: 1,
            934534: 2,
            1000345: 3,
        },
    ),
}


def signed(**changes: Any) -> str:
    return sign_jws({**CLAIMS, **changes}, typ=TYP, signer=SIGNER)


def code_of(**changes: Any) -> str | None:
    """What a list of these claims is refused with; None where it is not."""
    try:
        verify_status_list(signed(**changes), RING)
    except MalformedError as refused:
        told = (refused.code, refused.message[:15])
    else:
        return None
    assert told[1] == "The status list"
    return told[0]


def listed_as(stream: bytes, *, bits: int = 2) -> dict[str, Any]:
    return {"status_list": {"bits": bits, "lst": b64url_encode(stream)}}


def not_valid(listed: StatusList) -> dict[int, int]:
    return {index: status for index in range(listed.size) if (status := listed.status(index))}


@pytest.mark.parametrize("name", sorted(DRAFT_EXAMPLES))
def test_sec_26_the_examples_of_the_draft_read_as_it_says(name: str) -> None:
    bits, lst, size, expected = DRAFT_EXAMPLES[name]
    statuses = inflate_statuses(b64url_decode(lst, "It"), size * bits // 8)
    listed = replace(LISTED, bits=bits, statuses=statuses)
    assert listed.size == size
    near = {place for index in expected for place in (index - 1, index, index + 1) if 0 <= place < size}
    places = near | {*range(0, size, 997), size - 1}
    assert {index: listed.status(index) for index in places} == {index: expected.get(index, 0) for index in places}


@pytest.mark.parametrize("name", ["one bit", "one bit, 2^20"])
def test_sec_26_what_we_lay_out_is_what_the_draft_lays_out(name: str) -> None:
    bits, lst, size, expected = DRAFT_EXAMPLES[name]
    assert pack_statuses(size, expected) == (bits, inflate_statuses(b64url_decode(lst, "It"), size // 8))


def test_sec_26_the_short_streams_of_the_draft_are_ours_to_the_byte() -> None:
    for bits, lst, size, _ in (DRAFT_EXAMPLES["one bit"], DRAFT_EXAMPLES["two bits"]):
        stream = b64url_decode(lst, "It")
        assert deflate_statuses(inflate_statuses(stream, size * bits // 8)) == stream


def test_the_claims_are_those_of_the_spec() -> None:
    header, claims = unverified_jws(issue_status_list(LISTED, SIGNER), max_bytes=4096, what="It")
    assert header == {"alg": "EdDSA", "kid": SIGNER.kid, "typ": TYP}
    assert claims == {**CLAIMS, "status_list": {"bits": 2, "lst": claims["status_list"]["lst"]}}
    assert zlib.decompress(b64url_decode(claims["status_list"]["lst"], "It")) == LISTED.statuses


def test_what_is_signed_elsewhere_reads_the_same() -> None:
    assert verify_status_list(signed(), RING) == LISTED
    assert verify_status_list(signed().encode(), RING, uri=URI) == LISTED
    assert verify_status_list(signed(aggregation_uri="x", later=[1]), RING) == LISTED
    members = {**CLAIMS["status_list"], "aggregation_uri": "https://license.example.com/v1/status"}
    assert verify_status_list(signed(status_list=members), RING) == LISTED


@settings(max_examples=60)
@given(st.data())
def test_what_is_issued_verifies_to_the_same(data: st.DataObject) -> None:
    size = 8 * data.draw(st.integers(1, 2000))
    index = st.integers(0, size - 1)
    invalid, suspended = data.draw(st.sets(index)), data.draw(st.sets(index))
    bits, statuses = pack_statuses(size, invalid, suspended)
    listed = replace(
        LISTED,
        version=(data.draw(st.integers(0, 2**53 - 1)), data.draw(st.integers(0, 2**53 - 1))),
        issued_at=Instant(data.draw(st.integers(1, AT))),
        expires_at=Instant(AT + 1),
        bits=bits,
        statuses=statuses,
    )
    if listed.expires_at - listed.issued_at > TEN_YEARS:
        listed = replace(listed, expires_at=Instant(listed.issued_at + TEN_YEARS))
    read = verify_status_list(issue_status_list(listed, SIGNER), RING, uri=URI)
    assert read == listed
    assert bits == (2 if suspended else 1)
    assert not_valid(read) == {**dict.fromkeys(suspended, SUSPENDED), **dict.fromkeys(invalid, INVALID)}


@pytest.mark.parametrize("bits", [1, 2])
def test_sec_26_an_index_outside_the_list_rejects(bits: int) -> None:
    listed = replace(LISTED, bits=bits, statuses=bytes(16_384 * bits))
    assert listed.size == 131_072
    assert (listed.status(0), listed.status(131_071)) == (VALID, VALID)
    for index in (-131_073, -131_072, -1, 131_072, 131_073, 2**31 - 1):
        with pytest.raises(NotGenuineError) as caught:
            listed.status(index)
        assert caught.value.code == "status_index_outside"
        assert caught.value.fix


def test_sec_26_sub_is_the_address_that_was_asked_for() -> None:
    for other in (URI + "0", URI[:-1], URI + "/", URI.upper()):
        with pytest.raises(NotGenuineError) as caught:
            verify_status_list(signed(), RING, uri=other)
        assert caught.value.code == "list_mismatch"


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_sec_04_every_claim_is_needed(claim: str) -> None:
    rest = {name: value for name, value in CLAIMS.items() if name != claim}
    with pytest.raises(MalformedError) as caught:
        verify_status_list(sign_jws(rest, typ=TYP, signer=SIGNER), RING)
    assert caught.value.code == "missing_claim"
    assert caught.value.message == f"The status list has no {claim}."


@pytest.mark.parametrize("claim", ["iss", "sub"])
def test_texts_are_1_to_255_printable_characters(claim: str) -> None:
    for right in ("a", "ä" * 255, "a b"):
        assert code_of(**{claim: right}) is None
    wrong_ones: list[Any] = ["", "a" * 256, "a\nb", None, 5, True, ["a"], {}]
    assert [code_of(**{claim: wrong}) for wrong in wrong_ones] == ["bad_claim"] * 8


@pytest.mark.parametrize("claim", ["iat", "exp"])
@pytest.mark.parametrize("wrong", [0, -1, LAST + 1, "1795339800", True, None, [AT]])
def test_times_are_whole_seconds_within_what_can_be_written(claim: str, wrong: object) -> None:
    assert code_of(**{claim: wrong}) == "bad_claim"


@pytest.mark.parametrize(
    ("iat", "exp", "code"),
    [
        (AT, AT + 1, None),
        (AT, AT, "bad_times"),
        (AT, AT - 1, "bad_times"),
        (AT, AT + TEN_YEARS, None),
        (AT, AT + TEN_YEARS + 1, "bad_times"),
        (LAST - 1, LAST, None),
    ],
)
def test_a_list_ends_after_it_begins_and_within_ten_years(iat: int, exp: int, code: str | None) -> None:
    assert code_of(iat=iat, exp=exp) == code


def test_how_long_caches_keep_it_is_a_number_of_seconds() -> None:
    assert [code_of(ttl=right) for right in (1, 60, TEN_YEARS)] == [None] * 3
    wrong_ones: list[Any] = [0, -1, TEN_YEARS + 1, "60", True, None]
    assert [code_of(ttl=wrong) for wrong in wrong_ones] == ["bad_claim"] * 6


def test_sec_27_a_version_is_epoch_and_number() -> None:
    assert [code_of(version=right) for right in ([0, 0], [1, 2**53 - 1], [2**53 - 1, 0])] == [None] * 3
    wrong_ones: list[Any] = [
        [],
        [1],
        [1, 2, 3],
        [-1, 0],
        [0, -1],
        [True, 1],
        [1, False],
        ["1", "2"],
        [1, None],
        1,
        "1.2",
    ]
    assert [code_of(version=wrong) for wrong in wrong_ones] == ["bad_claim"] * len(wrong_ones)


def test_sec_26_the_size_is_bounded_and_fills_whole_bytes() -> None:
    wrong_ones: list[Any] = [0, -8, 67_108_864 + 1, "16", True, None, [16]]
    assert [code_of(size=wrong) for wrong in wrong_ones] == ["bad_claim"] * len(wrong_ones)
    assert [code_of(size=other) for other in (1, 8, 12, 15, 17, 20, 24)] == ["bad_status_list"] * 7
    assert code_of(size=12, **listed_as(zlib.compress(LISTED.statuses[:3]))) is None


def test_sec_26_the_largest_list_is_read_and_no_larger_one() -> None:
    largest = listed_as(zlib.compress(bytes(16 * 1024 * 1024), 9))
    assert code_of(size=67_108_864, **largest) is None
    assert code_of(size=67_108_864 - 8, **largest) == "bad_status_list"


def test_sec_26_a_bomb_stays_packed() -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join([packer.compress(bytes(1024 * 1024)) for _ in range(512)] + [packer.flush()])
    assert len(bomb) < 600_000
    tracemalloc.start()
    try:
        assert code_of(size=131_072, **listed_as(bomb)) == "bad_status_list"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024  # the token's own copies; half a gigabyte was asked for


def test_sec_26_the_stream_is_one_whole_zlib_stream_of_the_declared_length() -> None:
    stream = zlib.compress(LISTED.statuses)
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    gzipped = zlib.compressobj(9, zlib.DEFLATED, 31)
    with_dictionary = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, LISTED.statuses)
    wrong = {
        "longer": zlib.compress(LISTED.statuses + b"\0"),
        "shorter": zlib.compress(LISTED.statuses[:-1]),
        "empty list": zlib.compress(b""),
        "empty": b"",
        "one byte": b"x",
        "trailing byte": stream + b"\0",
        "second stream": stream + stream,
        "cut": stream[:-1],
        "without its checksum": stream[:-4],
        "another checksum": stream[:-1] + bytes((stream[-1] ^ 1,)),
        "raw": raw.compress(LISTED.statuses) + raw.flush(),
        "gzip": gzipped.compress(LISTED.statuses) + gzipped.flush(),
        "needs a dictionary": with_dictionary.compress(LISTED.statuses) + with_dictionary.flush(),
        "not packed": LISTED.statuses,
    }
    assert {name: code_of(**listed_as(each)) for name, each in wrong.items()} == dict.fromkeys(wrong, "bad_status_list")
    for level in range(10):
        assert code_of(**listed_as(zlib.compress(LISTED.statuses, level))) is None


def test_statuses_have_1_or_2_bits() -> None:
    lst = CLAIMS["status_list"]["lst"]
    assert code_of(size=32, status_list={"bits": 1, "lst": lst}) is None
    for bits in (0, 3, 4, 8, -1, True, "2", None, [2]):
        assert code_of(status_list={"bits": bits, "lst": lst}) == "bad_status_list"
    for members in ({}, {"bits": 2}, {"lst": lst}, {"bits": 2, "lst": None}, {"bits": 2, "lst": [lst]}):
        assert code_of(status_list=members) == "bad_status_list"
    wrong_ones: list[Any] = [None, [], lst, 2]
    assert [code_of(status_list=wrong) for wrong in wrong_ones] == ["bad_claim"] * 4
    assert code_of(status_list={"bits": 2, "lst": lst + "="}) == "bad_base64"


@pytest.mark.parametrize(
    "changes",
    [
        {"uri": ""},
        {"issuer": "a" * 256},
        {"version": (1, -1)},
        {"version": (1, 2, 3)},
        {"expires_at": Instant(AT)},
        {"ttl_seconds": 0},
        {"bits": 4},
        {"statuses": b""},
        {"statuses": b"\xc0\x00", "bits": 2},
        {"statuses": bytes(16 * 1024 * 1024 + 2)},
    ],
)
def test_what_no_reader_would_take_is_not_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        issue_status_list(replace(LISTED, **changes), SIGNER)
    assert caught.value.code == "bad_list"
    assert caught.value.fix
    assert caught.value.message.startswith("This cannot be a status list: The status list")


def test_sec_10_a_token_is_at_most_4_mib() -> None:
    for size, code in ((4 * 1024 * 1024, "bad_compact"), (4 * 1024 * 1024 + 1, "too_large")):
        with pytest.raises(MalformedError) as caught:
            verify_status_list("a" * size, RING)
        assert caught.value.code == code


def test_sec_26_a_list_of_half_a_million_random_bits_fits() -> None:
    statuses = random.Random(1).randbytes(65_536)  # noqa: S311 - the same bits at every run
    listed = replace(LISTED, bits=1, statuses=statuses)
    assert verify_status_list(issue_status_list(listed, SIGNER), RING) == listed


def test_sec_03_another_role_or_type_is_no_status_list() -> None:
    with pytest.raises(NotGenuineError) as caught:
        verify_status_list(signed(), KeyRing.single("token", SIGNER.public_key))
    assert caught.value.code == "unknown_key"
    with pytest.raises(MalformedError) as refused:
        verify_status_list(sign_jws(CLAIMS, typ="carnet-license+jwt", signer=SIGNER), RING)
    assert refused.value.code == "wrong_type"


def test_sec_05_a_list_with_one_bit_changed_is_not_genuine() -> None:
    head, payload, signature = issue_status_list(LISTED, SIGNER).split(".")
    claims = {**CLAIMS, "status_list": {**CLAIMS["status_list"], "lst": b64url_encode(zlib.compress(bytes(4)))}}
    other = sign_jws(claims, typ=TYP, signer=SIGNER).split(".")[1]
    assert other != payload
    with pytest.raises(CarnetError) as caught:
        verify_status_list(f"{head}.{other}.{signature}", RING)
    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize("size", [8, 16, 131_072])
def test_sec_26_the_edges_of_a_list_are_laid_out(size: int) -> None:
    bits, statuses = pack_statuses(size, (0, size - 1), (1, size - 2, 0))
    listed = replace(LISTED, bits=bits, statuses=statuses)
    assert not_valid(listed) == {0: INVALID, 1: SUSPENDED, size - 2: SUSPENDED, size - 1: INVALID}
    with pytest.raises(IndexError):
        pack_statuses(size, (size,))
