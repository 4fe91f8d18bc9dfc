"""What can be asked of customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.core._base import Struct


class CreateCustomer(Struct):
    """
    Record a customer.

    Attributes:
        name: 1 to 200 printable characters.
        email: Where licenses are mailed to; at most 254 characters. None if unknown.
        metadata: At most 16 KiB, 64 keys, depth 4.
        products: For whom the customer is recorded, where whoever records may touch only these; they exist.
    """

    name: str
    email: str | None = None
    metadata: Mapping[str, Any] | None = None
    products: tuple[str, ...] = ()
