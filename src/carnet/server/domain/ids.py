"""
Ids of everything stored: UUID version 7 text (RFC 9562 §5.7), unique, and in creation order within one process.

So lists page by id, new rows land at the end of every index, and the wire contracts' clients see the UUIDs they expect.
"""

from __future__ import annotations

import threading
from typing import Final

from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_encode
from carnet.server.ports import Random

_IDS_PER_SECOND = 1000 * 4096
"""1,000 milliseconds, 12 bits behind each."""

_RANDOM_BYTES = 12

ID_PATTERN: Final = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
"""What `Ids.new` makes."""


class Ids:
    """
    Makes ids.

    Args:
        random: The randomness: 62 bits of each id.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._lock = threading.Lock()
        self._last_second = -1
        self._sequence = 0

    def random_text(self) -> str:
        """96 random bits, as 16 characters of base64url."""
        return b64url_encode(self._random(_RANDOM_BYTES))

    def new(self, now: Instant) -> str:
        """
        A new id.

        Args:
            now: The present second. Ids of one second are ordered by a counter that fills the millisecond and the 12
                bits behind it; a clock that goes back is not followed.
        """
        with self._lock:
            if now > self._last_second:
                self._last_second, self._sequence = int(now), 0
            second, sequence = self._last_second, self._sequence
            self._sequence += 1
            if self._sequence == _IDS_PER_SECOND:
                self._last_second, self._sequence = second + 1, 0
        milliseconds = second * 1000 + (sequence >> 12)
        value = (milliseconds & ((1 << 48) - 1)) << 80
        value |= 0x7 << 76
        value |= (sequence & 0xFFF) << 64
        value |= 0b10 << 62
        value |= int.from_bytes(self._random(8), "big") & ((1 << 62) - 1)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
