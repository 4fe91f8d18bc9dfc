"""
Kiln Grains, by another vendor. Without a license it falls silent after its demo, as that vendor decided.

It refreshes by itself: `start()` decides from the disk, and goes online in the background when it is due.
"""

from __future__ import annotations

from carnet import Carnet

from ._vendor import ROOT, SERVER

DEMO_CALLS = 1


class Grains:
    """The plug-in."""

    name = "Kiln Grains"

    def __init__(self, host: str) -> None:
        self._carnet = Carnet(product="kiln-grains", server=SERVER, root=ROOT, timeout_seconds=2)
        self._decision = self._carnet.start()
        self._host = host
        self._calls = 0

    def process(self, samples: tuple[float, ...]) -> tuple[float, ...]:
        """Grains with a license; a short demo without."""
        self._calls += 1
        if self._decision or self._calls <= DEMO_CALLS:
            return samples[::-1]
        return tuple(0.0 for _ in samples)

    def message(self) -> str:
        """The first reason, if there is one."""
        return "" if self._decision else self._decision.reasons[0].message

    def activate(self, license_key: str) -> str:
        """From the plug-in's own window."""
        self._decision = self._carnet.activate(license_key)
        return self.message() or "Kiln Grains is yours."

    def close(self) -> None:
        """Let go of connections."""
        self._carnet.close()


def create(host: str) -> Grains:
    """What the host calls."""
    return Grains(host)
