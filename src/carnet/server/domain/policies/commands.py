"""What can be asked of policies."""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct
from carnet.core.conditions import Conditions
from carnet.core.model import LicenseType, Policy
from carnet.server.records import CompatibilityAlgorithm

TokenAlgorithm = CompatibilityAlgorithm | Literal["any"]
"""What compatibility tokens must be signed with; `any` leaves it to the product's active key."""


class CreatePolicy(Struct):
    """
    Make a policy of a product.

    Attributes:
        product: The product's slug.
        policy: The rules; `policy.name` is its key within the product, unique, 1 to 100 printable characters, and can
            stand in an address: no slash or backslash, not only dots, no blanks around it.
        license_type: What a license under it is, unless it says otherwise.
        duration_seconds: How long a timed or trial license runs, unless it says otherwise; ≥ 1. None for perpetual.
        token_algorithm: What compatibility tokens of its licenses must be signed with (R-02).
        conditions: The rules that the server alone applies (R-01); not both `duration_seconds` and its months.
    """

    product: str
    policy: Policy
    license_type: LicenseType = "perpetual"
    duration_seconds: int | None = None
    token_algorithm: TokenAlgorithm = "any"  # noqa: S105 - no secret: what tokens are signed with
    conditions: Conditions = Conditions()


class UpdatePolicy(Struct):
    """
    Replace a policy's rules. Licenses under it follow at once; artifacts already signed keep what they say.

    Attributes:
        product: The product's slug.
        name: The policy to change.
        policy: The new rules; `policy.name` must equal `name`.
        license_type: None keeps it.
        duration_seconds: None keeps it.
        token_algorithm: None keeps it.
        conditions: All of them; None keeps them.
    """

    product: str
    name: str
    policy: Policy
    license_type: LicenseType | None = None
    duration_seconds: int | None = None
    token_algorithm: TokenAlgorithm | None = None
    conditions: Conditions | None = None
