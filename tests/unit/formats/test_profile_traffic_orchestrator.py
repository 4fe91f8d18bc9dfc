"""Offline tokens of Traffic Orchestrator: contracts/traffic-orchestrator.md §3, §4, §8; specs/token-profiles.md."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.model import LicenseStatus
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jose_keys import generate_private_pem, public_key_from_pem, signer_from_pem
from carnet.formats.keys import KeyRing, TrustedKey
from carnet.formats.profiles.hosts import canonical_host, canonical_pattern, host_matches
from carnet.formats.profiles.traffic_orchestrator import (
    DEFAULT_ISSUER,
    TrafficOrchestratorFacts,
    TrafficOrchestratorSettings,
    draw_up_traffic_orchestrator_token,
    issue_traffic_orchestrator_token,
    judge_traffic_orchestrator_token,
    traffic_orchestrator_claims,
    traffic_orchestrator_facts,
    verify_traffic_orchestrator_token,
)
from carnet.formats.profiles.verdicts import MAX_PROFILE_LIFETIME_SECONDS, Verdict
from carnet.formats.strict_json import parse_object
from support.profile_tokens import (
    KEYFORGE_SIGNER,
    KEYFORGE_TOKEN,
    ORCHESTRATOR_FACTS,
    ORCHESTRATOR_PEM,
    ORCHESTRATOR_RING,
    ORCHESTRATOR_SIGNER,
    ORCHESTRATOR_TOKEN,
    REMOVED,
    altered,
    forged,
)
from support.tokens import SIGNER as NATIVE_SIGNER
from support.tokens import TOKEN as NATIVE_TOKEN

NOW = Instant(1768003200)
CLAIMS = traffic_orchestrator_claims(ORCHESTRATOR_FACTS)
HEADER = {"alg": "EdDSA", "kid": "to-test-1", "typ": "JWT"}


def drawn_up(**changes: Any) -> TrafficOrchestratorFacts:
    usual: dict[str, Any] = {
        "license_id": "lic_01J8ZK",
        "plan": "enterprise",
        "domains": ("example.com", "**.apps.example.org"),
        "license_expires_at": None,
        "status": "active",
        "now": NOW,
    }
    return draw_up_traffic_orchestrator_token(**{**usual, **changes})


def code_of(token: str | bytes, ring: KeyRing = ORCHESTRATOR_RING, **options: Any) -> str:
    with pytest.raises(CarnetError) as refused:
        verify_traffic_orchestrator_token(token, ring, **options)
    assert isinstance(refused.value, MalformedError | NotGenuineError)
    assert refused.value.fix
    return refused.value.code


def usage(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as refused:
        function(*arguments, **options)
    return refused.value.code


def judged(domain: str | None, facts: TrafficOrchestratorFacts = ORCHESTRATOR_FACTS, **options: Any) -> Verdict:
    return judge_traffic_orchestrator_token(facts, **{"now": NOW, "domain": domain, **options})


def codes(verdict: Verdict) -> list[str]:
    assert verdict.is_usable == (not verdict.reasons)
    return [reason.code for reason in verdict.reasons]


# ── the contract's vector, §8 ────────────────────────────────────────────────────────────────────────────────────────


def test_the_contracts_token_is_accepted_under_its_pem() -> None:
    key = public_key_from_pem(ORCHESTRATOR_PEM, "to-test-1")
    assert key == ORCHESTRATOR_SIGNER.public_key
    facts = verify_traffic_orchestrator_token(ORCHESTRATOR_TOKEN, KeyRing.single("token", key))
    assert facts == ORCHESTRATOR_FACTS
    assert verify_traffic_orchestrator_token(ORCHESTRATOR_TOKEN.encode(), ORCHESTRATOR_RING) == facts


def test_the_seed_signs_the_contracts_first_two_parts_to_exactly_its_third() -> None:
    signed, _, signature = ORCHESTRATOR_TOKEN.rpartition(".")
    assert b64url_encode(ORCHESTRATOR_SIGNER.sign(signed.encode())) == signature


def test_our_mapping_makes_the_contracts_claims_from_the_same_facts() -> None:
    """The claims and the header's bytes are equal; the payload's members are in another order, our canonical one."""
    contract = parse_object(b64url_decode(ORCHESTRATOR_TOKEN.split(".")[1], "it"), max_bytes=8192, what="it")
    facts = drawn_up(license_expires_at=Instant(4102444800))
    assert replace(facts, kid="to-test-1") == ORCHESTRATOR_FACTS
    assert traffic_orchestrator_claims(facts) == contract
    issued = issue_traffic_orchestrator_token(facts, ORCHESTRATOR_SIGNER)
    assert issued.split(".")[0] == ORCHESTRATOR_TOKEN.split(".")[0]
    assert verify_traffic_orchestrator_token(issued, ORCHESTRATOR_RING) == ORCHESTRATOR_FACTS


def test_an_unrelated_library_verifies_what_we_issue() -> None:
    token = issue_traffic_orchestrator_token(ORCHESTRATOR_FACTS, ORCHESTRATOR_SIGNER)
    key = load_pem_public_key(ORCHESTRATOR_PEM.encode())
    for audience in ("license-validation", "license-offline"):
        claims = jwt.decode(token, key, algorithms=["EdDSA"], audience=audience, issuer=DEFAULT_ISSUER)  # type: ignore[arg-type]
        assert claims == CLAIMS


# ── issuing, §3.1, §3.4, §4.4 ────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_has_exactly_the_contracts_claims() -> None:
    assert traffic_orchestrator_claims(drawn_up(domains=None, days=30)) == {
        "iss": "trafficorchestrator.com",
        "aud": ["license-validation", "license-offline"],
        "sub": "lic_01J8ZK",
        "plan": "enterprise",
        "iat": NOW - 60,
        "exp": NOW + 30 * DAY,
    }
    assert traffic_orchestrator_claims(drawn_up(id="j", plan=None))["jti"] == "j"
    assert "plan" not in traffic_orchestrator_claims(drawn_up(plan=None))


def test_the_issuer_is_configurable_and_required_exactly() -> None:
    ours = TrafficOrchestratorSettings(issuer="license.example.com")
    facts = drawn_up(settings=ours)
    token = issue_traffic_orchestrator_token(facts, ORCHESTRATOR_SIGNER, settings=ours)
    assert verify_traffic_orchestrator_token(token, ORCHESTRATOR_RING, settings=ours).issuer == "license.example.com"
    assert code_of(token) == "bad_claim"
    assert code_of(ORCHESTRATOR_TOKEN, settings=ours) == "bad_claim"
    assert usage(issue_traffic_orchestrator_token, facts, ORCHESTRATOR_SIGNER) == "bad_grant"


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_token_never_outlives_its_license_and_none_is_made_after_it(offset: int) -> None:
    end = Instant(NOW + 30 * DAY + offset)
    assert drawn_up(license_expires_at=end, days=30).expires_at == min(NOW + 30 * DAY, end)
    assert drawn_up(license_expires_at=end).expires_at == end
    if offset > 0:
        assert drawn_up(license_expires_at=Instant(NOW + offset)).expires_at == NOW + offset
    else:
        assert usage(drawn_up, license_expires_at=Instant(NOW + offset)) == "license_unusable"


def test_a_perpetual_license_as_a_token_lives_ten_years() -> None:
    assert drawn_up().expires_at == NOW + 3650 * DAY


@pytest.mark.parametrize("status", ["suspended", "revoked"])
def test_no_token_is_made_for_an_unusable_license(status: LicenseStatus) -> None:
    assert usage(drawn_up, status=status) == "license_unusable"


@pytest.mark.parametrize("days", [0, -1, 3651, True, "30", 1.5])
def test_days_out_of_bounds_are_refused(days: Any) -> None:
    assert usage(drawn_up, days=days) == "bad_days"
    assert drawn_up(days=3650).expires_at == NOW + 3650 * DAY


@pytest.mark.parametrize(
    ("domains", "dom"),
    [
        (None, None),
        ((), []),
        (("example.com",), ["example.com"]),
        (("*.example.com",), ["*.example.com", ".example.com"]),
        (("**.example.com",), ["**.example.com", ".example.com"]),
        (
            ("example.com", "*.example.com", "**.example.com"),
            ["example.com", "*.example.com", ".example.com", "**.example.com"],
        ),
        ((" EXAMPLE.com. ",), ["example.com"]),
        (("*.BÜCHER.example",), ["*.xn--bcher-kva.example", ".xn--bcher-kva.example"]),
        (("192.0.2.1", "[2001:DB8::0:1]"), ["192.0.2.1", "2001:db8::1"]),
    ],
)
def test_dom_has_each_pattern_and_its_helper(domains: Any, dom: Any) -> None:
    facts = drawn_up(domains=domains)
    assert traffic_orchestrator_claims(facts).get("dom") == dom
    token = issue_traffic_orchestrator_token(facts, ORCHESTRATOR_SIGNER)
    assert verify_traffic_orchestrator_token(token, ORCHESTRATOR_RING).domains == facts.domains


NO_PATTERNS = [
    *("", " ", "*", "**", "*.", "*.com", "**.com", "*.*.example.com", "***.example.com", "a*.example.com"),
    *("example.*", "a.*.example.com", "*example.com", ".example.com", "example..com", "example.com:8443"),
    *("https://example.com", "example.com/x", "*.192.0.2.1", "*.2.1", "*.[2001:db8::1]", "-a.example.com", "a b.com"),
    *("*.example.com:8443", "*.https://example.com", "[::1]:80", "a" * 64 + ".com", "1.2.3", "256.1.1.1"),
]


@pytest.mark.parametrize("pattern", NO_PATTERNS)
def test_what_is_no_pattern_is_refused_when_entered_and_matches_nothing(pattern: str) -> None:
    assert canonical_pattern(pattern) is None
    assert usage(drawn_up, domains=(pattern,)) == "bad_grant"
    for host in ("example.com", "a.example.com", "a.b.example.com", "com", "192.0.2.1", "2001:db8::1", "::1", pattern):
        assert not host_matches(host, pattern)


def test_facts_that_cannot_be_a_token_are_refused() -> None:
    for facts in (
        replace(ORCHESTRATOR_FACTS, domains=("EXAMPLE.com",)),
        replace(ORCHESTRATOR_FACTS, license_id=""),
        replace(ORCHESTRATOR_FACTS, expires_at=ORCHESTRATOR_FACTS.issued_at),
        replace(ORCHESTRATOR_FACTS, not_before=NOW),
        replace(ORCHESTRATOR_FACTS, domains=tuple(f"{'x' * 60}.h{i}.example.com" for i in range(200))),
    ):
        assert usage(issue_traffic_orchestrator_token, facts, ORCHESTRATOR_SIGNER) == "bad_grant"
    assert usage(issue_traffic_orchestrator_token, ORCHESTRATOR_FACTS, KEYFORGE_SIGNER) == "wrong_key_type"


# ── keys, §3.1 and §4.5 ──────────────────────────────────────────────────────────────────────────────────────────────


def test_only_eddsa_under_that_name_is_accepted() -> None:
    for alg in ("Ed25519", "none", "HS256", "ES256", "eddsa", None):
        assert code_of(forged(CLAIMS, ORCHESTRATOR_SIGNER, {**HEADER, "alg": alg})) == "wrong_algorithm"
    assert code_of(forged(CLAIMS, KEYFORGE_SIGNER), KeyRing.single("token", KEYFORGE_SIGNER.public_key)) == (
        "wrong_algorithm"
    )
    rsa = signer_from_pem(generate_private_pem("RS256"))
    assert code_of(forged(CLAIMS, rsa), KeyRing.single("token", rsa.public_key)) == "wrong_algorithm"
    extras: list[dict[str, Any]] = [{"crit": []}, {"crit": ["exp"]}, {"jku": "https://x.example"}]
    for extra in extras:
        assert code_of(forged(CLAIMS, ORCHESTRATOR_SIGNER, {**HEADER, **extra})) == "bad_header"


def test_keys_are_found_by_kid_or_are_the_only_one() -> None:
    headless = forged(CLAIMS, ORCHESTRATOR_SIGNER, {"alg": "EdDSA", "typ": "JWT"})
    assert verify_traffic_orchestrator_token(headless, ORCHESTRATOR_RING) == ORCHESTRATOR_FACTS
    keys = (ORCHESTRATOR_SIGNER.public_key, NATIVE_SIGNER.public_key)
    both = KeyRing(TrustedKey(role="token", key=key) for key in keys)
    assert verify_traffic_orchestrator_token(ORCHESTRATOR_TOKEN, both) == ORCHESTRATOR_FACTS
    assert code_of(headless, both) == "unknown_key"
    assert code_of(ORCHESTRATOR_TOKEN, KeyRing.single("token", NATIVE_SIGNER.public_key)) == "unknown_key"
    assert code_of(forged(CLAIMS, NATIVE_SIGNER, HEADER), both) == "bad_signature"


def test_tokens_of_other_kinds_are_refused() -> None:
    native = KeyRing.single("token", NATIVE_SIGNER.public_key)
    assert code_of(NATIVE_TOKEN, native) == "wrong_type"
    assert code_of(KEYFORGE_TOKEN, KeyRing.single("token", KEYFORGE_SIGNER.public_key)) == "wrong_algorithm"


# ── claims, §3.1 and §4.5 ────────────────────────────────────────────────────────────────────────────────────────────

NO_TIMES: list[Any] = [0, -1, MAX_INSTANT + 1, "4102444800", True, None, [], {}]
NO_TEXTS: list[Any] = ["", 1, True, None, [], {}, ["x"], "a\nb", "x" * 256]

WRONG: list[tuple[str, list[Any]]] = [
    ("iss", [*NO_TEXTS, "trafficorchestrator.com.", "TrafficOrchestrator.com", "https://trafficorchestrator.com"]),
    ("aud", [None, "license-validation", "license-offline", [], ["other"], [1], ["license-offline", 1], {}, [""]]),
    ("aud", [["license-offline", text] for text in ("a\x85", "a\nb", "x" * 256)]),
    ("dom", [["example.com", text] for text in ("exam\nple.com", "\x7f", "x" * 256)]),
    ("sub", NO_TEXTS),
    ("plan", NO_TEXTS),
    ("jti", NO_TEXTS),
    ("dom", [None, "example.com", "", {}, 1, True, [""], [None], ["example.com", 1], ["example.com", ""], [["a"]]]),
    ("iat", NO_TIMES),
    ("exp", NO_TIMES),
    ("nbf", NO_TIMES),
]


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, values in WRONG for value in values], ids=lambda part: repr(part)[:40]
)
def test_a_claim_of_a_wrong_type_or_out_of_bounds_is_refused(path: str, value: Any) -> None:
    assert code_of(forged(altered(CLAIMS, path, value), ORCHESTRATOR_SIGNER)) == "bad_claim"


@pytest.mark.parametrize("path", ["iss", "aud", "sub", "iat", "exp"])
def test_a_missing_claim_is_refused(path: str) -> None:
    assert code_of(forged(altered(CLAIMS, path, REMOVED), ORCHESTRATOR_SIGNER)) == "missing_claim"


def test_one_of_the_two_audiences_and_unknown_claims_are_enough() -> None:
    for audience in (["license-validation"], ["other", "license-offline"]):
        token = forged({**CLAIMS, "aud": audience, "features": ["a"], "max_domains": 3}, ORCHESTRATOR_SIGNER)
        assert verify_traffic_orchestrator_token(token, ORCHESTRATOR_RING) == ORCHESTRATOR_FACTS


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_exp_lies_after_iat_and_at_most_36600_days_after(offset: int) -> None:
    near, far = CLAIMS["iat"] + offset, CLAIMS["iat"] + MAX_PROFILE_LIFETIME_SECONDS + offset
    for exp, is_accepted in ((near, offset > 0), (far, offset <= 0)):
        token = forged({**CLAIMS, "exp": exp}, ORCHESTRATOR_SIGNER)
        if is_accepted:
            assert verify_traffic_orchestrator_token(token, ORCHESTRATOR_RING).expires_at == exp
        else:
            assert code_of(token) == "bad_times"


# ── domains, §4 ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "is_valid"),
    [
        ("example.com", True),
        ("EXAMPLE.COM", True),
        ("example.com.", True),
        ("example.com:8443", True),
        ("www.example.com", False),
        ("notexample.com", False),
        ("example.com.evil.net", False),
        ("a.apps.example.org", True),
        ("a.b.apps.example.org", True),
        ("apps.example.org", False),
        ("evilapps.example.org", False),
        ("a.apps.example.org.evil.net", False),
        ("other.test", False),
        (None, False),
    ],
)
def test_the_contracts_table_of_hosts(host: str | None, is_valid: Any) -> None:
    """Contract §4.6, the column "ours", on the contract's own token."""
    facts = verify_traffic_orchestrator_token(ORCHESTRATOR_TOKEN, ORCHESTRATOR_RING)
    assert codes(judged(host, facts)) == ([] if is_valid else ["wrong_domain"])
    assert judged(host, facts, ignore_domain=True).is_usable


