"""
The exchanges with the license server, written once: generators that yield requests and are sent answers (style.md §2).

No network, file, clock or thread here; whoever drives a flow brings those. A flow ends with a `Verdict`, which is
authentic: its proof verifies under the trusted root and is bound to this request's nonce, to this device, this product
and the artifacts that came with it (SEC-30). Everything else that may come back over a network (a login page, a
redirect, an error of a proxy, an unsigned refusal, half a body) is a `TransportError` and decides nothing (REL-16).

Where a key is unknown, or the root has ended, there may be roots that the answer did not carry: more than go into one,
or a refusal, which carries none. Then they are fetched, and the answer is judged again (`roots.catch_up`).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from carnet.client.fingerprint.components import digests
from carnet.client.judging import BEHIND, Caller, Verdict, body_of, judge_body, not_authentic, roots_in
from carnet.client.roots import BATCH, catch_up, catching_up
from carnet.client.wire import HttpAnswer, HttpRequest, Pause
from carnet.core._base import replace
from carnet.core.errors import CarnetError, TransportError
from carnet.core.instant import Instant
from carnet.formats.answer import Action
from carnet.formats.device_proof import make_device_proof
from carnet.formats.encoding import b64url_encode
from carnet.formats.limits import MAX_ROOT_STEPS
from carnet.formats.strict_json import dump_json

_T = TypeVar("_T")
Flow = Generator[HttpRequest | Pause, HttpAnswer, _T]

OUT_OF_TIME = "out_of_time"
"""Code of the `TransportError` with which a driver ends a flow: no further attempt is worth a request."""

_ATTEMPTS = 3
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_CONFLICT = 409
_MAX_PROBLEM = 16 * 1024
_PAUSE_SECONDS = 0.4
_NONCE_BYTES = 16
_MAX_HELD = 4
"""Of one request (specs/http-api.md §4.1)."""
_CLOCK_IS_OFF_SECONDS = 60
_ACTIVATED_AGAIN = frozenset(
    {"activation_not_found", "device_proof_invalid", "device_proof_required", "license_key_required"}
)


def activate(
    caller: Caller,
    license_key: str,
    *,
    device_name: str | None = None,
    platform: str | None = None,
    user: str | None = None,
) -> Flow[Verdict]:
    """
    Ask for a seat with *license_key* exactly as typed (R-80: the server tries the typed text first).

    Args:
        caller: This device.
        license_key: 1 to 512 characters.
        device_name: For people, at most 64 characters.
        platform: For people, for example ``linux``.
        user: Who uses the device, opaque, at most 255 characters (R-28).

    Raises:
        TransportError: No authentic answer.
    """
    members = {
        "license_key": license_key,
        "device": _device(caller, license_key, name=device_name, platform=platform, with_key=True),
        "user": user,
    }
    return (yield from _ask(caller, "activate", members, license_key))


def refresh(
    caller: Caller,
    *,
    activation_id: str | None,
    license_key: str,
    ttl_seconds: int | None = None,
    stamp: str | None = None,
) -> Flow[Verdict]:
    """
    Ask for fresh artifacts for the seat this device holds, proving possession of the device key (SEC-45).

    A device whose clock is far off gets the signed time from the server's refusal and proves again with that. A device
    whose key the server does not know (another user of this machine has activated since), or whose seat (the server was
    restored from a backup, REL-11), activates again: the same license on the same device is the same seat.

    Args:
        caller: This device.
        activation_id: The seat; None when no artifact tells it.
        license_key: The stored one, for the machine file, and for the server where no activation id is known.
        ttl_seconds: A wanted offline window; the policy caps it.
        stamp: Of the newest answer that was taken in.

    Raises:
        TransportError: No authentic answer.
    """
    members: dict[str, Any] = {"device": _device(caller, license_key), "ttl_seconds": ttl_seconds, "stamp": stamp}
    verdict = yield from _prove(caller, "refresh", members, activation_id, license_key)
    if verdict.answer.code in _ACTIVATED_AGAIN:
        device = _device(caller, license_key, with_key=True)
        members = {"license_key": license_key, "device": device, "ttl_seconds": ttl_seconds}
        verdict = yield from _ask(caller, "activate", members, license_key)
    return verdict


def deactivate(caller: Caller, *, activation_id: str | None, license_key: str) -> Flow[Verdict]:
    """
    Give the seat back. Repeating it is answered the same.

    Raises:
        TransportError: No authentic answer.
    """
    return (yield from _prove(caller, "deactivate", {"device": _device(caller)}, activation_id, license_key))


def _prove(
    caller: Caller, action: Action, members: dict[str, Any], activation_id: str | None, license_key: str
) -> Flow[Verdict]:
    """Ask with a device proof; once more with the server's signed time if that may be what was wrong."""
    members["activation_id"] = activation_id
    if activation_id is None:
        members["license_key"] = license_key
    verdict = yield from _ask(caller, action, members, license_key, proven_at=caller.trust.now)
    at = verdict.answer.at
    if verdict.answer.code == "device_proof_invalid" and abs(at - caller.trust.now) > _CLOCK_IS_OFF_SECONDS:
        verdict = yield from _ask(caller, action, members, license_key, proven_at=at)
    return verdict


def _device(
    caller: Caller,
    license_key: str | None = None,
    *,
    name: str | None = None,
    platform: str | None = None,
    with_key: bool = False,
) -> dict[str, Any]:
    """What the device says of itself; of its parts only what *license_key* keys (SEC-19)."""
    return {
        "fingerprint": caller.fingerprint,
        "name": name,
        "platform": platform,
        "public_key": b64url_encode(caller.signer.public_key.raw) if with_key else None,
        "components": None if license_key is None else digests(caller.parts, caller.product, license_key) or None,
    }


