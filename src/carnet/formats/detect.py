"""
Which kind of artifact a file is, by its outer form alone. Reading it properly, and trusting it, comes after.
"""

from __future__ import annotations

from typing import Final, Literal

from carnet.core.errors import MalformedError
from carnet.formats import answer, bundle, license_token, root
from carnet.formats.encoding import read_kindly
from carnet.formats.jws import unverified_jws
from carnet.formats.license_key import canonical_license_key
from carnet.formats.limits import MAX_BUNDLE, MAX_LICENSE_KEY_TYPED, MAX_ROOT, MAX_TOKEN
from carnet.formats.strict_json import parse_object

Kind = Literal["token", "machine-file", "bundle", "root", "answer", "license-key"]

_TYPES: Final[dict[object, Kind]] = {license_token.TYP: "token", answer.TYP: "answer"}
_MACHINE_FILE: Final = b"-----BEGIN MACHINE FILE-----\n"
_BUNDLE: Final = b"-----BEGIN %b-----\n" % bundle.LABEL.encode()


def detect(data: bytes) -> Kind:
    """
    Tell what *data* is meant to be.

    Args:
        data: A file's content, of any size and kind.

    Raises:
        MalformedError: ``unknown_artifact``: none of ours.

    Verifies nothing.
    """
    text = read_kindly(data) if len(data) <= MAX_BUNDLE else b""
    if text.startswith(_MACHINE_FILE):
        return "machine-file"
    if text.startswith(_BUNDLE):
        return "bundle"
    try:
        if text.startswith(b"{"):
            if parse_object(text, max_bytes=MAX_ROOT, what="This", max_string=MAX_ROOT).get("payloadType") == (
                root.PAYLOAD_TYPE
            ):
                return "root"
        elif len(text) <= MAX_LICENSE_KEY_TYPED and canonical_license_key(text.decode()) is not None:
            return "license-key"
        else:
            header, _ = unverified_jws(text, max_bytes=MAX_TOKEN, what="This")
            typ = header.get("typ")
            if isinstance(typ, str) and typ in _TYPES:
                return _TYPES[typ]
    except (MalformedError, UnicodeDecodeError):
        pass
    raise MalformedError(
        "unknown_artifact",
        "This is not a license token, machine file, bundle, root file, answer or license key.",
        "Check that it is the right file, and that it was copied completely.",
    )
