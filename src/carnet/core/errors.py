"""
The one error tree. Branches by what the caller can do; every instance has a stable code and a human sentence.

    CarnetError
    ├── UsageError        the call or command is wrong: fix the call
    ├── MalformedError    the bytes are not this format: fetch or copy the file again
    ├── NotGenuineError   the bytes are not from this vendor, or were changed: do not trust them
    ├── DoesNotOpenError  genuine, but encrypted for another device or license key
    ├── StateError        the state on this device cannot be read or written
    ├── TransportError    no authentic answer came: try again later; nothing was decided
    └── RefusedError      an answer came and it is no; carries the reasons

Ordinary outcomes (expired, no seats, suspended) are results, not exceptions: `Decision` and `Refused`.
`RefusedError` is for callers who ask for an exception. Messages never hold secrets; keys show their last four.
The page of all codes is `docs/reference/codes.md`, made from the code and tested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carnet.core.decision import Decision


class CarnetError(Exception):
    """
    Base of every error Carnet raises on purpose.

    Attributes:
        code: Stable, snake_case, documented.
        message: One sentence: what happened.
        fix: One sentence: what to do next.
        retryable: Whether the same call may succeed later without any change.
    """

    retryable = False

    def __init__(self, code: str, message: str, fix: str = "") -> None:
        super().__init__(code, message, fix)
        self.code = code
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()


class UsageError(CarnetError):
    """The call or command is wrong."""


class MalformedError(CarnetError):
    """The input is not the canonical form of the format it should be."""


class NotGenuineError(CarnetError):
    """The input was not sealed by a key that the current root trusts for this purpose, or was changed since."""


class DoesNotOpenError(CarnetError):
    """A genuine machine file that was made for another device or another license key."""


class StateError(CarnetError):
    """The state on this device cannot be read or written."""


class TransportError(CarnetError):
    """
    No authentic answer was received. Never a refusal (design.md §2 rule 4).

    Attributes:
        retry_after_seconds: How long the other side asked to be left alone; unsigned, so only a hint.
    """

    retryable = True
    retry_after_seconds = 0


class RefusedError(CarnetError):
    """
    A "no", for callers who prefer an exception to a result.

    Attributes:
        decision: The decision with every reason, where there is one.
    """

    def __init__(self, code: str, message: str, fix: str = "", *, decision: Decision | None = None) -> None:
        super().__init__(code, message, fix)
        self.decision = decision