def test_one_star_covers_one_label_and_two_stars_one_or_more() -> None:
    table = {
        "example.com": (False, False),
        "a.example.com": (True, True),
        "a.b.example.com": (False, True),
        "a.b.c.example.com": (False, True),
        "aexample.com": (False, False),
        "a.example.com.net": (False, False),
        "": (False, False),
    }
    for host, (one, several) in table.items():
        assert host_matches(host, "*.example.com") is one
        assert host_matches(host, "**.example.com") is several


def test_a_token_without_domains_is_valid_anywhere_and_with_an_empty_list_nowhere() -> None:
    free, bound = replace(ORCHESTRATOR_FACTS, domains=None), replace(ORCHESTRATOR_FACTS, domains=())
    for host in ("example.com", "", None, "no host/"):
        assert judged(host, free).is_usable
        assert codes(judged(host, bound)) == ["wrong_domain"]


def test_helper_entries_and_unknown_patterns_of_a_genuine_token_match_nothing() -> None:
    claims = {**CLAIMS, "dom": [".example.com", "example", "*", "*.com", "ex*mple.com", "https://example.com"]}
    facts = verify_traffic_orchestrator_token(forged(claims, ORCHESTRATOR_SIGNER), ORCHESTRATOR_RING)
    assert ".example.com" not in (facts.domains or ())
    for host in ("example.com", "a.example.com", ".example.com", "a.com", "exumple.com"):
        assert codes(judged(host, facts)) == ["wrong_domain"]
    only_helpers = traffic_orchestrator_facts({**CLAIMS, "dom": [".example.com"]})
    assert codes(judged("a.example.com", only_helpers)) == ["wrong_domain"]


