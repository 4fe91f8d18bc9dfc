"""
Fakes for the tests of licensed applications: a clock moved by hand, and a transport without a network.

They stand in for what the SDK does not own (time and network); everything else in such a test is the real thing.
"""

from __future__ import annotations

from carnet.testing.clock import FakeClock
from carnet.testing.transport import MemoryTransport

__all__ = ["FakeClock", "MemoryTransport"]
