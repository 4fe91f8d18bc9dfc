"""
The root a device trusts: the one embedded in the app, and what has been chained to it since (design.md §4).

Nothing is trusted for having been stored: every stored root is verified again, from the embedded one on, at each load.
"""

from __future__ import annotations

from carnet.core.errors import CarnetError
from carnet.formats.root import Root, next_root


def follow_roots(trusted: Root, files: tuple[str, ...]) -> tuple[Root, tuple[str, ...]]:
    """
    Follow a chain of root files as far as each continues the one before.

    Args:
        trusted: Where to start: already trusted.
        files: Root files in any state, oldest first. Those that are not newer are passed over; the first that does not
            continue the chain ends it.

    Returns:
        The newest root, and the files that led to it.
    """
    followed: list[str] = []
    for text in files:
        try:
            newer = next_root(trusted, text)
        except CarnetError:
            if followed:
                break
            continue
        trusted = newer
        followed.append(text)
    return trusted, tuple(followed)