def test_wildcards_before_a_single_label_need_the_operators_word() -> None:
    allowed = TrafficOrchestratorSettings(single_label_suffixes=True)
    facts = drawn_up(domains=("*.internal",), settings=allowed)
    token = issue_traffic_orchestrator_token(facts, ORCHESTRATOR_SIGNER, settings=allowed)
    facts = verify_traffic_orchestrator_token(token, ORCHESTRATOR_RING, settings=allowed)
    assert judged("db.internal", facts, settings=allowed).is_usable
    assert codes(judged("db.internal", facts)) == ["wrong_domain"]
    assert usage(issue_traffic_orchestrator_token, facts, ORCHESTRATOR_SIGNER) == "bad_grant"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (" \texample.com\r\n", "example.com"),
        ("https://User:pw@Example.com:8443/path?q#f", "example.com"),
        ("https://example.com?x=https://evil.net", "example.com"),
        ("svn+ssh://example.com", "example.com"),
        ("localhost", "localhost"),
        ("my_host.example.com:80", "my_host.example.com"),
        ("example.com.:80", "example.com"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("[2001:DB8:0::1]:443", "2001:db8::1"),
        ("[::1]", "::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("http://[::1]:80/x", "::1"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),  # non-transitional: not strasse
        ("\u200bexample.com", "example.com"),  # UTS-46 ignores it
        ("my_host.bücher.example", "my_host.xn--bcher-kva.example"),
        ("a" * 63 + ".com", "a" * 63 + ".com"),
    ],
)
def test_a_host_has_one_spelling(text: str, host: str) -> None:
    assert canonical_host(text) == host
    assert canonical_host(host) == host


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", "..", "example..com", ".example.com", "example.com..", "-a.com", "a-.com", "a" * 64 + ".com"),
        *("a." * 127 + "com", "a b.com", "a/b", "a\\b", "a@b", "a?b", "a#b", "a\x00b", "a\tb", "a\x7fb", "a\u00a0b"),
        *(
            "example.com:",
            "example.com:x",
            "example.com:80:90",
            "example.com:\uff18\uff10",
            "*.example.com",
            "ex*mple.com",
        ),
        *(
            "https://",
            "://example.com",
            "1http://example.com",
            "a/https://example.com",
            "https://evil.net\\@example.com",
        ),
        *("http://https://example.com:x", "[::1", "[::1]x", "[::1]:", "[::g]", "[fe80::1%eth0]", "fe80::1%eth0"),
        *(
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "010.0.0.1",
            "1.2.3.4.example.5",
            "example。com:x",
            "\uff41\uff0f\uff42.com",
        ),
        *(
            "example.com\uff1a80",
            "bücher..example",
            "ex\u00adample.\ud800com",
            "example.com。",
            "a℀.com",
        ),
    ],
)
def test_what_is_no_host_has_no_spelling_and_matches_nothing(text: str) -> None:
    assert canonical_host(text) is None
    assert not host_matches(text, text)
    assert codes(judged(text)) == ["wrong_domain"]


