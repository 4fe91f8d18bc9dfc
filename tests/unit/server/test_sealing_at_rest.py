from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.errors import MalformedError
from carnet.server.signing.sealing import ScryptCost, derive_key, kdf_from_json, kdf_to_json, seal, unseal

KEY = bytes(range(32))
CHEAP = ScryptCost(log2_n=10)


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_was_sealed_opens_in_its_context(secret: bytes, context: bytes) -> None:
    assert unseal(seal(secret, KEY, context, os.urandom), KEY, context) == secret


def test_one_flipped_bit_another_key_another_context_or_a_shorter_text_opens_nothing() -> None:
    sealed = seal(b"secret", KEY, b"context", os.urandom)
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        assert unseal(bytes(changed), KEY, b"context") is None
    for length in range(len(sealed)):
        assert unseal(sealed[:length], KEY, b"context") is None
    assert unseal(sealed, bytes(32), b"context") is None
    assert unseal(sealed, KEY, b"context2") is None


def test_sec_15_a_random_source_that_repeats_still_repeats_no_nonce_for_other_secrets() -> None:
    nonces = {seal(b"%d" % number, KEY, b"c", bytes)[:12] for number in range(2000)}
    assert len(nonces) == 2000
    # Contexts and secrets cannot be shifted into each other.
    assert seal(b"bc", KEY, b"a", bytes)[:12] != seal(b"c", KEY, b"ab", bytes)[:12]


def test_a_passphrase_gives_its_key_again_from_what_stands_in_the_file() -> None:
    salt = os.urandom(16)
    read_salt, read_cost = kdf_from_json(kdf_to_json(salt, CHEAP))
    assert (read_salt, read_cost) == (salt, CHEAP)
    assert derive_key(b"p", read_salt, read_cost) == derive_key(b"p", salt, CHEAP)
    assert derive_key(b"q", salt, CHEAP) != derive_key(b"p", salt, CHEAP)
    assert derive_key(b"p", os.urandom(16), CHEAP) != derive_key(b"p", salt, CHEAP)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "pbkdf2"},
        {"log2_n": 9},
        {"log2_n": 21},
        {"log2_n": 64},
        {"log2_n": True},
        {"log2_n": "17"},
        {"salt": 5},
        {"salt": "not base64!"},
        {"more": 1},
    ],
)
def test_a_work_factor_from_a_file_is_bounded(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        kdf_from_json({**kdf_to_json(bytes(16), CHEAP), **change})


@pytest.mark.parametrize("log2_n", [10, 20])
def test_the_bounds_of_the_work_factor_are_inside(log2_n: int) -> None:
    assert kdf_from_json(kdf_to_json(bytes(16), ScryptCost(log2_n=log2_n)))[1].log2_n == log2_n
