"""
The status lists that an app brings with it: read once, looked up by address (specs/state.md §14).

An update of an app can carry news to devices that see no network (R-83). The file is not trusted and not needed: what
is wrong with it, or its absence, is noted in the log and decides nothing (REL-16).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from carnet.client.status_lists import CheckKey, kept_after, refs_of, tokens_in, uri_of
from carnet.core._base import Struct
from carnet.core.errors import MalformedError
from carnet.core.model import Grant
from carnet.formats.limits import MAX_BUNDLE
from carnet.formats.root import Root


class Shipped(Struct):
    """
    What is in the file, nothing of it verified.

    Attributes:
        by_uri: Each address with the lists that claim to be its own.
        roots: Root files beside them, in the order of the file.
        problem: Code of what is wrong with the file; None where it could be read.
    """

    by_uri: tuple[tuple[str, tuple[str, ...]], ...] = ()
    roots: tuple[str, ...] = ()
    problem: str | None = None

    def of(self, uris: Iterable[str]) -> tuple[str, ...]:
        """The lists for *uris*."""
        wanted = set(uris)
        return tuple(token for uri, tokens in self.by_uri if uri in wanted for token in tokens)


class Shelf:
    """Remembers what a file held, until it changes, and what of it counts, until what it is compared with changes."""

    def __init__(self) -> None:
        self._stamp: object = None
        self._shipped = Shipped()
        self._counted: tuple[tuple[object, ...], tuple[str, ...]] | None = None

    def read(self, given: bytes | str) -> tuple[Shipped, bool]:
        """
        What *given* holds, and whether it was read just now.

        Args:
            given: The content itself, or a path.
        """
        stamp: object = given
        if isinstance(given, str):
            try:
                found = os.stat(given)
            except (OSError, ValueError):
                stamp = (given, None)
            else:
                stamp = (given, found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp == self._stamp:
            return self._shipped, False
        self._stamp, self._shipped = stamp, _read(given)
        return self._shipped, True

    def counting(
        self, kept: tuple[str, ...], shipped: Shipped, grants: tuple[Grant, ...], root: Root, check_key: CheckKey
    ) -> tuple[str, ...]:
        """What a device that has *kept* would keep of *shipped*, for *grants* and under *root*: `kept_after`."""
        refs = tuple(refs_of(grants))
        offered = tuple(token for token in shipped.of(ref.uri for ref in refs) if token not in kept)
        if not offered:
            return kept
        given = (kept, offered, refs, root)
        if self._counted is None or self._counted[0] != given:
            self._counted = (given, kept_after(kept, offered, root.ring(), grants, check_key=check_key))
        return self._counted[1]

    def news(self, kept: tuple[str, ...]) -> tuple[str, ...]:
        """The lists of the last `counting`, where they are not *kept* yet."""
        counted = self._counted
        return counted[1] if counted is not None and counted[0][0] == kept and counted[1] != kept else ()


def _read(given: bytes | str) -> Shipped:
    try:
        data = given if isinstance(given, bytes) else _content(given)
    except (OSError, ValueError):
        return Shipped(problem="status_lists_unreadable")
    if len(data) > MAX_BUNDLE:
        return Shipped(problem="too_large")
    try:
        tokens, roots = tokens_in(data)
    except MalformedError as error:
        return Shipped(problem=error.code)
    by_uri: dict[str, list[str]] = {}
    for token in tokens:
        uri = uri_of(token)
        if uri is not None:
            by_uri.setdefault(uri, []).append(token)
    return Shipped(
        by_uri=tuple((uri, tuple(found)) for uri, found in by_uri.items()),
        roots=roots,
        problem=None if by_uri else "no_status_lists",
    )


def _content(path: str) -> bytes:
    # Not blocking: something else than a file may lie there, and a check never waits.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        return file.read(MAX_BUNDLE + 1) or b""  # None from a pipe that has nothing to say
