"""
Which kind of artifact a file is, by its outer form alone. Reading it properly, and trusting it, comes after.

The order is from the cheap to the dear, and each step is bounded by the largest size of its kind. A key that was
mistyped is still told as a key, so that whoever reads it can say where the typing errors are.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from carnet.core.errors import MalformedError
from carnet.formats import (
    answer,
    app_manifest,
    bundle,
    device_proof,
    lease,
    license_token,
    offline_token,
    root,
    status_list,
    time_answer,
)
from carnet.formats.encoding import read_kindly
from carnet.formats.jws import unverified_jws
from carnet.formats.license_key import canonical_license_key, heal_license_key
from carnet.formats.limits import MAX_BUNDLE, MAX_LICENSE_KEY_TYPED, MAX_ROOT, MAX_STATUS_LIST_TOKEN, MAX_TOKEN
from carnet.formats.signed_key import looks_like_signed_key
from carnet.formats.strict_json import parse_object

Kind = Literal[
    "token",
    "machine-file",
    "bundle",
    "root",
    "answer",
    "time",
    "device-proof",
    "lease",
    "status-list",
    "app-manifest",
    "license-key",
    "signed-key",
    "offline-token",
    "keyforge-token",
    "traffic-orchestrator-token",
    "checkpoint",
    "log-proof",
    "root-draft",
]

_TYPES: Final[dict[object, Kind]] = {
    license_token.TYP: "token",
    answer.TYP: "answer",
    time_answer.TYP: "time",
    device_proof.TYP: "device-proof",
    lease.TYP: "lease",
    status_list.TYP: "status-list",
}
_PROFILE_TYP: Final = "JWT"
"""Of both token profiles (specs/token-profiles.md §2); their claims tell them apart."""

_FORMATS: Final[dict[object, Kind]] = {"carnet-log-proof/1": "log-proof", "carnet-root-draft/1": "root-draft"}
"""By the member `format`. Their modules are not loaded for it: apps, which take in none of them, detect too."""

_SIGNATURE_LINE: Final = "\n\n\u2014 ".encode()
"""What stands behind the text of a signed note (C2SP signed-note)."""

_MAX_NOTE: Final = 16 * 1024
_MACHINE_FILE: Final = b"-----BEGIN MACHINE FILE-----\n"
_BUNDLE: Final = b"-----BEGIN %b-----\n" % bundle.LABEL.encode()
_MAX_KEY_BYTES: Final = 4 * MAX_LICENSE_KEY_TYPED
"""Characters of a key as typed may have up to four bytes each: dashes that mail programs put into it have three."""


def detect(data: bytes) -> Kind:
    """
    Tell what *data* is meant to be.

    Args:
        data: A file's content, of any size and kind.

    Raises:
        MalformedError: ``unknown_artifact``: none of ours. Its fix says so where it may be a mistyped license key.

    Verifies nothing.
    """
    text = read_kindly(data) if len(data) <= MAX_BUNDLE else data[: len(app_manifest.MAGIC)]
    if text.startswith(_MACHINE_FILE):
        return "machine-file"
    if text.startswith(_BUNDLE):
        return "bundle"
    if text.startswith(app_manifest.MAGIC):
        return "app-manifest"
    found: Kind | None = None
    try:
        if text.startswith(b"{"):
            largest = MAX_BUNDLE if any(name.encode() in text for name in map(str, _FORMATS)) else MAX_ROOT
            found = _kind_of_object(parse_object(text, max_bytes=largest, what="This", max_string=largest))
        elif _SIGNATURE_LINE in text and len(text) <= _MAX_NOTE:
            found = "checkpoint"
        else:
            found = _kind_of_jws(text)
        if found is None and len(text) <= _MAX_KEY_BYTES:
            found = _kind_of_key(text.decode())
    except (MalformedError, UnicodeDecodeError):
        pass
    if found is not None:
        return found
    raise MalformedError(
        "unknown_artifact",
        "This is none of Carnet's artifacts: no token, machine file, bundle, root file, answer or license key.",
        "As a license key it has a typing error: let carnet key heal propose the key that was meant."
        if _is_mistyped_key(text)
        else "Check that it is the right file, and that it was copied completely.",
    )


def profile_of(claims: dict[str, Any]) -> Kind | None:
    """
    Which token profile *claims* of `typ` ``JWT`` are meant for: Keyforge's have an object `license`, Traffic
    Orchestrator's an array `aud` (specs/token-profiles.md §4.1, §5.1). None: an ordinary JWT.

    Args:
        claims: Of a token that nobody has verified.
    """
    if type(claims.get("license")) is dict:
        return "keyforge-token"
    return "traffic-orchestrator-token" if type(claims.get("aud")) is list else None


def _kind_of_object(members: dict[str, Any]) -> Kind | None:
    if members.get("payloadType") == root.PAYLOAD_TYPE:
        return "root"
    told = members.get("format")
    if isinstance(told, str) and told in _FORMATS:
        return _FORMATS[told]
    return "offline-token" if members.get("object") == offline_token.OBJECT else None


def _kind_of_jws(text: bytes) -> Kind | None:
    try:
        largest = MAX_STATUS_LIST_TOKEN
        header, claims = unverified_jws(text, max_bytes=largest, max_string=largest, what="This")
    except MalformedError:
        return None
    typ = header.get("typ")
    if len(text) > MAX_TOKEN and typ != status_list.TYP:
        return None
    if typ == _PROFILE_TYP:
        return profile_of(claims)
    return _TYPES.get(typ) if isinstance(typ, str) else None


def _is_mistyped_key(text: bytes) -> bool:
    """Whether healing would propose a key. The key itself is not shown: what is refused may be logged (SEC-33)."""
    try:
        return len(text) <= _MAX_KEY_BYTES and heal_license_key(text.decode()) is not None
    except UnicodeDecodeError:
        return False


def _kind_of_key(text: str) -> Kind | None:
    if len(text) <= MAX_LICENSE_KEY_TYPED and canonical_license_key(text) is not None:
        return "license-key"
    return "signed-key" if looks_like_signed_key(text) else None
