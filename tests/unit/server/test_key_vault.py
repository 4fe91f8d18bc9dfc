from __future__ import annotations

import os

import pytest

from carnet.core.errors import StateError
from carnet.formats.license_key import generate_license_key
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.signing.sealing import SealingBox

VAULT = KeyVault(b"p" * 32, SealingBox(b"s" * 32, os.urandom))


def test_r_80_a_key_is_found_as_typed_and_in_its_canonical_form() -> None:
    key = generate_license_key(os.urandom)
    stored = VAULT.lookup(key)
    assert VAULT.lookups(key)[0] == stored
    assert VAULT.lookups(f"  {key}\n")[0] == stored
    for typed in (key.lower(), key.replace("-", ""), key.replace("-", " ").lower(), key.replace("0", "o")):
        assert stored in VAULT.lookups(typed)


def test_an_imported_key_is_looked_up_verbatim() -> None:
    assert VAULT.lookups("ACME-1234-öüä")[0] == VAULT.lookup("ACME-1234-öüä")
    assert VAULT.lookup("ACME-1234") != VAULT.lookup("acme-1234")


def test_sec_34_every_text_costs_two_look_ups_even_one_that_is_no_key() -> None:
    for typed in ("x", "", "\ud800", "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", generate_license_key(os.urandom)):
        assert len(VAULT.lookups(typed)) == 2


def test_sec_32_a_hash_needs_the_pepper_and_a_copy_needs_the_sealing_key() -> None:
    key = generate_license_key(os.urandom)
    other = KeyVault(b"q" * 32, SealingBox(b"t" * 32, os.urandom))
    assert VAULT.lookup(key) != other.lookup(key)
    sealed = VAULT.seal(key, "license-1")
    assert key.encode() not in sealed
    assert VAULT.open(sealed, "license-1") == key
    with pytest.raises(StateError) as caught:
        other.open(sealed, "license-1")
    assert caught.value.code == "key_does_not_open"
    assert key not in str(caught.value)


def test_a_sealed_copy_opens_only_for_its_own_license() -> None:
    sealed = VAULT.seal("K", "license-1")
    with pytest.raises(StateError, match="does not open"):
        VAULT.open(sealed, "license-2")


def test_a_license_key_and_an_admin_token_of_the_same_text_have_different_hashes() -> None:
    assert VAULT.lookup("same") != VAULT.token_hash("same")
