"""
Makes `specs/vectors/machine-file/` (specs/machine-file.md §12), from fixed seeds.

`python tools/vectors_machine_file.py` writes them; `tests/unit/formats/test_sealed_vectors.py` makes them again,
compares, and runs them. The inputs are written here by hand; the outcomes are what `carnet.formats` says, and are
reviewed as text. The contract's own vector (contracts/licenseseat.md §3.8) is among them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.core._base import replace  # noqa: E402 - found on the path that is set above
from carnet.core.instant import DAY, Instant  # noqa: E402
from carnet.core.model import Grant, Policy, StatusRef  # noqa: E402
from carnet.formats.machine_file import seal_plaintext  # noqa: E402
from support.altered_claims import EXTRAS  # noqa: E402
from support.machine_file_refusals import (  # noqa: E402
    CONTRACT_DEVICE,
    CONTRACT_KEY,
    ENVELOPE,
    OTHER,
    SMALL,
    authentic,
    content,
    framed,
    opened,
    wrapped,
)
from support.machine_files import (  # noqa: E402
    DELETE,
    ENTROPY,
    GRANT,
    ISSUED_AT,
    LICENSE_KEY,
    SIGNER,
    altered,
    claims_of,
    contract_claims,
    seal,
    seal_claims,
)
from support.sealed_vectors import Scenario, grant_to_json, scenario, write  # noqa: E402

CONTRACT_CONTENT = (
    '{"data":{"attributes":{"created":"2026-09-21T14:12:20Z","fingerprint":"fp-7c1e40aa9d3b","metadata":{},'
    '"name":"Atelier","platform":"linux"},"id":"5b0f8f0e-3d0c-4d7e-9c55-0c1de1a4c7b1","relationships":{"license":'
    '{"data":{"id":"KT4Q-9ZXW-22LM-7PRD","type":"licenses"}},"product":{"data":{"id":"inkwell","type":"products"}}},'
    '"type":"machines"},"meta":{"exp":1792592000,"expiry":"2026-10-21T14:13:20Z","grace_period":0,"iat":1790000000,'
    '"issued":"2026-09-21T14:13:20Z","kid":"org-2026-a","lic":"KT4Q-9ZXW-22LM-7PRD","license_exp":null,'
    '"nbf":1790000000,"schema_version":2,"ttl":2592000}}'
)
NONCE = "101112131415161718191a1b"
SEED = bytes(range(32))
FILE = seal()


def contract() -> Iterator[Scenario]:
    """The published vector of the contract."""
    encrypt = {
        "content": CONTRACT_CONTENT,
        "license_key": CONTRACT_KEY,
        "fingerprint": CONTRACT_DEVICE,
        "seed_hex": SEED.hex(),
        "kid": "org-2026-a",
        "nonce_hex": NONCE,
    }
    catches = "Any byte that differs from what other vendors' readers and writers do."
    yield scenario("machine-file/contract-sealed", "4", catches, {"encrypt": encrypt})
    sealed = seal_plaintext(
        CONTRACT_CONTENT.encode(),
        license_key=CONTRACT_KEY,
        fingerprint=CONTRACT_DEVICE,
        signer=SIGNER,
        entropy=b"",
        nonce=bytes.fromhex(NONCE),
    )
    of: dict[str, Any] = {"license_key": CONTRACT_KEY, "fingerprint": CONTRACT_DEVICE}
    yield opened("contract-opened", "8", "Needing Carnet's extras, or showing the license key.", sealed, **of)
    for seconds, word in ((-1, "before"), (0, "at"), (1, "after")):
        now = str(Instant(1792592000 + seconds))
        catches = "Grace where the contract's file gives none."
        yield opened(f"contract-end-{word}", "7", catches, sealed, **of, product="inkwell", now=now)


def genuine() -> Iterator[Scenario]:
    """Files that open."""
    yield opened("genuine", "6", "Losing or changing a part of the grant.", FILE)
    plain = replace(
        GRANT,
        policy=Policy(name="plain", seat_limit=None),
        customer=None,
        license_starts_at=None,
        license_expires_at=None,
        entitlements=(),
        license_status_ref=None,
        activation_status_ref=None,
    )
    yield opened("genuine-plain", "6", "Needing a member that may be left out.", seal(grant=plain, device_name=""))
    every = Policy(
        name="every",
        max_offline_ttl_seconds=60 * DAY,
        grace_access="full",
        warn_before_seconds=0,
        require_activation=False,
        clock_strictness="countdown",
    )
    yield opened(
        "genuine-unusual-policy", "6", "Losing a member of the policy.", seal(grant=replace(GRANT, policy=every))
    )
    listed = StatusRef(uri="https://license.example.com/v1/status/0", index=11, minimum=(0, 17))
    apart = StatusRef(uri="https://license.example.com/v1/status/3", index=5, minimum=(1795000000, 2))
    for name, own in (("minimum-shared", replace(listed, index=12)), ("minimum-apart", apart)):
        grant = replace(GRANT, license_status_ref=listed, activation_status_ref=own)
        yield opened(f"genuine-{name}", "6", "Losing the oldest version of a list.", seal(grant=grant))
    yield opened(
        "members-reordered",
        "2",
        "Counting on an order in the envelope.",
        wrapped({name: ENVELOPE[name] for name in ("kid", "alg", "sig", "enc")}),
    )
    yield opened(
        "members-spaced", "2", "Counting on the envelope's exact text.", wrapped(json.dumps(ENVELOPE, indent=2))
    )
    yield opened("line-ends-crlf", "2", "Refusing what Windows does to text.", SMALL.replace("\n", "\r\n") + "\r\n")
    yield opened(
        "line-ends-blanks", "2", "Refusing blanks at the edges of lines.", "\n " + SMALL.replace("\n", " \n\t")
    )
    yield opened("byte-order-mark", "2", "Refusing what editors put in front.", "\ufeff" + SMALL)
    yield opened("utf-16", "2", "Refusing what shells on Windows write.", SMALL.encode("utf-16"))
    body = "".join(SMALL.split("\n")[1:-1])
    lines = [body[i : i + 40] for i in range(0, len(body), 40)]
    rewrapped = "\n".join([SMALL.split("\n")[0], *lines, SMALL.split("\n")[-1]])
    yield opened("lines-of-40", "2", "Counting on lines of 64 characters.", rewrapped)
    padded = [SMALL, {"repeat": "\n", "times": 262144 - len(SMALL)}]
    yield opened("size-262144", "7", "Another bound for the size.", padded)
    unknown = altered(altered(claims_of(), "meta.future", {"a": [1]}), f"{EXTRAS}.future", True)
    yield opened("unknown-members", "5", "Refusing what a later issuer added.", seal_claims(unknown).decode())
    yield opened(
        "no-metadata",
        "8",
        "Needing metadata.",
        seal_claims(altered(contract_claims(), "data.attributes.metadata", DELETE)).decode(),
    )
    yield opened(
        "included", "5.1", "Ignoring the included license.", seal_claims(contract_claims(included=True)).decode()
    )
    yield opened("two-keys", "10", "Trying one key only while keys rotate.", SMALL, signers=(OTHER, SIGNER))
    yield opened(
        "imported-key",
        "4.1",
        "Changing the spelling of an imported key.",
        seal(license_key=CONTRACT_KEY),
        license_key=CONTRACT_KEY,
    )


def judged() -> Iterator[Scenario]:
    """Grants at their boundaries."""
    short = replace(
        GRANT,
        policy=replace(GRANT.policy, below_version=None, edition=None, domains=(), max_revocation_age_seconds=None),
        license_expires_at=None,
    )
    files = {
        "start": (GRANT.not_before, short, "Starting a second early or late."),
        "end": (GRANT.offline_until, short, "Taking `now <= exp` for valid."),
        "grace-end": (Instant((GRANT.offline_until or 0) + 7 * DAY), short, "Taking `now <= exp + grace` for grace."),
        "term-end": (
            Instant(ISSUED_AT + 10 * DAY),
            replace(short, license_expires_at=Instant(ISSUED_AT + 10 * DAY)),
            "Judging the license term by the window, or the window by the term.",
        ),
    }
    for name, (boundary, grant, catches) in files.items():
        file = seal(grant=grant)
        for seconds, word in ((-1, "before"), (0, "at"), (1, "after")):
            now = str(Instant((boundary or 0) + seconds))
            yield opened(f"{name}-{word}", "7", catches, file, product="hustl", now=now)
    theirs = contract_claims()
    theirs["meta"]["license_exp"] = ISSUED_AT + 10 * DAY
    file = seal_claims(theirs).decode()
    for seconds, word in ((-1, "before"), (0, "at"), (1, "after")):
        now = str(Instant(ISSUED_AT + 10 * DAY + seconds))
        catches = "Grace after the license term where the contract has none."
        yield opened(f"contract-term-end-{word}", "8", catches, file, product="hustl", now=now)
    for product in ("hustl2", "hust", "Hustl"):
        yield opened(
            f"other-product-{product.lower()}{'-upper' if product[0] == 'H' else ''}",
            "7",
            "Comparing products by prefix, or without case.",
            seal(grant=short),
            product=product,
            now=str(Instant(ISSUED_AT + DAY)),
        )


def sealed() -> Iterator[Scenario]:
    """What is sealed, and what is not."""

    def made(name: str, section: str, catches: str, *, grant: Grant = GRANT, **changes: Any) -> Scenario:
        given = {
            "grant": grant_to_json(grant),
            "license_key": LICENSE_KEY,
            "device_name": "Atelier",
            "platform": "linux",
            "created": str(ISSUED_AT),
            "seed_hex": SEED.hex(),
            "kid": SIGNER.kid,
            "entropy_hex": ENTROPY.hex(),
            **changes,
        }
        return scenario(f"machine-file/seal-{name}", section, catches, {"seal": given})

    yield made("genuine", "6", "Writing another spelling of the same content.")
    yield made("nameless", "5", "Writing null for a name that is not known.", device_name="", platform="", created=None)
    yield made("imported-key", "4.1", "Refusing an imported key of 80 bits.", license_key=CONTRACT_KEY)
    yield made("weak-key", "4.1", "Locking a file with a key that can be guessed.", license_key="ABC-123")
    yield made("key-lower-case", "4.1", "Deriving from another spelling of a key.", license_key=LICENSE_KEY.lower())
    yield made(
        "key-no-hyphens", "4.1", "Deriving from another spelling of a key.", license_key=LICENSE_KEY.replace("-", "")
    )
    yield made("key-with-blank", "4.1", "Locking a file with a key that has a blank.", license_key=f"{CONTRACT_KEY} 7")
    yield made("key-empty", "4.1", "Locking a file with nothing.", license_key="")
    yield made("key-not-ascii", "4.1", "Deriving from text that has several forms.", license_key="É" * 30)
    yield made("entropy-15", "4.1", "Relying on too little randomness.", entropy_hex="00" * 15)
    yield made("entropy-16", "4.3", "Refusing enough randomness.", entropy_hex="00" * 16)
    for name, changes in (
        ("device-placeholder", {"device": "0" * 64}),
        ("device-short", {"device": "fp-7c1e"}),
        ("no-window", {"offline_until": GRANT.issued_at}),
        ("starts-after-end", {"not_before": GRANT.offline_until}),
        ("no-activation", {"activation_id": ""}),
        ("product-no-slug", {"product": "Hustl Pro"}),
        ("grace-31-days", {"policy": replace(GRANT.policy, grace_seconds=31 * DAY)}),
    ):
        yield made(name, "4.1", "Sealing what no reader opens.", grant=replace(GRANT, **changes))


def derived() -> Iterator[Scenario]:
    """Nonces and estimates."""
    for name, key, entropy, text, catches in (
        ("zeros", bytes(32), bytes(16), "", "Another derivation of the nonce."),
        ("entropy", bytes(32), bytes(15) + b"\x01", "", "Leaving the randomness out."),
        ("content", bytes(32), bytes(16), "x", "Leaving the content out: a constant source would repeat."),
        ("key", b"\x01" + bytes(31), bytes(16), "", "Leaving the key out."),
        ("border", bytes(32), bytes(16) + b"x", "", "Joining randomness and content without their lengths."),
    ):
        given = {"key_hex": key.hex(), "entropy_hex": entropy.hex(), "content": text}
        yield scenario(f"machine-file/nonce-{name}", "4.3", catches, {"nonce": given})
    for name, license_key in (
        ("native", LICENSE_KEY),
        ("contract", CONTRACT_KEY),
        ("digits", "4821-9930-1172-8841"),
        ("hexadecimal", "f47ac10b-58cc-4372-a567-0e02b2c3d479"),
        ("both-cases", "aB3dE5fG7hJ9kL2m"),
        ("letters", "KTQZXWLMPRDVBHNC"),
        ("run", "1234-5678-ABCD-EFGH"),
        ("run-of-three", "123-KT4Q"),
        ("same", "AAAA-AAAA-AAAA-AAAA"),
        ("repeated", "AB12-AB12-AB12"),
        ("few-characters", "ABBABAAABBABBBABAABA"),
        ("words", "correct-horse-battery-staple"),
        ("five-letters", "BRIDG-7"),
        ("six-letters", "BRIDGE-7"),
        ("empty", ""),
        ("punctuation", "!!-??"),
    ):
        catches = "Another estimate: a key that one issuer accepts and another refuses."
        yield scenario(f"machine-file/estimate-{name}", "4.2", catches, {"estimate": license_key})


PARTS = (contract, genuine, judged, framed, authentic, content, sealed, derived)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of machine files")
