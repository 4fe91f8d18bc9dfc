"""The estimate of a license key's entropy: from below, and the same for keys of the same making (SEC-16)."""

# ruff: noqa: S311 - the same keys in every run
from __future__ import annotations

import random
import string

import pytest

from carnet.core.errors import UsageError
from carnet.formats.key_strength import MIN_KEY_BITS, check_sealing_key, estimated_bits
from carnet.formats.license_key import generate_license_key

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def test_our_own_keys_have_100_bits() -> None:
    key = generate_license_key(random.Random(1).randbytes)
    assert estimated_bits(key) == 100
    check_sealing_key(key)
    check_sealing_key("00000-00000-00000-00000-00000")  # as likely as any other


@pytest.mark.parametrize(
    "weak",
    [
        "x",
        "ABC-123",
        "12345678",
        "1234567890123456",
        "4821-9930-1172-8841-0093",
        "AAAA-AAAA-AAAA-AAAA",
        "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE",
        "1234-5678-ABCD-EFGH",
        "ABCDE-FGHIJ-KLMNO-PQRST-UVWXY",
        "ZYXWVUTSRQPONMLKJIHGFEDCBA",
        "TEST-TEST-TEST-TEST-TEST",
        "AB12-AB12-AB12-AB12-AB12",
        "ABABABABABABABABABABABABABABABABABAB",
        "password-password-password",
        "correct-horse-battery-staple",
        "licensekeyforacmecorporation",
        "KT4Q-9ZXW-22LM",
        "0123456789abcdef",
        "----------------------------",
        "a" * 255,
        "!@#$%^&*()!@#$%^&*()",
    ],
)
def test_sec_16_easy_keys_do_not_lock_a_machine_file(weak: str) -> None:
    assert estimated_bits(weak) < MIN_KEY_BITS
    with pytest.raises(UsageError) as refused:
        check_sealing_key(weak)
    assert refused.value.code == "weak_license_key"
    assert weak not in str(refused.value) or len(weak) == 1


@pytest.mark.parametrize(
    "strong",
    [
        "KT4Q-9ZXW-22LM-7PRD",  # the contract's own example: 16 symbols of 5 bits
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "pk_live_9f3Kq0ZxV7bR2mWnT4cY",
        "4821-9930-1172-8841-0093-5512-7781",
    ],
)
def test_keys_from_generators_do(strong: str) -> None:
    assert estimated_bits(strong) >= MIN_KEY_BITS
    check_sealing_key(strong)


@pytest.mark.parametrize(
    ("alphabet", "length", "accepted"),
    [
        (CROCKFORD, 15, False),
        (CROCKFORD, 16, True),
        (CROCKFORD, 20, True),
        ("0123456789abcdef", 19, False),
        ("0123456789ABCDEF", 32, True),
        (string.digits, 24, False),
        (string.ascii_letters + string.digits, 13, False),
        (string.ascii_letters + string.digits, 16, True),
    ],
)
def test_keys_of_one_generator_are_treated_alike(alphabet: str, length: int, accepted: bool) -> None:  # noqa: FBT001
    rng = random.Random(3)
    keys = ["".join(rng.choices(alphabet, k=length)) for _ in range(2000)]
    grouped = ["-".join(key[i : i + 4] for i in range(0, length, 4)) for key in keys]
    passed = sum(estimated_bits(key) >= MIN_KEY_BITS for key in grouped)
    if accepted:
        assert passed > 0.98 * len(keys)
    else:
        assert passed == 0


def test_the_estimate_never_exceeds_what_the_alphabet_holds() -> None:
    rng = random.Random(4)
    for alphabet, bits in ((CROCKFORD, 5.0), ("0123456789abcdef", 4.0), (string.digits, 3.33)):
        for length in (1, 8, 16, 40):
            assert estimated_bits("".join(rng.choices(alphabet, k=length))) <= bits * length


def test_more_of_the_same_is_not_more_entropy() -> None:
    assert estimated_bits("K7DQ" * 20) < 30
    assert estimated_bits("K7DQ2M9X4R1T8W3Z" * 3) < estimated_bits("K7DQ2M9X4R1T8W3Z") + 16


def test_a_group_of_six_letters_may_be_a_word_and_five_are_not() -> None:
    assert estimated_bits("BRIDGE-7") < estimated_bits("BRIDG-7")
