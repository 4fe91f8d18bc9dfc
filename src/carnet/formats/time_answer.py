"""
The time answer: the server's clock under its seal, bound to a nonce (SEC-30; specs/time.md).

Belongs here: `typ` ``carnet-time+jwt``, its six claims, both ways. Does not belong here: what a device does with the
time (`carnet.client.clock`), and whether the clock is right.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.formats.jws import open_jws, sign_jws
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.policy_claims import is_text, is_time

TYP: Final = "carnet-time+jwt"
LIFETIME_SECONDS: Final = 300
"""`exp - iat`. The nonce is what binds an answer to its question; the end is for readers that only know JWT."""

MAX_TIME_ANSWER: Final = 2048
MAX_NONCE: Final = 128

_WHAT: Final = "The time answer"
_FIX: Final = "Ask the server for the time again."


class TimeAnswer(Struct):
    """
    What time it was at the server when it was asked with a nonce.

    Attributes:
        id: Unique per answer (`jti`).
        issuer: The installation's id.
        nonce: 1 to 128 visible ASCII characters, the asker's own.
        at: The server's clock.
    """

    id: str
    issuer: str
    nonce: str
    at: Instant


def is_nonce(value: Any) -> bool:
    """Whether *value* can be a nonce: 1 to 128 visible ASCII characters."""
    return (
        type(value) is str and 0 < len(value) <= MAX_NONCE and value.isascii() and all("!" <= c <= "~" for c in value)
    )


def issue_time_answer(answer: TimeAnswer, signer: Signer) -> str:
    """
    Sign *answer*.

    Args:
        answer: What to say.
        signer: A key of the role ``time``.

    Raises:
        UsageError: ``bad_nonce``.
    """
    if not is_nonce(answer.nonce):
        raise UsageError(
            "bad_nonce", "A nonce has 1 to 128 visible ASCII characters.", "Make one from 16 random bytes."
        )
    claims = {
        "iss": answer.issuer,
        "jti": answer.id,
        "nonce": answer.nonce,
        "iat": int(answer.at),
        "nbf": int(answer.at),
        "exp": min(int(answer.at) + LIFETIME_SECONDS, MAX_INSTANT),
    }
    return sign_jws(claims, typ=TYP, signer=signer)


def verify_time_answer(text: str | bytes, ring: KeyRing, *, nonce: str) -> TimeAnswer:
    """
    Check that *text* is the vendor's answer to the question with *nonce*, and decode it (specs/time.md §4).

    Args:
        text: The answer exactly as received; ASCII, at most 2 KiB.
        ring: The trusted keys; those of the role ``time`` count.
        nonce: The nonce that was sent.

    Raises:
        MalformedError: Not the one canonical form: the codes of `open_jws`, ``missing_claim``, ``bad_claim``.
        NotGenuineError: The codes of `open_jws`; ``answer_not_bound``: an answer to another question.

    Does not compare the time with any clock, and does not judge `exp`: a device whose clock is wrong is why it asks.
    """
    claims, _ = open_jws(text, typ=TYP, role="time", ring=ring, max_bytes=MAX_TIME_ANSWER, what=_WHAT)
    try:
        issuer, answer_id, answered = claims["iss"], claims["jti"], claims["nonce"]
        at, not_before, ends = claims["iat"], claims["nbf"], claims["exp"]
    except KeyError as missing:
        raise MalformedError("missing_claim", f"{_WHAT} has no claim {missing}.", _FIX) from None
    times = is_time(at) and is_time(not_before) and is_time(ends) and at <= not_before < ends
    if not (times and is_text(issuer) and is_text(answer_id) and is_nonce(answered)):
        raise MalformedError("bad_claim", f"{_WHAT} has a claim of a wrong type or out of its bounds.", _FIX)
    if answered != nonce:
        raise NotGenuineError("answer_not_bound", f"{_WHAT} answers another question than the one asked.", _FIX)
    return TimeAnswer(id=answer_id, issuer=issuer, nonce=answered, at=Instant(at))
