"""
Makes the vectors of answers and root files: `specs/vectors/{answer,root}/`.

`python tools/vectors_answer_root.py` writes them; `tests/unit/formats/test_format_vectors.py` makes them
again, compares, and runs them. The inputs are written here by hand, with fixed keys; the outcomes are what
`carnet.formats` says, and are reviewed as text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.core._base import replace  # noqa: E402
from carnet.core.instant import DAY, Instant  # noqa: E402
from carnet.formats.answer import TYP as ANSWER_TYP  # noqa: E402
from carnet.formats.answer import issue_answer  # noqa: E402
from carnet.formats.dsse import pre_authentication_encoding  # noqa: E402
from carnet.formats.encoding import b64_encode, b64url_decode, b64url_encode, sha256_b64url  # noqa: E402
from carnet.formats.jws import unverified_jws  # noqa: E402
from carnet.formats.keys import Ed25519Signer, PublicKey, Role  # noqa: E402
from carnet.formats.root import PAYLOAD_TYPE, Root, sign_root  # noqa: E402
from carnet.formats.strict_json import dump_json  # noqa: E402
from support.format_scenarios import (  # noqa: E402 - found on the path that is set above
    ANSWER,
    ANSWER_SIGNER,
    DEVICE,
    ISSUED_AT,
    OTHER_SIGNER,
    ROOT_KEYS,
    ROOT_SIGNERS,
    TOKEN,
    TOKEN_KEYS,
    TOKEN_SIGNER,
    Scenario,
    forged,
    root_of,
    scenario,
    write,
)
from support.vector_keys import STATES, record  # noqa: E402

# ── answer ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_REFUSED = replace(
    ANSWER,
    id="ans-0002",
    outcome="refused",
    code="license_suspended",
    reasons=("license_suspended", "license_expired"),
    artifacts=(),
)
_ANSWER_CLAIMS = unverified_jws(issue_answer(ANSWER, ANSWER_SIGNER), max_bytes=8192, what="It")[1]
_REFUSED_CLAIMS = unverified_jws(issue_answer(_REFUSED, ANSWER_SIGNER), max_bytes=8192, what="It")[1]
_ANSWER_HEADER = {"alg": "EdDSA", "kid": ANSWER_SIGNER.kid, "typ": ANSWER_TYP}
_QUESTION = {
    "nonce": ANSWER.nonce,
    "action": "refresh",
    "product": "hustl",
    "device": DEVICE,
    "artifacts": dict(ANSWER.artifacts),
}


def answer() -> Iterator[Scenario]:
    """Answers to this question and to others."""

    def asked(name: str, section: str, catches: str, text: str, **question: Any) -> Scenario:
        given = {"answer": text, "question": {**_QUESTION, **question}}
        return scenario(f"answer/{name}", section, catches, given, keys=TOKEN_KEYS)

    def claims(name: str, catches: str, change: dict[str, Any], base: dict[str, Any] = _ANSWER_CLAIMS) -> Scenario:
        value = {each: claim for each, claim in {**base, **change}.items() if claim is not ...}
        text = forged(_ANSWER_HEADER, value, ANSWER_SIGNER)
        return scenario(f"answer/{name}", "3", catches, {"answer": text}, keys=TOKEN_KEYS)

    granted, refused = issue_answer(ANSWER, ANSWER_SIGNER), issue_answer(_REFUSED, ANSWER_SIGNER)
    yield asked("granted", "4", "Refusing an ordinary answer.", granted)
    yield asked("refused", "4", "Refusing an ordinary refusal.", refused, artifacts={})
    yield asked("other-nonce", "4", "Taking a recorded answer.", granted, nonce="q1W2e3R4t5Y6u7I8o9P0ab")
    yield asked("other-action", "4", "Taking the answer to another action.", granted, action="validate")
    yield asked("other-product", "4", "Taking the answer to another product's question.", granted, product="hustl2")
    yield asked("other-device", "4", "Taking the answer to another device's question.", granted, device=DEVICE[::-1])
    yield asked("no-device", "4", "Taking an answer for a device to a question without one.", granted, device=None)
    swapped = {"token": sha256_b64url(b"another token")}
    yield asked("artifact-swapped", "4", "Not comparing what came with the answer.", granted, artifacts=swapped)
    yield asked("artifact-missing", "4", "Taking an answer without what it names.", granted, artifacts={})
    more = {**_QUESTION["artifacts"], "machine_file": sha256_b64url(b"")}  # type: ignore[dict-item]
    yield asked("artifact-added", "4", "Taking what the answer does not name.", granted, artifacts=more)
    yield asked("refusal-for-grant", "4", "Taking a refusal with artifacts beside it.", refused)
    by_token_key = forged({**_ANSWER_HEADER, "kid": TOKEN_SIGNER.kid}, _ANSWER_CLAIMS)
    yield asked("key-of-another-role", "4", "Looking up keys without their role.", by_token_key)
    for state, catches in STATES:
        keys = {"answer": [record(ANSWER_SIGNER, state)]}
        given = {"answer": granted, "question": _QUESTION}
        yield scenario(f"answer/key-{state}", "4", catches, given, keys=keys)
    yield asked("license-token", "4", "Taking another kind of artifact.", TOKEN)
    head, payload, signature = granted.split(".")
    changed = f"{head}.{refused.split('.')[1]}.{signature}"
    yield asked("changed", "4", "Not covering the claims.", changed)
    yield asked("unsigned", "4", "Taking an answer without a signature.", f"{head}.{payload}.")
    for name in ("nonce", "exp", "artifacts"):
        yield claims(f"no-{name}", "Giving a required claim a default.", {name: ...})
    yield claims("refused-no-code", "A refusal that says nothing.", {"code": ..., "reasons": ...}, _REFUSED_CLAIMS)
    yield claims(
        "refused-other-code", "A code that is not the first reason.", {"code": "license_expired"}, _REFUSED_CLAIMS
    )
    yield claims("granted-with-code", "A grant that is a refusal too.", {"code": "x", "reasons": ["x"]})
    yield claims("outcome-unknown", "Taking any outcome but refused for granted.", {"outcome": "deferred"})
    yield claims("action-unknown", "Taking an action that nobody can ask for.", {"action": "issue"})
    yield claims("nonce-blank", "Trimming nonces.", {"nonce": "a b"})
    yield claims("digest-short", "Comparing a prefix of a digest.", {"artifacts": {"token": "AAAA"}})
    yield claims("exp-at-nbf", "Taking an empty interval.", {"exp": int(ISSUED_AT)})
    stamp = "17.q83vEjRWeJCrze8S"
    yield claims("stamp", "Refusing what is shown at the next refresh.", {"stamp": stamp})
    yield claims("stamp-with-refusal", "A refusal that hands out a stamp.", {"stamp": stamp}, _REFUSED_CLAIMS)
    for name, text in (
        ("zero", "0.q83vEjRWeJCrze8S"),
        ("padded", "017.q83vEjRWeJCrze8S"),
        ("short", "17.q83vEjRWeJCrze8"),
        ("other-characters", "17.q83vEjRWeJCrze8+"),
        ("too-high", "9007199254740992.q83vEjRWeJCrze8S"),
    ):
        yield claims(f"stamp-{name}", "Having two spellings of one stamp, or none.", {"stamp": text})
    yield claims("action-use", "Refusing the answer about a use.", {"action": "use"})


# ── root ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_THREE: dict[Role, tuple[PublicKey, ...]] = {**ROOT_KEYS, "root": tuple(each.public_key for each in ROOT_SIGNERS)}


def _payload(root: Root) -> Any:
    signers = [each for each in ROOT_SIGNERS if each.public_key in root.role_keys("root")]
    return json.loads(_payload_bytes(sign_root(root, signers)))


def _payload_bytes(data: bytes) -> bytes:
    return b64url_decode(json.loads(data)["payload"].rstrip("=").replace("+", "-").replace("/", "_"), "The payload")


def _enveloped(value: Any, *signatures: tuple[str, Ed25519Signer], **change: Any) -> str:
    """An envelope over any payload; each signature by a key, under any name."""
    data = value if isinstance(value, bytes) else dump_json(value)
    message = pre_authentication_encoding(PAYLOAD_TYPE, data)
    listed = [{"keyid": kid, "sig": b64_encode(by.sign(message))} for kid, by in signatures]
    return dump_json(
        {"payload": b64_encode(data), "payloadType": PAYLOAD_TYPE, "signatures": listed, **change}
    ).decode()


def _sorted(*signers: Ed25519Signer) -> list[tuple[str, Ed25519Signer]]:
    return sorted(((each.kid, each) for each in signers), key=lambda named: named[0])


def root() -> Iterator[Scenario]:
    """Root files, alone and as the next step from a trusted one."""

    def file(name: str, section: str, catches: str, text: Any, **more: Any) -> Scenario:
        return scenario(f"root/{name}", section, catches, {"root": text, **more})

    first, (one, two, three) = ROOT_SIGNERS[0], ROOT_SIGNERS
    usual = sign_root(root_of(), [one]).decode()
    members = _payload(root_of())
    yield file("genuine", "3", "Refusing an ordinary root, or computing another anchor.", usual)
    yield file("edges-forgiven", "2", "Refusing what editors add, or counting it in the anchor.", f"\ufeff{usual}\r\n")
    later = {"alg": "ML-DSA-65", "x": "AAAA", "roles": ["token"]}
    grown = _enveloped({**members, "later": 1, "keys": [*members["keys"], later]}, (first.kid, first))
    yield file("later-members", "7", "Refusing members, roles and algorithms of later versions.", grown)
    both = _enveloped(members, *_sorted(first, OTHER_SIGNER))
    yield file("other-signature", "5", "Failing on a signature by a key that is not in the root.", both)
    yield file("unsigned", "4", "Taking an envelope without signatures.", _enveloped(members, signatures=[]))
    yield file(
        "signed-by-another", "5", "Counting any signature.", _enveloped(members, (OTHER_SIGNER.kid, OTHER_SIGNER))
    )
    yield file(
        "signed-by-online-key",
        "5",
        "Counting keys that have not the root role.",
        _enveloped(members, (TOKEN_SIGNER.kid, TOKEN_SIGNER)),
    )
    yield file(
        "payload-changed",
        "5",
        "Not covering the payload.",
        _enveloped(members, (first.kid, first), payload=b64_encode(dump_json({**members, "version": 2}))),
    )
    yield file(
        "type-changed",
        "4",
        "Not comparing the type.",
        _enveloped(members, (first.kid, first), payloadType="application/json"),
    )

    wide = _payload(root_of(keys=_THREE, root_threshold=2))
    by_kid = _sorted(one, two)
    yield file("two-of-three", "5", "Asking for all root keys.", _enveloped(wide, *by_kid))
    yield file("one-of-two", "5", "Asking for any root key.", _enveloped(wide, (two.kid, two)))
    yield file(
        "one-key-two-names",
        "5",
        "Counting key ids instead of keys.",
        _enveloped(wide, *((kid, one) for kid, _ in by_kid)),
    )
    yield file(
        "one-signature-twice",
        "4",
        "Counting signatures instead of keys.",
        _enveloped(wide, (one.kid, one), (one.kid, one)),
    )
    doubled = {**wide, "keys": [*wide["keys"], wide["keys"][-1]]}
    yield file("key-listed-twice", "4", "Letting one key count as two.", _enveloped(doubled, *by_kid))
    yield file("signatures-unsorted", "4", "Having two spellings of one root.", _enveloped(wide, *by_kid[::-1]))

    def changed(name: str, catches: str, **change: Any) -> Scenario:
        return file(name, "4", catches, _enveloped({**members, **change}, (first.kid, first)))

    yield changed("threshold-zero", "Taking a threshold of nothing.", threshold=0)
    yield changed("threshold-true", "Taking true for 1.", threshold=True)
    yield changed("threshold-too-high", "Making a root that nobody can follow.", threshold=2)
    yield changed(
        "no-root-key",
        "Making a root that nobody can follow.",
        keys=[each for each in members["keys"] if each["roles"] != ["root"]],
    )
    yield changed("version-zero", "Starting to count at 0.", version=0)
    yield changed("expires-before-issued", "Taking an interval that ends before it begins.", exp=int(ISSUED_AT))
    yield changed("eleven-years", "Having no bound on a root's life.", exp=int(ISSUED_AT) + 4015 * DAY)
    yield changed("keys-unsorted", "Having two spellings of one root.", keys=members["keys"][::-1])
    yield changed(
        "low-order-key",
        "Checking keys at another door only.",
        keys=[{**members["keys"][0], "x": b64url_encode(b"\x01" + bytes(31))}, *members["keys"][1:]],
    )
    yield file(
        "payload-with-blanks",
        "4",
        "Having two spellings of one root.",
        _enveloped(json.dumps(members).encode(), (first.kid, first)),
    )
    yield file("envelope-with-blanks", "4", "Having two anchors for one root.", json.dumps(json.loads(usual)))
    yield file(
        "envelope-member-added",
        "4",
        "Having two anchors for one root.",
        _enveloped(members, (first.kid, first), comment="hello"),
    )
    yield file(
        "too-large",
        "4",
        "Reading before looking at the size.",
        ['{"payload":"', {"repeat": "A", "times": 512000}, '"}'],
    )

    def step(name: str, catches: str, signers: list[Ed25519Signer], **change: Any) -> Scenario:
        payload = _payload(root_of(**{"version": 2, "keys": {**ROOT_KEYS, "root": (two.public_key,)}, **change}))
        text = _enveloped(payload, *_sorted(*signers))
        return file(name, "6", catches, text, trusted=usual)

    yield step("next", "Refusing the next version.", [one, two])
    yield step("next-not-by-old", "Following a root that the trusted one's keys did not sign.", [two])
    yield step("next-not-by-new", "Following a root that its own keys did not sign.", [one])
    yield step("next-by-strangers", "Counting any signatures.", [three, OTHER_SIGNER])
    yield step("next-same-version", "Taking another root of the same version.", [one, two], version=1)
    yield step("next-skips", "Skipping a version.", [one, two], version=3)
    yield step("next-of-another", "Following into another installation.", [one, two], issuer="installation-2")
    yield from _followed()
    yield from _vouched()


def _step(version: int, by: list[Ed25519Signer], root_key: Ed25519Signer, **change: Any) -> str:
    payload = _payload(root_of(**{"version": version, "keys": {**ROOT_KEYS, "root": (root_key.public_key,)}, **change}))
    return _enveloped(payload, *_sorted(*by))


def _followed() -> Iterator[Scenario]:
    """Chains: several root files that are offered after a trusted one."""
    one, two, three = ROOT_SIGNERS
    usual = sign_root(root_of(), [one]).decode()
    second, third = _step(2, [one, two], two), _step(3, [two, three], three)
    fourth = _step(4, [three], three)
    rival = _step(2, [one, two], two, expires_at=root_of().expires_at - 1)
    stranger = _step(2, [three], three)

    def chain(name: str, catches: str, *offered: str, **more: Any) -> Scenario:
        given = {"trusted": usual, "offered": list(offered), **more}
        return scenario(f"root/follow-{name}", "6.1", catches, given)

    yield chain("in-turn", "Stopping after one step.", second, third, fourth)
    yield chain("known-ones", "Stopping at what is known already.", usual, second, second, third)
    yield chain("gap", "Skipping a version.", second, fourth)
    yield chain("newest-first", "Sorting what came in another order.", third, second)
    yield chain("garbage-first", "Giving up before the chain begins.", "garbage", second)
    yield chain("garbage-between", "Going on behind a file that is none.", second, "garbage", third)
    yield chain("at-most-two", "Taking more steps than are allowed.", second, third, fourth, most=2)
    yield chain("rival", "Not telling of two roots of one version.", second, rival, third)
    yield chain("rival-of-a-stranger", "Taking a stranger's root for the vendor's fork.", second, stranger, third)
    yield chain("back", "Going back to an older version.", second, third, rival)
    other_first = sign_root(root_of(expires_at=root_of().expires_at - 1), [one]).decode()
    yield chain("rival-of-the-first", "Not telling of another first version.", other_first, second)
    yield chain("rival-with-blanks", "Taking blanks for another root.", second, f"{second}\r\n", third)


def _vouched() -> Iterator[Scenario]:
    """Keys of what has just come, under a root that is about to end, and one that has."""
    usual = sign_root(root_of(), ROOT_SIGNERS[:1]).decode()
    end, kid = int(root_of().expires_at), TOKEN_SIGNER.kid

    def key(name: str, catches: str, at: int, *known: str) -> Scenario:
        given = {"trusted": usual, "kid": kid, "known": list(known)}
        return scenario(f"root/key-{name}", "6.2", catches, given, now=Instant(at))

    yield key("new-before", "Ending a root too early.", end - 1)
    yield key("new-at", "Taking a new key in the second in which a root ends.", end)
    yield key("new-after", "Taking a new key under a root that has ended.", end + 1)
    yield key("known-after", "Letting go of a key that is in use when a root ends.", end + 1, kid)
    yield key("other-known-after", "Asking whether anything is known at all.", end + 1, ROOT_SIGNERS[0].kid)


PARTS = (answer, root)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of answers and roots")
