"""The short way to the primitives leads to what the public one does, and falls back to it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.bindings import _rust
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from carnet.formats.primitives import hkdf_sha256, load_aes_gcm, load_ed25519_verifier

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RAW = PRIVATE.public_key().public_bytes_raw()


def test_the_cipher_is_the_public_class() -> None:
    assert load_aes_gcm() is AESGCM


def test_the_verifier_is_that_of_the_public_class() -> None:
    verify = load_ed25519_verifier(RAW)
    assert type(verify.__self__) is type(Ed25519PublicKey.from_public_bytes(RAW))  # type: ignore[attr-defined]


@pytest.mark.parametrize("hidden", [False, True])
def test_both_work_where_the_compiled_module_keeps_them_elsewhere(
    *, hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hidden:
        monkeypatch.setattr(_rust, "openssl", object())
    assert load_aes_gcm() is AESGCM
    verify = load_ed25519_verifier(RAW)
    verify(PRIVATE.sign(b"m"), b"m")
    with pytest.raises(InvalidSignature):
        verify(PRIVATE.sign(b"m"), b"n")


def test_nothing_around_them_is_loaded() -> None:
    script = f"""
import sys
from carnet.formats.primitives import hkdf_sha256, load_aes_gcm, load_ed25519_verifier
load_aes_gcm(), load_ed25519_verifier({RAW!r}), hkdf_sha256(b"s", salt=b"s", info=b"i", length=44)
print([name for name in sys.modules if name.startswith("cryptography.hazmat.primitives")])
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


# RFC 5869, appendix A.1 to A.3.
HKDF_VECTORS = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        (
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    ),
    (
        "0b" * 22,
        "",
        "",
        42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("secret", "salt", "info", "length", "okm"), HKDF_VECTORS)
def test_hkdf_gives_the_rfcs_figures(secret: str, salt: str, info: str, length: int, okm: str) -> None:
    made = hkdf_sha256(bytes.fromhex(secret), salt=bytes.fromhex(salt), info=bytes.fromhex(info), length=length)
    assert made.hex() == okm


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200), st.integers(1, 300))
def test_hkdf_agrees_with_the_library(secret: bytes, salt: bytes, info: bytes, length: int) -> None:
    library = HKDF(SHA256(), length, salt, info).derive(secret)
    assert hkdf_sha256(secret, salt=salt, info=info, length=length) == library


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200])
def test_hkdf_agrees_with_the_library_at_the_block_size_of_its_salt(size: int) -> None:
    library = HKDF(SHA256(), 8160, bytes(range(256))[:size], b"i").derive(b"s")
    assert hkdf_sha256(b"s", salt=bytes(range(256))[:size], info=b"i", length=8160) == library
