"""
Domain licenses: whether a host name is covered (R-27). Exact host or one-label wildcard, never substring.

The one canonicalisation of host names (SEC-05) is `canonical_domain`. It is ASCII only: an internationalised name is
written in its A-label form (``xn--…``) by whoever enters it. The name is what the installation says of itself:
comparing it deters sharing and authenticates nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

_MAX_DOMAIN = 253  # RFC 1035 §2.3.4, as text without the final dot
_MAX_LABEL = 63
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_PORT_DIGITS = 5


def canonical_domain(text: str) -> str | None:
    """
    The one spelling of a host name: lower case, no blanks around it, no ``:port``, no final dot. None if it is none.

    Args:
        text: A host name or IPv4 address as an application knows it, for example the ``Host`` of a request.
    """
    host = text.strip(" \t\r\n")
    name, colon, port = host.partition(":")
    if colon:
        if not (port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS):
            return None
        host = name
    host = host.removesuffix(".")
    if not host.isascii() or not 0 < len(host) <= _MAX_DOMAIN:
        return None
    host = host.lower()
    return host if all(_is_label(label) for label in host.split(".")) else None


def canonical_pattern(text: str) -> str | None:
    """
    The one spelling of what a domain license covers: a host name, or ``*.`` before two labels or more; else None.
    """
    wildcard = text.strip(" \t\r\n")
    if not wildcard.startswith("*."):
        return canonical_domain(text) if ":" not in text else None
    rest = canonical_domain(wildcard[2:]) if ":" not in wildcard else None
    # contracts/traffic-orchestrator.md §4.3: the remainder needs two labels, so that nobody licenses all of `.com`;
    # §4.2: addresses match only by equality, and a name whose last label is a number is an address.
    if rest is None or "." not in rest or rest.rpartition(".")[2].isdigit():
        return None
    return f"*.{rest}"


def domain_matches(domain: str, pattern: str) -> bool:
    """
    Whether *pattern* covers *domain*: the same host, or exactly one label before the rest of a ``*.`` pattern.

    Both are brought into their one spelling first; what has none matches nothing. ``*.example.com`` covers
    ``a.example.com``, neither ``example.com`` nor ``a.b.example.com``.
    """
    host, covered = canonical_domain(domain), canonical_pattern(pattern)
    if host is None or covered is None:
        return False
    if covered.startswith("*."):
        return host.partition(".")[2] == covered[2:]
    return host == covered


def covered_domain(patterns: Iterable[str], domain: str | None) -> bool:
    """Whether one of *patterns* covers *domain*. No domain is never covered: the app must name its own (R-27)."""
    if domain is None:
        return False
    return any(domain_matches(domain, pattern) for pattern in patterns)


def _is_label(label: str) -> bool:
    return (
        0 < len(label) <= _MAX_LABEL
        and _LABEL.issuperset(label)
        and not label.startswith("-")
        and not label.endswith("-")
    )
