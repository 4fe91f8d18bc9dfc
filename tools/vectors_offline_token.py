"""
Makes `specs/vectors/offline-token/` (specs/offline-token.md §9), from fixed seeds.

`python tools/vectors_offline_token.py` writes them; `tests/unit/formats/test_signed_vectors.py` makes them again,
compares, and runs them. The inputs are written here by hand; the outcomes are what `carnet.formats` says, and are
reviewed as text and by a second reader. The contract's own document (contracts/licenseseat.md §4.1) is among them.
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
from carnet.core.model import Grant  # noqa: E402
from carnet.formats.encoding import b64_encode  # noqa: E402
from carnet.formats.keys import Ed25519Signer  # noqa: E402
from support.offline_tokens import (  # noqa: E402
    CONTRACT,
    CONTRACT_KEY,
    CONTRACT_SIGNATURE,
    GRANT,
    ISSUED_AT,
    SIGNER,
    TOKEN,
    document,
    resigned,
)
from support.sealed_vectors import grant_to_json, write  # noqa: E402
from support.signed_vectors import Scenario, scenario  # noqa: E402
from support.vector_keys import STATES, KeyRecord, record  # noqa: E402

GONE: Any = object()
OTHER = Ed25519Signer(bytes(range(1, 33)), kid="org-2026-a")
CANONICAL: str = CONTRACT["canonical"]
TEXT = json.dumps(CONTRACT, ensure_ascii=False)


def verify(
    name: str,
    section: str,
    catches: str,
    text: Any,
    *,
    keys: tuple[Ed25519Signer | KeyRecord, ...] = (SIGNER,),
    now: int | None = None,
    **given: Any,
) -> Scenario:
    """A document is verified; with *now*, seconds after its issue, also decided."""
    if isinstance(text, bytes):
        text = text.decode()
    elif isinstance(text, dict):
        text = json.dumps(text, ensure_ascii=False)
    return scenario(
        f"offline-token/{name}",
        section,
        catches,
        {"function": "verify", "document": text, **given},
        role="offline",
        keys=keys,
        now=None if now is None else str(Instant(ISSUED_AT + now)),
    )


def claim(name: str, catches: str, **changes: Any) -> Scenario:
    """A token with members changed, genuinely signed."""
    token = {member: value for member, value in {**TOKEN, **changes}.items() if value is not GONE}
    return verify(f"claim-{name}", "2", catches, resigned(token))


def issue(name: str, catches: str, grant: Grant = GRANT, metadata: dict[str, Any] | None = None) -> Scenario:
    """A grant is issued with the contract's test key."""
    given = {
        "function": "issue",
        "grant": grant_to_json(grant),
        "license_key": CONTRACT_KEY,
        "kid": SIGNER.kid,
        "seed_hex": bytes(range(32)).hex(),
        "metadata": metadata or {},
    }
    return scenario(f"offline-token/{name}", "4", catches, given)


def contract() -> Iterator[Scenario]:
    """The contract's own document."""
    catches = "Any byte that differs from what other vendors' clients read."
    yield verify("contract", "1", catches, TEXT, license_key=CONTRACT_KEY)
    indented = json.dumps(CONTRACT, indent=2, sort_keys=True, ensure_ascii=True)
    yield verify("document-indented", "1", "Needing one form of the document.", indented)
    edited = "\ufeff" + indented.replace("\n", "\r\n")
    yield verify("document-edited", "1", "Refusing what editors do to a file.", edited)
    spaced = json.dumps(TOKEN, indent=1)
    yield verify(
        "canonical-of-another-form", "3", "Making the canonical text again.", resigned(TOKEN, canonical=spaced)
    )
    yield verify("other-license-key", "5", "Not comparing the license key.", TEXT, license_key=CONTRACT_KEY.lower())


