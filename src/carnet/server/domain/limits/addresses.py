"""
Where a request comes from: the peer's address, or what a proxy that the operator trusts says of it (SEC-35).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from carnet.core.errors import UsageError

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"
Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

_NETWORK_BITS = 64
_MAX_HOPS = 32
_MAX_NETWORKS = 256


def networks_from_text(text: str) -> tuple[Network, ...]:
    """
    Networks as an operator writes them: CIDR blocks or single addresses, separated by commas or blanks.

    Raises:
        UsageError: ``bad_network``.
    """
    found: list[Network] = []
    for part in text.replace(",", " ").split():
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise UsageError(
                "bad_network",
                f"{part[:60]!r} is not a network.",
                "Write networks as 10.0.0.0/8 or 2001:db8::/32, with no bits set behind the prefix, or one address.",
            ) from error
    if len(found) > _MAX_NETWORKS:
        raise UsageError("bad_network", f"There are more than {_MAX_NETWORKS} networks.", "Join neighbours into one.")
    return tuple(found)


def caller_address(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """
    The address that a request counts for.

    Args:
        peer: Who is at the other end of the connection.
        forwarded: Every ``X-Forwarded-For`` header of the request, in order.
        proxies: The operator's own proxies. From anybody else the headers are what the caller made up, and ignored.

    Returns:
        Read from the right, the first hop that is none of our proxies. What stands left of it was written by whoever
        that is. A hop that is no address ends the reading at the proxy that passed it on, so that nonsense counts for
        somebody, and never for an address of the caller's choice.
    """
    if not proxies or not _is_within(_parsed(peer), proxies):
        return peer
    hops = [hop.strip() for header in forwarded for hop in header.split(",")]
    believed = peer
    for hop in reversed(hops[-_MAX_HOPS:]):
        address = _parsed(_without_port(hop))
        if address is None:
            return believed
        believed = str(address)
        if not _is_within(address, proxies):
            return believed
    return believed


def network_of(address: str) -> str:
    """
    What an address counts as: itself for IPv4, its /64 for IPv6, because that is what one customer of a provider has.

    IPv4 inside IPv6 (``::ffff:192.0.2.1``) is the IPv4 address. A text that is no address stays as it is.
    """
    parsed = _parsed(address)
    if parsed is None:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _NETWORK_BITS), strict=False))
    return str(parsed)


def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def _without_port(hop: str) -> str:
    """Some proxies write a port behind the address: ``192.0.2.1:4711``, ``[2001:db8::1]:4711``."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, colon, port = hop.partition(":")
    return host if colon and port.isdigit() and "." in host else hop


def _is_within(address: Address | None, networks: Iterable[Network]) -> bool:
    return address is not None and any(address in network for network in networks)
