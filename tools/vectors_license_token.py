"""
Makes the vectors of license tokens: `specs/vectors/license-token/`.

`python tools/vectors_license_token.py` writes them; `tests/unit/formats/test_format_vectors.py` makes them
again, compares, and runs them. The inputs are written here by hand, with fixed keys; the outcomes are what
`carnet.formats` says, and are reviewed as text. A second verifier checks them (`tests/support/token_oracle.py`).
"""

from __future__ import annotations

import hmac
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.core._base import replace  # noqa: E402
from carnet.core.instant import DAY, Instant  # noqa: E402
from carnet.core.model import Grant, StatusRef  # noqa: E402
from carnet.formats.answer import TYP as ANSWER_TYP  # noqa: E402
from carnet.formats.encoding import b64url_encode  # noqa: E402
from carnet.formats.jose_keys import public_pem  # noqa: E402
from carnet.formats.keys import Ed25519Signer, PublicKey, Signer  # noqa: E402
from carnet.formats.license_token import TYP, issue_license_token  # noqa: E402
from carnet.formats.root import sign_root  # noqa: E402
from carnet.formats.strict_json import dump_json  # noqa: E402
from support.format_scenarios import (  # noqa: E402 - found on the path that is set above
    ANSWER_SIGNER,
    AROUND,
    CLAIMS,
    DEVICE,
    GRANT,
    HEADER,
    ISSUED_AT,
    OTHER_SIGNER,
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
from support.jose_scenarios import ES256, RS256, es256_variants, rs256_variants  # noqa: E402
from support.vector_keys import STATES, record  # noqa: E402

_FULL = replace(
    GRANT,
    customer="customer-1",
    not_before=Instant(ISSUED_AT + 60),
    license_starts_at=Instant(ISSUED_AT + 60),
    license_status_ref=StatusRef(uri="https://license.example.com/v1/status/0", index=4711, minimum=(0, 17)),
    activation_status_ref=StatusRef(
        uri="https://license.example.com/v1/status/3", index=131071, minimum=(1795000000, 2)
    ),
    policy=replace(
        GRANT.policy,
        grace_access="full",
        warn_before_seconds=DAY,
        edition="studio",
        below_version="4.0",
        domains=("example.com", "*.example.org"),
        clock_strictness="countdown",
        max_revocation_age_seconds=14 * DAY,
    ),
)
_MINIMAL = replace(
    GRANT,
    activation_id=None,
    device=None,
    license_expires_at=None,
    entitlements=(),
    license_status_ref=None,
    activation_status_ref=None,
    policy=replace(GRANT.policy, essential=()),
)


def token(name: str, section: str, catches: str, text: Any) -> Scenario:
    """A scenario of verification alone."""
    return scenario(f"license-token/{name}", section, catches, {"token": text}, keys=TOKEN_KEYS)


def license_token() -> Iterator[Scenario]:
    """Tokens in every layer."""
    for part in (
        _token_genuine,
        _token_form,
        _token_header,
        _token_keys,
        _token_compatible,
        _token_claims,
        _token_times,
        _token_decided,
    ):
        yield from part()


def _token_genuine() -> Iterator[Scenario]:
    yield token("genuine", "3", "Refusing an ordinary token.", TOKEN)
    yield token("every-claim", "3", "Losing or mixing up a claim.", issue_license_token(_FULL, TOKEN_SIGNER))
    yield token("only-required", "3", "Needing a claim that is optional.", issue_license_token(_MINIMAL, TOKEN_SIGNER))
    yield token(
        "unknown-claims", "7", "Refusing claims of later versions.", forged(HEADER, {**CLAIMS, "later": {"a": [1]}})
    )
    yield token(
        "alg-ed25519", "2", "Knowing one name of the algorithm only.", forged({**HEADER, "alg": "Ed25519"}, CLAIMS)
    )
    spelled = b'{ "typ": "%b", "kid": "%b", "alg": "EdDSA" }' % (TYP.encode(), TOKEN_SIGNER.kid.encode())
    yield token("header-spelled-otherwise", "2", "Comparing the header as text only.", forged(spelled, CLAIMS))
    spelled = json.dumps(CLAIMS, indent=1).encode()
    yield token(
        "payload-spelled-otherwise", "5", "Verifying a new serialisation of the claims.", forged(HEADER, spelled)
    )


def _token_form() -> Iterator[Scenario]:
    head, payload, signature = TOKEN.split(".")
    tokens = (issue_license_token(replace(GRANT, id=f"tok-{number}"), TOKEN_SIGNER) for number in range(99))
    standard = next(text for text in tokens if "-" in text and "_" in text).replace("-", "+").replace("_", "/")
    as_json = json.dumps({"payload": payload, "protected": head, "signature": signature})
    other = b64url_encode(dump_json({**CLAIMS, "sub": "license-2"}))
    table = (
        ("empty", "Failing with another error than the documented one.", ""),
        ("two-parts", "Taking a token without a signature.", f"{head}.{payload}"),
        ("four-parts", "Ignoring what follows the third part.", f"{TOKEN}.{signature}"),
        ("encrypted-five-parts", "Handing the token to a reader of JWE.", f"{head}....{signature}"),
        ("trailing-newline", "Trimming the token in the verifier.", f"{TOKEN}\n"),
        ("leading-blank", "Trimming the token in the verifier.", f" {TOKEN}"),
        ("padded", "Taking padding: a second spelling.", f"{TOKEN}=="),
        ("inner-newline", "Skipping what is not Base64.", f"{head}.{payload}.{signature[:9]}\n{signature[9:]}"),
        ("standard-alphabet", "Taking + and / for - and _.", standard),
        ("last-bits", "Ignoring the last character's unused bits.", TOKEN[:-1] + chr(ord(TOKEN[-1]) + 1)),
        ("not-ascii", "Taking characters that look alike.", f"{head}.{payload}.{signature[:-1]}\u0410"),
        ("json-serialisation", "Reading the JSON serialisation of a JWS.", as_json),
        ("signature-cut", "Reading a short signature.", f"{head}.{payload}.{signature[:-2]}"),
        ("signature-empty", "Taking no signature for a good one.", f"{head}.{payload}."),
        ("payload-of-another", "Not covering the payload.", f"{head}.{other}.{signature}"),
        ("too-large", "Reading before looking at the size.", ["x.", {"repeat": "A", "times": 8189}, ".x"]),
    )  # fmt: skip
    for name, catches, text in table:
        yield token(name, "4", catches, text)


def _token_header() -> Iterator[Scenario]:
    def header(name: str, catches: str, change: Any, by: Ed25519Signer = TOKEN_SIGNER) -> Scenario:
        value = change if isinstance(change, bytes) else {**HEADER, "kid": by.kid, **change}
        return token(f"header-{name}", "4", catches, forged(value, CLAIMS, by))

    unsigned = b64url_encode(dump_json({**HEADER, "alg": "none"}))
    yield token(
        "header-none-unsigned", "4", "Taking the algorithm from the token.", f"{unsigned}.{TOKEN.split('.')[1]}."
    )
    for alg in ("none", "HS256", "RS256", "ES256", "eddsa", ""):
        yield header(
            f"alg-{alg.lower() or 'empty'}{'-lower' if alg == 'eddsa' else ''}",
            "Taking the algorithm from the token.",
            {"alg": alg},
        )
    yield header("alg-null", "Taking a missing algorithm for a default.", {"alg": None})
    attacker = OTHER_SIGNER.public_key.to_jwk()
    yield header("jwk", "Verifying with a key that the token brings.", {"jwk": attacker}, OTHER_SIGNER)
    yield header(
        "jku", "Fetching keys from where the token says.", {"jku": "https://attacker.example/keys"}, OTHER_SIGNER
    )
    yield header("x5c", "Trusting a certificate that the token brings.", {"x5c": ["MIIB"]}, OTHER_SIGNER)
    yield header("crit", "Ignoring a critical extension.", {"crit": ["exp"]})
    yield header("crit-empty", "Ignoring crit where it is empty.", {"crit": []})
    yield header("b64-false", "Verifying unencoded payloads (RFC 7797).", {"b64": False, "crit": ["b64"]})
    yield header("zip", "Inflating a payload.", {"zip": "DEF"})
    yield header("typ-jwt", "Taking any JWT by the same key.", {"typ": "JWT"})
    yield header("typ-case", "Comparing the type without case.", {"typ": TYP.upper()})
    yield header("typ-answer", "Taking another kind of artifact.", {"typ": ANSWER_TYP})
    yield header("kid-array", "Looking up a kid that is not text.", {"kid": [TOKEN_SIGNER.kid]})
    yield header("kid-path", "Using the kid as a path.", {"kid": "../keys/token"})
    yield header(
        "duplicate-alg",
        "Taking the last of two members.",
        b'{"alg":"none","alg":"EdDSA","kid":"%b","typ":"%b"}' % (TOKEN_SIGNER.kid.encode(), TYP.encode()),
    )
    yield header("not-object", "Failing with another error than the documented one.", b'"EdDSA"')
    yield header("too-large", "Having no bound on the header.", {"typ": "x" * 1024})
    without = {name: value for name, value in HEADER.items() if name != "typ"}
    yield token("header-no-typ", "4", "Taking a token that does not say its kind.", forged(without, CLAIMS))


def _token_keys() -> Iterator[Scenario]:
    yield token("key-unknown", "5", "Trusting any key.", issue_license_token(GRANT, OTHER_SIGNER))
    yield token(
        "key-of-another-role", "5", "Looking up keys without their role.", issue_license_token(GRANT, ANSWER_SIGNER)
    )
    yield token(
        "key-named-falsely",
        "5",
        "Verifying with another key than the named one.",
        forged(HEADER, CLAIMS, OTHER_SIGNER),
    )
    for state, catches in STATES:
        keys = {"token": [record(TOKEN_SIGNER, state)]}
        yield scenario(f"license-token/key-{state}", "5", catches, {"token": TOKEN}, keys=keys)


def _token_compatible() -> Iterator[Scenario]:
    """Tokens under the keys of ES256 and RS256, and every way to mix algorithms up (RFC 8725 §2.1, §3.1)."""
    signers: dict[str, Signer] = {"ed25519": TOKEN_SIGNER, "es256": ES256, "rs256": RS256}
    keys = {"token": [signer.public_key for signer in signers.values()]}

    def of(name: str, catches: str, text: str, section: str = "4") -> Scenario:
        return scenario(f"license-token/{name}", section, catches, {"token": text}, keys=keys)

    for name, signer, variants in (("es256", ES256, es256_variants), ("rs256", RS256, rs256_variants)):
        genuine = issue_license_token(GRANT, signer)
        yield of(name, "Refusing a token for apps that read no other algorithm.", genuine, "2")
        signed = genuine.rpartition(".")[0]
        for variant, catches, signature in variants(signed.encode()):
            yield of(f"{name}-{variant}", catches, f"{signed}.{b64url_encode(signature)}")
        payload = b64url_encode(dump_json({**CLAIMS, "sub": "license-2"}))
        yield of(f"{name}-payload-of-another", "Not covering the payload.", replaced(genuine, 1, payload))
        header = {**HEADER, "kid": signer.kid}
        for alg in ("EdDSA", "ES256", "RS256", "ES384", "PS256", "RS512", "HS256", "none"):
            if alg != signer.public_key.alg:
                catches = "Taking the algorithm from the token."
                yield of(f"{name}-alg-{alg.lower()}", catches, forged({**header, "alg": alg}, CLAIMS, signer))
        for form, secret in _secrets(signer.public_key):
            catches = "Verifying with HMAC, the public key as its secret: everyone knows it."
            text = _with_hmac({**header, "alg": "HS256"}, secret)
            yield of(f"{name}-hs256-with-{form}", catches, text)
            text = _with_hmac({**header, "alg": signer.public_key.alg}, secret)
            yield of(f"{name}-hmac-under-its-own-alg-with-{form}", "Choosing the check by the signature's size.", text)
        for other, another in signers.items():
            if another is not signer:
                alg = {"ed25519": "EdDSA", "es256": "ES256", "rs256": "RS256"}[other]
                catches = "Verifying with another key than the named one."
                text = forged({**HEADER, "kid": another.kid, "alg": alg}, CLAIMS, signer)
                yield of(f"{name}-named-{other}", catches, text)


def _secrets(key: PublicKey) -> Iterator[tuple[str, bytes]]:
    pem = public_pem(key)
    yield "pem", pem.encode()
    yield "pem-without-newline", pem.strip().encode()
    yield "jwk", dump_json(key.to_jwk())
    yield "nothing", b""


def _with_hmac(header: dict[str, Any], secret: bytes) -> str:
    signed = f"{b64url_encode(dump_json(header))}.{b64url_encode(dump_json(CLAIMS))}"
    return f"{signed}.{b64url_encode(hmac.digest(secret, signed.encode(), 'sha256'))}"


def replaced(text: str, place: int, part: str) -> str:
    """The compact token *text* with another *part*."""
    parts = text.split(".")
    parts[place] = part
    return ".".join(parts)


def _token_claims() -> Iterator[Scenario]:
    def claims(name: str, catches: str, change: dict[str, Any], without: str = "") -> Scenario:
        value = {each: claim for each, claim in {**CLAIMS, **change}.items() if each != without}
        return token(f"claim-{name}", "4", catches, forged(HEADER, value))

    for name in ("iss", "aud", "sub", "jti", "iat", "nbf", "exp", "lic_exp", "pol", "ent"):
        yield claims(f"no-{name.replace('_', '-')}", "Giving a required claim a default.", {}, name)
    yield claims("lic-exp-null", "Taking null for missing: it means perpetual.", {"lic_exp": None})
    yield claims("exp-null", "Taking null for never.", {"exp": None})
    yield claims("exp-text", "Converting text to a number.", {"exp": str(CLAIMS["exp"])})
    yield claims("exp-true", "Taking true for 1.", {"exp": True})
    yield claims("exp-zero", "Taking 0 for never.", {"exp": 0})
    yield claims("exp-year-10000", "Times that RFC 3339 cannot write.", {"exp": 253402300800})
    yield token(
        "claim-exp-fraction", "4", "Reading a fraction as a time.",
        forged(HEADER, dump_json({**CLAIMS, "exp": 0}).replace(b'"exp":0', b'"exp":1790604800.0')),
    )  # fmt: skip
    yield claims(
        "aud-array", "Taking a list of audiences: membership instead of equality.", {"aud": ["hustl", "other"]}
    )
    yield claims("sub-empty", "Taking an empty id.", {"sub": ""})
    yield claims("sub-control", "Taking control characters into logs and terminals.", {"sub": "a\u001b[2Jb"})
    yield claims("sub-256", "Having no bound on ids.", {"sub": "x" * 256})
    yield claims("dev-null", "Taking null for a token that is not bound to a device.", {"dev": None})
    yield claims(
        "ent-twice",
        "Taking the first or the last of two entitlements of one key.",
        {"ent": [{"key": "a"}, {"key": "a"}]},
    )
    yield claims(
        "ent-exp-null", "Two spellings of an entitlement without an end.", {"ent": [{"key": "a", "exp": None}]}
    )
    yield claims("ent-key-upper", "Folding the case of entitlement keys.", {"ent": [{"key": "Export"}]})
    yield claims("pol-access", "Taking an unknown access for full.", {"pol": {**CLAIMS["pol"], "access": "all"}})
    yield claims("pol-grace-negative", "Adding a negative grace.", {"pol": {**CLAIMS["pol"], "grace": -1}})
    yield claims("pol-empty-list", "Two spellings of nothing.", {"pol": {**CLAIMS["pol"], "essential": []}})
    yield claims(
        "status-index-negative",
        "Reading before the start of a list.",
        {"status": {"status_list": {"idx": -1, "uri": "u"}}},
    )
    yield claims("status-min", "Losing the oldest version of a list.", {"status_min": [0, 17]})
    for name, oldest in (
        ("null", None),
        ("number", 17),
        ("one", [17]),
        ("three", [0, 17, 1]),
        ("negative", [0, -1]),
        ("true", [True, 1]),
        ("text", ["0", "17"]),
    ):
        catches = "Taking another form of a version for none at all."
        yield claims(f"status-min-{name}", catches, {"status_min": oldest})
        own = {"idx": 92, "uri": "https://license.example.com/v1/status/3", "min": oldest}
        yield claims(f"act-status-min-{name}", catches, {"act_status": own})
    both = {"status_min": [0, 17], "act_status": {"idx": 92, "min": [0, 18]}}
    yield claims("act-status-min", "Taking the license's version for the activation's own.", both)
    same = {"idx": 92, "uri": CLAIMS["status"]["status_list"]["uri"]}
    both = {"status_min": [0, 17], "act_status": same}
    yield claims("act-status-same-list", "Asking an older version of a list because it is named twice.", both)
    elsewhere = {"idx": 92, "uri": "https://license.example.com/v1/status/3"}
    both = {"status_min": [0, 17], "act_status": elsewhere}
    yield claims("act-status-elsewhere", "Taking a version of one list for that of another.", both)
    yield claims("status-min-alone", "Naming a version of no list.", {"status_min": [0, 17]}, "status")
    yield claims("act-status-alone", "Guessing the list of an activation.", {"act_status": {"idx": 1}}, "status")
    yield token(
        "claim-twice",
        "4",
        "Taking the last of two claims.",
        forged(HEADER, dump_json(CLAIMS)[:-1] + b',"exp":1890000000}'),
    )
    yield token("claims-array", "4", "Failing with another error than the documented one.", forged(HEADER, [CLAIMS]))


def _token_times() -> Iterator[Scenario]:
    def times(name: str, catches: str, iat: int, nbf: int, exp: int) -> Scenario:
        return token(f"times-{name}", "4", catches, forged(HEADER, {**CLAIMS, "iat": iat, "nbf": nbf, "exp": exp}))

    start, ten_years = int(ISSUED_AT), 10 * 365 * DAY
    yield times("nbf-before-iat", "Not comparing nbf with iat.", start, start - 1, start + 10)
    yield times("nbf-at-iat", "Taking iat < nbf for the rule.", start, start, start + 10)
    yield times("exp-before-nbf", "Taking an interval that ends before it begins.", start, start + 10, start + 9)
    yield times("exp-at-nbf", "Taking an empty interval.", start, start + 10, start + 10)
    yield times("exp-after-nbf", "Refusing the shortest interval.", start, start + 10, start + 11)
    for seconds, word in AROUND:
        yield times(
            f"ten-years-{word}",
            "Having no bound on a token's life, or another one.",
            start,
            start,
            start + ten_years + seconds,
        )


def _token_decided() -> Iterator[Scenario]:
    """Verification and decision together: what a tool that is given a token, a product and a time must say."""

    def judged(name: str, catches: str, grant: Grant, now: int, **given: Any) -> Scenario:
        text = issue_license_token(grant, TOKEN_SIGNER)
        value = {"token": text, "root": _root_text(), "product": "hustl", "device": DEVICE, **given}
        return scenario(f"license-token/{name}", "6", catches, value, keys=TOKEN_KEYS, now=Instant(now))

    def around(name: str, catches: str, grant: Grant, boundary: int) -> Iterator[Scenario]:
        for seconds, word in AROUND:
            yield judged(f"{name}-{word}", catches, grant, boundary + seconds)

    start = int(ISSUED_AT)
    yield judged("decided", "Refusing an ordinary token.", GRANT, start + DAY)
    later = replace(GRANT, not_before=Instant(start + DAY))
    yield from around("decided-nbf", "Taking nbf < now for the rule.", later, start + DAY)
    soon = replace(GRANT, policy=replace(GRANT.policy, warn_before_seconds=2 * DAY))
    yield from around("decided-warning", "Warning a second early or late.", soon, start + 5 * DAY)
    yield from around("decided-exp", "Taking now <= exp for valid.", GRANT, start + 7 * DAY)
    yield from around("decided-grace", "Taking now <= exp + grace for grace.", GRANT, start + 14 * DAY)
    short = replace(GRANT, license_expires_at=Instant(start + 3 * DAY))
    yield from around("decided-term", "Taking the term's end for the window's.", short, start + 3 * DAY)
    yield from around("decided-term-grace", "Letting the window outlive the term's grace.", short, start + 10 * DAY)
    yield judged("decided-product-prefix", "Comparing products by prefix.", GRANT, start + DAY, product="hust")
    yield judged("decided-product-case", "Comparing products without case.", GRANT, start + DAY, product="Hustl")
    yield judged("decided-device", "Not comparing the device.", GRANT, start + DAY, device=DEVICE[::-1])
    edition = replace(GRANT, policy=replace(GRANT.policy, edition="studio"))
    yield judged("decided-edition", "Not comparing the edition.", edition, start + DAY, edition="lite")


def _root_text() -> str:
    """A root that trusts exactly the keys of the license token vectors, for tools that take roots."""
    signed = {role: tuple(listed) for role, listed in TOKEN_KEYS.items()}
    return sign_root(root_of(keys={"root": (ROOT_SIGNERS[0].public_key,), **signed}), ROOT_SIGNERS[:1]).decode()


PARTS = (license_token,)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of license tokens")
