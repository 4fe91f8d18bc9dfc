"""
What the audit's chain and the log's leaves are hashes of, byte for byte (specs/audit.md §3, specs/transparency.md §2).

Everything is a line that separates domains, followed by canonical JSON (specs/strict-json.md §4) or by hashes. No
personal data is in a leaf: ids, times, kinds, and hashes of what may hold some.

Values come as a database holds them, and a database may have been tampered with: what canonical JSON cannot hold is
replaced by its hash, so that every row has exactly one digest and no row can stop the sealer.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core._base import Struct
from carnet.formats.encoding import b64url_encode, sha256, sha256_b64url
from carnet.formats.limits import MAX_JSON_INTEGER, MAX_JSON_STRING
from carnet.formats.strict_json import dump_json

_CHAIN: Final = b"carnet/audit-chain/1\n"
_ROW: Final = b"carnet/audit-row/1\n"
_START: Final = b"carnet/audit-start/1\n"
_LEAF: Final = b"carnet/log-leaf/1\n"
_SHORT: Final = MAX_JSON_STRING // 4


class AuditRow(Struct):
    """A row of the audit as the database holds it; `details` is the stored text."""

    seq: int
    at: int
    actor_kind: str
    actor_id: str | None
    action: str
    object_kind: str
    object_id: str
    details: str

    def digest(self) -> bytes:
        """What the chain links (specs/audit.md §3.1)."""
        text = (
            f'{{"action":{_json(self.action)},"actor_id":{_json(self.actor_id)},'
            f'"actor_kind":{_json(self.actor_kind)},"at":{_json(self.at)},"details_sha256":"{_hash(self.details)}",'
            f'"object_id":{_json(self.object_id)},"object_kind":{_json(self.object_kind)},"seq":{_json(self.seq)}}}'
        )
        return sha256(_ROW + text.encode())


class IssuedRow(Struct):
    """A row of the register of what was signed, as the database holds it; `claims` is the stored text."""

    jti: str
    kind: str
    kid: str
    license_id: str
    activation_id: str | None
    issued_at: int
    expires_at: int
    claims: str


def chain_start(issuer: str) -> bytes:
    """What the first row of an installation's audit is linked to (specs/audit.md §3.2)."""
    return sha256(_START + issuer.encode())


def chain_link(before: bytes, digest: bytes) -> bytes:
    """The chain's hash at a row: over the hash before it and the row's digest (specs/audit.md §3.2)."""
    return sha256(_CHAIN + before + digest)


def issued_leaf(row: IssuedRow) -> bytes:
    """The leaf of an issued artifact (specs/transparency.md §2.1)."""
    text = (
        f'{{"activation_id":{_json(row.activation_id)},"claims_sha256":"{_hash(row.claims)}",'
        f'"expires_at":{_json(row.expires_at)},"issued_at":{_json(row.issued_at)},"jti":{_json(row.jti)},'
        f'"kid":{_json(row.kid)},"kind":{_json(row.kind)},"license_id":{_json(row.license_id)},"type":"issued"}}'
    )
    return _LEAF + text.encode()


def event_leaf(position: int, row: AuditRow) -> bytes:
    """The leaf of a change of keys, roots or the installation: a row of the audit (specs/transparency.md §2.2)."""
    return _leaf(
        {
            "action": _plain(row.action),
            "at": _plain(row.at),
            "object_id": _plain(row.object_id),
            "position": position,
            "row": b64url_encode(row.digest()),
            "type": "key-event",
        }
    )


def head_leaf(position: int, hash_: bytes) -> bytes:
    """The leaf that ties the audit's chain, up to a position, to the log (specs/transparency.md §2.3)."""
    return _leaf({"hash": b64url_encode(hash_), "position": position, "type": "audit-head"})


def leaf_text(leaf: bytes) -> str:
    """The JSON text of a leaf."""
    return leaf.removeprefix(_LEAF).decode()


def as_leaf(text: str) -> bytes:
    """The leaf with this JSON text."""
    return _LEAF + text.encode()


def _leaf(members: dict[str, Any]) -> bytes:
    return _LEAF + dump_json(members)


def _hash(text: object) -> str:
    return sha256_b64url(text.encode(errors="surrogatepass") if isinstance(text, str) else repr(text).encode())


def _json(value: Any) -> str:
    """The canonical text of `_plain(value)`: at once for what almost every value is, because this is hot."""
    if type(value) is str and value.isascii() and value.isprintable() and len(value) <= _SHORT:
        if '"' not in value and "\\" not in value:
            return f'"{value}"'
    elif value is None:
        return "null"
    return dump_json(_plain(value)).decode()


def _plain(value: Any) -> Any:
    """*value* itself where canonical JSON can hold it, else its hash (specs/audit.md §3.1)."""
    if value is None or (type(value) is int and -MAX_JSON_INTEGER <= value <= MAX_JSON_INTEGER):
        return value
    if type(value) is str and len(value) <= _SHORT and "\x00" not in value:
        try:
            value.encode()
        except UnicodeEncodeError:
            pass
        else:
            return value
    return {"sha256": _hash(value)}
