"""
Machine files: a grant, signed, and encrypted so that it opens on one device with one license key only.

Byte-compatible with contracts/licenseseat.md §3; the native page is specs/machine-file.md, whose verification steps
are marked below. Belongs here: armour, envelope, signature, encryption, in that order and never another (SEC-14). What
stands inside is `machine_claims.py`.

Invariants: nothing is decrypted before its signature is verified; no nonce repeats under a key for different content,
even when the random source repeats (SEC-15); nothing is sealed that does not open again to the same grant.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, NoReturn

from carnet.core._base import Struct, replace
from carnet.core.errors import DoesNotOpenError, MalformedError, UsageError
from carnet.core.instant import Instant
from carnet.core.model import Grant
from carnet.formats.encoding import armor, b64url_decode, b64url_encode, dearmor, read_kindly, sha256
from carnet.formats.fingerprint import check_device_identifier
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.limits import MAX_MACHINE_FILE
from carnet.formats.machine_claims import claims_from_grant, grant_from_claims
from carnet.formats.primitives import load_aes_gcm
from carnet.formats.strict_json import dump_json, parse_object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ALGORITHM: Final = "aes-256-gcm+ed25519"
_LABEL: Final = "MACHINE FILE"
_ROLE: Final = "machine-file"
_SIGNED: Final = b"machine/"
"""What the signature puts before `enc` (contract §3.4), so that it never passes as another artifact (SEC-03)."""

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_SIGNATURE_BYTES: Final = 64
_MIN_ENTROPY: Final = 16
_NONCE_KEY_LABEL: Final = b"carnet/v1/machine-file/nonce"
_KID_CHARACTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
_FIX: Final = "Copy or fetch the machine file again, complete and unchanged."


class SealedMachineFile(Struct):
    """
    A machine file as read: its shape is right, nothing is verified. `kid` is what it claims.

    Attributes:
        enc: Ciphertext, nonce and tag as the signature covers them; may be anything.
        signature: 64 bytes.
        kid: Id of the key that is said to have signed.
    """

    enc: str
    signature: bytes
    kid: str

    def verify(self, ring: KeyRing) -> VerifiedMachineFile:
        """
        Check the signature, under the key that *ring* has for machine files.

        Raises:
            NotGenuineError: ``unknown_key``, ``retired_key``, ``compromised_key``, ``bad_signature``.
        """
        key = ring.find(_ROLE, self.kid)  # step 5
        key.verify(self.signature, _SIGNED + self.enc.encode())  # step 6: the exact text received, before decryption
        return VerifiedMachineFile(enc=self.enc, kid=self.kid)


class VerifiedMachineFile(Struct):
    """A machine file whose signature holds; only `SealedMachineFile.verify` makes one. Still closed."""

    enc: str
    kid: str

    def open(self, *, license_key: str, fingerprint: str) -> Grant:
        """
        Decrypt the file and check what it says.

        Args:
            license_key: Exactly as it was sealed: a Carnet key in its canonical spelling, an imported key verbatim.
            fingerprint: This device's.

        Returns:
            What the file grants.

        Raises:
            DoesNotOpenError: ``does_not_open``: it was sealed for another device or license key.
            MalformedError: A genuine key signed something that is no machine file; many codes, see `machine_claims`.
            NotGenuineError: ``kid_mismatch``, ``license_mismatch``, ``device_mismatch``, ``included_mismatch``.

        Does not judge time, product or status: pass the result to `core.decide`.
        """
        plaintext = decrypt(self.enc, license_key=license_key, fingerprint=fingerprint)
        claims = parse_object(plaintext, max_bytes=MAX_MACHINE_FILE, what="The machine file's content")  # step 9
        return grant_from_claims(claims, kid=self.kid, license_key=license_key, fingerprint=fingerprint)


def read_machine_file(data: bytes) -> SealedMachineFile:
    """
    Read a machine file: armour and envelope (specs/machine-file.md §7, steps 1 to 4).

    Args:
        data: A whole file or pasted text, at most 256 KiB; line ends, a byte order mark and blanks at the edges of
            lines do not matter.

    Raises:
        MalformedError: ``too_large``, ``bad_armor``, ``bad_base64``, ``bad_envelope``, ``bad_algorithm``, ``bad_kid``,
            or a code of the strict JSON reader.
    """
    if len(data) > MAX_MACHINE_FILE:  # step 1
        _refuse("too_large", f"The machine file is larger than {MAX_MACHINE_FILE} bytes.")
    envelope = parse_object(
        dearmor(_LABEL, read_kindly(data), max_bytes=MAX_MACHINE_FILE),  # step 2
        max_bytes=MAX_MACHINE_FILE,
        max_string=MAX_MACHINE_FILE,
        what="The machine file's envelope",
    )
    # step 3: exactly these members, all of them text
    enc, sig, kid = envelope.get("enc"), envelope.get("sig"), envelope.get("kid")
    if (
        len(envelope) != 4
        or type(envelope.get("alg")) is not str
        or type(enc) is not str
        or type(sig) is not str
        or type(kid) is not str
    ):
        _refuse("bad_envelope", "The machine file's envelope is not exactly enc, sig, alg and kid.")
    # step 4
    if envelope["alg"] != ALGORITHM:
        _refuse("bad_algorithm", f"The machine file is not sealed with {ALGORITHM}.")
    if not 0 < len(kid) <= 255 or kid.encode().translate(None, _KID_CHARACTERS):
        _refuse("bad_kid", "The machine file's key id is not one.")
    signature = b64url_decode(sig, "The machine file's signature")
    if len(signature) != _SIGNATURE_BYTES:
        _refuse("bad_envelope", f"The machine file's signature is not {_SIGNATURE_BYTES} bytes.")
    return SealedMachineFile(enc=enc, signature=signature, kid=kid)


def open_machine_file(data: bytes, ring: KeyRing, *, license_key: str, fingerprint: str) -> Grant:
    """
    Read, verify and open a machine file in one call.

    Args:
        data: The file as received.
        ring: The trusted keys; the role ``machine-file`` counts.
        license_key: As in `VerifiedMachineFile.open`.
        fingerprint: This device's.

    Raises:
        MalformedError, NotGenuineError, DoesNotOpenError: As the three steps.
    """
    return read_machine_file(data).verify(ring).open(license_key=license_key, fingerprint=fingerprint)


def seal_machine_file(
    grant: Grant,
    *,
    license_key: str,
    device_name: str,
    platform: str,
    signer: Signer,
    entropy: bytes,
    created: Instant | None = None,
) -> str:
    """
    Seal *grant* for its device and license key.

    Args:
        grant: Kind ``machine-file``, bound to a device and an activation, ending. `grant.kid` is the signer's or None.
        license_key: Canonical; an imported key needs an estimated 80 bits of entropy (SEC-16).
        device_name: For people, at most 255 characters; empty when unknown.
        platform: For example ``linux``; at most 255 characters; empty when unknown.
        signer: Of the role ``machine-file``.
        entropy: At least 16 bytes of OS randomness; may repeat without harm to different files (SEC-15).
        created: When the device was activated; left out when None.

    Returns:
        The armoured file: ASCII, LF line ends, no final newline. The same arguments give the same file.

    Raises:
        UsageError: ``bad_grant``, ``bad_entropy``, ``bad_license_key``, ``license_key_not_canonical``,
            ``weak_license_key``.
        MalformedError: ``bad_fingerprint``, ``placeholder_fingerprint``: the device is none.
    """
    sealed = seal_unchecked_machine_file(
        grant,
        license_key=license_key,
        device_name=device_name,
        platform=platform,
        signer=signer,
        entropy=entropy,
        created=created,
    )
    # Checked with the public half before anyone sees it (style.md §2 principle 11): it opens, and to this very grant.
    ring = KeyRing.single(_ROLE, signer.public_key)
    try:
        opened = open_machine_file(sealed.encode(), ring, license_key=license_key, fingerprint=grant.device or "")
    except MalformedError as bad:
        _misuse("bad_grant", f"The grant cannot stand in a machine file: {bad.message}")
    if opened != replace(grant, kid=signer.kid):
        _misuse("bad_grant", "The grant holds values that a machine file cannot carry.")
    return sealed


def seal_unchecked_machine_file(
    grant: Grant,
    *,
    license_key: str,
    device_name: str,
    platform: str,
    signer: Signer,
    entropy: bytes,
    created: Instant | None = None,
) -> str:
    """
    As `seal_machine_file`, without opening what was sealed: for an issuer that checks by sampling and makes grants only
    from values that it has bounded (docs/decisions/0048).

    Raises:
        UsageError, MalformedError: As `seal_machine_file`, but ``bad_grant`` only for what can be seen beforehand.
    """
    from carnet.formats.key_strength import check_sealing_key  # issuers only

    device, offline_until = grant.device, grant.offline_until
    if grant.kind != "machine-file" or device is None or offline_until is None:
        _misuse("bad_grant", "Only a grant of a machine file, for a device and with an end, can be sealed.")
    if grant.kid not in {None, signer.kid}:
        _misuse("bad_grant", "The grant names another key than the one that signs.")
    check_sealing_key(license_key)
    check_device_identifier(device)
    claims = claims_from_grant(
        grant,
        offline_until=offline_until,
        license_key=license_key,
        device_name=device_name,
        platform=platform,
        kid=signer.kid,
        created=created,
    )
    return seal_plaintext(
        dump_json(claims), license_key=license_key, fingerprint=device, signer=signer, entropy=entropy
    )


def seal_plaintext(
    plaintext: bytes, *, license_key: str, fingerprint: str, signer: Signer, entropy: bytes, nonce: bytes | None = None
) -> str:
    """
    Encrypt, sign and armour *plaintext* as it is (contract §3.1 to §3.4).

    Args:
        plaintext: The content; not looked at.
        license_key: Together with *fingerprint* it is the encryption key.
        fingerprint: The device's.
        signer: Of the role ``machine-file``.
        entropy: At least 16 bytes of OS randomness.
        nonce: Only to reproduce a published vector, 12 bytes. A nonce used twice reveals both contents.

    Raises:
        UsageError: ``bad_entropy``.

    Does not check anything about the license key, device, content or its size: `seal_machine_file` does.
    """
    cipher, _ = _aes_gcm()
    key = _encryption_key(license_key, fingerprint)
    nonce = _synthetic_nonce(key, entropy, plaintext) if nonce is None else nonce
    sealed = cipher(key).encrypt(nonce, plaintext, None)
    enc = ".".join(map(b64url_encode, (sealed[:-_TAG_BYTES], nonce, sealed[-_TAG_BYTES:])))
    signature = b64url_encode(signer.sign(_SIGNED + enc.encode()))
    # Written by hand: the contract's own order of members, and nothing in them that JSON would escape.
    envelope = f'{{"enc":"{enc}","sig":"{signature}","alg":"{ALGORITHM}","kid":"{signer.kid}"}}'
    return armor(_LABEL, envelope.encode())


def decrypt(enc: str, *, license_key: str, fingerprint: str) -> bytes:
    """
    Decrypt the `enc` of an envelope (specs/machine-file.md §7, steps 7 and 8).

    Raises:
        MalformedError: ``bad_enc``: not three parts, or nonce or tag of another length; ``bad_base64``.
        DoesNotOpenError: ``does_not_open``.

    Does not verify the signature: only `VerifiedMachineFile.open`, tests and tools call it.
    """
    cipher, invalid_tag = _aes_gcm()
    parts = enc.split(".")
    if len(parts) != 3:  # step 7
        _refuse("bad_enc", "The machine file's content is not ciphertext, nonce and tag.")
    ciphertext, nonce, tag = [b64url_decode(part, "The machine file's content") for part in parts]
    if len(nonce) != _NONCE_BYTES or len(tag) != _TAG_BYTES:
        _refuse("bad_enc", f"The machine file's nonce is not {_NONCE_BYTES} bytes or its tag not {_TAG_BYTES}.")
    try:
        return cipher(_encryption_key(license_key, fingerprint)).decrypt(nonce, ciphertext + tag, None)  # step 8
    except invalid_tag:
        raise DoesNotOpenError(
            "does_not_open",
            "This machine file was made for another device or another license key.",
            "Activate this device with its own license key.",
        ) from None


@functools.cache
def _aes_gcm() -> tuple[type[AESGCM], type[Exception]]:
    """The cipher and the exception of a tag that does not fit, loaded at the first use and not before."""
    from cryptography.exceptions import InvalidTag

    return load_aes_gcm(), InvalidTag


def _encryption_key(license_key: str, fingerprint: str) -> bytes:
    """Contract §3.3. Unambiguous where we seal: one of the two has a fixed form (SEC-16, specs/machine-file.md §4)."""
    return sha256((license_key + fingerprint).encode())


def _synthetic_nonce(key: bytes, entropy: bytes, plaintext: bytes) -> bytes:
    """
    Twelve bytes that repeat only for the same key, entropy and content (SEC-15); the content holds the file's own id.

    nonce = first 12 bytes of HMAC-SHA-256( SHA-256("carnet/v1/machine-file/nonce" ‖ key),
                                            len(entropy) as 8 bytes, big-endian ‖ entropy ‖ plaintext )
    """
    import hmac

    if len(entropy) < _MIN_ENTROPY:
        _misuse("bad_entropy", f"A machine file needs at least {_MIN_ENTROPY} bytes of randomness.")
    message = len(entropy).to_bytes(8, "big") + entropy + plaintext
    return hmac.digest(sha256(_NONCE_KEY_LABEL + key), message, "sha256")[:_NONCE_BYTES]


def _refuse(code: str, sentence: str) -> NoReturn:
    raise MalformedError(code, sentence, _FIX)


def _misuse(code: str, sentence: str) -> NoReturn:
    raise UsageError(code, sentence, "Give the machine file what its documentation asks for.") from None
