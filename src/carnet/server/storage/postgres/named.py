"""
Statements with named parameters, as `lease_statements` has them, in PostgreSQL's own form.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_TEXTS: Final = frozenset(
    (
        *("product", "license", "lease", "kind", "holder", "area", "id", "name", "jti", "kid", "reason", "was"),
        *("actor_kind", "actor_id", "action", "object_kind", "object_id", "details", "progress"),
        *("event_id", "event_kind", "event_object_id", "event_product_id", "event_payload"),
    )
)
_BYTES: Final = frozenset(("typed", "canonical"))
_NAMED: Final = re.compile(r"(?<!:):([a-z_]+)")


@cache
def numbered(text: str) -> tuple[str, tuple[str, ...]]:
    """A statement with numbered parameters of known types, and their names in order."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        name = found[1]
        if name not in names:
            names.append(name)
        kind = "text" if name in _TEXTS else "bytea" if name in _BYTES else "bigint"
        return f"${names.index(name) + 1}::{kind}"

    return _NAMED.sub(number, text.replace("{locked}", " FOR UPDATE SKIP LOCKED")), tuple(names)