def test_addresses_match_only_by_equality() -> None:
    assert host_matches("192.0.2.1:80", "192.0.2.1")
    assert host_matches("[2001:db8:0:0::1]:80", "2001:DB8::1")
    for host, pattern in [("1.192.0.2.1", "**.192.0.2.1"), ("192.0.2.1", "*.0.2.1"), ("192.0.2.10", "192.0.2.1")]:
        assert not host_matches(host, pattern)


LABELS = st.text("abc-1", min_size=1, max_size=3)
HOSTS = st.lists(LABELS, min_size=1, max_size=5).map(".".join)


@given(
    host=HOSTS | st.text(max_size=20), pattern=HOSTS | st.builds("{}.{}".format, st.sampled_from(["*", "**"]), HOSTS)
)
def test_matching_agrees_with_the_words_of_the_contract(host: str, pattern: str) -> None:
    """An independent reading: by regular expression over the canonical forms. Nothing raises."""
    import re

    name, covered = canonical_host(host), canonical_pattern(pattern)
    expected = False
    if name is not None and covered is not None:
        stars, _, suffix = covered.partition(".")
        more = {"*": r"[^.:]+\.", "**": r"(?:[^.:]+\.)+"}.get(stars)
        expected = re.fullmatch(re.escape(covered) if more is None else more + re.escape(suffix), name) is not None
    assert host_matches(host, pattern) is expected


