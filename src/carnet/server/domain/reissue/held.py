"""What a device says that it holds, as it comes with a request: read later, beside requests (`seen`)."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from carnet.core._base import Struct

HeldKind: TypeAlias = Literal["token", "machine-file"]

MAX_HELD: Final = 4
"""Of one request; an SDK holds two."""


class HeldArtifact(Struct):
    """
    An artifact that a device says it holds: its id, key and times, never the artifact itself. The times are RFC 3339
    text, as they came: that they are times is seen when they are looked up.
    """

    kind: HeldKind
    jti: str
    kid: str
    issued_at: str
    expires_at: str
