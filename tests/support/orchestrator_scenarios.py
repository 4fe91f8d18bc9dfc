"""Vectors of the Traffic Orchestrator profile (specs/token-profiles.md §5 to §8); part of the generator's work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from carnet.core.instant import DAY
from carnet.formats.encoding import b64url_encode
from carnet.formats.keys import Ed25519Signer
from carnet.formats.profiles.traffic_orchestrator import traffic_orchestrator_claims
from carnet.formats.profiles.verdicts import MAX_PROFILE_LIFETIME_SECONDS
from carnet.formats.strict_json import dump_json
from support.jose_scenarios import ES256, RS256
from support.keyforge_scenarios import AROUND
from support.profile_tokens import (
    ORCHESTRATOR_FACTS,
    ORCHESTRATOR_SIGNER,
    ORCHESTRATOR_TOKEN,
    REMOVED,
    altered,
    forged,
)
from support.profile_vectors import Scenario, scenario
from support.vector_keys import STATES, record

NOW: Final = 1768003200
KEY: Final = ORCHESTRATOR_SIGNER.public_key
CLAIMS: Final = traffic_orchestrator_claims(ORCHESTRATOR_FACTS)
HEADER: Final = {"alg": "EdDSA", "kid": "to-test-1", "typ": "JWT"}
PRIVATE_HEX: Final = "64322e01198e17eefadca400fd257d69db60eb2564e99c34d5bec87aea50c008"
"""contracts/traffic-orchestrator.md §8: the seed of its test key."""


def verify(
    name: str, section: str, catches: str, token: Any, *, keys: Any = (KEY,), now: int | None = None, **given: Any
) -> Scenario:
    """A token is verified; with *now*, also judged."""
    value = {"function": "verify-traffic-orchestrator", "token": token, **given}
    return scenario(f"orchestrator-{name}", section, catches, value, keys=keys, now=now)


def orchestrator() -> Iterator[Scenario]:
    """Every vector of the profile."""
    for part in (_genuine, _form, _keys, _claims, _times, _judged, _issued, _not_issued):
        yield from part()


def _genuine() -> Iterator[Scenario]:
    yield verify("contract", "10", "Refusing the token that the contract shows.", ORCHESTRATOR_TOKEN)
    yield verify("genuine", "5", "Refusing a token as we write it ourselves.", forged(CLAIMS, ORCHESTRATOR_SIGNER))
    more = {**CLAIMS, "features": ["a"], "max_domains": 3, "jti": "t-1", "later": None}
    yield verify("other-claims", "5.1", "Refusing claims that are to be ignored.", forged(more, ORCHESTRATOR_SIGNER))
    small = {name: CLAIMS[name] for name in ("iss", "aud", "sub", "iat", "exp")}
    yield verify("only-required", "5.1", "Needing a claim that is optional.", forged(small, ORCHESTRATOR_SIGNER))
    for number, audience in enumerate((["license-validation"], ["other", "license-offline"]), 1):
        token = forged({**CLAIMS, "aud": audience}, ORCHESTRATOR_SIGNER)
        yield verify(f"audience-{number}", "5.1", "Needing both audiences, or no other.", token)
    other = forged({**CLAIMS, "iss": "license.example.com"}, ORCHESTRATOR_SIGNER)
    yield verify("issuer-configured", "5.1", "Knowing one issuer only.", other, issuer="license.example.com")
    catches = "Ignoring the issuer that was configured."
    yield verify("issuer-not-the-configured", "8", catches, ORCHESTRATOR_TOKEN, issuer="license.example.com")


def _form() -> Iterator[Scenario]:
    def header(name: str, catches: str, change: dict[str, Any]) -> Scenario:
        value = {member: said for member, said in {**HEADER, **change}.items() if said is not REMOVED}
        return verify(f"header-{name}", "8", catches, forged(CLAIMS, ORCHESTRATOR_SIGNER, value))

    for alg in ("Ed25519", "none", "HS256", "ES256", "RS256", "eddsa", None):
        catches = "Taking another name of the algorithm, which the clients of others refuse."
        name = {"eddsa": "eddsa-lower", None: "null"}.get(alg, str(alg).lower())
        yield header(f"alg-{name}", catches, {"alg": alg})
    yield header("crit", "Ignoring a critical extension.", {"crit": ["exp"]})
    yield header("typ-native", "Taking a native license token for one of a profile.", {"typ": "carnet-license+jwt"})
    yield header("no-typ", "Giving the type a default.", {"typ": REMOVED})
    head, payload, signature = ORCHESTRATOR_TOKEN.split(".")
    yield verify("two-parts", "8", "Taking a token without a signature.", f"{head}.{payload}")
    yield verify("unsigned", "8", "Taking no signature for a good one.", f"{head}.{payload}.")
    other = b64url_encode(dump_json({**CLAIMS, "dom": ["**.com"]}))
    yield verify("payload-of-another", "8", "Not covering the domains.", f"{head}.{other}.{signature}")
    for name, signer in (("es256", ES256), ("rs256", RS256)):
        catches = "Taking a key of another algorithm because it is trusted."
        yield verify(f"key-{name}", "6", catches, forged(CLAIMS, signer), keys=(signer.public_key,))


def _keys() -> Iterator[Scenario]:
    other = Ed25519Signer(bytes([1]) * 32)
    headless = forged(CLAIMS, ORCHESTRATOR_SIGNER, {"alg": "EdDSA", "typ": "JWT"})
    both = (KEY, other.public_key)
    yield verify("key-unknown", "3", "Ignoring a kid where there is one key only.", forged(CLAIMS, other))
    yield verify("key-of-two", "3", "Trying the first key only.", ORCHESTRATOR_TOKEN, keys=both[::-1])
    token = forged(CLAIMS, other, HEADER)
    yield verify("key-named-falsely", "3", "Trying every key instead of the named one.", token, keys=both)
    yield verify("no-kid", "3", "Needing a kid that tokens of others do not have.", headless)
    yield verify("no-kid-two-keys", "3", "Trying every key where none is named.", headless, keys=both)
    for state, catches in STATES:
        yield verify(f"key-{state}", "3", catches, ORCHESTRATOR_TOKEN, keys=(record(KEY, state),))


_WRONG: Final[dict[str, tuple[Any, ...]]] = {
    "iss": ("", "Trafficorchestrator.com", "trafficorchestrator.com.evil.net", None, ["trafficorchestrator.com"]),
    "aud": (
        "license-validation",
        [],
        ["license"],
        ["License-Validation"],
        ["license-offline", 7],
        None,
        {},
        ["license-offline", "a\x85"],
    ),
    "sub": ("", 7, None, "x" * 256),
    "iat": (0, "1768003140", True, None),
    "exp": (0, "4102444800", None, 253402300800),
    "plan": ("", None, 7, "x" * 256),
    "dom": (
        None,
        "example.com",
        ["example.com", ""],
        ["example.com", 7],
        {"0": "example.com"},
        ["x" * 256],
        ["a\nb.test"],
    ),
    "jti": ("", None, 7),
    "nbf": (0, "1768003140", None),
}


def _claims() -> Iterator[Scenario]:
    for name in ("iss", "aud", "sub", "iat", "exp"):
        catches = "Skipping the check of a claim that is missing."
        yield verify(f"claim-no-{name}", "8", catches, forged(altered(CLAIMS, name, REMOVED), ORCHESTRATOR_SIGNER))
    for name, values in _WRONG.items():
        for number, value in enumerate(values, 1):
            token = forged(altered(CLAIMS, name, value), ORCHESTRATOR_SIGNER)
            catches = "A claim of another type or out of its bounds, converted or skipped."
            yield verify(f"claim-{name}-{number}", "8", catches, token)


def _times() -> Iterator[Scenario]:
    start = CLAIMS["iat"]
    for seconds, word in AROUND:
        token = forged({**CLAIMS, "exp": start + seconds}, ORCHESTRATOR_SIGNER)
        yield verify(f"exp-iat-{word}", "6", "Taking an empty interval, or refusing the shortest.", token)
        token = forged({**CLAIMS, "exp": start + MAX_PROFILE_LIFETIME_SECONDS + seconds}, ORCHESTRATOR_SIGNER)
        yield verify(f"longest-{word}", "6", "Having no bound on a token's life, or that of native tokens.", token)


_TABLE: Final[tuple[tuple[str, str | None, str], ...]] = (
    ("exact", "example.com", "Refusing the host that is licensed."),
    ("upper-case", "EXAMPLE.COM", "Comparing hosts with case."),
    ("final-dot", "example.com.", "Taking a final dot for another name."),
    ("port", "example.com:8443", "Comparing hosts with their port."),
    ("subdomain", "www.example.com", "Comparing by substring, or forgiving www."),
    ("longer-before", "notexample.com", "Comparing by substring or suffix."),
    ("longer-behind", "example.com.evil.net", "Comparing by substring or prefix."),
    ("one-label", "a.apps.example.org", "Not knowing the wildcard of several labels."),
    ("two-labels", "a.b.apps.example.org", "Covering one label only with two stars."),
    ("apex", "apps.example.org", "Covering the name itself with its wildcard."),
    ("alike", "evilapps.example.org", "Comparing the end of the text instead of labels."),
    ("helper-entry", "a.apps.example.org.evil.net", "Reading the entry for older clients as a pattern."),
    ("other", "other.test", "Not comparing the host at all."),
    ("none", None, "Taking an app that names no host for one that is covered."),
    ("empty", "", "Taking the empty text for any host."),
    ("no-host", "example.com/", "Cutting a host into shape instead of refusing it."),
)
"""contracts/traffic-orchestrator.md §4.6, and three more."""


def _judged() -> Iterator[Scenario]:
    for name, host, catches in _TABLE:
        yield verify(f"host-{name}", "5.3", catches, ORCHESTRATOR_TOKEN, now=NOW, domain=host)
    catches = "Asking for a host though the app opted out."
    yield verify("host-opted-out", "7", catches, ORCHESTRATOR_TOKEN, now=NOW, domain=None, ignore_domain=True)
    free = forged(altered(CLAIMS, "dom", REMOVED), ORCHESTRATOR_SIGNER)
    bound = forged({**CLAIMS, "dom": []}, ORCHESTRATOR_SIGNER)
    helpers = forged({**CLAIMS, "dom": [".example.com"]}, ORCHESTRATOR_SIGNER)
    for name, host in (("any", "other.test"), ("none", None)):
        yield verify(f"no-dom-{name}", "5.3", "Taking no list for an empty one.", free, now=NOW, domain=host)
        yield verify(f"empty-dom-{name}", "5.3", "Taking an empty list for no list.", bound, now=NOW, domain=host)
    for host in ("example.com", "a.example.com", ".example.com"):
        name = {"example.com": "apex", "a.example.com": "label"}.get(host, "itself")
        catches = "Reading the entry for older clients as a pattern."
        yield verify(f"helper-only-{name}", "5.3", catches, helpers, now=NOW, domain=host)
    single = forged({**CLAIMS, "dom": ["*.internal"]}, ORCHESTRATOR_SIGNER)
    host = "db.internal"
    catches = "Covering a whole top-level name where the operator did not allow it."
    yield verify("suffix-of-one-label", "5.3", catches, single, now=NOW, domain=host)
    catches = "Refusing what the operator allowed."
    given: dict[str, Any] = {"now": NOW, "domain": host, "single_label_suffixes": True}
    yield verify("suffix-of-one-label-allowed", "5.3", catches, single, **given)
    for leeway in (0, 60):
        given = {"domain": "example.com", **({"leeway_seconds": leeway} if leeway else {})}
        for seconds, word in AROUND:
            name = f"exp{'-leeway' if leeway else ''}-{word}"
            catches = "Taking now <= exp for valid, or the leeway on the wrong side."
            moment = CLAIMS["exp"] + leeway + seconds
            yield verify(f"judged-{name}", "7", catches, ORCHESTRATOR_TOKEN, now=moment, **given)
            later = forged({**CLAIMS, "nbf": NOW + DAY}, ORCHESTRATOR_SIGNER)
            name = f"nbf{'-leeway' if leeway else ''}-{word}"
            catches = "Ignoring nbf, or adding the leeway instead of taking it off."
            yield verify(f"judged-{name}", "7", catches, later, now=NOW + DAY - leeway + seconds, **given)
    given = {"domain": "other.test", "latest_seen": "2100-01-01T00:00:00Z"}
    catches = "Stopping at the first reason, or letting a clock that was set back help."
    yield verify("judged-every-reason", "7", catches, ORCHESTRATOR_TOKEN, now=NOW, **given)


def _issue(name: str, section: str, catches: str, *, now: int = NOW, **change: Any) -> Scenario:
    given = {
        "function": "issue-traffic-orchestrator",
        "license_id": "lic_01J8ZK",
        "plan": "enterprise",
        "domains": ["example.com", "**.apps.example.org"],
        "license_expires_at": None,
        "status": "active",
        "days": None,
        "signing_key": {"alg": "Ed25519", "kid": "to-test-1", "private_hex": PRIVATE_HEX},
        **change,
    }
    return scenario(f"orchestrator-issue-{name}", section, catches, given, now=now)


def _issued() -> Iterator[Scenario]:
    end = "2026-02-09T00:00:00Z"
    yield _issue("perpetual", "5.2", "Another end than ten years for a perpetual license.")
    yield _issue("ending", "5.2", "Letting a token outlive its license.", license_expires_at=end)
    for days, word in ((29, "before"), (30, "at"), (31, "after")):
        catches = "Letting asked days outlive the license."
        yield _issue(f"days-{word}-end", "5.2", catches, license_expires_at=end, days=days)
    yield _issue("days-3650", "5.2", "Refusing the most days that may be asked for.", days=3650)
    yield _issue("days-1", "5.2", "Refusing the fewest days that may be asked for.", days=1)
    yield _issue("last-second", "5.2", "Refusing a license a second early.", license_expires_at=end, now=1770595199)
    yield _issue("no-domains", "5.3", "Writing null or an empty list where there is no restriction.", domains=None)
    yield _issue("empty-domains", "5.3", "Leaving out a list that says nowhere.", domains=[])
    wild = ["*.example.com", "**.example.com", "*.other.example", "example.com"]
    yield _issue("helpers-once", "5.3", "Writing the helper entry twice, or for names without stars.", domains=wild)
    spelled = ["BÜCHER.example", " Example.com. ", "2001:DB8:0::1"]
    yield _issue("domains-spelled", "5.3", "Signing a pattern that is not in its one spelling.", domains=spelled)
    yield _issue(
        "single-label", "5.3", "Refusing what the operator allowed.", domains=["*.internal"], single_label_suffixes=True
    )
    yield _issue("no-plan", "5.1", "Writing null for a plan that is not there.", plan=None)
    yield _issue(
        "issuer-and-id", "5.1", "Losing a configured issuer or the token's id.", issuer="license.example.com", id="t-1"
    )
    yield _issue("at-1970", "5.1", "Dating back before the first second.", now=30)


def _not_issued() -> Iterator[Scenario]:
    end = "2026-02-09T00:00:00Z"
    for status in ("suspended", "revoked"):
        yield _issue(status, "5.2", "Making a token for a license that is not active.", status=status)
    yield _issue(
        "ended-at",
        "5.2",
        "Making a token for a license that ended this second.",
        license_expires_at=end,
        now=1770595200,
    )
    yield _issue(
        "ended-after", "5.2", "Making a token for a license that ended.", license_expires_at=end, now=1770595201
    )
    for days, name in ((0, "0"), (3651, "3651"), (-1, "minus-1")):
        yield _issue(f"days-{name}", "5.2", "Taking any number of days.", days=days)
    for number, pattern in enumerate(
        ("*", "*.com", "a.*.com", "*a.example.com", "*.192.0.2.1", "", "example.com:80"), 1
    ):
        yield _issue(
            f"pattern-{number}", "5.3", "Signing a pattern that covers nothing, or everything.", domains=[pattern]
        )
    es256 = {"alg": "ES256", "kid": "kf-1", "private_hex": "15" * 32}
    yield _issue("es256", "2", "Signing with a key that no client of this profile reads.", signing_key=es256)
    yield _issue("no-license-id", "8", "Signing what the verifier refuses.", license_id="")
    many = [f"{'x' * 60}.h{number}.example.com" for number in range(200)]
    yield _issue("too-large", "8", "Signing a token that is larger than a verifier reads.", domains=many)