def _held(caller: Caller) -> list[dict[str, Any]] | None:
    """What the vendor compares with the register of what was issued; never the artifacts themselves."""
    return [
        {
            "kind": grant.kind,
            "jti": grant.id,
            "kid": grant.kid,
            "issued_at": str(grant.issued_at),
            "expires_at": str(grant.offline_until),
        }
        for grant in caller.held[:_MAX_HELD]
        if grant.kid is not None and grant.offline_until is not None
    ] or None


def _ask(
    caller: Caller, action: Action, members: dict[str, Any], license_key: str, *, proven_at: Instant | None = None
) -> Flow[Verdict]:
    """
    One question, and its answer judged; asked again at once while answers bring roots in full batches (SEC-21).

    No contact takes more than `MAX_ROOT_STEPS` steps. What was followed is kept, so that the next one goes on there.
    """
    earlier: Verdict | None = None
    begun = caller.trust.root.version
    while True:
        try:
            nonce, answer = yield from _sent(caller, action, members, proven_at)
        except TransportError:
            if earlier is None:
                raise
            return earlier  # the answer before holds: only roots were still to come
        before = caller.trust.root.version
        left = MAX_ROOT_STEPS - (before - begun)
        question = (nonce, action, license_key)
        judged: Verdict | TransportError
        try:
            body = body_of(answer)
            caller = replace(caller, trust=caller.trust.follow(roots_in(body), most=left))
            judged = judge_body(caller, body, *question)
        except CarnetError as error:
            judged = not_authentic(answer, error)
        brought = caller.trust.root.version - before
        if BATCH <= brought < left:  # there may be as many again
            earlier = judged if isinstance(judged, Verdict) else None
        elif isinstance(judged, Verdict):
            return judged
        else:
            return (yield from _judged_later(caller, answer, question, judged, left - brought))


def _judged_later(
    caller: Caller, answer: HttpAnswer, question: tuple[str, Action, str], problem: TransportError, most: int
) -> Flow[Verdict]:
    """The same answer judged again, under roots that it did not carry; *problem* where those are not what it lacked."""
    cause = problem.__cause__
    if not isinstance(cause, CarnetError) or cause.code not in BEHIND:
        raise problem
    trust, cut = yield from catch_up(caller.trust, most=most)
    if trust.root.version == caller.trust.root.version:
        raise problem if cut is None else cut
    try:
        return judge_body(replace(caller, trust=trust), body_of(answer), *question)
    except CarnetError as error:
        is_cut = error.code in BEHIND and cut is not None
        raise (catching_up() if is_cut else not_authentic(answer, error)) from error


def _sent(
    caller: Caller, action: Action, members: dict[str, Any], proven_at: Instant | None
) -> Flow[tuple[str, HttpAnswer]]:
    """One question, with its nonce: sent, and sent again after trouble that may pass."""
    nonce = b64url_encode(caller.entropy(_NONCE_BYTES))
    path = f"/v1/{action}"
    body = dump_json(
        _given(
            {
                **members,
                "product": caller.product,
                "nonce": nonce,
                "root_version": caller.trust.root.version,
                "held": _held(caller) if action != "deactivate" else None,
                "domain": caller.domain if action != "deactivate" else None,
                "app_version": caller.app_version if action != "deactivate" else None,
                "status_versions": None if action == "deactivate" else caller.list_versions,
            }
        )
    )
    question = b64url_encode(caller.entropy(_NONCE_BYTES))  # the same for every attempt at this question
    pause, retry_after = 0.0, 0
    for attempt in range(1, _ATTEMPTS + 1):
        headers: tuple[tuple[str, str], ...] = (("Idempotency-Key", question),)
        if proven_at is not None:
            # A new proof for each attempt: the server takes each one once.
            proof = make_device_proof(
                caller.signer, method="POST", path=path, body=body, at=proven_at, nonce=_proof_nonce(caller)
            )
            headers += (("Carnet-Device-Proof", proof),)
        request = HttpRequest(method="POST", path=path, headers=headers, body=body, after_seconds=pause)
        try:
            answer = yield request
        except TransportError as error:
            if attempt == _ATTEMPTS or error.code == OUT_OF_TIME:
                error.retry_after_seconds = retry_after
                raise
            retry_after = 0
        else:
            retry_after = answer.retry_after_seconds or 0
            if attempt == _ATTEMPTS or not may_pass(answer):
                return nonce, answer
        # Full jitter, so that many devices do not come back together (REL-17); never sooner than the server asks.
        pause = retry_after + _PAUSE_SECONDS * attempt * int.from_bytes(caller.entropy(2), "big") / 0xFFFF
    raise AssertionError("unreachable")


def may_pass(answer: HttpAnswer) -> bool:
    """
    Whether *answer* tells of trouble that may be over in a moment, so that the same question is sent again.

    Nothing else follows from it: a status and a code outside a proof are anybody's (REL-16). ``request_in_flight`` is
    what the server says while it still answers an earlier attempt with the same key (specs/http-api.md §1.11).
    """
    if answer.status == _CONFLICT:
        return (
            len(answer.body) <= _MAX_PROBLEM and b"request_in_flight" in answer.body and b'"proof"' not in answer.body
        )
    return answer.status in _RETRIED


def _proof_nonce(caller: Caller) -> str:
    return b64url_encode(caller.entropy(_NONCE_BYTES))


def _given(members: dict[str, Any]) -> dict[str, Any]:
    """*members* without those that have no value."""
    return {
        name: _given(value) if type(value) is dict else value for name, value in members.items() if value is not None
    }
