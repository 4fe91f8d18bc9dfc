"""
Whether the way out has changed, told by this system alone: nothing is sent (R-34, issue 5).

`local_network` says from which address the system would send. `NetworkWatch` sleeps until the kernel reports a change
of addresses or routes; where no such report is to be had, it looks now and then. Either is only used while a refresh
is overdue and failed: an app that is well sleeps for the whole of the policy's cadence.
"""

from __future__ import annotations

import errno
import selectors
import socket
import sys
from contextlib import suppress
from typing import Final, Literal

LOOK_SECONDS = 120
"""Where the system reports no changes (Windows), it is asked this often, only while a refresh is overdue."""

SETTLE_SECONDS = 1.0
"""Changes come in swarms; what comes within this is one. A host whose network never rests wakes nobody more often."""

Woken = Literal["changed", "rung", "over", "deaf"]

# poll takes descriptors of any number; select refuses those from 1024 on, which busy hosts have (users-ask 58).
_Selector: Final = getattr(selectors, "PollSelector", selectors.SelectSelector)

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

    def wait(self, seconds: float) -> Woken:
        """
        Sleep until the network changes, `ring` is called, or *seconds* are over.

        Returns:
            ``changed`` where there may have been a change; ``deaf`` where nothing can be heard any more, as when a host
            that becomes a daemon has closed every descriptor: then it returns at once, and whoever calls sleeps
            otherwise.
        """
        limit = min(seconds, LOOK_SECONDS) if self.reports is None else min(seconds, 30 * 86400)
        woken = self._hear(limit, "changed" if self.reports is None else "over")
        if woken != "changed" or self.reports is None:
            return woken
        settled = self._hear(SETTLE_SECONDS, "changed", listens=False)
        return settled if settled != "changed" else self._hear(0, "changed")

    def _hear(self, seconds: float, otherwise: Woken, *, listens: bool = True) -> Woken:
        """What is heard first within *seconds*; *otherwise* nothing."""
        sources: dict[Woken, socket.socket] = {"rung": self._bell}
        if listens and self.reports is not None:
            sources["changed"] = self.reports
        try:
            with _Selector() as selector:
                for woken, source in sources.items():
                    selector.register(source, selectors.EVENT_READ, woken)
                heard: list[Woken] = [key.data for key, _ in selector.select(seconds)]
        except (OSError, ValueError):
            return "deaf"
        if not all(_drain(sources[woken]) for woken in heard):
            return "deaf"
        return "rung" if "rung" in heard else "changed" if heard else otherwise

    def ring(self) -> None:
        """Wake who waits. From any thread."""
        with suppress(OSError):
            self._rope.send(b"!")

    def close(self) -> None:
        """Let go of the descriptors."""
        for each in (self.reports, self._bell, self._rope):
            if each is not None:
                each.close()


def _drain(source: socket.socket) -> bool:
    """Read *source* to its end; whether more can come."""
    try:
        while source.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError as error:
        return error.errno == errno.ENOBUFS  # so many reports that the kernel dropped some (netlink(7))
    return False


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
