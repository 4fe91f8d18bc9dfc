"""Checkpoints against the examples of C2SP and of Go's note package, and against what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.formats.checkpoint import (
    MAX_NOTE,
    Checkpoint,
    key_hash,
    origin_of,
    read_checkpoint,
    sign_checkpoint,
    verifier_key,
    verify_checkpoint,
)
from carnet.formats.encoding import b64_decode, b64_encode
from carnet.formats.keys import Ed25519Signer, load_ed25519

SIGNER = Ed25519Signer(bytes(range(32)))
OTHER = Ed25519Signer(bytes(range(1, 33)))
CHECKPOINT = Checkpoint(origin=origin_of("018f-installation", 1), size=7, root=bytes(range(32)))
NOTE = sign_checkpoint(CHECKPOINT, SIGNER)

# C2SP tlog-witness, "add-checkpoint": the example's note, with the signature of the log and that of a witness.
EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
    "zyWE+xeMcTOAYQ8=\n"
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0"
    "xUe+mbIUBkBIfZ+qnA==\n"
)


def test_the_example_of_c2sp_reads_as_it_says_and_a_witness_signature_is_passed_over() -> None:
    note = read_checkpoint(EXAMPLE)
    assert note.unverified.origin == "example.com/behind-the-sofa"
    assert note.unverified.size == 20852163
    assert b64_encode(note.unverified.root) == "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    assert [name for name, _, _ in note.signatures] == ["example.com/behind-the-sofa"]
    assert note.text.decode() == EXAMPLE.partition("\n\n")[0] + "\n"


def test_key_hashes_and_keys_are_written_as_in_c2sp_signed_note_and_in_go() -> None:
    key = load_ed25519(bytes.fromhex("e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4"))
    assert (
        verifier_key("example.com/foo", key) == "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    )
    # golang.org/x/mod/sumdb/note, ExampleSign and ExampleOpen.
    signer = Ed25519Signer(b64_decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "It")[1:])
    assert (
        verifier_key("PeterNeumann", signer.public_key)
        == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )
    text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signed = key_hash("PeterNeumann", signer.public_key) + signer.sign(text)
    assert (
        b64_encode(signed)
        == "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )


def test_a_checkpoint_is_three_lines_and_comes_back_as_it_went() -> None:
    lines = NOTE.split("\n")
    assert lines[:3] == ["carnet/018f-installation/1", "7", b64_encode(bytes(range(32)))]
    assert lines[3] == lines[5] == ""
    assert lines[4].startswith("\u2014 carnet/018f-installation/1 ")
    assert verify_checkpoint(read_checkpoint(NOTE), [OTHER.public_key, SIGNER.public_key]) == CHECKPOINT


@given(
    size=st.integers(0, 10**18 - 1),
    root=st.binary(min_size=32, max_size=32),
    origin=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="+"), min_size=1, max_size=200
    ),
)
def test_every_checkpoint_verifies_and_no_flipped_bit_does(size: int, root: bytes, origin: str) -> None:
    checkpoint = Checkpoint(origin=origin, size=size, root=root)
    note = sign_checkpoint(checkpoint, SIGNER)
    assert verify_checkpoint(read_checkpoint(note), [SIGNER.public_key]) == checkpoint
    raw = bytearray(note.encode())
    raw[(size + root[0]) % len(raw)] ^= 1 << (root[1] % 8)
    with pytest.raises((MalformedError, NotGenuineError)):
        verify_checkpoint(read_checkpoint(bytes(raw)), [SIGNER.public_key])


def test_sec_02_only_a_trusted_key_under_the_logs_own_name_counts() -> None:
    with pytest.raises(NotGenuineError) as refused:
        verify_checkpoint(read_checkpoint(NOTE), [OTHER.public_key])
    assert refused.value.code == "unknown_key"
    renamed = NOTE.replace("\u2014 carnet/018f-installation/1", "\u2014 carnet/018f-installation/2")
    with pytest.raises(NotGenuineError) as refused:
        verify_checkpoint(read_checkpoint(renamed), [SIGNER.public_key])
    assert refused.value.code == "unknown_key"
    other = sign_checkpoint(replace(CHECKPOINT, size=8), SIGNER).partition("\n\n")[2]
    with pytest.raises(NotGenuineError) as refused:
        verify_checkpoint(read_checkpoint(NOTE.partition("\n\n")[0] + "\n\n" + other), [SIGNER.public_key])
    assert refused.value.code == "bad_signature"


def test_a_witness_may_sign_beside_us() -> None:
    cosigned = NOTE + EXAMPLE.splitlines(keepends=True)[-1]
    assert verify_checkpoint(read_checkpoint(cosigned), [SIGNER.public_key]) == CHECKPOINT


BODY, SIGNED = NOTE.split("\n\n")
HASH = b64_encode(bytes(range(32)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        BODY,
        f"{BODY}\n{SIGNED}",
        f"{BODY}\n\n{SIGNED.rstrip()}",
        f"{BODY}\n\n\n",
        f"a\n7\n\n{SIGNED}",
        f"a b\n7\n{HASH}\n\n{SIGNED}",
        f"a+b\n7\n{HASH}\n\n{SIGNED}",
        f"{'a' * 201}\n7\n{HASH}\n\n{SIGNED}",
        f"a\n07\n{HASH}\n\n{SIGNED}",
        f"a\n-7\n{HASH}\n\n{SIGNED}",
        f"a\n\u0667\n{HASH}\n\n{SIGNED}",
        f"a\n{10**18}\n{HASH}\n\n{SIGNED}",
        f"a\n7\n{HASH[:-1]}\n\n{SIGNED}",
        f"a\n7\n{b64_encode(bytes(31))}\n\n{SIGNED}",
        f"a\n7\n{HASH}\n\n- a {HASH}\n",
        f"a\n7\n{HASH}\n\n\u2014 a\n",
        f"a\n7\n{HASH}\n\n\u2014 a !\n",
        f"a\r\n7\n{HASH}\n\n{SIGNED}",
        f"a\n7\n{HASH}\n\n{SIGNED * 101}",
        NOTE + " " * MAX_NOTE,
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as refused:
        read_checkpoint(text)
    assert refused.value.code == "bad_checkpoint"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(MalformedError):
        read_checkpoint(b"\xff\n\n")


def test_extension_lines_are_signed_and_passed_over() -> None:
    text = f"{BODY}\nmore of it\n"
    signature = key_hash(CHECKPOINT.origin, SIGNER.public_key) + SIGNER.sign(text.encode())
    note = read_checkpoint(f"{text}\n\u2014 {CHECKPOINT.origin} {b64_encode(signature)}\n")
    assert verify_checkpoint(note, [SIGNER.public_key]) == CHECKPOINT


@pytest.mark.parametrize(
    "checkpoint",
    [replace(CHECKPOINT, origin=""), replace(CHECKPOINT, size=-1), replace(CHECKPOINT, root=bytes(31))],
)
def test_what_is_no_checkpoint_is_not_signed(checkpoint: Checkpoint) -> None:
    with pytest.raises(UsageError) as refused:
        sign_checkpoint(checkpoint, SIGNER)
    assert refused.value.code == "bad_checkpoint"
