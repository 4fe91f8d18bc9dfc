"""
How it looks, for every toolkit alike: colours that can be told apart and read, and signs drawn by the pixel.

Each tone has a sign as well as a colour, so that nobody needs to see colours. Text on its ground has a contrast of at
least 4.5 : 1 and signs of 3 : 1, in light and dark (WCAG 2.2, 1.4.3 and 1.4.11; held by tests/unit/ui/test_look.py).
The signs are made here as PNG, because fonts draw ⚠, ⏰ and 🔒 differently everywhere, or not at all.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from math import hypot
from typing import Literal

from carnet.core._base import Struct
from carnet.core.attention import Tone

Color = tuple[int, int, int]


class Palette(Struct):
    """
    Colours as ``#rrggbb``.

    Attributes:
        ground, text, quiet, line: The dialog's ground, its text, what is said more softly, and edges.
        main, on_main, main_hover: The button that Enter presses, its label, and under the pointer.
        plain, plain_hover: The other buttons, and under the pointer; their label is `text`.
        focus: The ring around what the keyboard is on.
        tones: Tone -> (sign and words, soft ground behind them).
    """

    ground: str
    text: str
    quiet: str
    line: str
    main: str
    on_main: str
    main_hover: str
    plain: str
    plain_hover: str
    focus: str
    tones: dict[Tone, tuple[str, str]]


LIGHT = Palette(
    ground="#ffffff",
    text="#1b1f26",
    quiet="#596273",
    line="#c9ced8",
    main="#2456c9",
    on_main="#ffffff",
    main_hover="#1c46a8",
    plain="#f3f4f7",
    plain_hover="#e6e9ef",
    focus="#86a8f5",
    tones={
        "good": ("#17693a", "#e2f4e8"),
        "info": ("#2456c9", "#e6edfc"),
        "warning": ("#8a5200", "#fdf0d5"),
        "grace": ("#a63c06", "#fde8dc"),
        "error": ("#b3202c", "#fce6e7"),
    },
)
DARK = Palette(
    ground="#1f2229",
    text="#eceef2",
    quiet="#a9b1bf",
    line="#454b57",
    main="#86a8f5",
    on_main="#10182b",
    main_hover="#a3bdf8",
    plain="#2d323c",
    plain_hover="#3a404c",
    focus="#4a6fd0",
    tones={
        "good": ("#72d398", "#1d3a2a"),
        "info": ("#9db9fa", "#243253"),
        "warning": ("#f2bd55", "#41321a"),
        "grace": ("#ff9f6b", "#46291b"),
        "error": ("#ff8f95", "#482328"),
    },
)


def rgb(color: str) -> Color:
    """``#rrggbb`` as three numbers."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2, 1 … 21."""
    high, low = sorted((_luminance(rgb(one)), _luminance(rgb(other))), reverse=True)
    return (high + 0.05) / (low + 0.05)


def palette_on(ground: Color) -> Palette:
    """The palette that belongs to a host whose windows have this ground: light or dark."""
    return DARK if _luminance(ground) < 0.18 else LIGHT


def _luminance(color: Color) -> float:
    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(channel) for channel in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# A drawing is a function: a point in the unit square -> its distance from the ink, negative inside. Edges are smoothed
# over one pixel, so that it looks the same at every size.
_Drawing = Callable[[float, float], float]


def _line(x1: float, y1: float, x2: float, y2: float, width: float) -> _Drawing:
    dx, dy = x2 - x1, y2 - y1
    length = dx * dx + dy * dy

    def distance(x: float, y: float) -> float:
        t = 0.0 if length == 0 else min(1.0, max(0.0, ((x - x1) * dx + (y - y1) * dy) / length))
        return hypot(x - x1 - t * dx, y - y1 - t * dy) - width / 2

    return distance


def _ring(cx: float, cy: float, radius: float, width: float) -> _Drawing:
    return lambda x, y: abs(hypot(x - cx, y - cy) - radius) - width / 2


def _box(cx: float, cy: float, half_width: float, half_height: float, radius: float) -> _Drawing:
    def distance(x: float, y: float) -> float:
        dx, dy = abs(x - cx) - half_width + radius, abs(y - cy) - half_height + radius
        return hypot(max(dx, 0.0), max(dy, 0.0)) + min(max(dx, dy), 0.0) - radius

    return distance


def _any(*drawings: _Drawing) -> _Drawing:
    return lambda x, y: min([drawing(x, y) for drawing in drawings])


