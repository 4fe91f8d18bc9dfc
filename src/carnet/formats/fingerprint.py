"""
Device fingerprints: the native one, and what any of them must not be; specs/fingerprint.md.

Belongs here: hashing an anchor for a product and a part for a license, and refusing values that many devices share.
Does not belong here: finding them (`carnet.client.fingerprint`), or comparing: fingerprints are compared exactly
(SEC-05), parts by `carnet.core.devices`.

Invariants: a raw hardware identifier never leaves this module (SEC-19); a native fingerprint is always 64 lower-case
hexadecimal digits, so that `license key ‖ fingerprint` splits in one way only (SEC-16).
"""

from __future__ import annotations

import functools

from carnet.core.errors import MalformedError, UsageError
from carnet.formats.encoding import sha256_hex

FINGERPRINT_CHARACTERS = 64
COMPONENT_CHARACTERS = 32

_COMPONENT_LABEL = b"carnet/v1/device-component\0"

_HEX = frozenset("0123456789abcdef")
_REPEATED = 4

_KNOWN = (
    # What boards and virtual machines say when nobody filled in the SMBIOS fields (users-ask 28…33).
    "To be filled by O.E.M.",
    "To be filled by OEM",
    "O.E.M.",
    "Default string",
    "Default",
    "System Serial Number",
    "System UUID",
    "System Product Name",
    "Base Board Serial Number",
    "Chassis Serial Number",
    "Serial Number",
    "Type2 - Board Serial Number",
    "Board Serial Number",
    "Not Applicable",
    "Not Available",
    "Not Specified",
    "Not Settable",
    "Not Present",
    "Not Set",
    "No Asset Tag",
    "Unspecified",
    "Unknown",
    "Undefined",
    "Invalid",
    "Empty",
    "None",
    "Null",
    "Nil",
    "NaN",
    "N/A",
    "INVALID_SERIAL",
    "Fill by OEM",
    "OEM",
    "XXXXXXXX",
    # UUIDs that whole product lines share.
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90AB-CDDEEFAABBCC",
    "12345678-1234-1234-1234-123456789012",
    "FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE",
    "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    # machine-id(5): before first boot, and what container images are built with.
    "uninitialized",
    # Names and counts that are not identities.
    "0",
    "localhost",
    "localhost.localdomain",
    "12345678",
    "123456789",
    "1234567890",
    "0123456789",
    "0123456789abcdef",
    "0123456789abcdef" * 2,
    "0123456789abcdef" * 4,
)

_PLACEHOLDERS = frozenset("".join(filter(str.isalnum, value.lower())) for value in _KNOWN)


def native_fingerprint(product: str, anchor: str) -> str:
    """
    The native fingerprint of a device for one product: HMAC-SHA-256 over the anchor under the product (design.md §7).

    Args:
        product: The product id, 1 character or more; UTF-8 encoded it is the HMAC key.
        anchor: What identifies the device, exactly as read, without surrounding blanks; of any length (users-ask 35).

    Returns:
        64 lower-case hexadecimal digits. Two products cannot compare notes about a device.

    Raises:
        UsageError: ``bad_product``: empty, or not encodable. ``bad_anchor``: blank, surrounded by blanks, not
            encodable, or a placeholder that many devices share (SEC-16).
    """
    import hmac

    key = _utf8(product)
    message = _utf8(anchor)
    if not key:
        raise UsageError("bad_product", "A fingerprint needs a product.", "Name the product, for example hustl.")
    if not message or anchor != anchor.strip() or is_placeholder(anchor):
        raise UsageError(
            "bad_anchor",
            "This device offers no identity of its own: the value is blank or shared by many devices.",
            "Give the device an identity: set CARNET_DEVICE_ID, or mount one into the container.",
        )
    return hmac.digest(key, message, "sha256").hex()


