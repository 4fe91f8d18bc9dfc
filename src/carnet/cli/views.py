"""
How the vendor's objects look to people. Pure: a record in, text out. Never a secret.

Their JSON is the admin API's, and both are written in `carnet.server.domain.documents`; the commands find it here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carnet.cli.output import facts, when
from carnet.server.domain.documents import (
    activation_json,
    artifact_with_its_text_json,
    audit_json,
    customer_json,
    delivery_json,
    enrolment_json,
    event_json,
    key_json,
    license_json,
    license_with_its_keys_json,
    policy_json,
    product_json,
    rules_json,
    text_of,
    usage_json,
    use_json,
)

if TYPE_CHECKING:
    from carnet.server.domain.licenses.commands import LicenseView

__all__ = [
    "activation_json",
    "artifact_with_its_text_json",
    "audit_json",
    "customer_json",
    "delivery_json",
    "enrolment_json",
    "event_json",
    "key_json",
    "license_facts",
    "license_json",
    "license_with_its_keys_json",
    "policy_json",
    "product_json",
    "rules_json",
    "text_of",
    "usage_json",
    "use_json",
]


def license_facts(license: LicenseView) -> str:  # noqa: A002 - the field's word
    """A license for people."""
    pending, until = license.progress.pending, license.progress.updates_until
    limit = "no limit" if license.seats.limit is None else license.seats.limit
    return facts(
        [
            ("License", license.id),
            ("Key", f"…{license.key_last_four}"),
            ("Product", license.product),
            ("Policy", license.policy),
            ("Type", license.type),
            ("Status", license.status),
            ("Customer", license.customer),
            ("Starts", None if license.starts_at is None else when(license.starts_at)),
            (
                "Ends",
                when(license.expires_at) if pending is None else f"begins with its {pending.basis.replace('_', ' ')}",
            ),
            ("Updates until", None if until is None else when(until)),
            ("Seats", f"{license.seats.used} of {limit} held"),
            ("Features", ", ".join(entitlement.key for entitlement in license.entitlements) or None),
            ("Overrides", ", ".join(f"{k}={v}" for k, v in license.overrides.items()) or None),
            ("Conditions", ", ".join(f"{k}={v}" for k, v in license.own_conditions.items()) or None),
        ]
    )
