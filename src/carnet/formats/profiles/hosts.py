"""
Host names and host patterns as contracts/traffic-orchestrator.md §4 has them; specs/token-profiles.md §5.

Wider than `carnet.core.domains`, which native licenses use: here a URL, an IPv6 address and an internationalised name
are understood, and ``**.`` covers several labels. Everything fails closed: what has no canonical form matches nothing.

A host is what the caller says of itself. Comparing it deters sharing and authenticates nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from carnet.core.domains import canonical_domain

_ASCII_SPACE: Final = " \t\n\f\r"
_NO_HOST: Final = frozenset("/@?#\\")
_SCHEME: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")


def canonical_host(text: str) -> str | None:
    """
    The one spelling of a host (contract §4.2): lower-case A-labels, or the canonical text of an address; else None.

    Args:
        text: A host name, IPv4 or IPv6 address, each with or without ``:port``, or a URL whose host is meant.
    """
    host: str | None = text.strip(_ASCII_SPACE)
    # Step 1. A backslash is refused before a URL is taken apart: browsers read it as a slash, others do not.
    if host is not None and "\\" not in host and "://" in host:
        host = _host_of_url(host)
    if not host or not _NO_HOST.isdisjoint(host) or any(c.isspace() or _is_control(c) for c in host):
        return None
    # Step 2. Our own canonical form of an IPv6 address has no brackets, so that form is read as well.
    if host.startswith("["):
        address, bracket, port = host[1:].partition("]")
        return _ipv6(address) if bracket and _is_port(port) else None
    if host.count(":") > 1:
        return _ipv6(host)
    name, colon, port = host.partition(":")
    if not _is_port(colon + port):
        return None
    return _canonical_name(name.removesuffix("."))


def canonical_pattern(text: str, *, single_label_suffixes: bool = False) -> str | None:
    """
    The one spelling of what a license covers (contract §4.3): a host, ``*.`` or ``**.`` before a name; else None.

    Args:
        text: Without port and no URL: neither says more than the host, and ignoring it would cover more than was meant.
        single_label_suffixes: Whether the operator allows ``*.internal``, a wildcard before a single label.
    """
    pattern = text.strip(_ASCII_SPACE)
    if "://" in pattern or pattern.count(":") == 1 or "]:" in pattern:
        return None
    stars, _, rest = pattern.partition(".")
    if stars not in ("*", "**"):
        return canonical_host(pattern)
    suffix = canonical_host(rest)
    # §4.2 step 3: addresses match only by equality.
    if suffix is None or _is_address(suffix) or not ("." in suffix or single_label_suffixes):
        return None
    return f"{stars}.{suffix}"


def host_matches(host: str, pattern: str, *, single_label_suffixes: bool = False) -> bool:
    """
    Whether *pattern* covers *host*, label by label from the right; never by substring (contract §4.3).

    ``example.com`` covers that host; ``*.example.com`` exactly one label before it; ``**.example.com`` one or more.
    """
    name = canonical_host(host)
    covered = canonical_pattern(pattern, single_label_suffixes=single_label_suffixes)
    if name is None or covered is None:
        return False
    stars, _, suffix = covered.partition(".")
    if stars not in ("*", "**"):
        return name == covered
    labels, tail = name.split("."), suffix.split(".")
    extra = len(labels) - len(tail)
    return labels[extra:] == tail and (extra == 1 if stars == "*" else extra >= 1)


def host_covered(host: str, patterns: Iterable[str], *, single_label_suffixes: bool = False) -> bool:
    """Whether one of *patterns* covers *host*."""
    return any(host_matches(host, pattern, single_label_suffixes=single_label_suffixes) for pattern in patterns)


def _host_of_url(url: str) -> str | None:
    scheme, _, rest = url.partition("://")
    if not scheme[:1].isalpha() or not _SCHEME.issuperset(scheme):
        return None
    for end in "/?#":
        rest = rest.partition(end)[0]
    return rest.rpartition("@")[2]


def _canonical_name(name: str) -> str | None:
    name = name.lower() if name.isascii() else _a_labels(name)
    if name.rpartition(".")[2].isdigit():  # step 3; no top-level domain is a number, so nothing else is a name either
        return _ipv4(name)
    # Step 4. Equality, so that nothing which `canonical_domain` kindly drops (a port, a second dot) is dropped here.
    return name if canonical_domain(name) == name else None


def _a_labels(name: str) -> str:
    """UTS-46 without the transitional mappings, to A-labels; the empty text, which is no name, when it has none."""
    import idna

    try:
        mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
        return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split("."))
    except (idna.IDNAError, UnicodeError):
        return ""


def _ipv4(text: str) -> str | None:
    from ipaddress import AddressValueError, IPv4Address

    try:
        return str(IPv4Address(text))
    except AddressValueError:
        return None


def _ipv6(text: str) -> str | None:
    from ipaddress import AddressValueError, IPv6Address

    try:
        address = IPv6Address(text)
    except AddressValueError:
        return None
    # RFC 5952 §5. `str` writes mapped addresses like this from Python 3.13 on, and in hexadecimal before.
    mapped = address.ipv4_mapped
    return None if "%" in text else str(address) if mapped is None else f"::ffff:{mapped}"


def _is_address(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit()


def _is_port(text: str) -> bool:
    """Nothing, or a colon and digits."""
    return not text or (text[0] == ":" and text[1:].isascii() and text[1:].isdigit())


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f"
