"""
What a genuine token of another system's dialect grants, in Carnet's own words: facts to `Grant`, for `core.rules`.

Belongs here: the mapping of specs/token-profiles.md §7.1. Does not belong here: the signature (`verify_…`), and the
dialects' own verdicts (`judge_…`). A decision on such a grant agrees with them; a property test holds the two together.
"""

from __future__ import annotations

from typing import Final

from carnet.core.domains import covered_domain
from carnet.core.instant import DAY, Instant
from carnet.core.model import Grant, Policy
from carnet.formats.encoding import sha256_hex
from carnet.formats.profiles.hosts import host_covered
from carnet.formats.profiles.keyforge import KeyforgeFacts
from carnet.formats.profiles.traffic_orchestrator import TrafficOrchestratorFacts

_COVERS_NOTHING: Final = ("no domain",)
"""A list of domains that no host is in: a name with a blank is none (decision.md §9.1)."""


def keyforge_grant(facts: KeyforgeFacts) -> Grant:
    """
    What a Keyforge token grants: full use of one product on one device until its end, without grace.

    Args:
        facts: From `verify_keyforge_token`.

    Returns:
        A grant of kind ``token``. The license key stays out of it: the license's id is derived from the key. With
        status ``fallbacked`` the license's own end does not count, because that is what fallback means.
    """
    license_ = facts.license
    license_id = f"key-{sha256_hex(b'carnet/v1/license-id/' + license_.key.encode())[:32]}"
    return _grant(
        facts,
        product=license_.product_id,
        license_id=license_id,
        policy=_policy("keyforge", facts.expires_at - facts.issued_at, seat_limit=license_.max_devices),
        device=facts.device.identifier,
        license_expires_at=license_.expires_at if facts.status == "active" else None,
    )


def traffic_orchestrator_grant(facts: TrafficOrchestratorFacts, *, product: str, domain: str | None) -> Grant:
    """
    What a Traffic Orchestrator token grants: full use on the hosts that it covers until its end, without grace.

    Args:
        facts: From `verify_traffic_orchestrator_token`.
        product: The product whose key verified it. The token names none: its key signs for this product alone
            (contract §3.1).
        domain: The host that is judged for, or None.

    Returns:
        A grant of kind ``token``, for any device. It names domains only where they do not cover *domain*, by this
        dialect's own rules, which know more patterns than Carnet's.
    """
    domains: tuple[str, ...] = ()
    if facts.domains is not None and not (domain is not None and host_covered(domain, facts.domains)):
        # What this dialect refuses, Carnet's own rule must not allow.
        allows = not facts.domains or covered_domain(facts.domains, domain)
        domains = _COVERS_NOTHING if allows else facts.domains
    return _grant(
        facts,
        product=product,
        license_id=facts.license_id,
        policy=_policy(facts.plan or "unknown", facts.expires_at - facts.issued_at, domains=domains),
    )


def _grant(
    facts: KeyforgeFacts | TrafficOrchestratorFacts,
    *,
    product: str,
    license_id: str,
    policy: Policy,
    device: str | None = None,
    license_expires_at: Instant | None = None,
) -> Grant:
    return Grant(
        kind="token",
        id=facts.id or f"{license_id}/{facts.issued_at:d}",
        issuer=facts.kid or "unknown",
        product=product,
        license_id=license_id,
        issued_at=facts.issued_at,
        not_before=facts.issued_at if facts.not_before is None else max(facts.issued_at, facts.not_before),
        offline_until=facts.expires_at,
        policy=policy,
        device=device,
        license_expires_at=license_expires_at,
        kid=facts.kid,
    )


def _policy(name: str, ttl_seconds: int, *, seat_limit: int | None = None, domains: tuple[str, ...] = ()) -> Policy:
    """As for machine files of others (specs/machine-file.md §8): full use to the end, no grace, no other rules."""
    return Policy(
        name=name,
        offline_ttl_seconds=ttl_seconds,
        max_offline_ttl_seconds=ttl_seconds,
        token_ttl_seconds=ttl_seconds,
        grace_seconds=0,
        term_grace_seconds=0,
        grace_access="full",
        refresh_after_seconds=min(DAY, ttl_seconds),
        seat_limit=seat_limit,
        domains=domains,
    )
