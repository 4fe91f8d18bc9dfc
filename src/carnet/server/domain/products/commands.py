"""What can be asked of products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.core._base import Struct


class CreateProduct(Struct):
    """
    Make a product, with the three preset policies of R-02.

    Attributes:
        id: Its slug: lower-case letters, digits and single hyphens between them, 1 to 100 characters
            (contracts/licenseseat.md §1.5). Never changes.
        name: For people; 1 to 100 printable characters. None means the slug.
        metadata: At most 16 KiB, 64 keys, depth 4 (security-requirements "Limits").
    """

    id: str
    name: str | None = None
    metadata: Mapping[str, Any] | None = None
