"""
What the services need from outside, as protocols: a clock, randomness, signers, and storage.

Storage is asynchronous and speaks in records, never in SQL. The four calls that devices make are one operation each
(design.md §9): `find_seat` is one read; `change_seat` locks the license, shows its facts to a pure function of the
domain, and writes what that function returns, all in one transaction. A driver for another database implements the same
protocol with its own statements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.core.model import LicenseStatus, LicenseType
from carnet.formats.keys import Role, Signer
from carnet.server.records import (
    Activation,
    ApiKey,
    AuditEntry,
    CompatibilityKey,
    Customer,
    Issuance,
    License,
    Product,
    StoredPolicy,
)

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

Random: TypeAlias = Callable[[int], bytes]
"""*n* bytes that nobody can foresee; `os.urandom` in production."""

Details: TypeAlias = Mapping[str, Any]
"""A plain JSON object."""

MAX_HOLDERS = 50
"""How many seat holders a refusal lists; more would help nobody and cost every refused request."""


class Clock(Protocol):
    """What time it is, read once per command."""

    def now(self) -> Instant:
        """The present second."""
        ...


class SigningKeys(Protocol):
    """The active signing key of each role."""

    def signer(self, role: Role) -> Signer:
        """
        The signer that artifacts of *role* are made with now.

        Raises:
            StateError: ``no_signing_key``.
        """
        ...


class SecretBox(Protocol):
    """Seals what the database may hold but nobody may read from it."""

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """*secret*, sealed for this *context* only."""
        ...

    def unseal(self, sealed: bytes, context: bytes) -> bytes | None:
        """What was sealed for *context*; None if it does not open."""
        ...


class PrivateKeys(Protocol):
    """The private halves of compatibility keys, at rest outside the database."""

    def keep(self, key: CompatibilityKey, pem: str) -> None:
        """
        Keep the private key *pem* for *key*, durably.

        Raises:
            StateError: ``data_not_writable``.
        """
        ...

    def forget(self, key: CompatibilityKey) -> None:
        """Remove what `keep` kept for *key*, whose record was never stored; fine if there is nothing."""
        ...

    def signer(self, key: CompatibilityKey) -> Signer:
        """
        The signer of *key*, after a check that it is exactly the key that the record names.

        Raises:
            StateError: ``missing_file``, ``data_not_readable``.
            MalformedError: ``bad_key_file``.
        """
        ...


class SeatQuery(Struct):
    """
    Which license and which device's activation a call is about.

    Attributes:
        product: As the caller named it; only asked whether it exists.
        lookups: Keyed hashes of the typed license key: as typed first, then canonical; the first hit wins (R-80). Empty
            when the activation is named instead.
        activation_id: The activation itself; its license follows.
        fingerprint: The device; its held activation, or else its latest one. Ignored beside an `activation_id`.
        proof_id: A device proof's id, to learn whether it was seen before.
        with_holders: Whether the seat holders are wanted when every seat is taken.
    """

    product: str
    lookups: tuple[bytes, ...] = ()
    activation_id: str | None = None
    fingerprint: str | None = None
    proof_id: str | None = None
    with_holders: bool = False


class SeatFacts(Struct):
    """
    What storage knows about a `SeatQuery`, all from one moment.

    Attributes:
        product_known: The named product exists.
        license: None: no license has that key or activation.
        activation: Held or given back; None: that device never had one.
        holders: The oldest held activations, at most `MAX_HOLDERS`; only where asked for and no seat is free.
        proof_seen: The proof's id was used before.
    """

    product_known: bool
    license: License | None = None
    activation: Activation | None = None
    holders: tuple[Activation, ...] = ()
    proof_seen: bool = False


class ProofUse(Struct):
    """A device proof that was used `at`; its id is remembered `until` it could not be fresh any more (SEC-45)."""

    id: str
    at: Instant
    until: Instant


class SeatChanges(Struct, Generic[_T_co]):
    """
    What a decision writes, all of it or nothing, and what its caller is told after the commit.

    Attributes:
        outcome: Given back by `change_seat` once everything is durable.
        take: A new activation that takes a seat; storage counts it against the limit once more.
        update: An activation whose changeable columns are written.
        free: An activation to give its seat back; its `deactivated_at` is set.
        issuances: Claims that will be signed after the commit.
        audit: Rows for the audit.
        proof_use: A device proof that must not work again.
    """

    outcome: _T_co
    take: Activation | None = None
    update: Activation | None = None
    free: Activation | None = None
    issuances: tuple[Issuance, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    proof_use: ProofUse | None = None


NextIndex: TypeAlias = Callable[[], int]
"""The next status list position, for whoever is stored with it in the same transaction; never given to two (SEC-26)."""

IndexPlace: TypeAlias = Callable[[int], int]
"""Sequence number (0, 1, …) to position: shard times 131,072 plus the index within it."""


class LicenseContext(Struct):
    """What exists of what a new license names."""

    product_known: bool
    policy: StoredPolicy | None
    customer_known: bool


class NewLicense(Struct):
    """A license to store with its audit row. Its `status_index` is what the builder was given."""

    license: License
    audit: AuditEntry


class LicenseChange(Struct):
    """A license's new status and term, and the audit row; `audit` None means that nothing changes."""

    license: License
    audit: AuditEntry | None


