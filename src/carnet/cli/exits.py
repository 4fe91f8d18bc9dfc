"""
Exit codes of every command (conventions 2.5), and which error or refusal leads to which.

The table is published in docs/reference/cli.md, which is made from `MEANINGS`. Nothing here prints.
"""

from __future__ import annotations

from carnet.core.decision import Decision
from carnet.core.errors import CarnetError, RefusedError, TransportError, UsageError

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
AUTH = 4
DENIED = 5
OFFLINE = 6
CONFLICT = 7
INTERRUPTED = 130

MEANINGS: tuple[tuple[int, str], ...] = (
    (OK, "Done; for a decision: access is full or limited."),
    (FAILED, "It did not work: a file that cannot be read or is not genuine, a check that failed, a full disk."),
    (USAGE, "The command was not written correctly; nothing was done."),
    (NOT_FOUND, "What you named does not exist."),
    (AUTH, "A passphrase or credential is missing or wrong."),
    (DENIED, "The license does not allow it; for a decision: access is none."),
    (OFFLINE, "No authentic answer came from the server; nothing was decided. Try again later."),
    (CONFLICT, "It collides with what is already there."),
    (INTERRUPTED, "Stopped with Ctrl-C."),
)

_AUTH = frozenset({"wrong_passphrase", "passphrase_needed", "unauthorized", "forbidden"})
_CONFLICT = frozenset(
    {
        "already_exists",
        "already_initialised",
        "ceremony_pending",
        "conflict",
        "data_not_empty",
        "idempotency_mismatch",
        "key_exists",
        "key_not_announced",
        "key_not_announced_long_enough",
        "key_still_needed",
        "port_taken",
        "request_in_flight",
        "root_keys_exist",
    }
)


def of_code(code: str, otherwise: int) -> int:
    """The exit code that an error or refusal *code* stands for, or *otherwise* where the code alone does not say."""
    if code.endswith("_not_found"):
        return NOT_FOUND
    if code in _AUTH:
        return AUTH
    if code in _CONFLICT:
        return CONFLICT
    return otherwise


def of_error(error: CarnetError) -> int:
    """The exit code for *error*, by its code first and its branch of the tree second."""
    if isinstance(error, TransportError):
        return OFFLINE
    if isinstance(error, RefusedError):
        return of_code(error.code, DENIED)
    return of_code(error.code, USAGE if isinstance(error, UsageError) else FAILED)


def of_problem(problem: CarnetError) -> int:
    """
    The exit code for what stood in the way of a contact: no authentic answer, a full disk, or an authentic refusal that
    left the stored license as it was (seats, unknown key), which the SDK tells with the reason's code.
    """
    from carnet.core.reasons import REASONS

    return of_code(problem.code, DENIED) if problem.code in REASONS else of_error(problem)


def of_decision(decision: Decision) -> int:
    """Full or limited: 0. None: 5, except for what is not genuine or cannot be read: 1 (design.md §8)."""
    if decision.access != "none":
        return OK
    return FAILED if decision.state == "not_genuine" else DENIED
