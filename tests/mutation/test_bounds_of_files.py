"""
The bounds of machine files, offline tokens, fingerprints and keys are exact, as those of `test_bounds.py` are.

The numbers stand here as the pages of `specs/` have them, not as the code names them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from carnet.core.errors import CarnetError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement
from carnet.core.policies import is_entitlement_key
from carnet.formats.compact import Reader, write_time, write_varint
from carnet.formats.device_proof import make_device_proof, verify_device_proof
from carnet.formats.fingerprint import check_device_identifier, is_placeholder
from carnet.formats.key_strength import check_sealing_key, estimated_bits
from carnet.formats.keys import check_kid, load_ed25519
from carnet.formats.license_key import last_four
from carnet.formats.machine_file import open_machine_file, read_machine_file, seal_plaintext
from carnet.formats.offline_token import verify_offline_token
from carnet.formats.reed_solomon import encode
from carnet.formats.signed_key import issue_signed_key, verify_signed_key
from carnet.formats.strict_json import dump_json
from support import machine_files, offline_tokens, signed_keys
from support.machine_file_refusals import ENVELOPE, wrapped
from support.machine_files import altered, claims_of, contract_claims, open_here, seal_claims, with_times


def code_of(function: Callable[..., Any], *arguments: Any, **options: Any) -> str | None:
    """The code that the call is refused with; None when it is not."""
    try:
        function(*arguments, **options)
    except CarnetError as refused:
        return refused.code
    return None


def opened(path: str, value: Any, claims: dict[str, Any] | None = None) -> str | None:
    return code_of(open_here, seal_claims(altered(claims or claims_of(), path, value)))


# ── machine files, machine-file.md §5, §6 and §8 ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "good", "bad", "code"),
    [
        ("data.attributes.name", ["", "x" * 255], ["x" * 256, "a\x1fb"], "bad_device_name"),
        ("data.attributes.platform", ["", "x" * 255], ["x" * 256], "bad_platform"),
        (
            "data.attributes.fingerprint_components",
            [{}, {f"n{n}": "x" for n in range(64)}, {"n" * 100: "x" * 1024}, {"": ""}],
            [{f"n{n}": "x" for n in range(65)}, {"n" * 101: "x"}, {"n": "x" * 1025}],
            "bad_components",
        ),
        ("data.attributes.metadata.carnet.jti", ["x", "x" * 255], ["", "x" * 256], "bad_jti"),
        ("data.attributes.metadata.carnet.cus", ["x", "x" * 255], ["", "x" * 256], "bad_cus"),
        ("data.attributes.metadata.carnet.lic_nbf", [1, 253402300799], [0, 253402300800], "bad_lic_nbf"),
        ("meta.grace_period", [0, 2_592_000], [-1, 2_592_001], None),
    ],
)
def test_a_member_of_a_machine_file_has_exactly_its_bounds(
    path: str, good: list[Any], bad: list[Any], code: str | None
) -> None:
    assert [opened(path, value) for value in good] == [None] * len(good)
    found = [opened(path, value) for value in bad]
    assert None not in found
    assert code is None or found == [code] * len(bad)


def test_metadata_has_up_to_256_members_with_names_of_up_to_255_bytes() -> None:
    claims = contract_claims()
    many = {f"n{number}": 1 for number in range(257)}
    assert opened("data.attributes.metadata", many, claims) == "bad_metadata"
    many.pop("n0")
    assert opened("data.attributes.metadata", many, claims) is None
    for name, code in (("x" * 255, None), ("x" * 256, "bad_metadata"), ("é" * 128, "bad_metadata")):
        assert opened("data.attributes.metadata", {name: 1}, claims) == code


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        ("plan_key", ["x", "x" * 100], ["", "x" * 101]),
        ("seat_limit", [None, 1, 2], [0, -1]),
        ("entitlements", [[], [{"key": f"k{n}", "expires_at": None} for n in range(500)]], []),
    ],
)
def test_an_included_license_has_exactly_its_bounds(path: str, good: list[Any], bad: list[Any]) -> None:
    claims = contract_claims(included=True)
    where = f"included.0.attributes.{path}"
    assert [opened(where, value, claims) for value in good] == [None] * len(good)
    assert [opened(where, value, claims) for value in bad] == ["bad_included"] * len(bad)
    more = [{"key": f"k{n}", "expires_at": None} for n in range(501)]
    assert opened("included.0.attributes.entitlements", more, claims) == "bad_entitlements"


def test_a_machine_file_begins_when_it_was_issued_or_later_and_before_its_end() -> None:
    start = 1790000000
    for nbf, exp, code in (
        (start, start + 1, None),
        (start - 1, start + 1, "bad_window"),
        (start + 1, start + 1, "bad_window"),
        (start + 1, start + 2, None),
    ):
        assert code_of(open_here, seal_claims(with_times(start, nbf, exp))) == code


def test_a_file_of_another_vendor_lives_up_to_a_hundred_years_and_ours_ten() -> None:
    start = 1790000000
    for claims, seconds in ((claims_of(), 315_360_000), (contract_claims(), 3_162_240_000)):
        claims["meta"]["license_exp"] = None
        for further, code in ((0, None), (1, "ttl_too_long")):
            changed = with_times(start, start, start + seconds + further, claims)
            assert code_of(open_here, seal_claims(changed)) == code


def test_the_device_of_a_machine_file_is_named_by_8_to_255_bytes() -> None:
    for text, code in (
        ("a1b2c3d", "bad_fingerprint"),
        ("a1b2c3d4", None),
        ("é1b2c3d", None),  # eight bytes
        ("a1" * 127 + "x", None),
        ("a1" * 128, "bad_fingerprint"),
        (" a1b2c3d4", "bad_fingerprint"),
    ):
        claims = altered(contract_claims(), "data.attributes.fingerprint", text)
        file = seal_plaintext(
            dump_json(claims),
            license_key=machine_files.LICENSE_KEY,
            fingerprint=text,
            signer=machine_files.SIGNER,
            entropy=machine_files.ENTROPY,
        )
        options = {"license_key": machine_files.LICENSE_KEY, "fingerprint": text}
        assert code_of(open_machine_file, file.encode(), machine_files.RING, **options) == code
        assert code_of(check_device_identifier, text) == code


def test_key_ids_have_up_to_64_characters_and_those_of_machine_files_up_to_255() -> None:
    for size, code in ((1, None), (255, None), (256, "bad_kid"), (0, "bad_kid")):
        file = wrapped({**ENVELOPE, "kid": "k" * size})
        assert code_of(read_machine_file, file.encode()) == code
    assert [code_of(check_kid, "k" * size) for size in (0, 1, 64, 65)] == ["bad_kid", None, None, "bad_kid"]


def test_a_machine_file_of_256_kib_is_read() -> None:
    file = machine_files.seal().encode()
    largest = file + b"\n" * (262_144 - len(file))
    assert code_of(open_here, largest) is None
    assert code_of(open_here, largest + b"\n") == "too_large"


def test_a_key_that_locks_a_machine_file_has_1_to_255_visible_characters_and_80_bits() -> None:
    words = "Aq7-Zk3-Wp9-Xr2-Vm5-Tn8-Bd4-"
    long = (words * 10)[:255]
    assert [code_of(check_sealing_key, key) for key in ("", long, long + "x")] == [
        *("bad_license_key", None),
        "bad_license_key",
    ]
    assert [code_of(check_sealing_key, f"{long[:40]}{letter}") for letter in " !~\x7f"] == [
        *("bad_license_key", None),
        *(None, "bad_license_key"),
    ]
    digits = "9471350628"
    assert estimated_bits(digits) == pytest.approx(10 * 3.3219, abs=0.01)


# ── offline tokens, offline-token.md §3 ──────────────────────────────────────────────────────────────────────────────


def offline(**changes: Any) -> str | None:
    token = {**offline_tokens.TOKEN, **changes}
    return code_of(verify_offline_token, offline_tokens.resigned(token), offline_tokens.RING)


@pytest.mark.parametrize(
    ("name", "good", "bad", "code"),
    [
        ("license_key", ["x", "!" * 512, "~"], ["", "x" * 513, "a b", "\x7f"], "bad_claim"),
        ("product_slug", ["x", "x" * 100, "a-b"], ["", "x" * 101, "-a", "a-", "a--b"], "bad_claim"),
        ("plan_key", ["x", "x" * 100], ["", "x" * 101], "bad_claim"),
        ("fingerprint", ["a1b2c3d4", "é1b2c3d", "x" * 255], ["a1b2c3d", "x" * 256], "bad_claim"),
        ("seat_limit", [1, 2], [0, -1], "bad_claim"),
        ("metadata", [{}, {f"n{n}": 1 for n in range(256)}, {"x" * 255: 1}], [{"x" * 256: 1}], "bad_claim"),
        ("iat", [1], [0], "bad_claim"),
        ("license_expires_at", [1790000001], [1790000000, 1789999999], "bad_times"),
    ],
)
def test_a_member_of_an_offline_token_has_exactly_its_bounds(
    name: str, good: list[Any], bad: list[Any], code: str
) -> None:
    assert [offline(**{name: value}) for value in good] == [None] * len(good)
    assert [offline(**{name: value}) for value in bad] == [code] * len(bad)


def test_the_lists_of_an_offline_token_have_exactly_their_bounds() -> None:
    assert offline(metadata={f"n{n}": 1 for n in range(257)}) == "bad_claim"
    entries = [{"key": f"k{n}", "expires_at": None} for n in range(501)]
    assert (offline(entitlements=entries[:500]), offline(entitlements=entries)) == (None, "bad_entitlements")
    ends = [[{"key": "a", "expires_at": 1790000000 + seconds}] for seconds in (0, 1)]
    assert [offline(entitlements=entry) for entry in ends] == ["bad_entitlements", None]


def test_the_times_of_an_offline_token_are_in_order_and_up_to_a_hundred_years_apart() -> None:
    start = 1790000000
    assert offline(nbf=start, exp=start + 1) is None
    assert offline(nbf=start - 1, exp=start + 1) == "bad_times"
    assert offline(nbf=start + 1, exp=start + 1) == "bad_times"
    assert offline(exp=start + 3_162_240_000) is None
    assert offline(exp=start + 3_162_240_001) == "bad_times"


# ── fingerprints and small things ────────────────────────────────────────────────────────────────────────────────────


def test_four_of_one_character_are_a_placeholder_and_three_are_none() -> None:
    assert [is_placeholder(text) for text in ("aaa", "aaaa", "aaab", "a-a-a", "a-a-a-a", "", "-")] == [
        *(False, True, False),
        *(False, True),
        *(True, True),
    ]


def test_a_key_is_shown_by_its_last_four_characters_or_by_its_second_half() -> None:
    assert [last_four(key) for key in ("12345678", "1234567", "123", "1", "")] == ["5678", "567", "3", "", ""]


def test_an_entitlements_key_has_1_to_100_characters() -> None:
    assert [is_entitlement_key("k" * size) for size in (0, 1, 100, 101)] == [False, True, True, False]


@pytest.mark.parametrize("number", [0, 127, 128, 16383, 16384, 2**31 - 1])
def test_numbers_are_written_in_as_few_groups_of_seven_bits_as_they_need(number: int) -> None:
    written = write_varint(number)
    assert len(written) == max(1, -(-number.bit_length() // 7))
    assert Reader(written).varint() == number


def test_times_of_signed_keys_begin_with_2026_and_end_with_9999() -> None:
    first, last = 1767225600, 253402300799
    assert write_time(Instant(first))
    assert write_time(Instant(last))
    assert [code_of(write_time, Instant(seconds)) for seconds in (first - 1, last + 1)] == ["bad_times"] * 2


def test_a_device_proof_is_in_time_within_300_seconds_either_way() -> None:
    signer = machine_files.SIGNER
    made = Instant(1790000000)
    request: dict[str, Any] = {"method": "POST", "path": "/v1/refresh", "body": b""}
    proof = make_device_proof(signer, **request, at=made, nonce="n-1")
    key = load_ed25519(signer.public_key.raw, signer.kid)
    found = [
        code_of(verify_device_proof, proof, key, **request, now=Instant(made + away)) for away in (-301, -300, 300, 301)
    ]
    assert found == ["proof_out_of_time", None, None, "proof_out_of_time"]


# ── signed license keys, signed-license-key.md §4 and §5 ─────────────────────────────────────────────────────────────


def issued(**told: Any) -> str | None:
    return code_of(lambda: issue_signed_key(signed_keys.key_grant(**told), signed_keys.SIGNER))


def test_a_signed_key_lives_from_one_second_to_ten_years() -> None:
    start = int(signed_keys.ISSUED_AT)
    ends = [start, start + 1, start + 315_360_000, start + 315_360_001]
    assert [issued(expires_at=Instant(end)) is None for end in ends] == [False, True, True, False]


def test_a_signed_keys_term_begins_after_its_issue_and_before_its_end() -> None:
    start = int(signed_keys.ISSUED_AT)
    end = Instant(start + DAY)
    for begins, good in ((start + 1, True), (start + DAY - 1, True), (start + DAY, False)):
        assert (issued(expires_at=end, starts_at=Instant(begins)) is None) is good


def test_a_signed_key_holds_features_with_ends_after_its_issue() -> None:
    start = int(signed_keys.ISSUED_AT)
    grant = signed_keys.key_grant(
        entitlements=(
            Entitlement(key="now", expires_at=Instant(start)),
            Entitlement(key="later", expires_at=Instant(start + 1)),
        )
    )
    read = verify_signed_key(issue_signed_key(grant, signed_keys.SIGNER), signed_keys.RING)
    assert [entry.key for entry in read.entitlements] == ["later"]


def test_reed_solomon_works_on_twenty_symbols() -> None:
    assert len(encode(tuple(range(20)))) == 25
