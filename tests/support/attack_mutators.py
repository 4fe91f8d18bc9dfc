"""Mutations for fuzz campaigns: of bytes as they stand, and of JSON values before they are signed again."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from carnet.core.instant import MAX_INSTANT
from carnet.formats.limits import MAX_JSON_INTEGER, MAX_LIFETIME_SECONDS

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**9, 2**31 - 1, 2**31, MAX_JSON_INTEGER, MAX_JSON_INTEGER + 1, -MAX_JSON_INTEGER,
    MAX_INSTANT, MAX_INSTANT + 1, MAX_LIFETIME_SECONDS, MAX_LIFETIME_SECONDS + 1, 1.5, 1e3, float("nan"), float("inf"),
    "", "x", "0", "A", "x" * 255, "x" * 256, "a" * 100, "a" * 101, "\x00", "\x7f", "a\nb", " a", "é", "\u200b",
    "\ud800", "\U0001f511", "1.2.3", "1.", "*.example.com", "*", "2026-09-21T14:13:20Z", "2026-02-30T00:00:00Z",
    [], {}, [[]], [{}], [None], {"": ""}, {"key": "a"}, ["x"], "full", "limited", "none", "off", "countdown",
)  # fmt: skip
TEXTS: tuple[bytes, ...] = (
    b"", b".", b"..", b"=", b"==", b"-", b"_", b"+", b"/", b"\n", b"\r\n", b" ", b"\t", b"\x00", b"\xff", b"\x80",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3\xa9", b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":",
    b"null", b"true", b"1e9", b"1.0", b"-0", b"NaN", b"Infinity", b"9007199254740992", b"\\u0000", b"\\ud800",
    b'"a":1,', b'{"a":1,"a":1}', b"[" * 21, b"]" * 21, b"-----BEGIN ", b"-----END ", b"A" * 65, b"eyJ", b"\xe2\x80\x8b",
)  # fmt: skip


class Mutator:
    """Changes drawn from one seeded source, so that a campaign can be repeated."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def of_bytes(self, data: bytes, other: bytes, most: int) -> bytes:
        """*data* with one to four changes: bits, bytes, pieces of itself, of *other* and of `TEXTS`."""
        random = self.random
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            at = random.randrange(len(data) + 1)
            size = min(random.choice((1, 1, 2, 4, 16, 64, 512)), len(data) - at)
            kind = random.randrange(8)
            if kind == 0 and at < len(data):
                data = data[:at] + bytes((data[at] ^ (1 << random.randrange(8)),)) + data[at + 1 :]
            elif kind == 1:
                data = data[:at] + bytes((random.randrange(256),)) + data[at + 1 :]
            elif kind == 2:
                data = data[:at] + data[at + size :]
            elif kind == 3:
                data = data[:at] + data[at : at + size] * 2 + data[at + size :]
            elif kind == 4:
                data = data[:at] + random.choice(TEXTS) + data[at:]
            elif kind == 5:
                data = data[:at] + random.choice(TEXTS) + data[at + size :]
            elif kind == 6:
                start = random.randrange(len(other) + 1)
                data = data[:at] + other[start : start + random.choice((1, 8, 64, 1024))] + data[at + size :]
            else:
                data = data[:at]
        return data[:most]

    def of_json(self, value: Any) -> Any:
        """*value*, which is changed in place, with one to three members changed, dropped, added or swapped."""
        random = self.random
        root = [value]
        for _ in range(random.choice((1, 1, 2, 3))):
            places = _places(root)
            parent, key = random.choice(places)
            kind = random.randrange(7)
            here = parent[key]
            if kind == 0 and parent is not root:
                del parent[key]
            elif kind == 1 and type(here) is int:
                parent[key] = here + random.choice((-1, 1, 2**31, -here, -here - 1))
            elif kind == 2 and type(here) is str:
                parent[key] = random.choice((here + "x", here[:-1], here.upper(), here * 2, here + "\n", " " + here))
            elif kind == 3 and type(here) is list and here:
                here.append(random.choice(here))
            elif kind == 4:
                source, name = random.choice(places)
                if parent is not root and source is not root:
                    parent[key], source[name] = source[name], parent[key]
                    if not _is_tree(root):
                        parent[key] = None
            elif kind == 5 and type(here) is dict:
                here[random.choice(("x", "", "exp", "kid", "crit", "KID", "é"))] = random.choice(VALUES)
            else:
                parent[key] = random.choice(VALUES)
            root = json.loads(json.dumps(root))  # no part in two places
        return root[0]

    def text_of(self, value: Any) -> bytes:
        """*value* as JSON in one of many spellings, most of them readable."""
        random = self.random
        separators = random.choice(((",", ":"), (", ", ": "), (" ,\n", "\t:")))
        text = json.dumps(value, separators=separators, sort_keys=random.random() < 0.8)
        if random.random() < 0.7:
            text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        if random.random() < 0.05:
            text = random.choice((text + " ", text + "x", " " + text, text[:-1], text.replace(":", ":\n", 1)))
        if random.random() < 0.05:
            text = text.replace("{", '{"iat":1,', 1)
        return text.encode("utf-8", "surrogatepass")


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting: list[Any] = [root]
    while waiting:
        parent = waiting.pop()
        for key in parent if type(parent) is dict else range(len(parent)):
            found.append((parent, key))
            if type(parent[key]) in {dict, list}:
                waiting.append(parent[key])
    return found


def _is_tree(root: Any) -> bool:
    try:
        json.dumps(root)
    except (ValueError, RecursionError):
        return False
    return True