class PolicyChange(Struct):
    """A policy's new rules, and the audit row."""

    policy: StoredPolicy
    audit: AuditEntry


class ApiKeyChange(Struct):
    """An API key's new state, and the audit row; `audit` None means that nothing changes."""

    api_key: ApiKey
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


class LicenseFilter(Struct):
    """Which licenses to list; None does not restrict."""

    product: str | None = None
    customer: str | None = None
    status: LicenseStatus | None = None
    type: LicenseType | None = None


class StorageStats(Struct):
    """Counters of the writer since start, for metrics: jobs per commit is how well grouping works."""

    commits: int = 0
    jobs: int = 0
    failed_jobs: int = 0
    largest_group: int = 0
    waiting: int = 0


class Storage(Protocol):
    """
    Everything durable. Every method that writes returns only after the commit.

    Callables given to a method are pure, run inside its transaction, possibly in another thread, and may raise: then
    nothing is written and the exception reaches the caller.

    Raises (all methods): `StateError` ``storage_unavailable``, ``storage_busy`` (both retryable), ``storage_closed``.
    """

    async def add_product(self, product: Product, presets: tuple[StoredPolicy, ...], entry: AuditEntry) -> bool:
        """Store a product with its policies; False if its slug is taken."""
        ...

    async def product(self, product: str) -> Product | None:
        """One product."""
        ...

    async def products(self, *, after: str | None, limit: int) -> tuple[Product, ...]:
        """Products by slug."""
        ...

    async def add_policy(self, policy: StoredPolicy, entry: AuditEntry) -> bool:
        """Store a policy; False if the product has one of that name. Its product must exist."""
        ...

    async def policy(self, product: str, name: str) -> StoredPolicy | None:
        """One policy of a product."""
        ...

    async def policies(self, product: str, *, after: str | None, limit: int) -> tuple[StoredPolicy, ...]:
        """Policies of a product by name."""
        ...

    async def change_policy(
        self, product: str, name: str, change: Callable[[StoredPolicy, tuple[Details, ...]], PolicyChange]
    ) -> StoredPolicy | None:
        """
        Change a policy and the seat limits of the licenses that follow it; None if there is none.

        *change* is also given the different overrides that licenses of the policy have.
        """
        ...

    async def add_customer(self, customer: Customer, entry: AuditEntry) -> None:
        """Store a customer."""
        ...

    async def customer(self, customer_id: str) -> Customer | None:
        """One customer."""
        ...

    async def customers(self, *, after: str | None, limit: int) -> tuple[Customer, ...]:
        """Customers, newest first."""
        ...

    async def add_license(
        self,
        *,
        product: str,
        policy: str,
        customer: str | None,
        build: Callable[[LicenseContext, NextIndex], NewLicense],
    ) -> License:
        """Store the license that *build* makes of what exists."""
        ...

    async def license(self, license_id: str) -> License | None:
        """One license."""
        ...

    async def license_by_key(self, lookups: tuple[bytes, ...]) -> License | None:
        """One license by the keyed hashes of its key; the first that hits wins."""
        ...

    async def licenses(self, which: LicenseFilter, *, after: str | None, limit: int) -> tuple[License, ...]:
        """Licenses, newest first."""
        ...

    async def change_license(self, license_id: str, change: Callable[[License], LicenseChange]) -> License | None:
        """Change a license's status or term; None if there is none."""
        ...

    async def find_seat(self, query: SeatQuery) -> SeatFacts:
        """The facts, from one read."""
        ...

    async def change_seat(self, query: SeatQuery, decide: Callable[[SeatFacts, NextIndex], SeatChanges[_T]]) -> _T:
        """
        Lock, read, decide, write, commit; then the outcome.

        Raises:
            StateError: ``seat_guard``: the decision takes a seat that the database knows is not there; nothing written.
        """
        ...

    async def activation(self, activation_id: str) -> Activation | None:
        """One activation."""
        ...

    async def activations(
        self, license_id: str, *, include_deactivated: bool, after: str | None, limit: int
    ) -> tuple[Activation, ...]:
        """Activations of a license, newest first."""
        ...

    async def issuance(self, jti: str) -> Issuance | None:
        """One line of the register of everything signed."""
        ...

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

    async def add_compatibility_key(
        self, key: CompatibilityKey, decide: Callable[[KeyContext], tuple[AuditEntry, ...]]
    ) -> CompatibilityKey | None:
        """Store a key as its product's active one, with the audit rows of *decide*; gives the one it replaces."""
        ...

    async def compatibility_key(self, kid: str) -> CompatibilityKey | None:
        """One compatibility key."""
        ...

    async def compatibility_keys(
        self, product: str | None, *, after: str | None, limit: int
    ) -> tuple[CompatibilityKey, ...]:
        """Compatibility keys of a product, or of all, newest first."""
        ...

    async def ping(self) -> None:
        """Prove that a write transaction can begin and end."""
        ...

    def stats(self) -> StorageStats:
        """The writer's counters."""
        ...

    async def close(self) -> None:
        """Finish what waits, then stop."""
        ...
