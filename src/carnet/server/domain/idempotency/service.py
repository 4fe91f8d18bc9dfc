"""
What becomes of a request with an idempotency key: it is new, it is being answered, or it was answered before.

Nothing of an answer is stored, only what the change made (ids) and a hash of what was asked: the answer is made anew
from the records, so that no secret lies in this table (docs/decisions/0045). The memory is written in the transaction
of the change (`ports.idempotency`); a crash between commit and answer changes nothing.
"""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

from carnet.core.errors import CarnetError, UsageError
from carnet.core.instant import Instant
from carnet.server.ports import ONCE, Clock, IdempotencyStore, Once, Remembered, request_in_flight

KEEP_SECONDS: Final = 86_400
"""How long a key is remembered (conventions.md §2.6)."""

KEY_SHOWN_SECONDS: Final = 900
"""How long after the first answer a repeated one shows a license key again: enough for every retry of a client."""

MAX_KEY: Final = 255


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


class IdempotencyService:
    """
    Tells requests with a key apart.

    Args:
        store: Remembers.
        clock: What time it is.
        secret: Scopes are hashed with it.
    """

    def __init__(self, store: IdempotencyStore, clock: Clock, secret: bytes) -> None:
        self._store = store
        self._clock = clock
        self._secret = hashlib.blake2b(b"carnet/v1/idempotency\0" + secret, digest_size=32).digest()
        self._under_way: dict[bytes, bytes] = {}

    def request(self, *, key: str, caller: str, operation: str, path: str, body: bytes) -> Once:
        """
        The request with this *key*, not begun yet.

        Args:
            key: As the caller chose it: 1 to 255 visible ASCII characters.
            caller: Who asks: keys of one caller mean nothing to another.
            operation: What is asked for.
            path: At which address.
            body: The exact bytes.

        Raises:
            UsageError: ``invalid_argument``: not a key.
        """
        if not (0 < len(key) <= MAX_KEY and all("!" <= character <= "~" for character in key)):
            raise UsageError(
                "invalid_argument",
                "The Idempotency-Key is not valid.",
                f"Use 1 to {MAX_KEY} visible ASCII characters, a fresh random text for every change.",
            )
        now = self._clock.now()
        scope = hashlib.blake2b(key=self._secret, digest_size=32)
        request = hashlib.sha256()
        for text in (caller, key):
            _add(scope, text.encode("utf-8", "surrogatepass"))
        for part in (operation.encode(), path.encode("utf-8", "surrogatepass"), body):
            _add(request, part)
        return Once(scope=scope.digest(), request=request.digest(), at=now, until=Instant(now + KEEP_SECONDS))

    async def begin(self, once: Once) -> Remembered | None:
        """
        Begin to answer *once*; call `end` when it is answered, whatever this says.

        Returns:
            What the same request did before; None if it is new, and then its change will be remembered.

        Raises:
            CarnetError: ``request_in_flight``; ``idempotency_mismatch``: the key was used for something else.
        """
        under_way = self._under_way.get(once.scope)
        if under_way is not None:
            if under_way != once.request:
                raise _mismatch()
            raise request_in_flight()
        self._under_way[once.scope] = once.request
        once.is_begun = True
        found = await self._store.remembered(once.scope)
        if found is None or found.until <= once.at:
            ONCE.set(once)
            return None
        if found.request != once.request:
            raise _mismatch()
        return found

    def end(self, once: Once) -> None:
        """The request is answered, or was given up."""
        if once.is_begun:
            self._under_way.pop(once.scope, None)
        ONCE.set(None)

    def shows_keys(self, remembered: Remembered) -> bool:
        """Whether a repeated answer may show a license key again."""
        return self._clock.now() < remembered.at + KEY_SHOWN_SECONDS


def key_not_shown_again(license_id: str) -> UsageError:
    """The error for a repeated creation of a license after the time in which its key is shown again."""
    return UsageError(
        "conflict",
        f"This request made the license {license_id} before; its key is not shown again this way.",
        "Ask for it with reveal-key, which is recorded.",
    )


def _mismatch() -> CarnetError:
    return CarnetError(
        "idempotency_mismatch",
        "This Idempotency-Key was used for another request.",
        "Use a fresh key for every change, and the same one only to repeat exactly the same request.",
    )


def _add(digest: _Digest, part: bytes) -> None:
    """Delimited by its length, so that no two sequences of parts are the same bytes."""
    digest.update(len(part).to_bytes(8, "big") + part)
