"""
Who asks the license server, and what is taken for its answer: authentic, or nothing (SEC-30, REL-16).

Steps of judging an answer:

    1. The body is one strict JSON object of a known size.
    2. Root files in it continue the trusted chain; the newest one is the root from here on. They are kept at once,
       whatever becomes of the rest: a root vouches for itself.
    3. The proof verifies under that root and binds nonce, action, product, device and the artifacts' hashes.
    4. A grant's token and machine file verify, open with this license key on this device, and agree with each other.
    5. A root that has expired vouches only for keys by which this device holds something (SEC-22).

Pure but for what `Trust.keep` does with roots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from carnet.client.fingerprint.components import Part
from carnet.client.roots import Trust
from carnet.client.wire import MAX_ANSWER, HttpAnswer
from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, TransportError
from carnet.core.instant import Instant
from carnet.core.model import Grant
from carnet.formats.answer import Action, Answer, check_binding, digest_artifacts, verify_answer
from carnet.formats.jws import unverified_jws
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_key import canonical_license_key
from carnet.formats.license_token import verify_license_token
from carnet.formats.machine_file import read_machine_file
from carnet.formats.strict_json import parse_object

_ARTIFACTS = ("token", "machine_file")
_MAX_LISTS = 4
BEHIND = frozenset({"unknown_key", "root_expired"})
"""Why an answer may fail where this device lacks roots: its key is new, or the root at hand has ended."""

_FIX = "Check the server's address and the product, and whether a proxy or a login page is in between; then try again."


class Caller(Struct):
    """
    Who asks: this device, for one product.

    Attributes:
        product: The product id.
        fingerprint: The fingerprint that is, or will be, enrolled.
        signer: The device key.
        seed: What *signer* was made from, to be kept with a grant.
        trust: The root files that it trusts, and the best guess of the present time.
        entropy: The operating system's random source.
        domain: Host name, for domain licenses.
        app_version: The app's version.
        parts: By which the server may recognise the device when its fingerprint has changed; sent as digests only.
        held: What is stored and genuine by the roots at hand; the vendor is told ids, keys and times of it (SEC-24).
        list_versions: The versions of the status lists that it has, so that newer ones are sent along; None: none are
            wanted.
    """

    product: str
    fingerprint: str
    signer: Ed25519Signer
    seed: bytes
    trust: Trust
    entropy: Callable[[int], bytes]
    domain: str | None = None
    app_version: str | None = None
    parts: tuple[Part, ...] = ()
    list_versions: Mapping[str, tuple[int, int]] | None = None
    held: tuple[Grant, ...] = ()

    def __repr__(self) -> str:
        return f"Caller(product={self.product!r}, fingerprint={self.fingerprint!r})"  # never the seed


class Verdict(Struct):
    """
    An authentic answer.

    Attributes:
        answer: What the proof says; `outcome` and `code` are what counts.
        proof: The proof itself, to be kept where it is a tombstone.
        trust: What is trusted after this answer.
        token: For a grant, verified.
        machine_file: For a grant, verified and opened.
        license_key: For a grant, the spelling that the machine file opens with.
        issued_at: For a grant, the newer of the artifacts' issue times.
        grant: For a grant, what the machine file says.
        status_lists: Lists that came along, in any state: each vouches for itself, and none is needed.
    """

    answer: Answer
    proof: str
    trust: Trust
    token: str | None = None
    machine_file: str | None = None
    license_key: str | None = None
    issued_at: Instant | None = None
    grant: Grant | None = None
    status_lists: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Verdict(outcome={self.answer.outcome!r}, code={self.answer.code!r})"


def judge(caller: Caller, answer: HttpAnswer, *, nonce: str, action: Action, license_key: str) -> Verdict:
    """
    Take an answer for authentic, or not at all (the steps at the top of this module), by the roots at hand.

    Args:
        caller: Who asked.
        answer: What came back.
        nonce: What was sent.
        action: What was asked.
        license_key: What the machine file should open with, as typed or as stored.

    Raises:
        TransportError: ``answer_not_authentic``, ``root_expired``; `__cause__` says which step failed.
    """
    try:
        body = body_of(answer)
        caller = replace(caller, trust=caller.trust.follow(roots_in(body)))
        return judge_body(caller, body, nonce, action, license_key)
    except CarnetError as error:
        raise not_authentic(answer, error) from error


def not_authentic(answer: HttpAnswer, error: CarnetError) -> TransportError:
    """What *error* in an answer means to whoever asked: no answer."""
    if error.code == "root_expired":
        problem = TransportError(error.code, error.message, error.fix)
    else:
        problem = TransportError(
            "answer_not_authentic",
            f"What answered (HTTP {answer.status}) is not the license server, or was changed on the way.",
            _FIX,
        )
    problem.retry_after_seconds = answer.retry_after_seconds or 0
    problem.__cause__ = error
    return problem


def body_of(answer: HttpAnswer) -> dict[str, Any]:
    """Step 1."""
    return parse_object(answer.body, max_bytes=MAX_ANSWER, what="The answer", max_string=MAX_ANSWER, allow_floats=True)


def roots_in(body: dict[str, Any]) -> tuple[str, ...]:
    """Step 2: what the answer carries; *body* must be an answer, so that a page from a portal is not taken for one."""
    if type(body.get("proof")) is not str:
        raise TransportError("no_proof", "The answer carries no proof.")
    brought = body.get("roots") or []
    if type(brought) is not list or not all(type(root) is str for root in brought):
        raise TransportError("bad_roots", "The answer's roots are not a list of texts.")
    return tuple(brought)


def _lists_in(body: dict[str, Any]) -> tuple[str, ...]:
    """The status lists that an answer carries; another shape is none, and breaks no answer."""
    brought = body.get("status_lists")
    if type(brought) is not list:
        return ()
    return tuple(text for text in brought[:_MAX_LISTS] if type(text) is str)


def judge_body(caller: Caller, body: dict[str, Any], nonce: str, action: Action, license_key: str) -> Verdict:
    """
    Steps 3 to 5, by the roots that `caller.trust` has followed by now.

    Raises:
        CarnetError: The step that failed.
    """
    proof, trust = str(body["proof"]), caller.trust
    ring = trust.ring()
    # Step 3.
    verified = verify_answer(proof, ring)
    # What we use must be covered; what the proof covers beside it, for newer readers, must be there unchanged as well.
    names = {*_ARTIFACTS, *(name for name, _ in verified.artifacts)}
    artifacts = {name: body[name] for name in names if type(body.get(name)) is str}
    check_binding(
        verified,
        nonce=nonce,
        action=action,
        product=caller.product,
        device=caller.fingerprint,
        artifacts=digest_artifacts(artifacts),
    )
    trust.check_key(key_of(proof))  # step 5, as below
    verdict = Verdict(answer=verified, proof=proof, trust=trust, status_lists=_lists_in(body))
    if verified.outcome == "refused" or action == "deactivate":
        return verdict
    # Step 4.
    token, machine_file = artifacts.get("token"), artifacts.get("machine_file")
    if token is None or machine_file is None:
        raise TransportError("no_artifacts", "The grant carries no artifacts.")
    by_token = verify_license_token(token, ring)
    sealed = read_machine_file(machine_file.encode()).verify(ring)
    key, by_file = open_with(sealed.open, license_key, caller.fingerprint)
    for grant in (by_token, by_file):
        if (grant.product, grant.device) != (caller.product, caller.fingerprint):
            raise TransportError("wrong_artifacts", "The artifacts are for another product or device.")
    if (by_token.license_id, by_token.activation_id) != (by_file.license_id, by_file.activation_id):
        raise TransportError("wrong_artifacts", "The artifacts are of two activations.")
    for kid in (by_token.kid, by_file.kid):
        trust.check_key(kid)
    return replace(
        verdict,
        token=token,
        machine_file=machine_file,
        license_key=key,
        issued_at=max(by_token.issued_at, by_file.issued_at),
        grant=by_file,
    )


def key_of(proof: str) -> str:
    """The id of the key that signed *proof*, which was verified before."""
    kid: str = unverified_jws(proof, max_bytes=MAX_ANSWER, what="The proof")[0]["kid"]
    return kid


def open_with(open_file: Callable[..., Any], license_key: str, fingerprint: str) -> tuple[str, Any]:
    """Open with the text as typed, else with the canonical spelling of the same key; say which one it was."""
    canonical = canonical_license_key(license_key)
    try:
        return license_key, open_file(license_key=license_key, fingerprint=fingerprint)
    except CarnetError:
        if canonical is None or canonical == license_key:
            raise
        return canonical, open_file(license_key=canonical, fingerprint=fingerprint)
