"""What holds for every machine file (specs/machine-file.md §3, §7)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.core.errors import CarnetError, DoesNotOpenError, NotGenuineError
from carnet.core.instant import Instant
from carnet.core.model import Grant
from carnet.formats.machine_file import open_machine_file, read_machine_file, seal_machine_file
from support.machine_files import (
    ENTROPY,
    FINGERPRINT,
    GRANT,
    LICENSE_KEY,
    RING,
    SIGNER,
    TEXTS,
    grants,
    open_here,
)

SEALED = seal_machine_file(
    GRANT, license_key=LICENSE_KEY, device_name="Atelier", platform="linux", signer=SIGNER, entropy=ENTROPY
)
ENVELOPE = read_machine_file(SEALED.encode())


@settings(max_examples=settings().max_examples // 10 + 100)  # each example signs three times
@given(
    grant=grants(),
    name=st.just("") | TEXTS,
    platform=st.sampled_from(["", "linux", "macos", "windows"]),
    entropy=st.binary(min_size=16, max_size=40),
    created=st.none() | st.integers(0, 4 * 10**9).map(Instant),
)
def test_what_is_sealed_opens_to_the_same_grant(
    grant: Grant, name: str, platform: str, entropy: bytes, created: Instant | None
) -> None:
    sealed = seal_machine_file(
        grant,
        license_key=LICENSE_KEY,
        device_name=name,
        platform=platform,
        signer=SIGNER,
        entropy=entropy,
        created=created,
    )
    assert open_here(sealed.encode()) == grant
    assert sealed == seal_machine_file(
        grant,
        license_key=LICENSE_KEY,
        device_name=name,
        platform=platform,
        signer=SIGNER,
        entropy=entropy,
        created=created,
    )


@given(bit=st.integers(0, 8 * len(SEALED) - 1))
def test_sec_14_one_flipped_bit_never_gives_other_content(bit: int) -> None:
    data = bytearray(SEALED.encode())
    data[bit // 8] ^= 1 << bit % 8
    try:
        grant = open_here(bytes(data))
    except CarnetError:
        return
    assert grant == GRANT  # a changed line end within the armour: the same bytes inside


@given(
    signature=st.binary(min_size=64, max_size=64)
    | st.integers(0, 511).map(
        lambda bit: bytes(byte ^ (1 << bit % 8 if i == bit // 8 else 0) for i, byte in enumerate(ENVELOPE.signature))
    ),
)
def test_no_other_signature_verifies(signature: bytes) -> None:
    with pytest.raises(NotGenuineError):
        type(ENVELOPE)(enc=ENVELOPE.enc, signature=signature, kid=ENVELOPE.kid).verify(RING)


@given(data=st.binary(max_size=2000) | st.text(max_size=2000).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_sec_11_anything_else_is_refused_with_a_code(data: bytes) -> None:
    with pytest.raises(CarnetError):
        open_machine_file(data, RING, license_key=LICENSE_KEY, fingerprint=FINGERPRINT)


@given(license_key=TEXTS, fingerprint=TEXTS)
def test_it_opens_with_its_own_key_and_device_only(license_key: str, fingerprint: str) -> None:
    verified = ENVELOPE.verify(RING)
    for wrong in (
        {"license_key": license_key, "fingerprint": FINGERPRINT},
        {"license_key": LICENSE_KEY, "fingerprint": fingerprint},
        {"license_key": license_key, "fingerprint": fingerprint},
        {"license_key": LICENSE_KEY.lower(), "fingerprint": FINGERPRINT},
    ):
        with pytest.raises(DoesNotOpenError) as refused:
            verified.open(**wrong)
        assert refused.value.code == "does_not_open"
    assert verified.open(license_key=LICENSE_KEY, fingerprint=FINGERPRINT) == GRANT
