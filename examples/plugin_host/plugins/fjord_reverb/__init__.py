"""
Fjord Reverb, by one vendor. Without a license it lets the signal through unchanged: a session never loses its sound.

Everything it needs of Carnet belongs to the plug-in object. There is no global state, so the plug-in of another
vendor in the same process, with its own product, server, root and perhaps its own copy of Carnet, is no neighbour.
"""

from __future__ import annotations

from carnet import Carnet

from ._vendor import ROOT, SERVER


class Reverb:
    """The plug-in."""

    name = "Fjord Reverb"

    def __init__(self, host: str) -> None:
        self._carnet = Carnet(product="fjord-reverb", server=SERVER, root=ROOT, edition=None)
        self._host = host
        self._decision = self._carnet.check()  # from the disk: a host that opens a session waits for nobody

    def process(self, samples: tuple[float, ...]) -> tuple[float, ...]:
        """Wet with a license, dry without."""
        if not self._decision:
            return samples
        return tuple(round(0.8 * a + 0.2 * b, 6) for a, b in zip(samples, (0.0, *samples), strict=False))

    def message(self) -> str:
        """The notice's title, if there is a notice."""
        return "" if self._decision.notice is None else self._decision.notice.title

    def activate(self, license_key: str) -> str:
        """From the plug-in's own window."""
        self._decision = self._carnet.activate(license_key, device_name=self._host)
        return self.message() or "Thank you. Fjord Reverb is activated."

    def close(self) -> None:
        """Let go of connections; nothing else was taken."""
        self._carnet.close()


def create(host: str) -> Reverb:
    """What the host calls."""
    return Reverb(host)