def documents() -> Iterator[Scenario]:
    """What is no document."""

    def refused(name: str, catches: str, text: Any, section: str = "5") -> Scenario:
        return verify(f"document-{name}", section, catches, text)

    yield refused("cut-off", "Reading half a file.", TEXT[:-1])
    yield refused("with-more-after-it", "Ignoring what follows.", TEXT + "{}")
    yield refused("name-twice", "The last of two names.", TEXT.replace('"object"', '"object": 1, "object"', 1))
    yield refused("list", "A crash on another JSON value.", "[]")
    yield refused("member-more", "Ignoring an unknown member.", document(extra=1), "1")
    yield refused("other-object", "Not looking at the kind.", document(object="license_token"), "1")
    yield refused("token-null", "A crash on null.", document(token=None), "1")
    yield refused("canonical-an-object", "A crash on another JSON value.", document(canonical=TOKEN), "1")
    yield refused("signature-text", "A crash on another JSON value.", document(signature="x"), "1")
    extra = {**CONTRACT["signature"], "jwk": {}}
    yield refused("key-in-the-signature", "A key that the document brings along.", document(signature=extra), "1")
    yield refused("algorithm-none", "An algorithm that the document chooses.", document(algorithm="none"), "1")
    yield refused("algorithm-hs256", "An algorithm that the document chooses.", document(algorithm="HS256"), "1")
    yield refused("key-id-null", "A crash on null.", document(key_id=None))
    yield refused("key-id-path", "Key ids that are looked up as files.", document(key_id="../keys/a"))
    yield refused("key-id-hyphen", "Key ids that the contract's clients refuse.", document(key_id="-a"))
    unpadded, url = CONTRACT_SIGNATURE[:-2], CONTRACT_SIGNATURE.replace("+", "-").replace("/", "_")
    yield refused("signature-unpadded", "A second spelling of the signature.", document(value=unpadded))
    yield refused("signature-url-safe", "A second spelling of the signature.", document(value=url))
    bits = CONTRACT_SIGNATURE[:-3] + "h=="
    yield refused("signature-spare-bits", "A second spelling of the signature.", document(value=bits))
    yield refused("signature-short", "A crash on a short signature.", document(value=CONTRACT_SIGNATURE[:84]))
    blanks = [TEXT, {"repeat": " ", "times": 262144 - len(TEXT.encode())}]
    yield refused("largest", "A bound other than 262,144 bytes.", blanks)
    yield refused("too-large", "Reading without a bound.", [*blanks, " "])


def authenticity() -> Iterator[Scenario]:
    """Whose signature, over what."""
    yield verify("unknown-key", "5", "Taking any valid signature.", document(key_id="org-2026-b"))
    for state, catches in STATES:
        yield verify(f"key-{state}", "5", catches, document(), keys=(record(SIGNER, state),))
    yield verify("other-key", "5", "Trusting a key id instead of a key.", resigned(TOKEN, signer=OTHER))
    changed = CANONICAL.replace('"seat_limit":3', '"seat_limit":30')
    both = {**document(canonical=changed), "token": {**TOKEN, "seat_limit": 30}}
    yield verify("canonical-changed", "5", "Decoding without verifying.", both)
    prefixed = document(value=b64_encode(SIGNER.sign(b"machine/" + CANONICAL.encode())))
    yield verify("prefix-of-machine-files", "1", "A signature that was made for something else.", prefixed)
    yield verify("signature-zero", "5", "Accepting a signature of zeros.", document(value=b64_encode(bytes(64))))
    catches = "Believing what is shown instead of what was signed."
    for name, shown in (
        ("value", {"seat_limit": 30}),
        ("more", {"license_expires_at": 1821536000}),
        ("true-for-one", {"schema_version": True}),
        ("metadata", {"metadata": {"team": "Zoe/1"}}),
    ):
        yield verify(f"shown-{name}", "5", catches, resigned({**TOKEN, **shown}, canonical=CANONICAL))
    twice = CANONICAL.replace('"exp"', '"exp":1,"exp"', 1)
    yield verify("canonical-name-twice", "5", "Reading the signed text loosely.", resigned(TOKEN, canonical=twice))
    fraction = CANONICAL.replace('"seat_limit":3', '"seat_limit":3.0')
    yield verify("canonical-fraction", "5", "Reading the signed text loosely.", resigned(TOKEN, canonical=fraction))
    yield verify("canonical-a-list", "5", "A crash on another JSON value.", resigned(TOKEN, canonical="[]"))


