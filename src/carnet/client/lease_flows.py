"""
The exchanges about floating seats, as generators that yield requests (as `flows`); an answer counts by its proof alone.

A lease is in force while its token is: it is kept in memory, and on the disk only where it was borrowed for travel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from carnet.client.flows import OUT_OF_TIME, Flow, may_pass
from carnet.client.judging import BEHIND, key_of, not_authentic
from carnet.client.roots import Trust, catch_up
from carnet.client.wire import MAX_ANSWER, HttpAnswer, HttpRequest
from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, TransportError
from carnet.core.instant import Instant, parse_instant
from carnet.core.lease_terms import LeaseHolder
from carnet.formats.answer import Answer, check_binding, digest_artifacts, verify_answer
from carnet.formats.encoding import b64url_encode
from carnet.formats.lease import LeaseToken, verify_lease_token
from carnet.formats.strict_json import dump_json, parse_object

_ATTEMPTS = 2
_NONCE_BYTES = 16
_METHODS: dict[str, Literal["POST", "PUT", "DELETE"]] = {"claim": "POST", "renew": "PUT", "release": "DELETE"}


class Seeker(Struct):
    """
    Who asks for a seat, for which product.

    Attributes:
        product: The product id.
        license_key: Proves the right to the pool.
        holder: Who holds the seat.
        name: What people should see it as.
        ttl_seconds: A wanted time; None: what the vendor set.
        trust: The root files that are trusted.
        entropy: The operating system's random source.
    """

    product: str
    license_key: str
    holder: LeaseHolder
    name: str
    ttl_seconds: int | None
    trust: Trust
    entropy: Callable[[int], bytes]

    def __repr__(self) -> str:
        return f"Seeker(product={self.product!r}, holder={self.holder!s})"  # never the license key


class LeaseVerdict(Struct):
    """
    An authentic answer: a refusal with its code, or a lease with its token (none for a return).

    `kids` are the keys that signed a lease and its answer.
    """

    answer: Answer
    text: str | None = None
    token: LeaseToken | None = None
    renew_after: Instant | None = None
    kids: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"LeaseVerdict(outcome={self.answer.outcome!r}, code={self.answer.code!r})"


def ask_for_seat(
    seeker: Seeker, action: Literal["claim", "renew", "release"], *, lease_id: str | None = None, borrow: bool = False
) -> Flow[LeaseVerdict]:
    """
    Claim a seat, go on with it, or give it back.

    Args:
        seeker: Who asks.
        action: What for.
        lease_id: The lease; None for a claim.
        borrow: Take it along for travel.

    Raises:
        TransportError: No authentic answer.
    """
    holder: dict[str, Any] = {"kind": seeker.holder.kind, "id": seeker.holder.id}
    if action == "claim" and seeker.name:
        holder["name"] = seeker.name
    nonce = b64url_encode(seeker.entropy(_NONCE_BYTES))
    members: dict[str, Any] = {
        "license_key": seeker.license_key,
        "product": seeker.product,
        "holder": holder,
        "nonce": nonce,
    }
    if action != "release" and seeker.ttl_seconds is not None:
        members["ttl_seconds"] = seeker.ttl_seconds
    if borrow:
        members["borrow"] = True
    path = "/v1/leases" if lease_id is None else f"/v1/leases/{lease_id}"
    body = dump_json(members)
    pause, retry_after = 0.0, 0
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            answer = yield HttpRequest(method=_METHODS[action], path=path, body=body, after_seconds=pause)
        except TransportError as error:
            if attempt == _ATTEMPTS or error.code == OUT_OF_TIME:
                raise
            retry_after = 0
        else:
            if attempt == _ATTEMPTS or not may_pass(answer):
                return (yield from _judged(seeker, answer, nonce, action, lease_id))
            retry_after = answer.retry_after_seconds or 0
        pause = retry_after + 0.3 * int.from_bytes(seeker.entropy(2), "big") / 0xFFFF
    raise AssertionError("unreachable")


def _judged(
    seeker: Seeker,
    answer: HttpAnswer,
    nonce: str,
    action: Literal["claim", "renew", "release"],
    lease_id: str | None,
) -> Flow[LeaseVerdict]:
    """The answer judged; once more where it was signed by a key of roots that were fetched for it (SEC-21)."""
    try:
        return judge_seat(seeker, answer, nonce=nonce, action=action, lease_id=lease_id)
    except TransportError as problem:
        cause = problem.__cause__
        if not isinstance(cause, CarnetError) or cause.code not in BEHIND:
            raise
        trust, _ = yield from catch_up(seeker.trust)
        if trust.root.version == seeker.trust.root.version:
            raise
        return judge_seat(replace(seeker, trust=trust), answer, nonce=nonce, action=action, lease_id=lease_id)


def judge_seat(
    seeker: Seeker,
    answer: HttpAnswer,
    *,
    nonce: str,
    action: Literal["claim", "renew", "release"],
    lease_id: str | None,
) -> LeaseVerdict:
    """
    Take an answer for authentic, or not at all: its proof is bound to this question, and its token is this holder's.

    Raises:
        TransportError: ``answer_not_authentic``, ``root_expired``; `__cause__` says why.
    """
    try:
        body = parse_object(
            answer.body, max_bytes=MAX_ANSWER, what="The answer", max_string=MAX_ANSWER, allow_floats=True
        )
        return _judge(seeker, body, nonce, action, lease_id)
    except CarnetError as error:
        raise not_authentic(answer, error) from error


def _judge(
    seeker: Seeker, body: dict[str, Any], nonce: str, action: Literal["claim", "renew", "release"], lease_id: str | None
) -> LeaseVerdict:
    proof, lease = body.get("proof"), body.get("lease")
    if type(proof) is not str:
        raise TransportError("no_proof", "The answer carries no proof.")
    members = lease if type(lease) is dict else {}
    text = members.get("token")
    ring = seeker.trust.ring()
    verified = verify_answer(proof, ring)
    check_binding(
        verified,
        nonce=nonce,
        action=action,
        product=seeker.product,
        device=seeker.holder.id,
        artifacts=digest_artifacts({"token": text} if type(text) is str else {}),
    )
    seeker.trust.check_key(key_of(proof))
    if verified.outcome == "refused" or action == "release":
        return LeaseVerdict(answer=verified)
    if type(text) is not str:
        raise TransportError("no_artifacts", "The grant carries no token.")
    token = verify_lease_token(text, ring)
    seeker.trust.check_key(key_of(text))
    said = (token.product, token.holder, token.lease_id)
    if said != (seeker.product, seeker.holder, lease_id or verified.activation_id):
        raise TransportError("wrong_artifacts", "The token is for another product, holder or lease.")
    return LeaseVerdict(
        answer=verified,
        text=text,
        token=token,
        renew_after=parse_instant(str(members.get("renew_after"))),
        kids=(key_of(proof), key_of(text)),
    )
