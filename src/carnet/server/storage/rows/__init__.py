"""
Rows to records and back: the only place that knows both.

Every reading function takes a row in the column order of its table (a license: followed by `POLICY_COLUMNS` of its
policy; an activation: followed by its license's product).
"""

from __future__ import annotations

from carnet.server.storage.rows.access import (
    api_key_from,
    api_key_values,
    compatibility_key_from,
    compatibility_key_values,
)
from carnet.server.storage.rows.catalog import (
    customer_from,
    customer_values,
    policy_from,
    policy_values,
    product_from,
    product_values,
)
from carnet.server.storage.rows.licenses import (
    ACTIVATION_WIDTH,
    LICENSE_WIDTH,
    POLICY_COLUMNS,
    activation_from,
    activation_values,
    has_own_ceiling,
    license_from,
    license_values,
)
from carnet.server.storage.rows.models import (
    EVENT_COLUMNS,
    enrolment_from,
    enrolment_values,
    event_from,
    event_values,
    usage_event_from,
    usage_event_values,
    usage_from,
)
from carnet.server.storage.rows.register import (
    audit_from,
    audit_values,
    issuance_columns,
    issuance_from,
    issuance_values,
)
from carnet.server.storage.rows.trust import (
    root_file_from,
    root_file_values,
    signing_key_from,
    signing_key_values,
)
from carnet.server.storage.rows.values import read_json, write_json

__all__ = [
    "ACTIVATION_WIDTH",
    "EVENT_COLUMNS",
    "LICENSE_WIDTH",
    "POLICY_COLUMNS",
    "activation_from",
    "activation_values",
    "api_key_from",
    "api_key_values",
    "audit_from",
    "audit_values",
    "compatibility_key_from",
    "compatibility_key_values",
    "customer_from",
    "customer_values",
    "enrolment_from",
    "enrolment_values",
    "event_from",
    "event_values",
    "has_own_ceiling",
    "issuance_columns",
    "issuance_from",
    "issuance_values",
    "license_from",
    "license_values",
    "policy_from",
    "policy_values",
    "product_from",
    "product_values",
    "read_json",
    "root_file_from",
    "root_file_values",
    "signing_key_from",
    "signing_key_values",
    "usage_event_from",
    "usage_event_values",
    "usage_from",
    "write_json",
]
