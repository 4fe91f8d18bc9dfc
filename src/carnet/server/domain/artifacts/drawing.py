"""
What the artifacts of a device say: license, seat and policy become facts of the formats, and a line of the register.

Pure but for the ids that it is given. The rules of each artifact are its format's; here is only which of a license's
terms go where. No line of the register holds a license key: the formats that want one get it when they sign.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core._base import Struct, replace
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.model import Grant
from carnet.core.policies import MAX_SEATS
from carnet.core.terms import OfflineWindow, offline_window
from carnet.formats.profiles.keyforge import (
    KeyforgeDevice,
    KeyforgeFacts,
    KeyforgeLicense,
    KeyforgeSettings,
    draw_up_keyforge_token,
    keyforge_claims,
)
from carnet.formats.profiles.traffic_orchestrator import (
    TrafficOrchestratorFacts,
    draw_up_traffic_orchestrator_token,
    traffic_orchestrator_claims,
)
from carnet.formats.strict_json import dump_json
from carnet.server.domain.activations.issuing import issuance_of
from carnet.server.records import Activation, Issuance, License, TokenProfile

MASKED: Final = "…"
"""What stands in the register instead of a license key."""

_KEYFORGE_SECONDS: Final = KeyforgeSettings().validity_seconds
_KEYFORGE_NAME: Final = 64


class Drawn(Struct):
    """Facts to sign, their line in the register, and until when they cover the device's seat."""

    facts: Grant | KeyforgeFacts | TrafficOrchestratorFacts
    issuance: Issuance


def window_for(license_: License, now: Instant, ttl_seconds: int | None) -> OfflineWindow:
    """The times of an artifact that is made now, within the license's policy."""
    return offline_window(
        license_.effective,
        now,
        ttl_seconds=ttl_seconds,
        license_starts_at=license_.starts_at,
        license_expires_at=license_.expires_at,
    )


def draw_offline_token(grant: Grant, license_: License, window: OfflineWindow) -> Drawn:
    """
    An offline token: the whole offline window, and the policy's grace as a part of it (contracts/licenseseat.md §4.3).

    Args:
        grant: What a license token would say, under the key that will sign.
        license_: Its license, within its term.
        window: Its times.
    """
    facts = replace(grant, offline_until=window.machine_file_until, policy=license_.effective)
    end = window.machine_file_until + license_.effective.grace_seconds
    if license_.expires_at is not None:
        end = min(end, license_.expires_at)
    return Drawn(facts=facts, issuance=replace(issuance_of(facts, "offline-token"), expires_at=Instant(end)))


def draw_native_token(grant: Grant, window: OfflineWindow, ttl_seconds: int | None) -> Drawn:
    """
    Carnet's own token under a compatibility key.

    Whoever asks for a time of its own gets the offline window, because nothing but the token covers it; otherwise the
    policy's short token time counts, as for the token of an activation.
    """
    facts = grant if ttl_seconds is None else replace(grant, offline_until=window.machine_file_until)
    return Drawn(facts=facts, issuance=issuance_of(facts, "compatibility-token"))


def draw_keyforge_token(
    license_: License,
    activation: Activation,
    license_key: str,
    now: Instant,
    ttl_seconds: int | None,
    *,
    jti: str,
    kid: str,
) -> Drawn:
    """
    A Keyforge token: 14 days unless asked otherwise, never more than the policy's window; no address of the customer.

    A license without a seat limit says the largest one: the contract wants a number.
    """
    usual = min(_KEYFORGE_SECONDS, license_.effective.offline_ttl_seconds)
    window = window_for(license_, now, usual if ttl_seconds is None else ttl_seconds)
    facts = draw_up_keyforge_token(
        KeyforgeLicense(
            key=license_key,
            product_id=license_.product,
            type="perpetual" if license_.expires_at is None else "timed",
            created_at=license_.created_at,
            max_devices=license_.seat_limit or MAX_SEATS,
            expires_at=license_.expires_at,
        ),
        KeyforgeDevice(
            identifier=activation.fingerprint,
            name=(activation.device_name or activation.fingerprint)[:_KEYFORGE_NAME],
            activated_at=activation.created_at,
        ),
        is_revoked=license_.status == "revoked",
        fallback_enabled=False,
        now=now,
        settings=KeyforgeSettings(validity_seconds=window.machine_file_until - window.issued_at),
        id=jti,
    )
    masked = replace(facts, license=replace(facts.license, key=MASKED))
    claims = {"profile": "keyforge", "claims": keyforge_claims(masked)}
    return Drawn(facts=facts, issuance=_of_profile(claims, license_, activation, facts, jti=jti, kid=kid))


def draw_traffic_orchestrator_token(
    license_: License, now: Instant, ttl_seconds: int | None, *, jti: str, kid: str
) -> Drawn:
    """
    A Traffic Orchestrator token: the license itself for its domains, to its end, or ten years if it is perpetual.

    Args:
        license_: Usable now.
        now: The server's time.
        ttl_seconds: Whole days, for less than that.
        jti: Its id.
        kid: The key that will sign.
    """
    facts = draw_up_traffic_orchestrator_token(
        license_id=license_.id,
        plan=license_.policy.name,
        domains=license_.effective.domains or None,
        license_expires_at=license_.expires_at,
        status=license_.status,
        now=now,
        days=None if ttl_seconds is None else ttl_seconds // DAY,
        id=jti,
    )
    claims = {"profile": "traffic-orchestrator", "claims": traffic_orchestrator_claims(facts)}
    return Drawn(facts=facts, issuance=_of_profile(claims, license_, None, facts, jti=jti, kid=kid))


def _of_profile(
    claims: dict[str, Any],
    license_: License,
    activation: Activation | None,
    facts: KeyforgeFacts | TrafficOrchestratorFacts,
    *,
    jti: str,
    kid: str,
) -> Issuance:
    return Issuance(
        jti=jti,
        kind="compatibility-token",
        kid=kid,
        license_id=license_.id,
        activation_id=None if activation is None else activation.id,
        issued_at=facts.issued_at,
        expires_at=Instant(min(facts.expires_at, MAX_INSTANT)),
        claims=dump_json(claims).decode(),
    )


def needs_seat(profile: TokenProfile, license_: License, fingerprint: str | None) -> bool:
    """Whether a token of *profile* is made for a device that holds a seat."""
    if profile == "traffic-orchestrator":
        return False
    return profile == "keyforge" or license_.effective.require_activation or fingerprint is not None
