"""
Which artifacts are opened and verified again before they leave (docs/decisions/0048).

Checking a token and a machine file costs as much as making them. What it can find is a fault of ours: terms that a
format cannot carry, a key that is not the root's, a broken library or memory. All but the last are found by the first
artifact under a policy; a fault that lasts is found by one in `EVERY`; and one that hits a single artifact is found by
the device, which verifies everything itself and asks again.
"""

from __future__ import annotations

from carnet.core.model import Policy

EVERY = 64
"""At the rate of a busy server a few dozen checks a second, at that of a quiet one the first of each policy."""

_REMEMBERED = 1024


class SelfChecks:
    """
    Says which artifacts to check: the first under each policy, one in `EVERY` after it, and for a while all of them
    after one that was not sound.

    Args:
        every: One in how many.
    """

    def __init__(self, every: int = EVERY) -> None:
        self._every = every
        self._left = 0
        self._suspicion = 0
        self._policies: set[Policy] = set()

    def is_due(self, policy: Policy) -> bool:
        """Whether the next artifact, under *policy*, is to be checked."""
        self._left -= 1
        if policy not in self._policies:
            if len(self._policies) >= _REMEMBERED:
                self._policies.clear()
            self._policies.add(policy)
        elif self._suspicion:
            self._suspicion -= 1
        elif self._left > 0:
            return False
        self._left = self._every
        return True

    def failed(self) -> None:
        """An artifact could not be made or was not sound: trust no other before `every` were checked."""
        self._suspicion = self._every
        self._policies.clear()