def _path(width: float, *points: tuple[float, float]) -> _Drawing:
    return _any(*[_line(*one, *other, width) for one, other in pairwise(points)])


def _arch(cx: float, cy: float, radius: float, width: float) -> _Drawing:
    return lambda x, y: max(abs(hypot(x - cx, y - cy) - radius) - width / 2, y - cy)


_STROKE = 0.075
_SIGNS: dict[Tone, _Drawing] = {
    "good": _path(_STROKE * 1.2, (0.28, 0.52), (0.44, 0.67), (0.73, 0.35)),
    "info": _any(
        _ring(0.5, 0.5, 0.27, _STROKE), _line(0.5, 0.49, 0.5, 0.62, _STROKE), _line(0.5, 0.37, 0.5, 0.37, _STROKE * 1.2)
    ),
    "warning": _any(
        _path(_STROKE, (0.5, 0.24), (0.78, 0.73), (0.22, 0.73), (0.5, 0.24)),
        _line(0.5, 0.43, 0.5, 0.55, _STROKE),
        _line(0.5, 0.645, 0.5, 0.645, _STROKE * 1.1),
    ),
    "grace": _any(_ring(0.5, 0.5, 0.27, _STROKE), _path(_STROKE, (0.5, 0.34), (0.5, 0.51), (0.61, 0.58))),
    "error": _any(
        _box(0.5, 0.6, 0.23, 0.17, 0.05),
        _arch(0.5, 0.43, 0.14, _STROKE),
        _line(0.36, 0.43, 0.36, 0.46, _STROKE),
        _line(0.64, 0.43, 0.64, 0.46, _STROKE),
    ),
}


@lru_cache(maxsize=64)
def sign_png(tone: Tone, palette_name: Literal["light", "dark"], size: int, *, on_tile: bool = True) -> bytes:
    """
    The sign of *tone* as a PNG with transparency.

    Args:
        tone: Which one.
        palette_name: For which ground.
        size: Width and height in pixels, at least 8.
        on_tile: On its soft round ground; without, the sign alone, larger.
    """
    ink, soft = (DARK if palette_name == "dark" else LIGHT).tones[tone]
    tile, sign = _box(0.5, 0.5, 0.5, 0.5, 0.26), _SIGNS[tone]
    rows = []
    for py in range(size):
        row = bytearray()
        for px in range(size):
            x, y = (px + 0.5) / size, (py + 0.5) / size
            if not on_tile:
                x, y = 0.5 + (x - 0.5) * 0.66, 0.5 + (y - 0.5) * 0.66
            inked = _coverage(sign(x, y) * size / (1 if on_tile else 0.66))
            ground = _coverage(tile(x, y) * size) if on_tile else 0.0
            mixed = [round(a * inked + b * (1 - inked)) for a, b in zip(rgb(ink), rgb(soft), strict=True)]
            row += bytes([*(mixed if on_tile else rgb(ink)), round(255 * max(inked, ground))])
        rows.append(bytes(row))
    return _png(size, size, rows)


@lru_cache(maxsize=64)
def shape_png(size: int, radius: float, fill: str, edge: str, ring: str | None = None) -> bytes:
    """
    A rounded box with a thin edge as a PNG, to be stretched by its middle; with *ring*, one around it for the keyboard.

    Args:
        size: Width and height in pixels; small, because only the corners matter.
        radius: Of its corners, in pixels.
        fill: Its colour.
        edge: The colour of the edge, one pixel wide; *fill* for none.
        ring: The colour of the ring, two pixels wide; None leaves its room empty.
    """
    box = _box(size / 2, size / 2, size / 2 - 2, size / 2 - 2, radius)
    rows = []
    for py in range(size):
        row = bytearray()
        for px in range(size):
            distance = box(px + 0.5, py + 0.5)
            inner, outer = _coverage(distance + 1), _coverage(distance)
            halo = _coverage(distance - 2) if ring is not None else 0.0
            colors = zip(rgb(fill), rgb(edge), rgb(ring or edge), strict=True)
            mixed = [a * inner + (b * outer + c * (1 - outer)) * (1 - inner) for a, b, c in colors]
            row += bytes([*(round(min(255.0, value)) for value in mixed), round(255 * max(outer, halo))])
        rows.append(bytes(row))
    return _png(size, size, rows)


def _coverage(distance: float) -> float:
    return min(1.0, max(0.0, 0.5 - distance))


def _png(width: int, height: int, rows: list[bytes]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(b"".join([b"\0" + row for row in rows]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
