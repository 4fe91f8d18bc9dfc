"""
License tokens as Traffic Orchestrator's clients read them offline; contracts/traffic-orchestrator.md §3 and §4,
specs/token-profiles.md §5.

`draw_up_…` applies the rules of §3.4, `…_claims` writes the facts as claims, `…_facts` reads claims back and checks
them; `issue_…` and `verify_…` add the signature, `judge_…` the time and the domain. Not here: HTTP.

KEY SEPARATION (§3.1): clients of others check neither issuer nor type, some not even the algorithm. The Ed25519 key of
this profile signs these tokens and nothing else, ever; the caller must see to that.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import BACKDATE_SECONDS, LicenseStatus
from carnet.core.reasons import reason
from carnet.formats.fingerprint import has_control_characters
from carnet.formats.jws import sign_jws, unverified_jws
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.limits import MAX_ID, MAX_TOKEN
from carnet.formats.profiles.hosts import canonical_pattern, host_covered
from carnet.formats.profiles.verdicts import (
    FIX,
    TYP,
    WHAT,
    Times,
    Verdict,
    a_text,
    a_time,
    bad_claim,
    check_times,
    judge,
    open_profile,
    required,
)
from carnet.formats.strict_json import dump_json, parse_object

DEFAULT_ISSUER: Final = "trafficorchestrator.com"
"""What the clients of others require. It names a third party: this profile only, and configurable (§3.1)."""

AUDIENCE: Final = ("license-validation", "license-offline")

PERPETUAL_SECONDS: Final = 3650 * DAY
"""How long the token of a perpetual license lives: ten years from now (§3.4)."""

MAX_DAYS: Final = 3650


class TrafficOrchestratorSettings(Struct):
    """
    A product's configuration of this profile.

    Attributes:
        issuer: `iss`, which the verifier compares exactly.
        single_label_suffixes: Whether wildcards before a single label (``*.internal``) are allowed and match (§4.3).
    """

    issuer: str = DEFAULT_ISSUER
    single_label_suffixes: bool = False


class TrafficOrchestratorFacts(Struct):
    """
    What one token says.

    Attributes:
        domains: The patterns, without the helper entries of §4.4. None: valid on any host. Empty: on none.
    """

    license_id: str
    issued_at: Instant
    expires_at: Instant
    plan: str | None = None
    domains: tuple[str, ...] | None = None
    issuer: str = DEFAULT_ISSUER
    id: str | None = None
    not_before: Instant | None = None
    kid: str | None = None


_DEFAULTS: Final = TrafficOrchestratorSettings()


# ── issuing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def draw_up_traffic_orchestrator_token(
    *,
    license_id: str,
    plan: str | None,
    domains: tuple[str, ...] | None,
    license_expires_at: Instant | None,
    status: LicenseStatus,
    now: Instant,
    days: int | None = None,
    settings: TrafficOrchestratorSettings = _DEFAULTS,
    id: str | None = None,  # noqa: A002 - the field's name
) -> TrafficOrchestratorFacts:
    """
    What a token says if it is signed *now*: the rules of contract §3.4.

    `issued_at` is dated back by 60 seconds. The token ends with the license; a perpetual license's after ten years.

    Args:
        license_id: `sub`.
        plan: The plan's name; None leaves it out.
        domains: Patterns; None for a license without restriction, empty for one that is bound to no domain yet.
        license_expires_at: None when perpetual.
        status: The license's; only an active license gets a token.
        now: The time of signing.
        days: 1 to 3650, for a token that lives at most so long; None for the license itself as a token.
        settings: The product's.
        id: The token's own id (`jti`), where the caller keeps one.

    Raises:
        UsageError: ``license_unusable``: suspended, revoked or ended; ``bad_days``; ``bad_grant``: a pattern that is
            none.
    """
    is_over = license_expires_at is not None and license_expires_at <= now
    if status != "active" or is_over:
        raise UsageError(
            "license_unusable",
            f"No token is made for a license that is {'expired' if is_over else status}.",
            "Refuse the request instead.",
        )
    if days is not None and (type(days) is not int or not 1 <= days <= MAX_DAYS):
        raise UsageError("bad_days", f"A token is made for 1 to {MAX_DAYS} days.")
    ends = [now + days * DAY] if days is not None else []
    if license_expires_at is not None:
        ends.append(license_expires_at)
    return TrafficOrchestratorFacts(
        license_id=license_id,
        issued_at=Instant(max(now - BACKDATE_SECONDS, 1)),
        expires_at=Instant(min(ends, default=now + PERPETUAL_SECONDS)),
        plan=plan,
        domains=None if domains is None else tuple(_pattern(domain, settings) for domain in domains),
        issuer=settings.issuer,
        id=id,
    )


def traffic_orchestrator_claims(facts: TrafficOrchestratorFacts) -> dict[str, Any]:
    """
    *facts* as claims (contract §3.1). `dom` has each pattern, and behind a wildcard the helper entry of §4.4, which
    makes existing clients refuse what merely ends alike.
    """
    claims: dict[str, Any] = {
        "iss": facts.issuer,
        "aud": list(AUDIENCE),
        "sub": facts.license_id,
        "iat": int(facts.issued_at),
        "exp": int(facts.expires_at),
    }
    if facts.plan is not None:
        claims["plan"] = facts.plan
    if facts.domains is not None:
        entries: dict[str, None] = {}  # in order, each once
        for pattern in facts.domains:
            entries[pattern] = None
            if pattern.startswith("*"):
                entries["." + pattern.partition(".")[2]] = None
        claims["dom"] = list(entries)
    if facts.id is not None:
        claims["jti"] = facts.id
    return claims


def issue_traffic_orchestrator_token(
    facts: TrafficOrchestratorFacts, signer: Signer, *, settings: TrafficOrchestratorSettings = _DEFAULTS
) -> str:
    """
    Write *facts* as a token with the header ``{"alg": "EdDSA", "kid", "typ": "JWT"}`` and sign it.

    Args:
        facts: From `draw_up_traffic_orchestrator_token`. `kid` is ignored.
        signer: An Ed25519 key that signs nothing else (see the module's text).
        settings: As they were drawn up with.

    Raises:
        UsageError: ``bad_grant``: what the verifier would refuse, or a pattern that is not in its one spelling; nothing
            was signed. ``wrong_key_type``: a key of another algorithm.
    """
    if signer.public_key.alg != "Ed25519":
        raise UsageError("wrong_key_type", "Tokens of this profile are signed with Ed25519 only.")
    if facts.not_before is not None:
        raise UsageError("bad_grant", "A token of this profile has no nbf.")
    for domain in facts.domains or ():
        if _pattern(domain, settings) != domain:
            raise UsageError("bad_grant", "A domain of this token is not in its one spelling.")
    payload = dump_json(traffic_orchestrator_claims(facts))
    try:
        traffic_orchestrator_facts(parse_object(payload, max_bytes=MAX_TOKEN, what=WHAT), settings=settings)
    except MalformedError as bad:
        raise UsageError("bad_grant", f"These facts cannot be a token: {bad.message}") from None
    token = sign_jws(payload, typ=TYP, signer=signer)
    if len(token) > MAX_TOKEN:
        raise UsageError("bad_grant", "These facts do not fit into a token of 8 KiB.")
    return token


# ── verifying ────────────────────────────────────────────────────────────────────────────────────────────────────────


def verify_traffic_orchestrator_token(
    token: str | bytes, ring: KeyRing, *, settings: TrafficOrchestratorSettings = _DEFAULTS
) -> TrafficOrchestratorFacts:
    """
    Verify that *token* was issued by a configured key, and decode it: specs/token-profiles.md §6, steps 1 to 12.

    Args:
        token: Exactly as received; ASCII, at most 8 KiB.
        ring: The configured Ed25519 keys in the role ``token``, found by `kid`; a token without one needs a ring of
            one key.
        settings: Whose `issuer` is required.

    Raises:
        MalformedError: The codes of `open_jws` and of `traffic_orchestrator_facts`.
        NotGenuineError: ``unknown_key``, ``retired_key``, ``compromised_key``, ``wrong_algorithm``, ``bad_signature``.

    Does not judge time or domain: pass the facts to `judge_traffic_orchestrator_token`.
    """
    claims, kid = open_profile(token, ring, ("Ed25519",))
    # Contract §3.1: the literal is `EdDSA`; our own envelope also knows the newer name.
    if unverified_jws(token, max_bytes=MAX_TOKEN, what=WHAT)[0]["alg"] != "EdDSA":
        raise NotGenuineError("wrong_algorithm", f"{WHAT} does not name its algorithm EdDSA.", FIX)
    return traffic_orchestrator_facts(claims, kid, settings=settings)


def traffic_orchestrator_facts(
    claims: dict[str, Any], kid: str | None = None, *, settings: TrafficOrchestratorSettings = _DEFAULTS
) -> TrafficOrchestratorFacts:
    """
    Read *claims* and check every type and bound.

    Raises:
        MalformedError: ``missing_claim``, ``bad_claim``, ``bad_times``.
    """
    # Steps 10 and 11.
    if a_text(claims, "iss") != settings.issuer:
        raise bad_claim("iss", "the configured issuer")
    audience = required(claims, "aud")
    if not _is_texts(audience) or not any(name in AUDIENCE for name in audience):
        raise bad_claim("aud", "an array with license-validation or license-offline")
    facts = TrafficOrchestratorFacts(
        license_id=a_text(claims, "sub"),
        issued_at=a_time(claims, "iat"),
        expires_at=a_time(claims, "exp"),
        plan=a_text(claims, "plan") if "plan" in claims else None,
        domains=_domains_of(claims["dom"]) if "dom" in claims else None,
        issuer=settings.issuer,
        id=a_text(claims, "jti") if "jti" in claims else None,
        not_before=a_time(claims, "nbf") if "nbf" in claims else None,
        kid=kid,
    )
    # Step 12.
    check_times(facts.issued_at, facts.expires_at)
    return facts


def judge_traffic_orchestrator_token(
    facts: TrafficOrchestratorFacts,
    *,
    now: Instant,
    domain: str | None,
    ignore_domain: bool = False,
    leeway_seconds: int = 0,
    latest_seen: Instant | None = None,
    settings: TrafficOrchestratorSettings = _DEFAULTS,
) -> Verdict:
    """
    Whether a genuine token opens the app on this host now.

    Args:
        facts: From `verify_traffic_orchestrator_token`.
        now: This device's clock.
        domain: The host that the app serves, as it knows it. None and the empty text say nothing, which a token that
            is bound to domains refuses (contract §4.5).
        ignore_domain: True opts out of the domain rule altogether.
        leeway_seconds: 0 to 300, for a clock that is a little wrong.
        latest_seen: `Verdict.latest_seen` of the last time, which the app keeps.
        settings: The product's.

    Raises:
        UsageError: ``bad_leeway``.
    """
    against = []
    if facts.domains is not None and not ignore_domain:
        allow = settings.single_label_suffixes
        if domain is None or not host_covered(domain, facts.domains, single_label_suffixes=allow):
            against.append(reason("wrong_domain", domain=domain or None, licensed=facts.domains))
    times = Times(issued_at=facts.issued_at, expires_at=facts.expires_at, not_before=facts.not_before)
    return judge(against, times, now=now, leeway_seconds=leeway_seconds, latest_seen=latest_seen)


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pattern(domain: str, settings: TrafficOrchestratorSettings) -> str:
    pattern = canonical_pattern(domain, single_label_suffixes=settings.single_label_suffixes)
    if pattern is None:
        raise UsageError("bad_grant", "A domain of this license is no host and no pattern.")
    return pattern


def _domains_of(value: Any) -> tuple[str, ...]:
    if not _is_texts(value):
        raise bad_claim("dom", "an array of texts")
    # §4.4: entries that begin with a dot are there for clients of others.
    return tuple(entry for entry in value if not entry.startswith("."))


def _is_texts(value: Any) -> bool:
    return type(value) is list and all(
        type(item) is str and 0 < len(item) <= MAX_ID and not has_control_characters(item) for item in value
    )
