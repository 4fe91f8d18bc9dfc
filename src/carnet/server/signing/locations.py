"""
Where a signing key lives, as a URI (R-63): ``file:``, ``pkcs11:``, ``awskms:``, ``gcpkms:``, ``vault:``.

A location never holds a secret: it is stored, shown and logged as it is. PINs and tokens come from files and the
environment (`KeyServices`), and a URI that carries one is refused without being repeated. One spelling each is read
strictly, so that a mistyped location is told here and not by a service that does not know the key.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from carnet.core._base import Struct
from carnet.core.errors import UsageError

MAX_LOCATION: Final = 1024
"""Characters of a location; the longest real ones, with a module's path, have about 300."""

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\.json", re.ASCII)
_ARN: Final = re.compile(
    r"arn:aws[a-z-]{0,20}:kms:(?P<region>[a-z0-9-]{1,40}):[0-9]{12}:(?:key/[A-Za-z0-9-]{1,64}|alias/[A-Za-z0-9/_-]{1,256})",
    re.ASCII,
)
_AWS_KEY: Final = re.compile(r"(?:mrk-)?[A-Za-z0-9-]{1,64}|alias/[A-Za-z0-9/_-]{1,256}", re.ASCII)
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_GOOGLE: Final = re.compile(
    r"projects/[a-z0-9:.-]{1,100}/locations/[a-z0-9-]{1,40}/keyRings/[A-Za-z0-9_-]{1,63}"
    r"/cryptoKeys/[A-Za-z0-9_-]{1,63}/cryptoKeyVersions/[1-9][0-9]{0,9}",
    re.ASCII,
)
_VAULT: Final = re.compile(
    r"(?P<mount>[A-Za-z0-9_.-]{1,64}(?:/[A-Za-z0-9_.-]{1,64}){0,7})/(?P<key>[A-Za-z0-9_.-]{1,128})"
    r"#(?P<version>[1-9][0-9]{0,8})",
    re.ASCII,
)

_PK11_PATH: Final = ("token", "manufacturer", "serial", "model", "object", "id", "type")
_PK11_QUERY: Final = ("pin-source", "module-path")
_PK11_SECRETS: Final = ("pin-value",)


class FileLocation(Struct):
    """``file:NAME.json``: a sealed file in the installation's `keys` directory."""

    name: str


class Pkcs11Location(Struct):
    """
    ``pkcs11:token=…;object=…?module-path=…`` (RFC 7512): a private key in a token.

    Attributes:
        token: The token's label; `serial`, `manufacturer` and `model` may narrow it down, or stand in its place.
        object: The key's label (CKA_LABEL).
        id: The key's id (CKA_ID). One of both is given.
        pin_file: Where the PIN lies (`pin-source`); None: as `KeyServices` says.
        module: The PKCS#11 module (`module-path`); None: as `KeyServices` says.
    """

    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    object: str | None = None
    id: bytes | None = None
    pin_file: Path | None = None
    module: Path | None = None


class AwsLocation(Struct):
    """``awskms:KEY?region=…``: a key's ARN, id or alias; the region may be left out where an ARN says it."""

    key: str
    region: str


class GoogleLocation(Struct):
    """``gcpkms:projects/…/cryptoKeyVersions/N``: one version of a key, since each version is a key of its own."""

    name: str


class VaultLocation(Struct):
    """``vault:MOUNT/KEY#VERSION``: one version of a transit key."""

    mount: str
    key: str
    version: int


Location: TypeAlias = FileLocation | Pkcs11Location | AwsLocation | GoogleLocation | VaultLocation


def parse_location(uri: str) -> Location:
    """
    Read a key's location.

    Args:
        uri: At most 1024 printable ASCII characters.

    Raises:
        UsageError: ``bad_key_location``: of no kind that is known, or not in its one form; ``secret_in_location``: it
            carries a PIN. Neither repeats what was given.
    """
    if len(uri) > MAX_LOCATION or not uri.isascii() or not uri.isprintable() or " " in uri:
        raise _bad("A key's location is one line of at most 1024 ASCII characters without blanks")
    scheme, colon, rest = uri.partition(":")
    if not colon:
        raise _bad("A key's location begins with its kind and a colon")
    match scheme:
        case "file":
            return _file(rest)
        case "pkcs11":
            return _pkcs11(rest)
        case "awskms":
            return _aws(rest)
        case "gcpkms":
            if not _GOOGLE.fullmatch(rest):
                raise _bad("A Google key is gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N")
            return GoogleLocation(name=rest)
        case "vault":
            return _vault(rest)
        case _:
            raise _bad("A key's location is of another kind than file:, pkcs11:, awskms:, gcpkms: and vault:")


