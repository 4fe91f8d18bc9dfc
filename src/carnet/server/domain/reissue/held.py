"""What a device says that it holds, as it comes with a request: read later, beside requests (`seen`)."""

from __future__ import annotations

from typing import Final

from carnet.core._base import Struct

HELD_KINDS: Final = frozenset({"token", "machine-file"})
"""What the register can be asked about; a newer SDK may hold more."""

MAX_HELD: Final = 4
"""Of one request; an SDK holds two."""


class HeldArtifact(Struct):
    """
    An artifact that a device says it holds, of `HELD_KINDS`: its id, key and times, never the artifact itself.

    The times are RFC 3339 text, as they came: that they are times is seen when they are looked up.
    """

    kind: str
    jti: str
    kid: str
    issued_at: str
    expires_at: str
