"""
Rows of root files and signing keys, to records and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.server.records import RootFile, SigningKey
from carnet.server.storage.rows.values import instant, read_json, write_json


def root_file_from(row: Sequence[Any]) -> RootFile:
    """A row of `roots`."""
    return RootFile(version=row[0], file=row[1], installed_at=Instant(row[2]))


def root_file_values(root: RootFile) -> Mapping[str, Any]:
    """The columns of *root*."""
    return {"version": root.version, "file": root.file, "installed_at": int(root.installed_at)}


def signing_key_from(row: Sequence[Any]) -> SigningKey:
    """A row of `signing_keys`."""
    return SigningKey(
        kid=row[0],
        alg=row[1],
        roles=tuple(read_json(row[2])),
        public_key=b64url_decode(row[3], "A stored public key"),
        location=row[4],
        state=row[5],
        announced_at=Instant(row[6]),
        activated_at=instant(row[7]),
        replaced_at=instant(row[8]),
        ended_at=instant(row[9]),
    )


def signing_key_values(key: SigningKey) -> Mapping[str, Any]:
    """The columns of *key*."""
    return {
        "kid": key.kid,
        "alg": key.alg,
        "roles": write_json(list(key.roles)),
        "public_key": b64url_encode(key.public_key),
        "location": key.location,
        "state": key.state,
        "announced_at": int(key.announced_at),
        "activated_at": key.activated_at,
        "replaced_at": key.replaced_at,
        "ended_at": key.ended_at,
    }
