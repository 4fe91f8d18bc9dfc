"""What can be asked of policies."""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.model import LicenseType, Policy


class CreatePolicy(Struct):
    """
    Make a policy of a product.

    Attributes:
        product: The product's slug.
        policy: The rules; `policy.name` is its key within the product, unique, 1 to 100 printable characters.
        license_type: What a license under it is, unless it says otherwise.
        duration_seconds: How long a timed or trial license runs, unless it says otherwise; ≥ 1. None for perpetual.
    """

    product: str
    policy: Policy
    license_type: LicenseType = "perpetual"
    duration_seconds: int | None = None


class UpdatePolicy(Struct):
    """
    Replace a policy's rules. Licenses under it follow at once; artifacts already signed keep what they say.

    Attributes:
        product: The product's slug.
        name: The policy to change.
        policy: The new rules; `policy.name` must equal `name`.
        license_type: None keeps it.
        duration_seconds: None keeps it.
    """

    product: str
    name: str
    policy: Policy
    license_type: LicenseType | None = None
    duration_seconds: int | None = None
