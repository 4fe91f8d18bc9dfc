"""
Who may do what, and who did: API keys, compatibility keys, the audit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from carnet.core._base import Struct
from carnet.server.records import ApiKey, AuditEntry, CompatibilityKey

SubjectKind: TypeAlias = Literal["license", "activation", "enrolment", "lease", "key"]
"""What belongs to one product and is named by an id."""


class ApiKeyChange(Struct):
    """An API key's new state, and the audit row; `audit` None means that nothing changes."""

    api_key: ApiKey
    audit: AuditEntry | None


class KeyChange(Struct):
    """A compatibility key's new state, and the audit row; `audit` None means that nothing changes."""

    key: CompatibilityKey
    audit: AuditEntry | None


class KeyContext(Struct):
    """
    What exists of what a new compatibility key names.

    Attributes:
        product_known: Its product exists.
        is_taken: Its id or its public key is stored already, for whichever product.
        active: The product's key that signs until now.
    """

    product_known: bool
    is_taken: bool
    active: CompatibilityKey | None


class AccessStore(Protocol):
    """API keys, compatibility keys, the audit."""

    async def add_audit(self, entry: AuditEntry) -> None:
        """Store an audit row that belongs to no other change."""
        ...

    async def audit_entries(
        self, *, object_id: str | None, action: str | None, before: int | None, limit: int
    ) -> tuple[AuditEntry, ...]:
        """Audit rows, newest first."""
        ...

    async def add_api_key(self, api_key: ApiKey, entry: AuditEntry) -> None:
        """Store an API key."""
        ...

    async def api_key_by_hash(self, token_hash: bytes) -> ApiKey | None:
        """The API key of a token, by the token's keyed hash."""
        ...

    async def api_keys(self, *, after: str | None, limit: int) -> tuple[ApiKey, ...]:
        """API keys, newest first."""
        ...

    async def change_api_key(self, api_key_id: str, change: Callable[[ApiKey], ApiKeyChange]) -> ApiKey | None:
        """Change an API key; None if there is none."""
        ...

    async def product_of(self, kind: SubjectKind, subject_id: str) -> str | None:
        """The product that something belongs to; None if there is no such thing."""
        ...

    async def customer_within(self, customer_id: str, products: tuple[str, ...]) -> bool:
        """Whether a customer has a license of one of the products, or was recorded for one of them."""
        ...

    async def add_compatibility_key(
        self, key: CompatibilityKey, decide: Callable[[KeyContext], tuple[AuditEntry, ...]]
    ) -> CompatibilityKey | None:
        """Store a key as its product's active one, with the audit rows of *decide*; gives the one it replaces."""
        ...

    async def compatibility_key(self, kid: str) -> CompatibilityKey | None:
        """One compatibility key."""
        ...

    async def active_compatibility_key(self, product: str) -> CompatibilityKey | None:
        """The one key of a product that signs."""
        ...

    async def change_compatibility_key(
        self, kid: str, change: Callable[[CompatibilityKey], KeyChange]
    ) -> CompatibilityKey | None:
        """Change a compatibility key's state or use; None if there is none."""
        ...

    async def compatibility_keys(
        self, products: tuple[str, ...] | None, *, after: str | None, limit: int
    ) -> tuple[CompatibilityKey, ...]:
        """Compatibility keys of some products, or of all, newest first."""
        ...
