"""
Members of JSON artifacts as lines: walks claims by the tables, masks what is secret, explains what is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from carnet.cli.inspection.lines import Line, is_secret_name, masked, masked_address, moment, shown, span
from carnet.cli.inspection.tables import TABLES, UNKNOWN, Form
from carnet.core.instant import Instant

_ENTITLEMENTS = frozenset(("ent", "entitlements"))
_TIMES_AT_TOP = frozenset({"iat", "nbf", "exp", "lic_nbf", "lic_exp"})
_MAX_LINES = 600
"""Of one artifact; no genuine one has so many, and a forged one should not scroll the rest away."""


def claim_lines(kind: str, claims: dict[str, Any], now: Instant | None) -> tuple[Line, ...]:
    """
    One line for each member of *claims*, in their order.

    Args:
        kind: Whose table explains them.
        claims: Unverified; of any shape.
        now: The moment that times are counted from, or None.
    """
    lines: list[Line] = []
    for line in _walk(kind, "", claims, now):
        if len(lines) == _MAX_LINES:
            lines.append(Line(name="…", value="", meaning="More members follow; --json shows them all."))
            break
        lines.append(line)
    return tuple(lines)


def readable(kind: str, claims: dict[str, Any]) -> dict[str, Any]:
    """
    *claims* for programs: secrets masked as in the lines, the well-known times at the top as RFC 3339, all else as is.
    """
    return {
        name: moment(value, None) if name in _TIMES_AT_TOP and _is_time(value) else _without_secrets(kind, name, value)
        for name, value in claims.items()
    }


def without_secrets(members: dict[str, Any]) -> dict[str, Any]:
    """*members* of no known table, with what may be a secret masked by its name: a foreign header, for example."""
    return {name: _without_secrets("", name, value) for name, value in members.items()}


def _walk(kind: str, path: str, members: dict[str, Any], now: Instant | None) -> Iterator[Line]:
    table = TABLES.get(kind, {})
    for name, value in members.items():
        here = f"{path}.{name}" if path else name
        if not path and name in _ENTITLEMENTS and type(value) is list:
            yield from _entitlements(here, value, now)
        elif here in table:
            form, meaning = table[here]
            yield Line(name=here, value=_written(form, value, now), meaning=meaning)
        elif type(value) is dict and any(known.startswith(f"{here}.") for known in table):
            if not value:
                yield Line(name=here, value="none", meaning="Nothing stands in it.")
            yield from _walk(kind, here, value, now)
        else:
            yield Line(name=here, value=shown(_without_secrets(kind, here, value)), meaning=UNKNOWN)


def _written(form: Form, value: Any, now: Instant | None) -> str:
    if value is None:
        return "null"
    if form == "time":
        return moment(value, now)
    if form == "span" and type(value) is int and value >= 0:
        return f"{span(value)} ({value} s)" if value >= 60 else span(value)
    if form == "secret":
        return masked(value) if isinstance(value, str) else "…"
    if form == "address" and isinstance(value, str):
        return masked_address(value)
    if type(value) is list and all(type(item) is str for item in value):
        return shown(", ".join(value)) if value else "none"
    return shown(_without_secrets("", "", value))


def _entitlements(path: str, entries: list[Any], now: Instant | None) -> Iterator[Line]:
    if not entries:
        yield Line(name=path, value="none", meaning="The features that the license grants.")
    for entry in entries:
        members = entry if type(entry) is dict else {}
        ends, below = members.get("exp", members.get("expires_at")), members.get("below")
        parts = [] if ends is None else [f"until {moment(ends, now)}"]
        parts += [] if below is None else [f"below version {shown(below)}"]
        yield Line(
            name=f"{path}[{shown(members['key']) if 'key' in members else '?'}]",
            value=", ".join(parts) or "as long as the license",
            meaning="A feature that the license grants, and until when.",
        )


def _without_secrets(kind: str, path: str, value: Any) -> Any:
    """*value* with every secret in it masked, at any depth."""
    form = TABLES.get(kind, {}).get(path, ("text", ""))[0]
    is_known = path in TABLES.get(kind, {})
    if form in ("secret", "address") or (not is_known and is_secret_name(path.rpartition(".")[2])):
        return _written(form if form == "address" else "secret", value, None) if value is not None else None
    if type(value) is dict:
        return {
            name: _without_secrets(kind, f"{path}.{name}" if path else name, inner) for name, inner in value.items()
        }
    if type(value) is list:
        in_list = path in _ENTITLEMENTS  # an entitlement's `key` is its name, and no secret
        return [
            inner if in_list and type(inner) is dict else _without_secrets(kind, f"{path}[]", inner) for inner in value
        ]
    return value


def _is_time(value: Any) -> bool:
    from carnet.core.instant import MAX_INSTANT

    return type(value) is int and 0 <= value <= MAX_INSTANT
