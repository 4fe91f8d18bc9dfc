"""
Whether the way out has changed, told by this system alone: nothing is sent (R-34, issue 5).

`local_network` says from which address the system would send. `NetworkWatch` sleeps until the kernel reports a change
of addresses or routes; where no such report is to be had, it looks now and then. Either is only used while a refresh
is overdue and failed: an app that is well sleeps for the whole of the policy's cadence.
"""

from __future__ import annotations

import select
import socket
import sys
from contextlib import suppress

LOOK_SECONDS = 120
"""Where the system reports no changes (Windows), it is asked this often, only while a refresh is overdue."""

NONE = "none"
_FAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))  # RFC 5737, RFC 3849: for examples only
_PORT = 9
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_LINK, and of IPv4 and IPv6 RTMGRP_…_IFADDR and RTMGRP_…_ROUTE (linux/rtnetlink.h)."""


def local_network() -> str:
    """
    What the way out looks like: the addresses this device would send from.

    Returns:
        A short digest of them; `NONE` without a way out; an empty text where that cannot be told.
    """
    addresses: list[str] = []
    for family, far in _FAR:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, _PORT))  # of a datagram socket: looks up the route and sends nothing
                addresses.append(str(probe.getsockname()[0]))
        except PermissionError:
            return ""  # a sandbox that forbids even this
        except OSError:
            continue
    if not addresses:
        return NONE
    from carnet.formats.encoding import sha256

    return sha256("\n".join(addresses).encode()).hex()[:16]


class NetworkWatch:
    """
    Waits for a change of the network. Holds at most three file descriptors, until `close`.

    Attributes:
        reports: Becomes readable when addresses or routes change; None where this system does not tell.
    """

    def __init__(self) -> None:
        self.reports = _reports()
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)

    def wait(self, seconds: float) -> bool:
        """
        Sleep until the network changes, `ring` is called, or *seconds* are over.

        Returns:
            Whether there may have been a change.
        """
        watched = [self._bell] if self.reports is None else [self._bell, self.reports]
        limit = min(seconds, LOOK_SECONDS) if self.reports is None else seconds
        try:
            ready, _, _ = select.select(watched, [], [], min(limit, 30 * 86400))
        except (OSError, ValueError):  # closed meanwhile, or more descriptors than select can take
            return False
        for each in ready:
            with suppress(OSError):
                while each.recv(65536):
                    pass
        return self.reports is None or self.reports in ready

    def ring(self) -> None:
        """Wake who waits. From any thread."""
        with suppress(OSError):
            self._rope.send(b"!")

    def close(self) -> None:
        """Let go of the descriptors."""
        for each in (self.reports, self._bell, self._rope):
            if each is not None:
                each.close()


def _reports() -> socket.socket | None:
    """A socket that becomes readable when addresses or routes change; None where there is none."""
    try:
        if sys.platform == "linux":
            reports = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            reports.bind((0, _GROUPS))
        else:  # macOS and BSD: route(4), readable by everyone
            reports = socket.socket(socket.AF_ROUTE, socket.SOCK_RAW)
        reports.setblocking(False)
    except (OSError, AttributeError):
        return None
    return reports