# ── judging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("leeway", [0, 60, 300])
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_genuine_token_is_valid_until_exp_and_expired_from_then_on(offset: int, leeway: int) -> None:
    facts = verify_traffic_orchestrator_token(ORCHESTRATOR_TOKEN, ORCHESTRATOR_RING)
    verdict = judged("example.com", facts, now=Instant(facts.expires_at + leeway + offset), leeway_seconds=leeway)
    assert codes(verdict) == ([] if offset < 0 else ["offline_window_over"])
    assert verdict.is_expired == (offset >= 0)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_an_nbf_of_the_vendors_is_judged(offset: int) -> None:
    facts = traffic_orchestrator_facts({**CLAIMS, "nbf": NOW + DAY})
    verdict = judged("example.com", facts, now=Instant(NOW + DAY - 60 + offset), leeway_seconds=60)
    assert codes(verdict) == (["not_yet_valid"] if offset < 0 else [])


def test_a_clock_that_is_set_back_gains_nothing() -> None:
    over = judged("example.com", now=ORCHESTRATOR_FACTS.expires_at)
    back = judged("other.test", now=NOW, latest_seen=over.latest_seen)
    assert back.clock_moved_back
    assert codes(back) == ["wrong_domain", "offline_window_over"]
    assert usage(judged, "example.com", leeway_seconds=301) == "bad_leeway"
