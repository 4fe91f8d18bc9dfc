"""
What `check_vectors.py` knows of hosts and patterns: written from `specs/token-profiles.md` §5.3, importing nothing of
Carnet.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import idna

LABEL: Final = re.compile("(?!-)[a-z0-9_-]{1,63}(?<!-)")


def spelled_host(given: str) -> str | None:
    """The one spelling of a host, or none."""
    host = given.strip(" \t\n\f\r")
    if "\\" in host:
        return None
    if "://" in host:
        url = re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)(?:[/?#].*)?", host, re.DOTALL)
        if url is None:
            return None
        host = url[1].split("@")[-1]
    if not host or re.search("[/@?#\0-\x1f\x7f-\x9f]|\\s", host):
        return None
    if host[0] == "[":
        bracketed = re.fullmatch("\\[([^]]*)](:[0-9]+)?", host)
        return spelled_address(bracketed[1], 6) if bracketed else None
    if host.count(":") >= 2:
        return spelled_address(host, 6)
    plain = re.fullmatch("([^:]*?)\\.?(:[0-9]+)?", host)
    return spelled_name(plain[1]) if plain else None


def spelled_address(given: str, version: int) -> str | None:
    """The text of RFC 5952 without zone, or dotted quads."""
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return None
    if address.version != version or "%" in given:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address) if mapped is None else f"::ffff:{mapped}"


def spelled_name(given: str) -> str | None:
    """A-labels in lower case, or an IPv4 address."""
    try:
        mapped = given.lower() if given.isascii() else idna.uts46_remap(given, std3_rules=False, transitional=False)
        labels = [label if label.isascii() else idna.encode(label).decode() for label in mapped.split(".")]
    except (idna.IDNAError, UnicodeError):
        return None
    name = ".".join(labels)
    if re.fullmatch("[0-9]+", labels[-1]):
        return spelled_address(name, 4)
    return name if len(name) <= 253 and all(LABEL.fullmatch(label) for label in labels) else None


def spelled_pattern(given: str, *, allowed: bool) -> str | None:
    """The one spelling of a pattern, or none."""
    pattern = given.strip(" \t\n\f\r")
    if "://" in pattern or re.search("]:", pattern) or pattern.count(":") == 1:
        return None
    wild = re.fullmatch("(\\*\\*?)\\.(.*)", pattern, re.DOTALL)
    if wild is None:
        return spelled_host(pattern)
    name = spelled_host(wild[2])
    if name is None or ":" in name or re.fullmatch("[0-9]+", name.split(".")[-1]):
        return None
    return f"{wild[1]}.{name}" if allowed or "." in name else None


def is_covered(host: str, patterns: list[str], *, allowed: bool) -> bool:
    """Whether one of *patterns* covers *host*."""
    name = spelled_host(host)
    for pattern in (spelled_pattern(each, allowed=allowed) for each in patterns):
        if name is None or pattern is None:
            continue
        stars, _, rest = pattern.rpartition("*.")
        before = name.removesuffix(f".{rest}")
        if name == pattern or (
            pattern.startswith("*") and before != name and before and (stars == "*" or "." not in before)
        ):
            return True
    return False
