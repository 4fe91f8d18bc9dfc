"""
Rows of API keys and compatibility keys, to records and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from carnet.core.instant import Instant
from carnet.server.records import ApiKey, CompatibilityKey
from carnet.server.storage.rows.values import instant, read_json, write_json

_LIMITED: Final = "limited:"
"""
Before each stored scope of a token that is limited to products. A program of before revision 0010 knows no such scope
and lets the token do nothing, instead of everything.
"""


def api_key_from(row: Sequence[Any]) -> ApiKey:
    """A row of `api_keys`."""
    return ApiKey(
        id=row[0],
        name=row[1],
        token_hash=row[2],
        last_four=row[3],
        scopes=tuple(str(scope).removeprefix(_LIMITED) for scope in read_json(row[4])),
        created_at=Instant(row[5]),
        expires_at=instant(row[6]),
        revoked_at=instant(row[7]),
        products=None if row[8] is None else tuple(read_json(row[8])),
    )


def api_key_values(api_key: ApiKey) -> Mapping[str, Any]:
    """The columns of *api_key*."""
    mark = "" if api_key.products is None else _LIMITED
    return {
        "id": api_key.id,
        "name": api_key.name,
        "token_hash": api_key.token_hash,
        "last_four": api_key.last_four,
        "scopes": write_json([f"{mark}{scope}" for scope in api_key.scopes]),
        "created_at": int(api_key.created_at),
        "expires_at": api_key.expires_at,
        "revoked_at": api_key.revoked_at,
        "products": None if api_key.products is None else write_json(list(api_key.products)),
    }


def compatibility_key_from(row: Sequence[Any]) -> CompatibilityKey:
    """A row of `compatibility_keys`."""
    return CompatibilityKey(
        id=row[0],
        product=row[1],
        kid=row[2],
        alg=row[3],
        state=row[4],
        origin=row[5],
        public_pem=row[6],
        created_at=Instant(row[7]),
        replaced_at=instant(row[8]),
        retired_at=instant(row[9]),
        signs_for=row[10],
    )


def compatibility_key_values(key: CompatibilityKey) -> Mapping[str, Any]:
    """The columns of *key*."""
    return {
        "id": key.id,
        "product_id": key.product,
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state,
        "origin": key.origin,
        "public_pem": key.public_pem,
        "created_at": int(key.created_at),
        "replaced_at": key.replaced_at,
        "retired_at": key.retired_at,
        "signs_for": key.signs_for,
    }
