"""
The answer proof: what the server said to one question, under its seal and bound to the asker's nonce (SEC-30, R-16).

A small JWS beside every answer that was asked for with a nonce; refusals have one too. The device trusts only this,
never the HTTP answer around it; specs/answer.md. A refusal's proof is kept on the device and outranks older grants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import Refusal
from carnet.core.refresh_stamps import number_of
from carnet.formats.encoding import b64url_decode, sha256_b64url
from carnet.formats.jws import open_jws, sign_jws
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.limits import MAX_ID, MAX_LIFETIME_SECONDS, MAX_TOKEN
from carnet.formats.policy_claims import is_text, is_time
from carnet.formats.strict_json import dump_json, parse_object

TYP: Final = "carnet-answer+jwt"
LIFETIME_SECONDS: Final = 300
"""`exp - iat`, for readers that know only JWT. The nonce makes an answer fresh; a kept refusal stays genuine."""

Action = Literal["activate", "refresh", "validate", "deactivate", "claim", "renew", "release", "use"]
Outcome = Literal["granted", "refused"]

_ACTIONS: Final = ("activate", "refresh", "validate", "deactivate", "claim", "renew", "release", "use")
_MAX_NONCE: Final = 128
_MAX_REASONS: Final = 32
_MAX_ARTIFACTS: Final = 16
_DIGEST_BYTES: Final = 32
_CODE_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
_WHAT: Final = "The answer"
_FIX: Final = "Ask the server again."


class Answer(Struct):
    """
    What the server answered.

    Attributes:
        id: Unique per answer (`jti`).
        issuer: The installation's id.
        nonce: The asker's own, 1 to 128 visible ASCII characters.
        action: What was asked for.
        outcome: ``granted`` or ``refused``.
        code: The main reason's code when refused, else None.
        reasons: Every reason's code, the main one first; empty when granted.
        at: The server's time.
        product: The product that was named in the question.
        device: The fingerprint that was named in the question, if one was.
        license_id: The license it is about, where one was found.
        activation_id: The activation it is about, where there is one.
        artifacts: Name and SHA-256 (base64url) of each artifact that came with it, sorted by name.
        stamp: What the device is to show at its next refresh (SEC-45); only with grants of activate and refresh.
    """

    id: str
    issuer: str
    nonce: str
    action: Action
    outcome: Outcome
    at: Instant
    product: str
    code: str | None = None
    reasons: tuple[str, ...] = ()
    device: str | None = None
    license_id: str | None = None
    activation_id: str | None = None
    artifacts: tuple[tuple[str, str], ...] = ()
    stamp: str | None = None


def digest_artifacts(artifacts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """
    What `Answer.artifacts` says of *artifacts*.

    Args:
        artifacts: The text of each artifact exactly as it is handed out, by its member's name: ``token``,
            ``machine_file``.
    """
    return tuple((name, sha256_b64url(artifacts[name].encode())) for name in sorted(artifacts))


def issue_answer(answer: Answer, signer: Signer) -> str:
    """
    Sign *answer*.

    Args:
        answer: What was decided.
        signer: Holder of a key of the role ``answer``.

    Returns:
        The proof: ASCII, one line.

    Raises:
        UsageError: ``bad_answer``: what the verifier would refuse; nothing was signed.
    """
    claims: dict[str, Any] = {
        "iss": answer.issuer,
        "aud": answer.product,
        "jti": answer.id,
        "iat": answer.at,
        "nbf": answer.at,
        "exp": min(answer.at + LIFETIME_SECONDS, MAX_INSTANT),
        "nonce": answer.nonce,
        "action": answer.action,
        "outcome": answer.outcome,
        "artifacts": dict(answer.artifacts),
    }
    optional = {"dev": answer.device, "sub": answer.license_id, "act": answer.activation_id, "code": answer.code}
    optional["stamp"] = answer.stamp
    claims.update((name, value) for name, value in optional.items() if value is not None)
    if answer.reasons:
        claims["reasons"] = answer.reasons
    payload = dump_json(claims)
    try:
        if _answer_of(parse_object(payload, max_bytes=MAX_TOKEN, what=_WHAT)) != answer:
            raise UsageError("bad_answer", "An answer's artifacts must be sorted by name, each named once.")
    except MalformedError as bad:
        raise UsageError("bad_answer", f"This cannot be an answer: {bad.message}") from None
    return sign_jws(payload, typ=TYP, signer=signer)


def verify_answer(text: str | bytes, ring: KeyRing) -> Answer:
    """
    Verify that *text* is an answer of the vendor's server, and decode it. The steps of specs/answer.md §4.

    Args:
        text: The proof exactly as received; ASCII, at most 8 KiB.
        ring: The trusted keys; those of the role ``answer`` count.

    Raises:
        MalformedError: The codes of `open_jws`; ``missing_claim``, ``bad_claim``, ``bad_times``.
        NotGenuineError: The codes of `open_jws`.

    Does not know what was asked: `check_binding` does. Does not judge time.
    """
    claims, _ = open_jws(text, typ=TYP, role="answer", ring=ring, max_bytes=MAX_TOKEN, what=_WHAT)
    return _answer_of(claims)


def check_binding(
    answer: Answer,
    *,
    nonce: str,
    action: Action,
    product: str,
    device: str | None,
    artifacts: tuple[tuple[str, str], ...],
) -> None:
    """
    Check that *answer* is the answer to this question and covers exactly these artifacts. Step 7 of specs/answer.md §4.

    Args:
        answer: What `verify_answer` returned.
        nonce: The nonce that was sent.
        action: What was asked for.
        product: The product that was named.
        device: The fingerprint that was named, or None.
        artifacts: `digest_artifacts` of what came with the answer; empty for a refusal.

    Raises:
        NotGenuineError: ``answer_not_bound``: anything differs: an old answer, or one for another app or device, or
            artifacts that were swapped.
    """
    if (answer.nonce, answer.action, answer.product, answer.device, answer.artifacts) != (
        nonce,
        action,
        product,
        device,
        artifacts,
    ):
        raise NotGenuineError(
            "answer_not_bound",
            "The server's answer is genuine, but it does not answer this question.",
            "Ask again; if it stays so, something between this device and the server replaces its answers.",
        )


def answer_to_refusal(answer: Answer) -> Refusal:
    """
    The tombstone that a device keeps of a refused *answer*.

    Raises:
        UsageError: ``not_a_refusal``: it was granted.
    """
    if answer.code is None:
        raise UsageError("not_a_refusal", "This answer is a grant.")
    return Refusal(
        id=answer.id,
        code=answer.code,
        at=answer.at,
        product=answer.product,
        license_id=answer.license_id,
        activation_id=answer.activation_id,
        device=answer.device,
    )


def _answer_of(claims: dict[str, Any]) -> Answer:
    for name in ("iss", "aud", "jti", "iat", "nbf", "exp", "nonce", "action", "outcome", "artifacts"):
        if name not in claims:
            raise MalformedError("missing_claim", f"{_WHAT} has no {name}.", _FIX)
    for name in ("iss", "aud", "jti", "dev", "sub", "act"):
        if name in claims and not is_text(claims[name]):
            raise _bad_claim(name, f"1 to {MAX_ID} printable characters")
    for name in ("iat", "nbf", "exp"):
        if not is_time(claims[name]):
            raise _bad_claim(name, "a time in whole Unix seconds")
    issued_at, expires_at = claims["iat"], claims["exp"]
    if not issued_at <= claims["nbf"] < expires_at or expires_at - issued_at > MAX_LIFETIME_SECONDS:
        raise MalformedError("bad_times", f"{_WHAT} must have iat ≤ nbf < exp, at most ten years apart.", _FIX)
    nonce = claims["nonce"]
    if not is_text(nonce) or len(nonce) > _MAX_NONCE or not nonce.isascii() or " " in nonce:
        raise _bad_claim("nonce", f"1 to {_MAX_NONCE} visible ASCII characters")
    if claims["action"] not in _ACTIONS:
        raise _bad_claim("action", f"one of {', '.join(_ACTIONS)}")
    refused = claims["outcome"] == "refused"
    if not refused and claims["outcome"] != "granted":
        raise _bad_claim("outcome", "granted or refused")
    code, reasons = claims.get("code"), claims.get("reasons", [])
    if type(reasons) is not list or len(reasons) > _MAX_REASONS or not all(map(_is_code, reasons)):
        raise _bad_claim("reasons", f"up to {_MAX_REASONS} codes")
    if (reasons[:1] != [code]) if refused else ("code" in claims or "reasons" in claims):
        raise _bad_claim("code", "the first of the reasons when refused, and absent when granted")
    stamp = claims.get("stamp")
    if "stamp" in claims and (refused or type(stamp) is not str or number_of(stamp) is None):
        raise _bad_claim("stamp", "a number, a dot and 16 characters, with a grant")
    return Answer(
        id=claims["jti"],
        issuer=claims["iss"],
        nonce=nonce,
        action=claims["action"],
        outcome="refused" if refused else "granted",
        at=Instant(issued_at),
        product=claims["aud"],
        code=code,
        reasons=tuple(reasons),
        device=claims.get("dev"),
        license_id=claims.get("sub"),
        activation_id=claims.get("act"),
        artifacts=_artifacts_of(claims["artifacts"]),
        stamp=stamp,
    )


def _artifacts_of(digests: Any) -> tuple[tuple[str, str], ...]:
    if type(digests) is not dict or len(digests) > _MAX_ARTIFACTS:
        raise _bad_claim("artifacts", f"an object of up to {_MAX_ARTIFACTS} members")
    for name, digest in digests.items():
        if (
            not _is_code(name)
            or type(digest) is not str
            or len(b64url_decode(digest, f"{_WHAT}'s digest")) != _DIGEST_BYTES
        ):
            raise _bad_claim("artifacts", "an object of names and SHA-256 digests")
    return tuple(sorted(digests.items()))


def _is_code(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_ID and _CODE_CHARACTERS.issuperset(value)


def _bad_claim(name: str, wanted: str) -> MalformedError:
    return MalformedError("bad_claim", f"{_WHAT}'s {name} is not {wanted}.", _FIX)
