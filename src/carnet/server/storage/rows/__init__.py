"""
Rows to records and back: the only place that knows both.

Every reading function takes a row in the column order of its table (a license: followed by its policy's body and
revision; an activation: followed by its license's product).
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
    activation_from,
    activation_values,
    license_from,
    license_values,
)
from carnet.server.storage.rows.register import (
    audit_from,
    audit_values,
    issuance_columns,
    issuance_from,
    issuance_values,
)
from carnet.server.storage.rows.values import read_json, write_json

__all__ = [
    "ACTIVATION_WIDTH",
    "LICENSE_WIDTH",
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
    "write_json",
]
