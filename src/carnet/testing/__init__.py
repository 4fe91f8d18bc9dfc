"""
For the tests of licensed applications: a lab with a fake server, a fake clock, a network without wires, canned states.

`carnet_lab` is a pytest fixture (`carnet.testing.plugin`); `Lab` is the same for other test runners. The SDK in such a
test is the real one, and so are the artifacts: what is fake is what no app owns, time and network.

Names are loaded when they are first used: pytest imports this package in every project that has Carnet installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carnet.testing.clock import FakeClock
    from carnet.testing.lab import Lab
    from carnet.testing.server import FakeLicense, FakeServer
    from carnet.testing.transport import MemoryTransport

__all__ = ["FakeClock", "FakeLicense", "FakeServer", "Lab", "MemoryTransport"]


def __getattr__(name: str) -> object:
    if name == "FakeClock":
        from carnet.testing.clock import FakeClock

        return FakeClock
    if name == "Lab":
        from carnet.testing.lab import Lab

        return Lab
    if name in {"FakeServer", "FakeLicense"}:
        from carnet.testing import server

        return getattr(server, name)
    if name == "MemoryTransport":
        from carnet.testing.transport import MemoryTransport

        return MemoryTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
