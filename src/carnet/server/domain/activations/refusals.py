"""
The refusals that only a server can give, and how a refusal is made.

The core's codes and sentences are in `core.reasons`; those here say how a caller must prove who it is. A device never
keeps them as tombstones: they are about the request, not about the license.
"""

from __future__ import annotations

from carnet.core.decision import Reason, Refused
from carnet.core.instant import Instant
from carnet.core.reasons import moment, reason

PROOF_REASONS: dict[str, tuple[str, str]] = {
    "device_proof_required": (
        "This activation has a device key, and the request does not prove that the device holds it.",
        "Send a Carnet-Device-Proof made with the key that was registered at activation, or activate again.",
    ),
    "device_proof_invalid": (
        "The device proof does not fit this request, this device or this time, or was used before.",
        "Make a fresh proof for each request, and check the device's clock; otherwise activate again.",
    ),
    "license_key_required": (
        "This activation has no device key, so its id alone does not prove anything.",
        "Send the license key as well.",
    ),
}
"""Code -> (what is so, what would change it), as in `core.reasons.REASONS`."""

ENROLMENT_REASONS: dict[str, tuple[str, str]] = {
    "enrolment_revoked": (
        "This enrolment token was revoked.",
        "Ask whoever runs your installation for a new one.",
    ),
    "enrolment_expired": (
        "This enrolment token has ended.",
        "Ask whoever runs your installation for a new one.",
    ),
    "enrolment_used_up": (
        "This enrolment token enrolled as many devices as it may.",
        "Ask whoever runs your installation for a new one.",
    ),
    "enrolment_network": (
        "This enrolment token does not work from this network.",
        "Enrol from the network that it is for, or ask whoever runs your installation.",
    ),
}
"""As above; about a token, never about the license, so that a device that has a seat keeps it."""

USAGE_REASONS: dict[str, tuple[str, str]] = {
    "meter_not_found": (
        "This license has no meter of that name.",
        "Use one of its meters, or ask the vendor.",
    ),
    "usage_limit_reached": (
        "This license used up what it may in this period{until}.",
        "Wait for the next period, or get more from the vendor.",
    ),
    "quota_exceeded": (
        "This license was validated as often as it may in this month{until}.",
        "Wait for the next month, or ask the vendor for more.",
    ),
}
"""As above; about how much a license was used."""


def server_reason(code: str, **values: object) -> Reason:
    """The reason *code*, of this table or of the core's."""
    own = PROOF_REASONS.get(code) or ENROLMENT_REASONS.get(code) or USAGE_REASONS.get(code)
    if own is None:
        return reason(code, **values)
    until = values.get("until")
    phrase = f"; the next begins on {moment(until)}" if isinstance(until, Instant) else ""
    return Reason(code=code, message=own[0].replace("{until}", phrase), fix=own[1])


def refuse(code: str, *, license_id: str | None = None, activation_id: str | None = None, **values: object) -> Refused:
    """A refusal for one reason; *values* as in `core.reasons.reason`."""
    return Refused(
        code=code,
        reasons=(server_reason(code, **values),),
        license_id=license_id,
        activation_id=activation_id,
    )
