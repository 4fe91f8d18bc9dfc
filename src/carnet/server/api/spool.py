"""
Where a large body waits while it is looked at: in a file without a name, under a key that only this object holds.

License keys stand in it, so what reaches the disk is encrypted, and gone with the process however that ends.
"""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TextIO

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from litestar import Request
from litestar.exceptions import InternalServerException

from carnet.core.errors import CarnetError, MalformedError, StateError

_PIECE: Final = 64 * 1024
_TAG: Final = 16


class Spool:
    """
    Bytes that are written once and read from their beginning any number of times.

    Args:
        folder: Where the file is made; it never has a name there, as far as the system allows that.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `__exit__`
        self._seal = AESGCM(AESGCM.generate_key(256))
        self._waiting = bytearray()
        self._pieces = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, some: bytes) -> None:
        """Add *some* bytes at the end."""
        self._waiting += some
        while len(self._waiting) >= _PIECE:
            self._write_piece(_PIECE)

    def finish(self) -> None:
        """All is written."""
        self._write_piece(len(self._waiting))
        self._file.flush()

    def _write_piece(self, size: int) -> None:
        piece = bytes(self._waiting[:size])
        del self._waiting[:size]
        # The key is for this file alone, so a counter is a nonce that never comes twice (NIST SP 800-38D §8.2.1).
        self._file.write(self._seal.encrypt(self._pieces.to_bytes(12, "big"), piece, None))
        self._pieces += 1

    def piece(self, number: int) -> bytes:
        """One piece of what was written, counted from 0; empty after the last."""
        if number >= self._pieces:
            return b""
        sealed = os.pread(self._file.fileno(), _PIECE + _TAG, number * (_PIECE + _TAG))
        return self._seal.decrypt(number.to_bytes(12, "big"), sealed, None)

    def text(self) -> TextIO:
        """All of it from its beginning, as UTF-8, line ends as they are; may raise `UnicodeDecodeError`."""
        return io.TextIOWrapper(io.BufferedReader(_Reader(self), _PIECE), encoding="utf-8", newline="")


class _Reader(io.RawIOBase):
    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._next = 0
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = self._spool.piece(self._next)
            self._next += 1
        some = self._rest[: len(buffer)]
        buffer[: len(some)] = some
        self._rest = self._rest[len(some) :]
        return len(some)


class SpoolRoom:
    """Receives large bodies into one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def receive(self, request: Request[Any, Any, Any]) -> Spool:
        """
        The body of *request*, which is as large as its call takes; whoever asked closes it.

        Raises:
            CarnetError: ``compressed_body``.
            MalformedError: ``bad_request``: the client went away in the middle.
            RequestEntityTooLarge: It is larger.
            StateError: ``data_not_writable``: the disk takes no more.
        """
        if request.headers.get("content-encoding", "identity").strip().lower() not in {"identity", ""}:
            raise CarnetError("compressed_body", "The body is compressed.", "Send it without a Content-Encoding.")
        spool: Spool | None = None
        try:
            spool = Spool(self._folder)
            async for some in request.stream():
                await asyncio.to_thread(spool.write, some)
            await asyncio.to_thread(spool.finish)
        except BaseException as error:
            if spool is not None:
                spool.__exit__(None, None, None)
            if isinstance(error, InternalServerException):  # Litestar's word for that
                raise MalformedError(
                    "bad_request", "The request ended before its body did.", "Send all of it."
                ) from None
            if isinstance(error, OSError):
                raise StateError(
                    "data_not_writable", "The file cannot be kept while it is looked at.", "Free space on the disk."
                ) from error
            raise
        return spool
