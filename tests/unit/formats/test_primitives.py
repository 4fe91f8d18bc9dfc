"""The short way to the primitives leads to the same classes as the public one, and falls back to it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.bindings import _rust
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carnet.formats.primitives import load_aes_gcm, load_ed25519_verifier

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
from carnet.formats.primitives import load_aes_gcm, load_ed25519_verifier
load_aes_gcm(), load_ed25519_verifier({RAW!r})
print([name for name in sys.modules if name.startswith("cryptography.hazmat.primitives")])
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