def component_digest(product: str, license_key: str, kind: str, value: str) -> str:
    """
    The digest of one part of a device, for one license of one product (specs/fingerprint.md §7, SEC-19, R-86).

    Keyed with the license key, it can be compared within a license, which is all that is needed: nobody without the key
    can find the value by trying, and two licenses do not show that they are used on one machine.

    Args:
        product: The product id.
        license_key: As it is stored: the canonical spelling where it has one.
        kind: What kind of part, for example ``disk-serial``.
        value: What identifies the part, exactly as read, without surrounding blanks.

    Returns:
        32 lower-case hexadecimal digits.

    Raises:
        UsageError: ``bad_anchor``: a blank value, or a placeholder that many devices share (SEC-16).
    """
    import hmac

    if is_placeholder(value) or value != value.strip() or not _utf8(value):
        raise UsageError(
            "bad_anchor",
            "This device offers no identity of its own: the value is blank or shared by many devices.",
            "Give the device an identity: set CARNET_DEVICE_ID, or mount one into the container.",
        )
    key = hmac.digest(_utf8(license_key), _COMPONENT_LABEL + _utf8(product), "sha256")
    return hmac.digest(key, _utf8(kind) + b"\0" + _utf8(value), "sha256").hex()[:COMPONENT_CHARACTERS]


def check_fingerprint(text: str) -> str:
    """
    Check a native fingerprint.

    Returns:
        *text*, unchanged.

    Raises:
        MalformedError: ``bad_fingerprint``: not 64 lower-case hexadecimal digits. ``placeholder_fingerprint``: a
            value that many devices share (SEC-16).
    """
    if not is_native(text):
        raise MalformedError(
            "bad_fingerprint",
            "The device fingerprint is not 64 lower-case hexadecimal digits.",
            "Use what `carnet fingerprint` prints on the device.",
        )
    return _not_shared(text)


def check_device_identifier(text: str) -> str:
    """
    Check a device identifier of another vendor's SDK (contracts/licenseseat.md §1.5): free-form, but still an identity.

    Returns:
        *text*, unchanged.

    Raises:
        MalformedError: ``bad_fingerprint``: not 8 … 255 bytes of UTF-8 without control characters and surrounding
            blanks. ``placeholder_fingerprint``: a value that many devices share (SEC-16).
    """
    if not 8 <= len(_utf8(text)) <= 255 or text != text.strip() or has_control_characters(text):
        raise MalformedError(
            "bad_fingerprint",
            "The device identifier is not 8 to 255 bytes of text without control characters or surrounding blanks.",
            "Send the identifier that the vendor's SDK computes.",
        )
    return _not_shared(text)


def is_native(text: str) -> bool:
    """Whether *text* has the shape of a native fingerprint: 64 lower-case hexadecimal digits."""
    return len(text) == FINGERPRINT_CHARACTERS and _HEX.issuperset(text)


def is_placeholder(text: str) -> bool:
    """
    Whether *text* is a value that many devices share: blank, four or more of one character, or a known placeholder.

    Case, blanks and punctuation do not count: `Default String` and `default-string` are the same non-answer.
    """
    plain = "".join(filter(str.isalnum, text.lower()))
    return not plain or plain in _PLACEHOLDERS or (len(plain) >= _REPEATED and len(set(plain)) == 1)


def has_control_characters(text: str) -> bool:
    """Whether *text* holds a C0 or C1 control character or DEL."""
    return any(character < " " or "\x7f" <= character <= "\x9f" for character in text)


def _not_shared(text: str) -> str:
    if is_placeholder(text) or text in _digests_of_placeholders():
        raise MalformedError(
            "placeholder_fingerprint",
            "The device fingerprint is a placeholder that many devices share.",
            "Give the device an identity: set CARNET_DEVICE_ID, or mount one into the container.",
        )
    return text


@functools.cache
def _digests_of_placeholders() -> frozenset[str]:
    """SHA-256 of nothing and of the known placeholders: what a careless client would send as a fingerprint."""
    values = ("", *_KNOWN, *map(str.lower, _KNOWN))
    return frozenset(sha256_hex(value.encode()) for value in values)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # an unpaired surrogate: no bytes stand for it
        return b""
