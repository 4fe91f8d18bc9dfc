"""
Makes the vectors of lease tokens: `specs/vectors/lease/`.

`python tools/vectors_lease.py` writes them; `tests/unit/formats/test_format_vectors.py` makes them again, compares, and
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

from carnet.core._base import replace  # noqa: E402 - found on the path that is set above
from carnet.core.instant import DAY, Instant  # noqa: E402
from carnet.core.lease_terms import LeaseHolder  # noqa: E402
from carnet.formats.jws import unverified_jws  # noqa: E402
from carnet.formats.lease import TYP, LeaseToken, issue_lease_token  # noqa: E402
from support.format_scenarios import (  # noqa: E402
    ANSWER_SIGNER,
    AROUND,
    DEVICE,
    ISSUED_AT,
    OTHER_SIGNER,
    TOKEN,
    TOKEN_SIGNER,
    Scenario,
    forged,
    scenario,
    write,
)
from support.vector_keys import STATES, record  # noqa: E402

_LEASE = LeaseToken(
    id="jti-1",
    issuer="installation-1",
    product="hustl",
    license_id="license-1",
    lease_id="lease-1",
    holder=LeaseHolder(kind="process", id="render-07/4711"),
    issued_at=ISSUED_AT,
    expires_at=Instant(ISSUED_AT + 660),
)
_TOKEN = issue_lease_token(_LEASE, ANSWER_SIGNER)
_CLAIMS = unverified_jws(_TOKEN, max_bytes=4096, what="It")[1]
_HEADER = {"alg": "EdDSA", "kid": ANSWER_SIGNER.kid, "typ": TYP}
_KEYS: dict[str, list[Any]] = {"lease": [ANSWER_SIGNER.public_key], "token": [TOKEN_SIGNER.public_key]}


def lease() -> Iterator[Scenario]:
    """Lease tokens, and what is none."""

    def read(name: str, section: str, catches: str, text: Any, **more: Any) -> Scenario:
        return scenario(f"lease/{name}", section, catches, {"lease": text}, keys={**_KEYS, **more})

    def claims(name: str, catches: str, change: dict[str, Any]) -> Scenario:
        value = {each: claim for each, claim in {**_CLAIMS, **change}.items() if claim is not ...}
        return read(name, "3", catches, forged(_HEADER, value, ANSWER_SIGNER))

    def holder(name: str, catches: str, value: Any) -> Scenario:
        return claims(f"holder-{name}", catches, {"holder": value})

    yield read("process", "2", "Refusing an ordinary token.", _TOKEN)
    of_device = replace(_LEASE, holder=LeaseHolder(kind="device", id=DEVICE))
    yield read("device", "2", "Knowing one kind of holder only.", issue_lease_token(of_device, ANSWER_SIGNER))
    of_user = replace(_LEASE, holder=LeaseHolder(kind="user", id="Zoë"), is_borrowed=True)
    yield read("user-borrowed", "2", "Refusing what was taken along.", issue_lease_token(of_user, ANSWER_SIGNER))
    yield claims("unknown-claim", "Refusing claims of later versions.", {"later": [1]})
    for name in ("iss", "aud", "sub", "jti", "iat", "nbf", "exp", "lease", "holder"):
        yield claims(f"no-{name}", "Giving a required claim a default.", {name: ...})
    yield claims("iat-text", "Converting text to a number.", {"iat": str(ISSUED_AT)})
    yield claims("iat-zero", "Taking 0 for a time.", {"iat": 0})
    yield claims("exp-true", "Taking true for 1.", {"exp": True})
    yield claims("exp-null", "Taking a token without an end.", {"exp": None})
    yield claims("exp-fraction", "Rounding a time.", {"exp": "1790000660.5"})
    yield claims("aud-array", "Searching a list of audiences.", {"aud": ["hustl"]})
    yield claims("lease-empty", "Taking an empty id.", {"lease": ""})
    yield claims("sub-256", "Having no bound on an id.", {"sub": "x" * 256})
    yield claims("sub-control", "Taking control characters into logs.", {"sub": "a\u001bb"})
    yield claims("borrowed-false", "Having two spellings of one thing.", {"borrowed": False})
    yield claims("borrowed-1", "Taking 1 for true.", {"borrowed": 1})
    yield holder("text", "Splitting a text into kind and id.", "process:render-07")
    yield holder("no-kind", "Giving the kind a default.", {"id": "x"})
    yield holder("no-id", "Taking a holder without an id.", {"kind": "user"})
    yield holder("kind-unknown", "Taking any word for a kind.", {"kind": "robot", "id": "x"})
    yield holder("kind-case", "Comparing kinds without case.", {"kind": "User", "id": "x"})
    yield holder("id-255", "Being off by one in the length of an id.", {"kind": "user", "id": "x" * 255})
    yield holder("id-256", "Having no bound on an id.", {"kind": "user", "id": "x" * 256})
    yield holder("id-number", "Converting a number to text.", {"kind": "user", "id": 7})
    yield holder("more", "Refusing members of later versions.", {"kind": "user", "id": "x", "name": "X"})
    for seconds, word in AROUND:
        yield claims(f"nbf-{word}-iat", "Taking another order than iat <= nbf.", {"nbf": ISSUED_AT + seconds})
        yield claims(f"exp-{word}-nbf", "Taking an empty interval.", {"exp": ISSUED_AT + seconds})
        end = ISSUED_AT + 3650 * DAY + seconds
        yield claims(f"ten-years-{word}", "Being off by one in the longest life.", {"exp": end})
    head, payload, _ = _TOKEN.split(".")
    yield read("too-large", "3", "Reading before looking at the size.", ["x.", {"repeat": "A", "times": 4093}, ".x"])
    yield read("two-parts", "3", "Taking a token without a signature.", f"{head}.{payload}")
    yield read("padded", "3", "Taking padding: a second spelling.", f"{_TOKEN}==")
    yield read("unsigned", "3", "Taking no signature for a good one.", f"{head}.{payload}.")
    yield read("crit", "3", "Ignoring a critical extension.", forged({**_HEADER, "crit": []}, _CLAIMS, ANSWER_SIGNER))
    answer = forged({**_HEADER, "typ": "carnet-answer+jwt"}, _CLAIMS, ANSWER_SIGNER)
    yield read("other-type", "3", "Taking another kind of artifact by the same key.", answer)
    yield read("license-token", "3", "Taking a license token for a seat.", TOKEN)
    yield read("alg-none", "3", "Taking the algorithm from the token.", forged({**_HEADER, "alg": "none"}, _CLAIMS))
    by_token_key = forged({**_HEADER, "kid": TOKEN_SIGNER.kid}, _CLAIMS, TOKEN_SIGNER)
    yield read("key-of-another-role", "3", "Looking up keys without their role.", by_token_key)
    yield read("named-falsely", "3", "Taking any signature.", forged(_HEADER, _CLAIMS, OTHER_SIGNER))
    for state, catches in STATES:
        yield read(f"key-{state}", "3", catches, _TOKEN, lease=[record(ANSWER_SIGNER, state)])


PARTS = (lease,)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors")
