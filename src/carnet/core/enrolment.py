"""
Enrolment tokens: one secret that many machines may use to activate (users-ask 14).

A token stands for its license and never is the license key: it is capped, ends, can be revoked, and may be bound to
networks. It is judged when a device enrols; a device that has enrolled keeps its seat and refreshes with the token it
knows, whatever becomes of the token, until the seat itself is taken back.
"""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.instant import Instant

MAX_NETWORKS = 64


class EnrolmentFacts(Struct):
    """
    A token as the rules need it, read under the lock.

    Attributes:
        max_uses: How many devices may enrol with it; None for any number.
        used: How many did.
        expires_at: First second it enrols nobody; None if it has no end.
        revoked_at: When it was revoked.
        networks: CIDR ranges that a device must come from; empty for anywhere.
    """

    max_uses: int | None = None
    used: int = 0
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    networks: tuple[str, ...] = ()


def enrolment_refusals(facts: EnrolmentFacts, address: str | None, now: Instant) -> tuple[str, ...]:
    """
    Why no further device may enrol with a token, as codes, the most lasting first; empty if one may.

    Args:
        facts: The token.
        address: The network address the request came from, as text; None where it is not known.
        now: The server's time.
    """
    codes = []
    if facts.revoked_at is not None:
        codes.append("enrolment_revoked")
    if facts.expires_at is not None and now >= facts.expires_at:
        codes.append("enrolment_expired")
    if facts.max_uses is not None and facts.used >= facts.max_uses:
        codes.append("enrolment_used_up")
    if facts.networks and not is_within(address, facts.networks):
        codes.append("enrolment_network")
    return tuple(codes)


def canonical_network(text: str) -> str | None:
    """The one spelling of a CIDR range or single address (``10.0.0.0/8``, ``2001:db8::/32``); None if it is none."""
    import ipaddress

    try:
        # Host bits set are a mistake more often than a wish: 10.1.2.3/8 would let in far more than it seems to.
        return str(ipaddress.ip_network(text.strip(), strict=True))
    except ValueError:
        return None


def is_within(address: str | None, networks: tuple[str, ...]) -> bool:
    """
    Whether *address* lies in one of *networks*. What is no address lies nowhere.

    An IPv4 address that arrives in IPv6 clothes (``::ffff:10.0.0.1``, RFC 4291 §2.5.5.2) is the IPv4 address.
    """
    import ipaddress

    if address is None:
        return False
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(network) for network in networks)