def claims() -> Iterator[Scenario]:
    """What a genuine signer must not write."""
    yield claim("unknown", "Ignoring an unknown member.", device_id="fp-7c1e40aa9d3b")
    for name in ("license_key", "product_slug", "fingerprint", "exp", "kid", "entitlements", "metadata"):
        yield claim(f"{name.replace('_', '-')}-missing", "A member that is taken for optional.", **{name: GONE})
    for name, kid in (
        ("null", None),
        ("empty", ""),
        ("hyphen-first", "-org"),
        ("blank", "org 2026"),
        ("not-ascii", "örg"),
        ("long", "x" * 256),
    ):
        yield claim(f"kid-{name}", "Comparing the key id without looking at its form.", kid=kid)
    yield claim("schema-version-2", "Reading a newer token as an old one.", schema_version=2)
    yield claim("license-key-blank", "Keys with blanks.", license_key="KT4Q 9ZXW")
    yield claim("product-capital", "Products of another form.", product_slug="Inkwell")
    for word, slug in (("null", None), ("empty", ""), ("hyphen", "-a"), ("hyphens", "a--b"), ("long", "a" * 101)):
        yield claim(f"product-{word}", "Products of another form.", product_slug=slug)
    yield claim("product-longest", "Refusing the longest product.", product_slug="a" * 100)
    yield claim("fingerprint-null", "Null for any device at all.", fingerprint=None)
    yield claim("plan-null", "A plan that is null.", plan_key=None)
    yield claim("mode-unknown", "Modes that nobody knows.", mode="node_locked")
    yield claim("seat-limit-absent", "Needing a seat limit.", seat_limit=GONE)
    yield claim("seat-limit-null", "Null for an unlimited license.", seat_limit=None)
    yield claim("seat-limit-0", "A license without a seat.", seat_limit=0)
    yield claim("fingerprint-seven-bytes", "Devices that are too short.", fingerprint="seven-7")
    yield claim("fingerprint-eight-bytes", "Counting characters.", fingerprint="é" * 4)
    yield claim("fingerprint-blank", "Devices with blanks around them.", fingerprint=" eight-88")
    yield claim("license-expires-null", "Null for a license that never ends.", license_expires_at=None)
    yield claim("metadata-null", "Null for no metadata.", metadata=None)
    yield claim("kid-other", "Signing without looking at the key id.", kid="org-2026-b")
    for name in ("iat", "nbf", "exp"):
        yield claim(f"{name}-text", "Texts as numbers.", **{name: "1790000000"})
        yield claim(f"{name}-true", "Booleans as numbers.", **{name: True})
    yield claim("iat-0", "Times before the first second.", iat=0)
    yield claim("exp-after-9999", "Times without a bound.", exp=253402300800)
    starts = (("before", 1789999999), ("at", 1790000000), ("after", 1790000001))
    for word, seconds in starts:
        yield claim(f"nbf-{word}-iat", "A start before the issue.", nbf=seconds)
        yield claim(f"license-end-{word}-iat", "A token for a license that has ended.", license_expires_at=seconds)
        ended = [{"key": "a", "expires_at": seconds}]
        yield claim(f"entitlement-end-{word}-iat", "Entitlements that ended before.", entitlements=ended)
        yield claim(f"exp-{word}-nbf", "A token that never holds.", nbf=1790000000, exp=seconds)
    longest = 1790000000 + 36600 * DAY
    yield claim("life-longest", "Refusing the longest life.", exp=longest)
    yield claim("life-too-long", "A life without a bound.", exp=longest + 1)
    ceiling = [{"key": "a", "expires_at": None, "below_version": "3.0"}]
    yield claim("entitlement-ceiling", "Ignoring an unknown member.", entitlements=ceiling)
    yield claim("entitlement-without-end", "An end that is taken for optional.", entitlements=[{"key": "a"}])
    twice = [{"key": "a", "expires_at": None}] * 2
    yield claim("entitlement-twice", "An entitlement listed twice.", entitlements=twice)
    yield claim("entitlement-capital", "Keys of another form.", entitlements=[{"key": "A", "expires_at": None}])
    yield claim("entitlements-none", "Needing an entitlement.", entitlements=[])


def issued() -> Iterator[Scenario]:
    """What is written."""
    yield issue("issue-grace", "Grace that is lost, or put elsewhere.")
    yield issue("issue-metadata", "Escaping more than JSON must.", metadata={"team": "Zoë/1", "a": [1, True, None]})
    unlimited = replace(GRANT, policy=replace(GRANT.policy, seat_limit=None))
    yield issue("issue-no-seat-limit", "Null for an unlimited license.", unlimited)
    for word, days in (("before", 36), ("at", 37), ("after", 38)):
        timed = replace(GRANT, license_expires_at=Instant(ISSUED_AT + days * DAY))
        yield issue(f"issue-license-end-{word}-grace-end", "A token that outlives its license.", timed)
    ended = replace(GRANT, license_expires_at=ISSUED_AT)
    yield issue("issue-ended-license", "A token for a license that has ended.", ended)
    yield issue("issue-without-device", "A token for any device.", replace(GRANT, device=None))
    yield issue(
        "issue-placeholder-device", "A token for a device that many share.", replace(GRANT, device="Default string")
    )


def decided() -> Iterator[Scenario]:
    """What the decision makes of the contract's token, around its end."""
    host: dict[str, Any] = {"host": {"product": "inkwell"}, "device": "fp-7c1e40aa9d3b"}
    for offset, word in ((-1, "before"), (0, "at"), (1, "after")):
        yield verify(f"start-{word}", "6", "A token that holds before it was issued.", TEXT, now=offset, **host)
        yield verify(f"end-{word}", "6", "Grace where the contract has none.", TEXT, now=30 * DAY + offset, **host)
    other = {**host, "device": "fp-7c1e40aa9d3"}
    yield verify("wrong-device", "6", "Comparing a prefix of the device.", TEXT, now=0, **other)
    yield verify(
        "wrong-product", "6", "A token of another product.", TEXT, now=0, **{**host, "host": {"product": "ink"}}
    )


PARTS = (contract, documents, authenticity, claims, issued, decided)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of offline tokens")
