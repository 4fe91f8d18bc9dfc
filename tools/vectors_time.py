"""
Makes the vectors of the signed time and of device proofs: `specs/vectors/{time,device-proof}/`.

`python tools/vectors_time.py` writes them; `tests/unit/formats/test_format_vectors.py` makes them again, compares, and
runs them. The inputs are written here by hand, with fixed keys; the outcomes are what `carnet.formats` says, and are
reviewed as text and by tools/check_vectors.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.core.instant import Instant  # noqa: E402 - found on the path that is set above
from carnet.formats.device_proof import LEEWAY_SECONDS, make_device_proof  # noqa: E402
from carnet.formats.device_proof import TYP as PROOF_TYP  # noqa: E402
from carnet.formats.jws import unverified_jws  # noqa: E402
from carnet.formats.keys import PublicKey, load_ed25519  # noqa: E402
from carnet.formats.time_answer import TYP, TimeAnswer, issue_time_answer  # noqa: E402
from support.format_scenarios import (  # noqa: E402
    ANSWER_SIGNER,
    AROUND,
    ISSUED_AT,
    OTHER_SIGNER,
    TOKEN_SIGNER,
    Scenario,
    forged,
    scenario,
    signer,
    write,
)
from support.vector_keys import STATES, record  # noqa: E402

_NONCE = "q1W2e3R4t5Y6u7I8o9P0aa"
_TIME = issue_time_answer(TimeAnswer(id="time-1", issuer="installation-1", nonce=_NONCE, at=ISSUED_AT), ANSWER_SIGNER)
_CLAIMS = unverified_jws(_TIME, max_bytes=2048, what="It")[1]
_HEADER = {"alg": "EdDSA", "kid": ANSWER_SIGNER.kid, "typ": TYP}


def time() -> Iterator[Scenario]:
    """Answers to the question what time it is."""
    keys: dict[str, list[Any]] = {"time": [ANSWER_SIGNER.public_key], "token": [TOKEN_SIGNER.public_key]}

    def asked(name: str, section: str, catches: str, text: Any, nonce: str = _NONCE, **more: Any) -> Scenario:
        given = {"time": text, "nonce": nonce}
        return scenario(f"time/{name}", section, catches, given, keys={**keys, **more})

    def claims(name: str, catches: str, change: dict[str, Any]) -> Scenario:
        value = {each: claim for each, claim in {**_CLAIMS, **change}.items() if claim is not ...}
        nonce = change.get("nonce")
        text = forged(_HEADER, value, ANSWER_SIGNER)
        return asked(name, "3", catches, text, nonce if isinstance(nonce, str) else _NONCE)

    yield asked("genuine", "2", "Refusing an ordinary answer.", _TIME)
    yield claims("unknown-claim", "Refusing claims of later versions.", {"later": [1]})
    yield asked("other-nonce", "4", "Taking a recorded answer: an old time.", _TIME, f"{_NONCE[:-1]}b")
    yield asked("nonce-case", "4", "Comparing nonces without case.", _TIME, _NONCE.lower())
    yield asked("nonce-prefix", "4", "Comparing nonces by prefix.", _TIME, _NONCE[:-1])
    yield claims("nonce-128", "Being off by one in the length of a nonce.", {"nonce": "x" * 128})
    yield claims("nonce-129", "Having no bound on a nonce.", {"nonce": "x" * 129})
    yield claims("nonce-blank", "Trimming nonces.", {"nonce": "a b"})
    yield claims("nonce-edges", "Taking ! or ~ for invisible.", {"nonce": "!~"})
    yield claims("nonce-empty", "Taking no nonce for the one that was sent.", {"nonce": ""})
    yield claims("nonce-not-ascii", "Taking letters that look alike.", {"nonce": "q\u0410"})
    for name in ("iss", "jti", "nonce", "iat", "nbf", "exp"):
        yield claims(f"no-{name}", "Giving a required claim a default.", {name: ...})
    yield claims("iat-text", "Converting text to a number.", {"iat": str(ISSUED_AT)})
    yield claims("iat-zero", "Taking 0 for a time.", {"iat": 0})
    yield claims("exp-true", "Taking true for 1.", {"exp": True})
    yield claims("iss-empty", "Taking an empty id.", {"iss": ""})
    yield claims("jti-control", "Taking control characters into logs.", {"jti": "a\u001bb"})
    for seconds, word in AROUND:
        yield claims(f"nbf-{word}-iat", "Taking another order than iat <= nbf.", {"nbf": ISSUED_AT + seconds})
        yield claims(f"exp-{word}-nbf", "Taking an empty interval.", {"exp": ISSUED_AT + seconds})
    head, payload, _ = _TIME.split(".")
    yield asked("too-large", "3", "Reading before looking at the size.", ["x.", {"repeat": "A", "times": 2045}, ".x"])
    yield asked("two-parts", "3", "Taking an answer without a signature.", f"{head}.{payload}")
    yield asked("padded", "3", "Taking padding: a second spelling.", f"{_TIME}==")
    yield asked("unsigned", "3", "Taking no signature for a good one.", f"{head}.{payload}.")
    text = forged({**_HEADER, "crit": []}, _CLAIMS, ANSWER_SIGNER)
    yield asked("crit", "3", "Ignoring a critical extension.", text)
    text = forged({**_HEADER, "typ": "carnet-answer+jwt"}, _CLAIMS, ANSWER_SIGNER)
    yield asked("other-type", "3", "Taking another kind of answer by the same key.", text)
    yield asked("alg-none", "3", "Taking the algorithm from the answer.", forged({**_HEADER, "alg": "none"}, _CLAIMS))
    text = forged({**_HEADER, "kid": TOKEN_SIGNER.kid}, _CLAIMS, TOKEN_SIGNER)
    yield asked("key-of-another-role", "3", "Looking up keys without their role.", text)
    yield asked("named-falsely", "3", "Taking any signature.", forged(_HEADER, _CLAIMS, OTHER_SIGNER))
    for state, catches in STATES:
        yield asked(f"key-{state}", "3", catches, _TIME, time=[record(ANSWER_SIGNER, state)])


# ── device proofs, answer.md §6 ──────────────────────────────────────────────────────────────────────────────────────

_DEVICE = signer(31)
_REQUEST = {"method": "POST", "path": "/v1/refresh", "body": '{"product":"hustl"}'}
_PROOF = make_device_proof(
    _DEVICE,
    method="POST",
    path="/v1/refresh",
    body=_REQUEST["body"].encode(),
    at=ISSUED_AT,
    nonce="proof-0001",
)
_PROOF_CLAIMS = unverified_jws(_PROOF, max_bytes=2048, what="It")[1]
_PROOF_HEADER = {"alg": "EdDSA", "kid": _DEVICE.kid, "typ": PROOF_TYP}


def device_proof() -> Iterator[Scenario]:
    """Proofs for this request and for others."""

    def made(
        name: str, catches: str, text: Any, *, key: PublicKey = _DEVICE.public_key, now: int = ISSUED_AT, **other: str
    ) -> Scenario:
        given = {"proof": text, "public_key": key.to_jwk(), **_REQUEST, **other}
        made = scenario(f"device-proof/{name}", "6", catches, given, now=Instant(now))
        return {**made, "spec": "answer.md §6"}

    def claims(name: str, catches: str, change: dict[str, Any]) -> Scenario:
        value = {each: claim for each, claim in {**_PROOF_CLAIMS, **change}.items() if claim is not ...}
        return made(name, catches, forged(_PROOF_HEADER, value, _DEVICE))

    yield made("genuine", "Refusing an ordinary proof.", _PROOF)
    yield claims("unknown-claim", "Refusing claims of later versions.", {"later": [1]})
    yield made("other-method", "Taking a proof for another call.", _PROOF, method="PUT")
    yield made("method-case", "Comparing methods without case.", _PROOF, method="post")
    yield made("other-path", "Taking a proof to refresh for one to deactivate.", _PROOF, path="/v1/deactivate")
    yield made("path-slash", "Comparing paths kindly.", _PROOF, path="/v1/refresh/")
    yield made("other-body", "Not covering the body.", _PROOF, body='{"product":"hustl2"}')
    yield made("body-blank", "Comparing bodies as JSON instead of as bytes.", _PROOF, body='{"product": "hustl"}')
    yield made("body-empty", "Skipping the body where there is none.", _PROOF, body="")
    for seconds, word in AROUND:
        late, early = ISSUED_AT + LEEWAY_SECONDS + seconds, ISSUED_AT - LEEWAY_SECONDS - seconds
        yield made(f"late-{word}", "Taking an old proof, or refusing one in time.", _PROOF, now=late)
        yield made(f"early-{word}", "Looking at one side of the clock only.", _PROOF, now=early)
    for name in ("htm", "htu", "body_sha256", "iat", "jti"):
        yield claims(f"no-{name.replace('_', '-')}", "Skipping the check of a claim that is missing.", {name: ...})
    yield claims("jti-empty", "Taking an empty id: it is accepted once for all.", {"jti": ""})
    yield claims("jti-256", "Having no bound on ids.", {"jti": "x" * 256})
    yield claims("htm-null", "Taking null for any method.", {"htm": None})
    yield claims("iat-text", "Converting text to a number.", {"iat": str(ISSUED_AT)})
    yield claims("iat-true", "Taking true for 1.", {"iat": True})
    yield made("other-key", "Taking any device's proof.", forged(_PROOF_HEADER, _PROOF_CLAIMS, OTHER_SIGNER))
    text = forged({**_PROOF_HEADER, "kid": OTHER_SIGNER.kid}, _PROOF_CLAIMS, OTHER_SIGNER)
    yield made("names-its-own-key", "Finding the key by what the proof says.", text)
    renamed = load_ed25519(_DEVICE.public_key.raw, "another-name")
    yield made("named-otherwise", "Comparing the key and not its name.", _PROOF, key=renamed)
    yield made(
        "other-type", "Taking another token of the same key.", forged({**_PROOF_HEADER, "typ": "JWT"}, _PROOF_CLAIMS)
    )
    yield made(
        "alg-none", "Taking the algorithm from the proof.", forged({**_PROOF_HEADER, "alg": "none"}, _PROOF_CLAIMS)
    )
    yield made(
        "jwk", "Verifying with a key that the proof brings.", forged({**_PROOF_HEADER, "jwk": {}}, _PROOF_CLAIMS)
    )
    yield made("two-parts", "Taking a proof without a signature.", _PROOF.rpartition(".")[0])
    yield made("padded", "Taking padding: a second spelling.", f"{_PROOF}==")
    yield made("too-large", "Reading before looking at the size.", ["x.", {"repeat": "A", "times": 2045}, ".x"])


PARTS = (time, device_proof)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of the signed time and device proofs")
