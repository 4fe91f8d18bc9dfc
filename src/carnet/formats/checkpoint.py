"""
Checkpoints: how large the log is and what its root hash is, signed for people who keep them elsewhere
(specs/transparency.md §4).

The body is C2SP tlog-checkpoint, the envelope C2SP signed-note with Ed25519 (signature type 0x01), so that witnesses,
monitors and tools of others read them as they are. A checkpoint is the one artifact of ours that is no JWS.

The name of the key in a note is the log's origin; which key it is, its key hash says, and the key itself comes from the
root, by role `checkpoint` and nothing else (SEC-02).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.formats.encoding import b64_decode, b64_encode, sha256
from carnet.formats.keys import PublicKey, Signer
from carnet.formats.merkle import HASH_BYTES

MAX_NOTE: Final = 16 * 1024
"""Bytes of a note. Ours take 250; a few dozen cosignatures of witnesses fit too."""

MAX_SIGNATURES: Final = 100
MAX_ORIGIN: Final = 200

_ED25519: Final = b"\x01"
_MARK: Final = "\u2014 "
_KEY_HASH_BYTES: Final = 4


class Checkpoint(Struct):
    """
    What is signed.

    Attributes:
        origin: Which log: visible ASCII without `+`, 1 to 200 characters; one for each life of an installation.
        size: Leaves of the tree, at least 0.
        root: Its root hash, 32 bytes.
    """

    origin: str
    size: int
    root: bytes


class Note(Struct):
    """
    A checkpoint as it was read. Nothing of it is verified.

    Attributes:
        unverified: What it says.
        text: The signed text, its last line feed included.
        signatures: Key name, key hash and signature of each line that may be an Ed25519 signature.
    """

    unverified: Checkpoint
    text: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]


def origin_of(issuer: str, epoch: int) -> str:
    """The origin of the log of one life of an installation (specs/transparency.md §4.1)."""
    return f"carnet/{issuer}/{epoch}"


def key_hash(name: str, key: PublicKey) -> bytes:
    """Which key a signature is by: the start of SHA-256 over name, line feed, type and key (C2SP signed-note)."""
    return sha256(name.encode() + b"\n" + _ED25519 + key.raw)[:_KEY_HASH_BYTES]


def verifier_key(name: str, key: PublicKey) -> str:
    """The key as tools for signed notes take it: name, key hash in hexadecimal, type and key in Base64."""
    return f"{name}+{key_hash(name, key).hex()}+{b64_encode(_ED25519 + key.raw)}"


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """
    The signed note for *checkpoint*.

    Args:
        checkpoint: What to sign.
        signer: The active key of role `checkpoint`, an Ed25519 key.

    Raises:
        UsageError: ``bad_checkpoint``: the origin, the size or the hash is not of the form.
    """
    if not (_is_origin(checkpoint.origin) and checkpoint.size >= 0 and len(checkpoint.root) == HASH_BYTES):
        raise UsageError("bad_checkpoint", "A checkpoint needs an origin, a size and a root hash of 32 bytes.")
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{b64_encode(checkpoint.root)}\n"
    signature = key_hash(checkpoint.origin, signer.public_key) + signer.sign(text.encode())
    return f"{text}\n{_MARK}{checkpoint.origin} {b64_encode(signature)}\n"


def read_checkpoint(data: bytes | str) -> Note:
    """
    Read a signed note whose text is a checkpoint. Extension lines and signatures of other kinds are passed over.

    Args:
        data: The note exactly as received, at most 16 KiB.

    Raises:
        MalformedError: ``bad_checkpoint``.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > MAX_NOTE:
        raise _bad(f"it is longer than {MAX_NOTE} bytes")
    try:
        whole = raw.decode()
    except UnicodeDecodeError:
        raise _bad("it is not UTF-8 text") from None
    if any((ord(c) < 0x20 and c != "\n") or ord(c) == 0x7F for c in whole):
        raise _bad("it holds control characters")
    text, blank, signed = whole.rpartition("\n\n")
    if not blank or not signed.endswith("\n"):
        raise _bad("it has no signature lines behind an empty line")
    lines = signed.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _bad("it has too many signatures")
    text += "\n"
    found = [_signature(line) for line in lines]
    return Note(
        unverified=_checkpoint(text), text=text.encode(), signatures=tuple(each for each in found if each is not None)
    )


def verify_checkpoint(note: Note, keys: Iterable[PublicKey]) -> Checkpoint:
    """
    Verify that one of *keys* signed *note* as the key of its own origin; signatures of others do not matter (C2SP
    signed-note).

    Args:
        note: As read.
        keys: Ed25519 keys that may sign checkpoints, by the root.

    Returns:
        The checkpoint.

    Raises:
        NotGenuineError: ``unknown_key``: none of them signed it; ``bad_signature``.
    """
    origin = note.unverified.origin
    known = {key_hash(origin, key): key for key in keys if key.alg == "Ed25519"}
    for name, hash_, signature in note.signatures:
        key = known.get(hash_) if name == origin else None
        if key is not None:
            key.verify(signature, note.text)
            return note.unverified
    raise NotGenuineError(
        "unknown_key",
        f"No key that is trusted for checkpoints signed the checkpoint of {origin}.",
        "Give the vendor's own root file, and a checkpoint of the same installation.",
    )


def _checkpoint(text: str) -> Checkpoint:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise _bad("it has not the lines origin, size and root hash")
    origin, size, root = lines[:3]
    is_number = size.isascii() and size.isdigit() and len(size) <= 18 and (size == "0" or size[0] != "0")
    if not is_number or not _is_origin(origin):
        raise _bad("its origin or its size is not of the form")
    try:
        hash_ = b64_decode(root, "The root hash")
    except CarnetError:
        raise _bad("its root hash is not Base64") from None
    if len(hash_) != HASH_BYTES:
        raise _bad("its root hash has not 32 bytes")
    return Checkpoint(origin=origin, size=int(size), root=hash_)


def _signature(line: str) -> tuple[str, bytes, bytes] | None:
    mark, name, encoded = line[:2], *line[2:].partition(" ")[::2]
    if mark != _MARK or not name or not encoded or "+" in name or any(map(str.isspace, name)):
        raise _bad("it has a line among its signatures that is none")
    try:
        value = b64_decode(encoded, "A signature")
    except CarnetError:
        raise _bad("it has a signature that is not Base64") from None
    if len(value) <= _KEY_HASH_BYTES:
        raise _bad("it has a signature without a signature")
    if len(value) != _KEY_HASH_BYTES + 64:
        return None
    return name, value[:_KEY_HASH_BYTES], value[_KEY_HASH_BYTES:]


def _is_origin(text: str) -> bool:
    return 0 < len(text) <= MAX_ORIGIN and all("!" <= c <= "~" and c != "+" for c in text)


def _bad(how: str) -> MalformedError:
    return MalformedError("bad_checkpoint", f"This is not a checkpoint: {how}.", "Take it as it was written, whole.")
