"""
The root file: which keys are trusted for what, signed by keys that never touch the server; specs/root.md.

Apps embed version 1 itself. A later version is accepted only as the next step from a trusted one, signed by enough keys
of both (SEC-20, SEC-21). A key's id is always the thumbprint of the key, so the file does not repeat it. Nothing here
reads a clock: whether a root has expired is the caller's question (SEC-22).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import Instant
from carnet.formats.dsse import Envelope, count_signers, read_envelope, sign_envelope
from carnet.formats.encoding import b64url_decode, b64url_encode, read_kindly, sha256_hex
from carnet.formats.keys import ROLES, KeyRing, PublicKey, Role, Signer, TrustedKey, load_ed25519
from carnet.formats.limits import MAX_JSON_INTEGER, MAX_LIFETIME_SECONDS, MAX_ROOT
from carnet.formats.policy_claims import is_text, is_time
from carnet.formats.strict_json import dump_json, parse_object

PAYLOAD_TYPE: Final = "application/vnd.carnet.root+json"
MINIMUM_FORMATS: Final[Mapping[str, int]] = {"license-token": 1, "machine-file": 1}
"""The oldest format of each artifact that a new installation accepts; both have had one format so far."""

_FORMAT: Final = 1
"""The format of every artifact that this reader knows."""

_ARTIFACTS: Final[Mapping[str, str]] = {"token": "license-token"}
"""What the keys of a role sign, where it is not called like the role."""

_MAX_KEYS: Final = 64
_MAX_FORMATS: Final = 32
_WHAT: Final = "The root file"
_FIX: Final = "Fetch the root file again from the vendor and compare its anchor."


class RootRole(Struct):
    """The keys that may act as *role*, and how many of them must sign together."""

    role: Role
    kids: tuple[str, ...]
    threshold: int = 1


class Root(Struct):
    """
    A root file that is well-formed and signed by enough of its own root keys.

    Attributes:
        version: 1 for the one that apps embed; each next one is one more.
        issuer: The installation's id; the same in every version, and in every artifact.
        issued_at: When it was made.
        expires_at: From when on it vouches for no new keys (SEC-22).
        keys: Every key, sorted by id.
        roles: Who may do what, in the order of `ROLES`; roles that nobody has are absent.
        minimum_formats: By artifact, sorted: the oldest format that is accepted.
    """

    version: int
    issuer: str
    issued_at: Instant
    expires_at: Instant
    keys: tuple[PublicKey, ...]
    roles: tuple[RootRole, ...]
    minimum_formats: tuple[tuple[str, int], ...] = ()

    def role(self, name: Role) -> RootRole | None:
        """The role *name*, or None where no key has it."""
        return next((role for role in self.roles if role.role == name), None)

    def role_keys(self, name: Role) -> tuple[PublicKey, ...]:
        """The keys that have the role *name*."""
        role = self.role(name)
        return () if role is None else tuple(key for key in self.keys if key.kid in role.kids)

    def ring(self) -> KeyRing:
        """
        These keys as the trusted set for verifying artifacts. An artifact that has to be of a newer format than this
        reader knows has none: what the vendor has ended grants nothing any more (design.md §4, specs/root.md §5).
        """
        oldest = dict(self.minimum_formats)
        return KeyRing(
            TrustedKey(role=role.role, key=key)
            for role in self.roles
            if role.role == "root" or oldest.get(_ARTIFACTS.get(role.role, role.role), _FORMAT) <= _FORMAT
            for key in self.keys
            if key.kid in role.kids
        )


def build_root(
    *,
    version: int,
    issuer: str,
    issued_at: Instant,
    expires_at: Instant,
    keys: Mapping[Role, Iterable[PublicKey]],
    root_threshold: int = 1,
    minimum_formats: Mapping[str, int] = MINIMUM_FORMATS,
) -> Root:
    """
    Make a root, ready to be signed.

    Args:
        version: 1, or the trusted one's plus 1.
        issuer: The installation's id.
        issued_at: Now.
        expires_at: At most ten years later.
        keys: For each role its keys; one key may have several roles. Ids must be thumbprints.
        root_threshold: How many root keys must sign together.
        minimum_formats: By artifact, the oldest format to accept.

    Raises:
        UsageError: ``bad_root``: a reader would refuse it.
    """
    roles_of: dict[str, list[Role]] = {}
    by_kid: dict[str, PublicKey] = {}
    for role in ROLES:
        for key in keys.get(role, ()):
            by_kid[key.kid] = key
            roles_of.setdefault(key.kid, []).append(role)
    listed = [
        {"alg": by_kid[kid].alg, "x": b64url_encode(by_kid[kid].raw), "roles": sorted(roles_of[kid])}
        for kid in sorted(by_kid)
    ]
    members = {
        "version": version,
        "iss": issuer,
        "iat": issued_at,
        "exp": expires_at,
        "keys": listed,
        "threshold": root_threshold,
        "formats": dict(minimum_formats),
    }
    try:
        root = _root_of(parse_object(dump_json(members), max_bytes=MAX_ROOT, what=_WHAT))
    except MalformedError as bad:
        raise UsageError("bad_root", f"This cannot be a root: {bad.message}") from None
    if tuple(key.kid for key in root.keys) != tuple(sorted(by_kid)):
        raise UsageError("bad_root", "The id of a key in a root must be its thumbprint.")
    return root


def sign_root(root: Root, signers: Iterable[Signer]) -> bytes:
    """
    Sign *root* and write the root file: ASCII, one line, no final newline.

    Args:
        root: What `build_root` made.
        signers: Root keys of *root*, at least its threshold, and for a later version also those of the version before.

    Raises:
        UsageError: ``below_threshold``: not enough of its own root keys sign.
    """
    data = sign_envelope(PAYLOAD_TYPE, root_payload(root), signers)
    try:
        read_root(data)
    except NotGenuineError as bad:
        raise UsageError(bad.code, bad.message) from None
    return data


def root_payload(root: Root) -> bytes:
    """What root keys sign of *root*: its members as canonical JSON (specs/root.md §3)."""
    return dump_json(_members_of(root))


def root_of_payload(payload: bytes) -> Root:
    """
    The root that *payload* says. Steps 4 and 5 of specs/root.md §5; NOBODY HAS SIGNED IT.

    Raises:
        MalformedError: The codes of `parse_object`; ``bad_root``, ``bad_key``, ``duplicate_key``.
    """
    # Step 4: canonical JSON as well.
    members = parse_object(payload, max_bytes=MAX_ROOT, what=_WHAT)
    if dump_json(members) != payload:
        raise MalformedError("bad_root", f"{_WHAT}'s payload is not canonical JSON.", _FIX)
    return _root_of(members)


def read_root(data: bytes | str) -> Root:
    """
    Read a root file and check that enough of its own root keys signed it. Steps 1 to 6 of specs/root.md §5.

    Args:
        data: The file's content; blanks, line ends and a byte order mark around it are forgiven.

    Raises:
        MalformedError: The codes of `read_envelope` and `parse_object`; ``bad_root``, ``bad_key``, ``duplicate_key``.
        NotGenuineError: ``below_threshold``.

    Trusts nothing yet: a root is trusted because the app embeds it, because its anchor was compared, or because
    `next_root` led to it. Does not judge its expiry.
    """
    root, envelope = _open(data)
    _check_threshold(root, envelope, "its own")
    return root


def next_root(trusted: Root, data: bytes | str) -> Root:
    """
    Take the one step from *trusted* to the next version. Steps 1 to 8 of specs/root.md §5 (SEC-21).

    Args:
        trusted: A root that is trusted already.
        data: The next root file's content, as for `read_root`.

    Raises:
        MalformedError: As `read_root`.
        NotGenuineError: ``below_threshold``: not enough keys of *trusted*, or of itself, signed it;
            ``root_not_next``: its version is not one more; ``wrong_issuer``: another installation's.
    """
    root, envelope = _open(data)
    # Step 7: the next version of the same installation's root.
    if root.issuer != trusted.issuer:
        raise NotGenuineError("wrong_issuer", f"{_WHAT} is another installation's.", _FIX)
    if root.version != trusted.version + 1:
        raise NotGenuineError(
            "root_not_next",
            f"{_WHAT} is version {root.version}; only version {trusted.version + 1} can follow.",
            "Take each version in turn.",
        )
    # Step 8: signed by enough keys of the version before, and of its own.
    _check_threshold(trusted, envelope, "the previous version's")
    _check_threshold(root, envelope, "its own")
    return root


def anchor(data: bytes | str) -> str:
    """
    What people read out and compare: SHA-256 of the root file as 64 hexadecimal digits, as `sha256sum` prints it.

    Args:
        data: The file's content; what is forgiven around it does not count.

    Raises:
        MalformedError: ``too_large``.
    """
    return sha256_hex(_kindly(data))


def _kindly(data: bytes | str) -> bytes:
    if len(data) > MAX_ROOT:
        raise MalformedError("too_large", f"{_WHAT} is larger than {MAX_ROOT} bytes.", _FIX)
    return read_kindly(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)


def _open(data: bytes | str) -> tuple[Root, Envelope]:
    envelope = read_envelope(_kindly(data), payload_type=PAYLOAD_TYPE, max_bytes=MAX_ROOT, what=_WHAT)
    return root_of_payload(envelope.payload), envelope


def _check_threshold(root: Root, envelope: Envelope, whose: str) -> None:
    # Step 6: distinct keys count.
    role = root.role("root")
    wanted = 1 if role is None else role.threshold
    signed = count_signers(envelope, root.role_keys("root"))
    if signed < wanted:
        raise NotGenuineError(
            "below_threshold", f"{_WHAT} is signed by {signed} of {whose} root keys, and {wanted} must sign.", _FIX
        )


def _members_of(root: Root) -> dict[str, Any]:
    top = root.role("root")
    return {
        "version": root.version,
        "iss": root.issuer,
        "iat": root.issued_at,
        "exp": root.expires_at,
        "keys": [
            {
                "alg": key.alg,
                "x": b64url_encode(key.raw),
                "roles": sorted(role.role for role in root.roles if key.kid in role.kids),
            }
            for key in root.keys
        ],
        "threshold": 1 if top is None else top.threshold,
        "formats": dict(root.minimum_formats),
    }


def _root_of(members: dict[str, Any]) -> Root:
    # Step 5: every member, exactly its type, and that they make sense together. Unknown members are ignored.
    for name in ("version", "iss", "iat", "exp", "keys", "threshold", "formats"):
        if name not in members:
            raise _bad(f"has no {name}")
    version, issued_at, expires_at = members["version"], members["iat"], members["exp"]
    if not _is_count(version):
        raise _bad("has a version that is not a whole number from 1")
    if not is_text(members["iss"]):
        raise _bad("names no issuer")
    if not is_time(issued_at) or not is_time(expires_at):
        raise _bad("has a time that is not in whole Unix seconds")
    if not issued_at < expires_at or expires_at - issued_at > MAX_LIFETIME_SECONDS:
        raise _bad("does not end after it begins, within ten years")
    keys = _keys_of(members["keys"])
    roles: list[RootRole] = []
    for role in ROLES:
        kids = tuple(key.kid for key, named in keys if role in named)
        if kids:
            roles.append(RootRole(role=role, kids=kids, threshold=members["threshold"] if role == "root" else 1))
    if not roles or roles[0].role != "root":
        raise _bad("has no root key")
    if not _is_count(members["threshold"]) or members["threshold"] > len(roles[0].kids):
        raise _bad("asks for more root keys than it has, or for none")
    return Root(
        version=version,
        issuer=members["iss"],
        issued_at=Instant(issued_at),
        expires_at=Instant(expires_at),
        keys=tuple(key for key, _ in keys),
        roles=tuple(roles),
        minimum_formats=_formats_of(members["formats"]),
    )


def _keys_of(listed: Any) -> list[tuple[PublicKey, tuple[str, ...]]]:
    if type(listed) is not list or not 0 < len(listed) <= _MAX_KEYS:
        raise _bad(f"does not list 1 to {_MAX_KEYS} keys")
    keys: list[tuple[PublicKey, tuple[str, ...]]] = []
    for entry in listed:
        if type(entry) is not dict or not entry.keys() >= {"alg", "x", "roles"} or type(entry["x"]) is not str:
            raise _bad("lists a key without alg, x and roles")
        if entry["alg"] != "Ed25519":
            continue  # a later version's algorithm: artifacts under that key are for later readers
        named = entry["roles"]
        if type(named) is not list or not named or not all(map(is_text, named)) or named != sorted(set(named)):
            raise _bad("lists a key without roles, or does not have them sorted, each once")
        keys.append((load_ed25519(b64url_decode(entry["x"], f"{_WHAT}'s key")), tuple(named)))
    kids = [key.kid for key, _ in keys]
    if len(set(kids)) != len(kids):
        raise MalformedError("duplicate_key", f"{_WHAT} lists a key twice.", _FIX)
    if kids != sorted(kids):
        raise _bad("does not list its keys sorted by id")
    return keys


def _formats_of(value: Any) -> tuple[tuple[str, int], ...]:
    if (
        type(value) is not dict
        or len(value) > _MAX_FORMATS
        or not all(is_text(name) and _is_count(oldest) for name, oldest in value.items())
    ):
        raise _bad("does not say the oldest formats as whole numbers")
    return tuple(sorted(value.items()))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value <= MAX_JSON_INTEGER


def _bad(how: str) -> MalformedError:
    return MalformedError("bad_root", f"{_WHAT} {how}.", _FIX)
