"""Vectors of the Keyforge profile (specs/token-profiles.md §4, §6 to §8); part of the generator's work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from carnet.core._base import replace
from carnet.core.instant import DAY
from carnet.formats.encoding import b64url_encode
from carnet.formats.jose_keys import JoseSigner
from carnet.formats.keys import Algorithm, Ed25519Signer, Signer
from carnet.formats.license_token import TYP as NATIVE_TYP
from carnet.formats.profiles.keyforge import keyforge_claims
from carnet.formats.profiles.verdicts import MAX_PROFILE_LIFETIME_SECONDS
from support.jose_scenarios import OTHER_ES256, RS256, es256_variants
from support.profile_tokens import (
    KEYFORGE_FACTS,
    KEYFORGE_LICENSE,
    KEYFORGE_SIGNER,
    KEYFORGE_TOKEN,
    REMOVED,
    altered,
    forged,
)
from support.profile_vectors import Scenario, scenario
from support.vector_keys import STATES, KeyRecord, record

AROUND: Final = ((-1, "before"), (0, "at"), (1, "after"))
NOW: Final = 1768003200
END: Final = NOW + 30 * DAY
KEY: Final = KEYFORGE_SIGNER.public_key
CLAIMS: Final = keyforge_claims(KEYFORGE_FACTS)
TIMED: Final = keyforge_claims(
    replace(KEYFORGE_FACTS, license=replace(KEYFORGE_LICENSE, type="timed", expires_at=END), expires_at=END)
)
FALLBACKED: Final = {**TIMED, "status": "fallbacked", "exp": END + 14 * DAY}
HEADER: Final = {"alg": "ES256", "kid": "kf-test-1", "typ": "JWT"}
ED25519: Final = Ed25519Signer(bytes([1]) * 32)


def verify(
    name: str, section: str, catches: str, token: Any, *, keys: Any = (KEY,), now: int | None = None, **given: Any
) -> Scenario:
    """A token is verified; with *now*, also judged."""
    value = {"function": "verify-keyforge", "token": token, **given}
    return scenario(f"keyforge-{name}", section, catches, value, keys=keys, now=now)


def keyforge() -> Iterator[Scenario]:
    """Tokens that are verified and judged."""
    for part in (
        _genuine,
        _form,
        _algorithms,
        _keys,
        _claims,
        _agreement,
        _times,
        _judged,
        _ends,
    ):
        yield from part()


def _genuine() -> Iterator[Scenario]:
    yield verify("contract", "10", "Refusing the token that the contract shows.", KEYFORGE_TOKEN)
    yield verify("genuine", "4", "Refusing a token as we write it ourselves.", forged(CLAIMS, KEYFORGE_SIGNER))
    spelled = json.dumps(dict(reversed(CLAIMS.items())), indent=1).encode()
    header = b'{ "typ": "JWT", "kid": "kf-test-1", "alg": "ES256" }'
    catches = "Needing the canonical form of tokens whose writers do not know it."
    yield verify("spelled-otherwise", "2", catches, _signed(header, spelled))
    more = {**CLAIMS, "iss": "keyforge", "aud": "any", "later": {"a": [1]}, "sub": "s-1", "jti": "t-1"}
    yield verify("other-claims", "4.1", "Refusing claims that are to be ignored.", forged(more, KEYFORGE_SIGNER))
    without = altered(CLAIMS, "product", REMOVED)
    yield verify("no-product", "4.1", "Needing product.id, which others leave out.", forged(without, KEYFORGE_SIGNER))
    yield verify("timed", "4.2", "Mixing up the two ends of a timed license.", forged(TIMED, KEYFORGE_SIGNER))
    yield verify(
        "fallbacked", "4.2", "Refusing a license that goes on after its end.", forged(FALLBACKED, KEYFORGE_SIGNER)
    )
    hidden = altered(FALLBACKED, "license.expiresAt", None)
    yield verify(
        "fallbacked-end-hidden", "4.2", "Needing an end that the vendor hides.", forged(hidden, KEYFORGE_SIGNER)
    )


def _signed(header: bytes, payload: bytes, by: Signer = KEYFORGE_SIGNER) -> str:
    signed = f"{b64url_encode(header)}.{b64url_encode(payload)}"
    return f"{signed}.{b64url_encode(by.sign(signed.encode()))}"


def _form() -> Iterator[Scenario]:
    head, payload, signature = KEYFORGE_TOKEN.split(".")

    def header(name: str, catches: str, change: dict[str, Any]) -> Scenario:
        value = {member: said for member, said in {**HEADER, **change}.items() if said is not REMOVED}
        return verify(f"header-{name}", "8", catches, forged(CLAIMS, KEYFORGE_SIGNER, value))

    yield verify("size-8193", "8", "Reading before looking at the size.", ["x.", {"repeat": "A", "times": 8189}, ".x"])
    yield verify("two-parts", "8", "Taking a token without a signature.", f"{head}.{payload}")
    yield verify("four-parts", "8", "Ignoring what follows the third part.", f"{KEYFORGE_TOKEN}.{signature}")
    yield verify("trailing-newline", "8", "Trimming the token in the verifier.", f"{KEYFORGE_TOKEN}\n")
    yield verify("padded", "8", "Taking padding: a second spelling.", f"{KEYFORGE_TOKEN}==")
    yield verify("not-ascii", "8", "Taking characters that look alike.", f"{head}.{payload}.{signature[:-1]}\u0410")
    yield verify(
        "claim-twice", "8", "Taking the last of two claims.", _signed(_json(HEADER), _json(CLAIMS)[:-1] + b',"exp":1}')
    )
    yield verify(
        "claims-array", "8", "Failing with another error than the documented one.", forged([CLAIMS], KEYFORGE_SIGNER)
    )
    fraction = _json({**CLAIMS, "exp": 0}).replace(b'"exp":0', b'"exp":4102444800.0')
    yield verify("exp-fraction", "8", "Reading a fraction as a time.", _signed(_json(HEADER), fraction))
    yield header("crit", "Ignoring a critical extension.", {"crit": ["exp"]})
    yield header("jwk", "Verifying with a key that the token brings.", {"jwk": OTHER_ES256.public_key.to_jwk()})
    yield header("jku", "Fetching keys from where the token says.", {"jku": "https://attacker.example/keys"})
    yield header("no-alg", "Giving the algorithm a default.", {"alg": REMOVED})
    yield header("no-typ", "Giving the type a default.", {"typ": REMOVED})
    yield header("no-kid-and-crit", "Counting the members instead of comparing them.", {"kid": REMOVED, "crit": []})
    yield header("typ-lower", "Comparing the type without case.", {"typ": "jwt"})
    yield header("typ-native", "Taking a native license token for one of a profile.", {"typ": NATIVE_TYP})
    yield header("typ-null", "Taking null for any type.", {"typ": None})
    yield header("kid-null", "Taking a kid of null for none.", {"kid": None})
    yield header("kid-path", "Using the kid as a path.", {"kid": "../keys/kf"})
    yield header("kid-65", "Having no bound on the length of a kid.", {"kid": "x" * 65})


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _algorithms() -> Iterator[Scenario]:
    for alg in ("none", "HS256", "ES384", "EdDSA", "RS256", "es256", None):
        catches = "Taking the algorithm from the token."
        name = "alg-" + {"es256": "lower", None: "null"}.get(alg, str(alg).lower())
        yield verify(name, "8", catches, forged(CLAIMS, KEYFORGE_SIGNER, {**HEADER, "alg": alg}))
    unsigned = b64url_encode(_json({**HEADER, "alg": "none"}))
    yield verify(
        "none-unsigned", "8", "Taking the algorithm from the token.", f"{unsigned}.{KEYFORGE_TOKEN.split('.')[1]}."
    )
    others: tuple[tuple[Algorithm, Signer], ...] = (("Ed25519", ED25519), ("RS256", RS256))
    for algorithm, signer in others:
        token, keys = forged(CLAIMS, signer), (signer.public_key,)
        name = algorithm.lower()
        catches = "Taking every algorithm that is known instead of those that were configured."
        yield verify(f"{name}-not-configured", "6", catches, token, keys=keys)
        catches = "Refusing an algorithm that the vendor's app reads."
        yield verify(f"{name}-configured", "6", catches, token, keys=keys, algorithms=[algorithm])
        catches = "Taking the contract's algorithm where another one was configured."
        yield verify(f"es256-where-{name}-is-configured", "6", catches, KEYFORGE_TOKEN, algorithms=[algorithm])
    signed = KEYFORGE_TOKEN.rpartition(".")[0]
    for variant, catches, forgery in es256_variants(signed.encode(), KEYFORGE_SIGNER):
        yield verify(f"signature-{variant}", "8", catches, f"{signed}.{b64url_encode(forgery)}")
    other = b64url_encode(_json(altered(CLAIMS, "license.maxDevices", 300)))
    head, _, signature = KEYFORGE_TOKEN.split(".")
    yield verify("payload-of-another", "8", "Not covering the payload.", f"{head}.{other}.{signature}")


def _keys() -> Iterator[Scenario]:
    newer = JoseSigner(OTHER_ES256._private, "kf-2027")
    both = (KEY, newer.public_key)
    headless = forged(CLAIMS, KEYFORGE_SIGNER, {"alg": "ES256", "typ": "JWT"})
    yield verify("key-older", "3", "Knowing one key only while another replaces it.", KEYFORGE_TOKEN, keys=both)
    yield verify("key-newer", "3", "Knowing one key only while another replaces it.", forged(CLAIMS, newer), keys=both)
    yield verify("key-unknown", "3", "Ignoring a kid where there is one key only.", forged(CLAIMS, newer))
    token = forged(CLAIMS, newer, HEADER)
    yield verify("key-named-falsely", "3", "Trying every key instead of the named one.", token, keys=both)
    yield verify("no-kid", "3", "Needing a kid that tokens of others do not have.", headless)
    yield verify("no-kid-two-keys", "3", "Trying every key where none is named.", headless, keys=both)
    yield verify(
        "no-kid-other-key", "3", "Taking a token because its key is not named.", headless, keys=(newer.public_key,)
    )
    for state, catches in STATES:
        yield verify(f"key-{state}", "3", catches, KEYFORGE_TOKEN, keys=(record(KEY, state),))
    retired: tuple[KeyRecord, ...] = (record(KEY), record(newer, "retired"))
    yield verify("no-kid-one-usable", "3", "Counting keys that verify nothing.", headless, keys=retired)
    retired = (record(KEY, "compromised"),)
    yield verify("no-kid-none-usable", "3", "Looking at the state only where a key is named.", headless, keys=retired)


_REQUIRED: Final = (
    *("status", "license", "device", "iat", "exp"),
    *(f"license.{name}" for name in ("key", "productId", "type", "expiresAt", "createdAt", "maxDevices", "email")),
    *(f"device.{name}" for name in ("identifier", "name", "activationDate")),
    "product.id",
)
_WRONG: Final[dict[str, tuple[Any, ...]]] = {
    "status": ("expired", "Active", None, True, ["active"]),
    "license": (None, [], "key"),
    "license.key": ("", "x" * 513, "a\u0007b", 7),
    "license.productId": ("", "x" * 256, None),
    "license.type": ("subscription", None, "Perpetual"),
    "license.expiresAt": ("4102444800", False, 0, 253402300800),
    "license.createdAt": (None, 0, "1767225600", True),
    "license.maxDevices": (0, "3", True, None, -1),
    "license.email": ("", "x" * 256, 7, "a\u009fb"),
    "device": (None, []),
    "device.identifier": ("", "x" * 97, "a\u007fb"),
    "device.name": ("", "x" * 65, None),
    "device.activationDate": (None, 0, "1768003200"),
    "product": (None, "p_9f3k2a"),
    "product.id": ("", 7),
    "iat": (0, "1768003140", True, None),
    "exp": (0, "4102444800", None, 253402300800),
    "jti": ("", None, 7, "x" * 256),
    "sub": ("", 7),
    "nbf": (0, "1768003140", None),
}
_BOUNDS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("license.key", "512", "x" * 512),
    ("license.productId", "255", None),
    ("license.maxDevices", "1", 1),
    ("license.email", "255", "x" * 255),
    ("device.identifier", "96", "\u00e9" * 96),
    ("device.name", "64", "\U0001f680" * 64),
)
"""The largest or smallest good value of each; lengths count code points, not bytes and not UTF-16 units."""


def _claims() -> Iterator[Scenario]:
    for path in _REQUIRED:
        name = path.replace(".", "-").lower()
        catches = "Skipping the check of a claim that is missing."
        yield verify(f"claim-no-{name}", "8", catches, forged(altered(CLAIMS, path, REMOVED), KEYFORGE_SIGNER))
    for path, values in _WRONG.items():
        for number, value in enumerate(values, 1):
            name = f"claim-{path.replace('.', '-').lower()}-{number}"
            token = forged(altered(CLAIMS, path, value), KEYFORGE_SIGNER)
            yield verify(name, "8", "A claim of another type or out of its bounds, converted or cut.", token)
    for path, word, value in _BOUNDS:
        name = f"claim-{path.replace('.', '-').lower()}-of-{word}"
        if value is None:
            claims = altered(altered(CLAIMS, path, "x" * 255), "product.id", "x" * 255)
        else:
            claims = altered(CLAIMS, path, value)
        yield verify(
            name,
            "4.1",
            "Being off by one, or counting something else than code points.",
            forged(claims, KEYFORGE_SIGNER),
        )


def _agreement() -> Iterator[Scenario]:
    def bad(name: str, catches: str, claims: dict[str, Any]) -> Scenario:
        return verify(f"disagree-{name}", "4.2", catches, forged(claims, KEYFORGE_SIGNER))

    yield bad("perpetual-with-end", "A perpetual license that ends.", altered(CLAIMS, "license.expiresAt", END))
    yield bad("perpetual-fallbacked", "A perpetual license after its end.", {**CLAIMS, "status": "fallbacked"})
    yield bad(
        "timed-without-end", "An active timed license that never ends.", altered(TIMED, "license.expiresAt", None)
    )
    yield bad("product", "Two product ids: an app that reads the other one.", altered(CLAIMS, "product.id", "p_x"))


def _times() -> Iterator[Scenario]:
    start = CLAIMS["iat"]
    for seconds, word in AROUND:
        token = forged({**CLAIMS, "exp": start + seconds}, KEYFORGE_SIGNER)
        yield verify(f"exp-iat-{word}", "6", "Taking an empty interval, or refusing the shortest.", token)
        token = forged({**CLAIMS, "exp": start + MAX_PROFILE_LIFETIME_SECONDS + seconds}, KEYFORGE_SIGNER)
        yield verify(f"longest-{word}", "6", "Having no bound on a token's life, or that of native tokens.", token)


def _judged() -> Iterator[Scenario]:
    def judged(name: str, catches: str, claims: dict[str, Any] = CLAIMS, **more: Any) -> Scenario:
        given = {"products": ["p_9f3k2a"], "device": "host-7c1e", "now": NOW, **more}
        return verify(f"judged-{name}", "7", catches, forged(claims, KEYFORGE_SIGNER), **given)

    yield judged("usable", "Refusing an ordinary token.")
    yield judged("product-other", "Not comparing the product.", products=["p_x"])
    yield judged("product-of-several", "Knowing one product only.", products=["p_x", "p_9f3k2a"])
    yield judged("product-none", "Taking no product for any product.", products=[])
    yield judged("product-prefix", "Comparing products by prefix.", products=["p_9f3k2", "p_9f3k2a1"])
    yield judged("product-case", "Comparing products without case.", products=["P_9F3K2A"])
    yield judged("device-other", "Not comparing the device.", device="host-7c1f")
    yield judged("device-case", "Comparing devices without case.", device="HOST-7C1E")
    every: dict[str, Any] = {"products": ["p_x"], "device": "other", "now": END + DAY}
    yield judged("every-reason", "Stopping at the first reason: support hears one at a time.", TIMED, **every)
    yield judged("clock-before-iat", "Taking a clock that stands before the signing.", now=CLAIMS["iat"] - 1)
    leeway: dict[str, Any] = {"now": CLAIMS["iat"] - 60, "leeway_seconds": 60}
    yield judged("clock-within-leeway", "Calling a clock moved back that is a little slow.", **leeway)
    back: dict[str, Any] = {"now": NOW, "latest_seen": "2200-01-01T00:00:00Z"}
    yield judged("clock-moved-back", "Letting a clock that was set back bring a token to life.", **back)
    seen: dict[str, Any] = {"now": NOW, "latest_seen": "2026-01-01T00:00:00Z"}
    yield judged("latest-seen-older", "Judging at the remembered time though the clock is later.", **seen)
    for leeway_seconds in (-1, 301):
        yield judged(
            f"leeway-{leeway_seconds}".replace("--", "-minus-"),
            "A leeway without bounds.",
            leeway_seconds=leeway_seconds,
        )


def _ends() -> Iterator[Scenario]:
    def around(name: str, catches: str, claims: dict[str, Any], boundary: int, leeway: int = 0) -> Iterator[Scenario]:
        given: dict[str, Any] = {"products": ["p_9f3k2a"], "device": "host-7c1e"}
        if leeway:
            given["leeway_seconds"] = leeway
        for seconds, word in AROUND:
            token = forged(claims, KEYFORGE_SIGNER)
            yield verify(f"{name}-{word}", "7", catches, token, now=boundary + leeway + seconds, **given)

    short = {**TIMED, "exp": NOW + 14 * DAY}
    longer = {**TIMED, "exp": END + 14 * DAY}
    yield from around("window", "Taking now <= exp for valid.", short, NOW + 14 * DAY)
    yield from around(
        "window-leeway", "Adding the leeway on the wrong side, or not at all.", short, NOW + 14 * DAY, 300
    )
    yield from around("license-end", "Letting a token outlive its license.", longer, END)
    yield from around("license-end-leeway", "Forgetting the leeway at the license's end.", longer, END, 60)
    yield from around("fallback-end", "Ending a license that goes on after its end.", FALLBACKED, END)
    later = {**CLAIMS, "nbf": NOW + DAY}
    yield from around("not-before", "Ignoring nbf, or taking nbf < now for the rule.", later, NOW + DAY)
    for seconds, word in AROUND:
        given: dict[str, Any] = {"products": ["p_9f3k2a"], "device": "host-7c1e", "leeway_seconds": 60}
        token = forged(later, KEYFORGE_SIGNER)
        catches = "Adding the leeway at the start instead of taking it off."
        yield verify(f"not-before-leeway-{word}", "7", catches, token, now=NOW + DAY - 60 + seconds, **given)
