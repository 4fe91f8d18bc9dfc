"""
Bytes to text and back, one spelling each: base64url, armour, digests; and the one place of kindness.

Everything here is strict except `read_kindly`, which takes what mail programs, editors and shells do to a text file
and hands on what was meant (design.md §2 rule 2). `binascii` only: `base64` costs milliseconds at start-up.
"""

from __future__ import annotations

import functools
import sys
from binascii import Error as _Base64Error
from binascii import a2b_base64, b2a_base64
from typing import Any

from carnet.core.errors import MalformedError

_TO_URL = bytes.maketrans(b"+/", b"-_")
# `-_` become `+/`; what belongs to the other alphabet, and padding, becomes a character that strict mode refuses.
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = (b"", b"", b"==", b"=")
# RFC 4648 §3.5: bits of the last character that carry no data are zero; these are the characters for which they are.
_LAST_OF_TWO = b"AQgw"
_LAST_OF_THREE = b"AEIMQUYcgkosw048"

ARMOR_COLUMNS = 64
_FIX_COPY = "Copy or fetch it again, complete and unchanged."


def b64url_encode(data: bytes) -> str:
    """*data* as base64url without padding (RFC 4648 §5, RFC 7515 §2)."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")


def b64url_decode(text: str | bytes, what: str) -> bytes:
    """
    Read base64url without padding, in its one canonical spelling (SEC-08).

    Args:
        text: Letters, digits, `-` and `_` only; length not 1 modulo 4; unused last bits zero.
        what: What this is, for the error's sentence.

    Raises:
        MalformedError: ``bad_base64``: any other spelling.
    """
    try:
        encoded = text.encode("ascii") if isinstance(text, str) else text
        rest = len(encoded) & 3
        if rest == 0 or (rest == 2 and encoded[-1] in _LAST_OF_TWO) or (rest == 3 and encoded[-1] in _LAST_OF_THREE):
            return a2b_base64(encoded.translate(_FROM_URL) + _PADDING[rest], strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are ValueErrors
        pass
    raise MalformedError("bad_base64", f"{what} is not canonical base64url.", _FIX_COPY)


def b64_encode(data: bytes) -> str:
    """*data* as standard Base64 with padding, on one line (RFC 4648 §4)."""
    return b2a_base64(data, newline=False).decode("ascii")


def b64_decode(text: str | bytes, what: str) -> bytes:
    """
    Read standard Base64 with padding, in its one canonical spelling.

    Raises:
        MalformedError: ``bad_base64``: any other spelling, line breaks among them.
    """
    try:
        encoded = text.encode("ascii") if isinstance(text, str) else text
        decoded = a2b_base64(encoded, strict_mode=True)
        # Strict mode leaves two freedoms: padding that is not needed, and the unused bits of the last character
        # (RFC 4648 §3.5).
        rest = len(decoded) % 3
        if len(encoded) == (len(decoded) + 2) // 3 * 4 and (
            rest == 0 or encoded.endswith(b2a_base64(decoded[-rest:], newline=False))
        ):
            return decoded
    except (_Base64Error, UnicodeEncodeError):
        pass
    raise MalformedError("bad_base64", f"{what} is not canonical Base64.", _FIX_COPY)


def armor(label: str, data: bytes) -> str:
    """
    *data* as an armoured text block: Base64 in lines of 64 between BEGIN and END lines; LF, no final newline.

    Args:
        label: Upper-case words, for example ``CARNET BUNDLE``.
        data: At least one byte.
    """
    body = b64_encode(data)
    lines = [body[start : start + ARMOR_COLUMNS] for start in range(0, len(body), ARMOR_COLUMNS)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"))


def dearmor(label: str, text: bytes, *, max_bytes: int) -> bytes:
    """
    Read an armoured block: the strict opposite of `armor`. Give it what `read_kindly` returned.

    Args:
        label: The label that both lines must name.
        text: The whole block and nothing else, LF line ends. Lines may be shorter than 64 characters, never longer or
            empty (contracts/licenseseat.md §3.1).
        max_bytes: Largest *text* accepted.

    Raises:
        MalformedError: ``too_large``; ``bad_armor``: not this frame; ``bad_base64``: not canonical Base64 within it.
    """
    what = f"The {label.lower()}"
    if len(text) > max_bytes:
        raise MalformedError("too_large", f"{what} is larger than {max_bytes} bytes.", _FIX_COPY)
    begin, end = b"-----BEGIN %b-----\n" % label.encode(), b"\n-----END %b-----" % label.encode()
    if len(text) > len(begin) + len(end) and text.startswith(begin) and text.endswith(end):
        body = text[len(begin) : -len(end)]
        encoded = body.replace(b"\n", b"")
        # As `armor` wraps: an LF after every 64 characters and nowhere else. Otherwise each line is looked at.
        breaks = body[ARMOR_COLUMNS :: ARMOR_COLUMNS + 1]
        as_written = len(body) == len(encoded) + len(breaks) and not breaks.strip(b"\n") and body[-1:] != b"\n"
        if as_written or _are_lines(body.split(b"\n")):
            return b64_decode(encoded, what)
    raise MalformedError("bad_armor", f"{what} does not have its BEGIN and END lines around it.", _FIX_COPY)


def _are_lines(lines: list[bytes]) -> bool:
    return all(0 < len(line) <= ARMOR_COLUMNS for line in lines)


def read_kindly(data: bytes) -> bytes:
    """
    Undo what mail programs, editors and shells do to text: the one place where Carnet is kind about bytes.

    A byte order mark is dropped (UTF-16, which some Windows shells write, becomes UTF-8), every line end becomes LF,
    blanks at the edges of lines and blank lines at the edges of the text go. Nothing else changes; strict parsers
    follow. Never use it on what a signature covers: only on the outer text that carries signed bytes.

    Args:
        data: A whole file or pasted text.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError:
            return data
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    first = data.find(b"\n")
    # Blanks at the edges of lines all lie between the character before the first LF and the one after the last.
    if first >= 0 and (b"\t" in data or b" " in data[max(first - 1, 0) : data.rfind(b"\n") + 2]):
        data = b"\n".join([line.strip(b" \t") for line in data.split(b"\n")])
    return data.strip(b" \t\n")


def sha256(data: bytes) -> bytes:
    """SHA-256 of *data* (FIPS 180-4)."""
    digest: bytes = _sha256_constructor()(data).digest()
    return digest


@functools.cache
def _sha256_constructor() -> Any:
    # The interpreter's own module where it has one: `hashlib` would load a second OpenSSL at start-up. Chosen by
    # version, because looking for a module that is not there searches the whole path.
    if sys.version_info >= (3, 12):
        try:
            from _sha2 import sha256 as new
        except ImportError:
            from hashlib import sha256 as new
    else:
        try:
            from _sha256 import sha256 as new  # type: ignore[import-not-found]
        except ImportError:
            from hashlib import sha256 as new
    return new


def sha256_hex(data: bytes) -> str:
    """SHA-256 of *data* as 64 lower-case hexadecimal digits."""
    return sha256(data).hex()


def sha256_b64url(data: bytes) -> str:
    """SHA-256 of *data* as 43 characters of base64url."""
    return b64url_encode(sha256(data))
