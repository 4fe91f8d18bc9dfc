"""
A virtual display for the tests of windows, and pictures of what is on it (tools/prepare_display.py prepares it).

The windows themselves live in child processes: libraries have to be named before a process starts, and neither Tk nor
Qt belongs into the process that runs the tests.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any, Self

RECORD = Path(sys.prefix) / "display" / "display.json"
PREPARED: dict[str, Any] = (
    json.loads(RECORD.read_text(encoding="utf-8"))
    if RECORD.is_file()
    else {"missing": "make test prepares the display"}
)
MISSING: str | None = PREPARED.get("missing")
"""Why there is no display on this machine, or None."""

WIDTH, HEIGHT = 1280, 900
_SOURCE = Path(__file__).resolve().parents[2] / "src"


def environment(**more: str) -> dict[str, str]:
    """What a process with windows needs: the prepared libraries and fonts, no theme or language of this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    libraries = [*PREPARED["libraries"], *os.environ.get("LD_LIBRARY_PATH", "").split(":")]
    return {
        **kept,
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
        "FONTCONFIG_FILE": PREPARED["fonts"],
        "PYTHONPATH": ":".join([str(_SOURCE), str(Path(__file__).resolve().parents[1]), *PREPARED["python"]]),
        **PREPARED["scripts"],
        "LANG": "C.UTF-8",
        **more,
    }


class Display:
    """An X server without a screen, on a number that was free."""

    def __init__(self) -> None:
        self._directory = tempfile.mkdtemp(prefix="carnet-display-")
        readable, writable = os.pipe()
        self._log = Path(self._directory, "log").open("wb")  # noqa: SIM115 - the server writes it until the end
        self._server = subprocess.Popen(
            [
                PREPARED["server"],
                *("-displayfd", str(writable)),
                *("-screen", "0", f"{WIDTH}x{HEIGHT}x24"),
                *("-xkbdir", PREPARED["keyboards"]),
                *("-fbdir", self._directory),
                *("-dpi", "96", "-nolisten", "tcp", "-noreset", "-nocursor"),
            ],
            cwd=PREPARED["directory"],
            env=environment(),
            pass_fds=[writable],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        os.close(writable)
        with os.fdopen(readable) as answer:
            number = answer.readline().strip()
        if not number:
            raise RuntimeError(Path(self._directory, "log").read_text(encoding="utf-8", errors="replace")[-2000:])
        self.name = f":{number}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.terminate()
        self._server.wait(120)
        self._log.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def framebuffer(self) -> str:
        """The file that holds the screen."""
        return str(Path(self._directory, "Xvfb_screen0"))


def picture(framebuffer: str, left: int, top: int, width: int, height: int) -> bytes:
    """A PNG of a part of the screen, read from the server's own memory (the XWD format of `man xwd`)."""
    with Path(framebuffer).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as screen:
        header = struct.unpack(">25I", screen[:100])
        header_size, bits, line_bytes, colors = header[0], header[11], header[12], header[19]
        assert bits == 32
        start = header_size + colors * 12
        rows = []
        for y in range(top, top + height):
            at = start + y * line_bytes + left * 4
            row = screen[at : at + width * 4]
            pixels = bytearray(width * 3)
            pixels[0::3], pixels[1::3], pixels[2::3] = row[2::4], row[1::4], row[0::4]
            rows.append(bytes(pixels))
    return png(width, height, rows)


def png(width: int, height: int, rows: list[bytes]) -> bytes:
    """A PNG of RGB *rows*."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def pixels_of(data: bytes) -> tuple[int, int, set[bytes]]:
    """Width, height and the colours of a PNG of 8-bit RGB(A), whatever its filters: read by the format's own rules."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, body, width, height, depth = 8, b"", 0, 0, 3
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height, bits, color = struct.unpack(">IIBB", content[:10])
            assert bits == 8
            depth = {2: 3, 6: 4}[color]
        elif kind == b"IDAT":
            body += content
        at += 12 + size
    raw = zlib.decompress(body)
    stride = width * depth
    before = bytearray(stride)
    colors: set[bytes] = set()
    for y in range(height):
        line = bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        _unfilter(raw[y * (stride + 1)], line, before, depth)
        colors.update(bytes(line[x : x + 3]) for x in range(0, stride, depth))
        before = line
    return width, height, colors


def _unfilter(kind: int, line: bytearray, before: bytearray, depth: int) -> None:
    for index in range(len(line)):
        left = line[index - depth] if index >= depth else 0
        up, corner = before[index], before[index - depth] if index >= depth else 0
        if kind == 1:
            line[index] = (line[index] + left) & 255
        elif kind == 2:
            line[index] = (line[index] + up) & 255
        elif kind == 3:
            line[index] = (line[index] + (left + up) // 2) & 255
        elif kind == 4:
            guess = left + up - corner
            nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
            line[index] = (line[index] + nearest[2]) & 255
