"""
The app manifest: which files an app was released with, under the vendor's seal; specs/app-manifest.md.

A list of paths and SHA-256 digests, as `sha256sum` writes it, below a JWS that holds the digest of the list. It tells
accidents and careless changes from the release; whoever can change an app's files can also change the code that checks
them (docs/security/integrity.md). Belongs here: the file. Does not belong here: reading an app's folder
(`carnet.client.integrity`).
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import Instant
from carnet.formats.encoding import sha256_b64url
from carnet.formats.jws import open_jws, sign_jws
from carnet.formats.keys import KeyRing, Role, Signer
from carnet.formats.policy_claims import is_text, is_time

TYP: Final = "carnet-app-manifest+jwt"
ROLE: Final[Role] = "license-key"
"""The role for what the vendor issues by hand and apps carry along; why none of its own: docs/decisions/0073."""

MAGIC: Final = b"carnet-app-manifest 1\n"
MAX_MANIFEST: Final = 16 * 1024 * 1024
MAX_FILES: Final = 100_000
MAX_PATH: Final = 1024
MAX_VERSION: Final = 64

_MAX_SEAL: Final = 4096
_HEX: Final = frozenset(b"0123456789abcdef")
_DIGITS: Final = 64
_WHAT: Final = "The app manifest"
_FIX: Final = "Take the manifest that the vendor released with this version."


class AppManifest(Struct):
    """
    What was released.

    Attributes:
        issuer: The installation's id.
        product: The product id.
        version: The app's version.
        issued_at: When it was sealed.
        files: Path and SHA-256, 64 lower-case hexadecimal digits, of each file; sorted by the bytes of the path.
    """

    issuer: str
    product: str
    version: str
    issued_at: Instant
    files: tuple[tuple[str, str], ...]


def issue_app_manifest(manifest: AppManifest, signer: Signer) -> bytes:
    """
    Write and seal *manifest*.

    Args:
        manifest: Its files in any order.
        signer: Holder of a key of the role ``license-key``.

    Raises:
        UsageError: ``bad_manifest``: what a reader would refuse; nothing was signed.
    """
    listed = _write(manifest.files)
    try:
        files = _read(listed)
    except MalformedError as bad:
        raise UsageError("bad_manifest", f"This cannot be an app manifest: {bad.message}") from None
    claims = {
        "iss": manifest.issuer,
        "aud": manifest.product,
        "iat": int(manifest.issued_at),
        "ver": manifest.version,
        "files": len(files),
        "list": sha256_b64url(listed),
    }
    if not (is_text(manifest.issuer) and is_text(manifest.product) and _is_version(manifest.version)):
        raise UsageError("bad_manifest", "This cannot be an app manifest: a name in it is empty or too long.")
    return MAGIC + sign_jws(claims, typ=TYP, signer=signer).encode("ascii") + b"\n" + listed


def verify_app_manifest(data: bytes, ring: KeyRing, *, product: str) -> AppManifest:
    """
    Verify that *data* is a manifest of the vendor's for *product*, and decode it (specs/app-manifest.md §3).

    Args:
        data: The whole file, exactly as released.
        ring: The trusted keys; those of the role ``license-key`` count.
        product: The product that the app is; compared exactly (SEC-05).

    Raises:
        MalformedError: ``bad_manifest``; the codes of `open_jws`, ``missing_claim``, ``bad_claim``.
        NotGenuineError: The codes of `open_jws`; ``manifest_altered``: the list is not the sealed one;
            ``wrong_manifest``: it is of another product.

    Does not look at any file, and does not know which version the app is.
    """
    # 1. The frame.
    seal, listed = split_app_manifest(data)
    # 2. The seal.
    claims, _ = open_jws(seal, typ=TYP, role=ROLE, ring=ring, max_bytes=_MAX_SEAL, what=_WHAT)
    told = _claims(claims)
    # 3. The product.
    if told["aud"] != product:
        raise NotGenuineError("wrong_manifest", f"{_WHAT} is of another product.", _FIX)
    # 4. The list, and only then what stands in it.
    if told["list"] != sha256_b64url(listed):
        raise NotGenuineError("manifest_altered", f"{_WHAT}'s list was changed after it was sealed.", _FIX)
    files = _read(listed)
    if len(files) != told["files"]:
        raise _bad("it counts its files wrongly")
    return AppManifest(
        issuer=told["iss"], product=product, version=told["ver"], issued_at=Instant(told["iat"]), files=files
    )


def split_app_manifest(data: bytes) -> tuple[bytes, bytes]:
    """
    The seal of a manifest, a JWS, and the list below it. Neither is verified.

    Raises:
        MalformedError: ``bad_manifest``.
    """
    if len(data) > MAX_MANIFEST or not data.startswith(MAGIC):
        raise _bad("it does not begin as one, or is too large")
    seal, separator, listed = data[len(MAGIC) :].partition(b"\n")
    if not separator:
        raise _bad("it ends before its list")
    return seal, listed


def is_path(path: str) -> bool:
    """
    Whether *path* may stand in a manifest: relative, parts joined by ``/``, none of them ``.`` or ``..``, no control
    characters and no backslash, at most 1,024 bytes.
    """
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return False
    parts = path.split("/")
    return (
        0 < size <= MAX_PATH
        and "\\" not in path
        and not any(character < " " or "\x7f" <= character <= "\x9f" for character in path)
        and not any(part in {"", ".", ".."} for part in parts)
    )


def _write(files: tuple[tuple[str, str], ...]) -> bytes:
    ordered = sorted((path.encode("utf-8", "surrogatepass"), digest) for path, digest in files)
    return b"".join(digest.encode() + b"  " + path + b"\n" for path, digest in ordered)


def _read(listed: bytes) -> tuple[tuple[str, str], ...]:
    lines = listed.split(b"\n")
    if lines.pop() or not 0 < len(lines) <= MAX_FILES:
        raise _bad(f"its list is empty, has no end, or names more than {MAX_FILES} files")
    files: list[tuple[str, str]] = []
    before = b""
    for line in lines:
        digest, blanks, name = line[:_DIGITS], line[_DIGITS : _DIGITS + 2], line[_DIGITS + 2 :]
        try:
            path = name.decode()
        except UnicodeDecodeError:
            raise _bad("a path is not UTF-8") from None
        if len(digest) != _DIGITS or not _HEX.issuperset(digest) or blanks != b"  " or not is_path(path):
            raise _bad("a line of its list is not a digest and a path")
        if name <= before:
            raise _bad("its list is not sorted, or names a file twice")
        before = name
        files.append((path, digest.decode()))
    return tuple(files)


def _claims(claims: dict[str, Any]) -> dict[str, Any]:
    try:
        told = {name: claims[name] for name in ("iss", "aud", "iat", "ver", "files", "list")}
    except KeyError as missing:
        raise MalformedError("missing_claim", f"{_WHAT} has no claim {missing}.", _FIX) from None
    is_right = is_text(told["iss"]) and is_text(told["aud"]) and is_time(told["iat"]) and _is_version(told["ver"])
    if not (is_right and type(told["files"]) is int and type(told["list"]) is str):
        raise MalformedError("bad_claim", f"{_WHAT} has a claim of a wrong type or out of its bounds.", _FIX)
    return told


def _is_version(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_VERSION and value.isprintable()


def _bad(why: str) -> MalformedError:
    return MalformedError("bad_manifest", f"{_WHAT} cannot be read: {why}.", _FIX)
