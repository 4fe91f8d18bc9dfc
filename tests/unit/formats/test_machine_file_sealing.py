"""Sealing machine files: nonces, and what must not be sealed (SEC-15, SEC-16)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import MalformedError, UsageError
from carnet.core.model import Policy
from carnet.formats.machine_file import _synthetic_nonce, open_machine_file, read_machine_file
from support.machine_files import (
    ENTROPY,
    FINGERPRINT,
    GRANT,
    LICENSE_KEY,
    RING,
    claims_of,
    open_here,
    seal,
    seal_claims,
)

LONG = bool(os.environ.get("CARNET_LONG"))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ── SEC-15: nonces ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_sec_15_with_a_constant_random_source_different_content_has_different_nonces() -> None:
    many = 1_000_000 if LONG else 20_000
    key = bytes(32)
    nonces = {_synthetic_nonce(key, ENTROPY, b"file %d" % i) for i in range(many)}
    assert len(nonces) == many
    assert {len(nonce) for nonce in list(nonces)[:100]} == {12}


def test_sec_15_with_the_same_content_different_randomness_has_different_nonces() -> None:
    nonces = {_synthetic_nonce(bytes(32), i.to_bytes(16, "big"), b"file") for i in range(20_000)}
    assert len(nonces) == 20_000


def test_sec_15_the_border_between_randomness_and_content_counts() -> None:
    assert _synthetic_nonce(bytes(32), bytes(16) + b"a", b"b") != _synthetic_nonce(bytes(32), bytes(16), b"ab")
    assert _synthetic_nonce(bytes(32), bytes(16), b"x") != _synthetic_nonce(b"\x01" + bytes(31), bytes(16), b"x")


def test_sec_15_sealed_files_of_one_device_never_share_a_nonce() -> None:
    files = [seal(grant=replace(GRANT, id=f"mf-{i}")) for i in range(50)]
    assert len({read_machine_file(file.encode()).enc.split(".")[1] for file in files}) == 50


@pytest.mark.parametrize("size", [0, 15])
def test_sec_15_too_little_randomness_is_a_mistake_of_the_caller(size: int) -> None:
    with pytest.raises(UsageError) as refused:
        seal(entropy=bytes(size))
    assert refused.value.code == "bad_entropy"
    assert seal(entropy=bytes(16))


# ── SEC-16: what may be sealed ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"license_key": ""}, "bad_license_key"),
        ({"license_key": LICENSE_KEY + " "}, "bad_license_key"),
        ({"license_key": LICENSE_KEY.replace("-", "\u2013")}, "bad_license_key"),
        ({"license_key": "É" * 30}, "bad_license_key"),
        ({"license_key": "K7" * 128}, "bad_license_key"),
        ({"license_key": LICENSE_KEY.lower()}, "license_key_not_canonical"),
        ({"license_key": LICENSE_KEY.replace("-", "")}, "license_key_not_canonical"),
        ({"license_key": LICENSE_KEY.replace("0", "O")}, "license_key_not_canonical"),
        ({"license_key": "ABC-123"}, "weak_license_key"),
        ({"license_key": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"}, "weak_license_key"),
        ({"device": ""}, "bad_fingerprint"),
        ({"device": "short"}, "bad_fingerprint"),
        ({"device": "0" * 64}, "placeholder_fingerprint"),
        ({"device": "Default string"}, "placeholder_fingerprint"),
        ({"device": sha256("")}, "placeholder_fingerprint"),
        ({"device": None}, "bad_grant"),
        ({"offline_until": None}, "bad_grant"),
        ({"activation_id": None}, "bad_grant"),
        ({"activation_id": ""}, "bad_grant"),
        ({"kind": "token"}, "bad_grant"),
        ({"kid": "another"}, "bad_grant"),
        ({"product": "Not A Slug"}, "bad_grant"),
        ({"id": ""}, "bad_grant"),
        ({"issued_at": GRANT.offline_until}, "bad_grant"),
        ({"policy": replace(GRANT.policy, grace_seconds=30 * 86400 + 1)}, "bad_grant"),
        ({"policy": replace(GRANT.policy, seat_limit=0)}, "bad_grant"),
        ({"device_name": "x" * 256}, "bad_grant"),
        ({"device_name": "line\nbreak"}, "bad_grant"),
        ({"platform": "\x1b[31m"}, "bad_grant"),
    ],
)
def test_sec_16_what_must_not_be_sealed_is_refused(changes: dict[str, Any], code: str) -> None:
    in_grant = {name: value for name, value in changes.items() if name in GRANT.__fields__}
    others = {name: value for name, value in changes.items() if name not in GRANT.__fields__}
    with pytest.raises(MalformedError if "fingerprint" in code else UsageError) as refused:
        seal(grant=replace(GRANT, **in_grant), **others)
    assert refused.value.code == code
    assert refused.value.fix
    assert LICENSE_KEY not in str(refused.value)


def test_sec_16_distinct_pairs_never_share_a_key_while_fingerprints_are_native() -> None:
    # The border is always 64 characters from the end, so the concatenation splits in one way.
    keys = [LICENSE_KEY, "KT4Q-9ZXW-22LM-7PRD", LICENSE_KEY + "0", LICENSE_KEY[:-1], FINGERPRINT, FINGERPRINT[:32]]
    devices = [FINGERPRINT, FINGERPRINT[1:] + "0", "0" + FINGERPRINT[:-1], FINGERPRINT[::-1]]
    assert len({sha256(key + device) for key in keys for device in devices}) == len(keys) * len(devices)


def test_an_imported_key_seals_and_opens_verbatim() -> None:
    key = "KT4Q-9ZXW-22LM-7PRD"
    sealed = seal(license_key=key)
    assert open_machine_file(sealed.encode(), RING, license_key=key, fingerprint=FINGERPRINT) == GRANT


def test_a_grant_without_key_id_gets_the_signers() -> None:
    assert open_here(seal(grant=replace(GRANT, kid=None)).encode()) == GRANT


def test_a_grant_too_large_for_a_file_is_refused() -> None:
    domains = tuple(f"{'x' * 60}.{'y' * 60}.{'z' * 60}.host-{i}.example.com" for i in range(500))
    policy = Policy(name="huge", domains=domains, essential=tuple(f"{'k' * 95}{i:03d}" for i in range(500)))
    with pytest.raises(UsageError) as refused:
        seal(grant=replace(GRANT, policy=policy, entitlements=()))
    assert refused.value.code == "bad_grant"
    assert "larger than 262144 bytes" in refused.value.message


def test_what_a_file_would_not_give_back_is_not_sealed() -> None:
    untyped = replace(GRANT, entitlements=list(GRANT.entitlements))  # a list where a tuple belongs: reads back unequal
    with pytest.raises(UsageError) as refused:
        seal(grant=untyped)
    assert refused.value.code == "bad_grant"


def test_seal_claims_of_the_tests_is_what_seal_machine_file_writes() -> None:
    assert seal_claims(claims_of()) == seal(created=GRANT.issued_at).encode()


def test_importing_the_module_loads_no_cryptography() -> None:
    script = (
        "import sys; import carnet.formats.machine_file; "
        "heavy = ('cryptography', 'json', 'base64', 'hmac', 'hashlib', 'math', 'carnet.formats.license_key'); "
        "print([name for name in heavy if name in sys.modules and name not in before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; before = set(sys.modules); {script}"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]"