def _file(rest: str) -> FileLocation:
    if not _FILE_NAME.fullmatch(rest):
        raise _bad("A sealed file is file:NAME.json, in the keys directory")
    return FileLocation(name=rest)


def _aws(rest: str) -> AwsLocation:
    key, question, query = rest.partition("?")
    region = None
    if question:
        name, _, region = query.partition("=")
        if name != "region" or not _REGION.fullmatch(region):
            raise _bad("After the question mark of an AWS key stands region=NAME and nothing else")
    arn = _ARN.fullmatch(key)
    if arn is not None:
        if region not in (None, arn["region"]):
            raise _bad("The region after the question mark is not the one in the ARN")
        return AwsLocation(key=key, region=arn["region"])
    if key.startswith("arn:") or not _AWS_KEY.fullmatch(key):
        raise _bad("An AWS key is awskms:ARN, or awskms:alias/NAME?region=REGION")
    if region is None:
        raise _bad("An AWS key that is not named by its ARN needs its region: awskms:alias/NAME?region=REGION")
    return AwsLocation(key=key, region=region)


def _vault(rest: str) -> VaultLocation:
    found = _VAULT.fullmatch(rest)
    if found is None or any(part in (".", "..") for part in (*found["mount"].split("/"), found["key"])):
        raise _bad("A Vault key is vault:MOUNT/KEY#VERSION, for example vault:transit/carnet-token#1")
    return VaultLocation(mount=found["mount"], key=found["key"], version=int(found["version"]))


def _pkcs11(rest: str) -> Pkcs11Location:
    path, question, query = rest.partition("?")
    if any(f"{name}=" in rest for name in _PK11_SECRETS):
        raise UsageError(
            "secret_in_location",
            "This location carries a PIN, and locations are stored and shown.",
            "Change that PIN, put the new one into a file, and name the file with pin-source or"
            " CARNET_PKCS11_PIN_FILE.",
        )
    found = _attributes(path, ";", _PK11_PATH)
    if question:
        found |= _attributes(query, "&", _PK11_QUERY)
    if found.get("type", b"private") != b"private":
        raise _bad("The type of a signing key's object is private")
    if not {"object", "id"} & found.keys():
        raise _bad("A PKCS#11 key is named by object= or id=")
    if not {"token", "serial"} & found.keys():
        raise _bad("A PKCS#11 key's token is named by token= or serial=")
    texts = {name: _text(found, name) for name in ("token", "serial", "manufacturer", "model", "object")}
    return Pkcs11Location(
        **texts, id=found.get("id"), pin_file=_pin_file(_text(found, "pin-source")), module=_module(found)
    )


def _attributes(part: str, separator: str, known: tuple[str, ...]) -> dict[str, bytes]:
    """RFC 7512 §2.3: names once each; values percent-encoded."""
    found: dict[str, bytes] = {}
    for attribute in part.split(separator) if part else ():
        name, equals, value = attribute.partition("=")
        if name not in known:
            raise _bad(f"Of a PKCS#11 URI, these attributes are read here: {', '.join(known)}")
        if not equals or not value or name in found:
            raise _bad(f"The attribute {name} stands once in a PKCS#11 URI, with a value")
        if re.search(r"%(?![0-9A-Fa-f]{2})", value):
            raise _bad(f"The value of {name} is not percent-encoded as RFC 7512 says")
        found[name] = unquote_to_bytes(value)
    return found


def _text(found: dict[str, bytes], name: str) -> str | None:
    value = found.get(name)
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _bad(f"The value of {name} is not UTF-8 text") from None
    if not text.isprintable():
        raise _bad(f"The value of {name} holds characters that cannot be shown")
    return text


def _pin_file(source: str | None) -> Path | None:
    if source is None:
        return None
    path = Path(source.removeprefix("file:"))
    if not path.is_absolute():
        raise _bad("pin-source names a file by its whole path: pin-source=file:/run/secrets/hsm-pin")
    return path


def _module(found: dict[str, bytes]) -> Path | None:
    module = _text(found, "module-path")
    if module is None:
        return None
    if not Path(module).is_absolute():
        raise _bad("module-path names the PKCS#11 module by its whole path")
    return Path(module)


def _bad(problem: str) -> UsageError:
    return UsageError("bad_key_location", f"{problem}.", "See docs/how-to/signers.md for one example of each kind.")
