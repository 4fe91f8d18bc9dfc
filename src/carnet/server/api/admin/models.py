"""The bodies of the admin calls. Only the members named here can be written; any other is refused (SEC-37)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from carnet.core.model import ClockStrictness, GraceAccess, LicenseStatus, LicenseType
from carnet.core.renewals import RenewalBasis
from carnet.core.starts import StartBasis
from carnet.formats.limits import MAX_LICENSE_KEY_TYPED, MAX_METADATA_KEYS
from carnet.server.api.admin.artifact_models import SignedKeyRequest
from carnet.server.api.admin.license_model_bodies import ConditionsReply, Months, WrittenConditions
from carnet.server.api.wire import EntitlementWire, SeatsWire, Seconds, Time, WrittenTime
from carnet.server.records import ActorKind, CompatibilityAlgorithm

MAX_LOT: Final = 500
"""Licenses of one call; they are stored in one transaction."""

Slug: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100, examples=["hustl"])]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
Why: TypeAlias = Annotated[str, Meta(max_length=500, description="Why, for the audit. Never a secret.")]
Metadata: TypeAlias = Annotated[
    dict[str, Any],
    Meta(max_length=MAX_METADATA_KEYS, description="Yours: at most 16 KiB, 64 keys, depth 4. Stays on the server."),
]
ShownMetadata: TypeAlias = Mapping[str, Any]
Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
TokenAlgorithm: TypeAlias = Annotated[
    Literal["EdDSA", "ES256", "RS256", "any"],
    Meta(description="What compatibility tokens must be signed with; `any`: whatever the product's active key has."),
]
GraceSeconds: TypeAlias = Annotated[int, Meta(ge=0)]


class CreateProductRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A product. It starts with the preset policies `consumer`, `professional` and `enterprise`."""

    example: ClassVar[dict[str, Any]] = {"id": "hustl", "name": "Hustl"}

    id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            pattern="^[a-z0-9]+(-[a-z0-9]+)*$",
            description="Its slug, the same word that apps and artifacts carry. Never changes.",
            examples=["hustl"],
        ),
    ]
    name: Name | None = None
    metadata: Metadata | None = None


class ProductReply(msgspec.Struct, kw_only=True):
    """A product."""

    id: str
    name: str
    created_at: Time
    metadata: ShownMetadata


class WrittenEntitlement(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A feature or limit: usable while `now < expires_at` and for app versions below `below_version`."""

    key: Annotated[str, Meta(min_length=1, max_length=100, pattern="^[a-z0-9][a-z0-9_-]*$")]
    expires_at: WrittenTime | None = None
    below_version: Annotated[str, Meta(max_length=255)] | None = None


class WrittenRules(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    The rules of a policy, or a license's own values for some of them. Members that are absent have their defaults in a
    policy, and the policy's values in a license. Nulls are values: no limit, no ceiling, never.
    """

    offline_ttl_seconds: Seconds | UnsetType = UNSET
    max_offline_ttl_seconds: Seconds | UnsetType = UNSET
    token_ttl_seconds: Seconds | UnsetType = UNSET
    grace_seconds: GraceSeconds | UnsetType = UNSET
    term_grace_seconds: GraceSeconds | UnsetType = UNSET
    grace_access: GraceAccess | UnsetType = UNSET
    refresh_after_seconds: Seconds | UnsetType = UNSET
    warn_before_seconds: GraceSeconds | UnsetType | None = UNSET
    require_activation: bool | UnsetType = UNSET
    seat_limit: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    essential: list[str] | UnsetType = UNSET
    entitlements: list[WrittenEntitlement] | UnsetType = UNSET
    edition: Name | UnsetType | None = UNSET
    below_version: str | UnsetType | None = UNSET
    domains: list[str] | UnsetType = UNSET
    clock_strictness: ClockStrictness | UnsetType = UNSET
    max_revocation_age_seconds: Seconds | UnsetType | None = UNSET

    def given(self) -> dict[str, Any]:
        """The members that were written, in the JSON form of policies."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class RulesReply(msgspec.Struct, kw_only=True):
    """The rules of a policy, every one of them."""

    offline_ttl_seconds: int
    max_offline_ttl_seconds: int
    token_ttl_seconds: int
    grace_seconds: int
    term_grace_seconds: int
    grace_access: GraceAccess
    refresh_after_seconds: int
    warn_before_seconds: int | None
    require_activation: bool
    seat_limit: int | None
    essential: list[str]
    entitlements: list[EntitlementWire]
    edition: str | None
    below_version: str | None
    domains: list[str]
    clock_strictness: ClockStrictness
    max_revocation_age_seconds: int | None


class CreatePolicyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    A policy of a product. `duration_seconds` is how long a timed or trial license under it runs.

    Its name stands in its address: no slashes or backslashes, not only dots, no blanks around it.
    """

    example: ClassVar[dict[str, Any]] = {
        "product": "hustl",
        "name": "studio",
        "rules": {"offline_ttl_seconds": 3888000, "grace_seconds": 2592000, "seat_limit": 3, "essential": ["open"]},
        "license_type": "timed",
        "duration_seconds": 31536000,
    }

    product: Slug
    name: Name
    rules: WrittenRules = msgspec.field(default_factory=WrittenRules)
    license_type: LicenseType = "perpetual"
    duration_seconds: Seconds | None = None
    token_algorithm: TokenAlgorithm = "any"  # noqa: S105 - no secret: what tokens are signed with
    conditions: WrittenConditions = msgspec.field(default_factory=WrittenConditions)


class UpdatePolicyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    A policy's new rules, all of them: members that are absent go back to their defaults.

    `license_type`, `duration_seconds`, `token_algorithm` and `conditions` stay as they are when absent or null.
    """

    example: ClassVar[dict[str, Any]] = {"rules": {"offline_ttl_seconds": 7776000, "seat_limit": 5}}

    rules: WrittenRules
    license_type: LicenseType | None = None
    duration_seconds: Seconds | None = None
    token_algorithm: TokenAlgorithm | None = None
    conditions: WrittenConditions | None = None


class PolicyReply(msgspec.Struct, kw_only=True):
    """A policy."""

    id: str
    product: str
    name: str
    license_type: LicenseType
    duration_seconds: int | None
    token_algorithm: CompatibilityAlgorithm | None
    rules: RulesReply
    conditions: ConditionsReply
    created_at: Time
    updated_at: Time


class CreateCustomerRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who holds licenses. Artifacts carry at most the opaque id, never name or e-mail."""

    example: ClassVar[dict[str, Any]] = {"name": "Acme", "email": "it@acme.example", "metadata": {"crm": 4711}}

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    email: Annotated[str, Meta(max_length=254)] | None = None
    metadata: Metadata | None = None


class CustomerReply(msgspec.Struct, kw_only=True):
    """A customer."""

    id: str
    name: str
    email: str | None
    created_at: Time
    metadata: ShownMetadata


class CreateLicenseRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    A license under a policy of a product, with a fresh key, or with the `license_key` of another system taken over as
    it is (one that is too easy to guess is refused).

    `signed` asks for a signed key as well, which verifies without any server: `{}` for any device. Give `expires_at` or
    `duration_seconds` or neither (then the policy's duration counts). `overrides` are this license's own values for
    some of the policy's rules.
    """

    example: ClassVar[dict[str, Any]] = {
        "product": "hustl",
        "policy": "consumer",
        "type": "timed",
        "duration_seconds": 31536000,
        "overrides": {"seat_limit": 5},
        "metadata": {"order": "A-17"},
    }

    product: Slug
    policy: Name
    customer: Id | None = None
    type: LicenseType | None = None
    starts_at: WrittenTime | None = None
    expires_at: WrittenTime | None = None
    duration_seconds: Seconds | None = None
    duration_months: Months | None = None
    overrides: WrittenRules | None = None
    conditions: WrittenConditions | None = None
    metadata: Metadata | None = None
    signed: SignedKeyRequest | None = None
    license_key: Annotated[str, Meta(min_length=1, max_length=MAX_LICENSE_KEY_TYPED)] | None = None


class CreateLicensesRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Several licenses of one kind, all of them or none, each with a fresh key; `signed` as for one license."""

    example: ClassVar[dict[str, Any]] = {"product": "hustl", "policy": "consumer", "count": 100, "signed": {}}

    product: Slug
    policy: Name
    count: Annotated[int, Meta(ge=1, le=MAX_LOT)]
    customer: Id | None = None
    type: LicenseType | None = None
    starts_at: WrittenTime | None = None
    expires_at: WrittenTime | None = None
    duration_seconds: Seconds | None = None
    duration_months: Months | None = None
    overrides: WrittenRules | None = None
    conditions: WrittenConditions | None = None
    metadata: Metadata | None = None
    signed: SignedKeyRequest | None = None


class FindLicenseRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A license by its key, which never stands in an address."""

    example: ClassVar[dict[str, Any]] = {"license_key": "1CR5A-YMZRK-MGWCT-RFPHC-V7PV7"}

    license_key: Annotated[str, Meta(min_length=1, max_length=MAX_LICENSE_KEY_TYPED)]


class RenewLicenseRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    A later end for a license: `expires_at` itself, or `duration_seconds` more, or the policy's duration more.

    `basis` `expiry` adds to the present end, so that paying early loses nothing; `now` counts from now; `anchor_day`
    keeps the day of the month. Without it, the license's conditions say.
    """

    example: ClassVar[dict[str, Any]] = {"duration_seconds": 31536000}

    expires_at: WrittenTime | None = None
    duration_seconds: Seconds | None = None
    duration_months: Months | None = None
    basis: RenewalBasis | None = None


class ReasonRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why something is done; the body may also be left out."""

    example: ClassVar[dict[str, Any]] = {"reason": "Unpaid since March."}

    reason: Why | None = None


class LicenseReply(msgspec.Struct, kw_only=True):
    """
    A license: everything but its key, of which the last four characters stand. `rules` and `conditions` are in force.

    `starts_with` says what its term waits for, and `updates_until` when its update window ends; null where there is
    nothing of the kind.
    """

    id: str
    product: str
    policy: str
    type: LicenseType
    status: LicenseStatus
    customer: str | None
    created_at: Time
    starts_at: Time | None
    expires_at: Time | None
    seats: SeatsWire
    entitlements: list[EntitlementWire]
    key_last_four: str
    overrides: Mapping[str, Any]
    rules: RulesReply
    conditions: ConditionsReply
    own_conditions: Mapping[str, Any]
    starts_with: StartBasis | None
    updates_until: Time | None
    metadata: ShownMetadata


class CreatedLicenseReply(LicenseReply, kw_only=True):
    """A new license with its key, and its signed key where one was asked for."""

    key: str
    signed_key: str | None


class IssuedLicenseWire(msgspec.Struct, kw_only=True):
    """One of several new licenses, with its keys."""

    id: str
    key: str
    signed_key: str | None
    product: str
    policy: str
    expires_at: Time | None


class CreatedLicensesReply(msgspec.Struct, kw_only=True):
    """New licenses with their keys, in the order of their ids."""

    items: list[IssuedLicenseWire]


class RevealedKeyReply(msgspec.Struct, kw_only=True):
    """A license key in clear. The audit has a row about this answer."""

    license_id: str
    key: str


class ActivationReply(msgspec.Struct, kw_only=True):
    """
    A device's activation; it holds a seat while `deactivated_at` is null.

    `forks` counts how often a copy of the device was seen (specs/answer.md §7).
    """

    id: str
    license_id: str
    product: str
    device: str
    device_name: str
    platform: str
    created_at: Time
    refreshed_at: Time
    covered_until: Time
    deactivated_at: Time | None
    forks: int


class ActorWire(msgspec.Struct, kw_only=True):
    """Who did something."""

    kind: ActorKind
    id: str | None


class AuditReply(msgspec.Struct, kw_only=True):
    """One change, as it was made."""

    seq: int | None
    at: Time
    actor: ActorWire
    action: str
    object_kind: str
    object_id: str
    details: Mapping[str, Any]


class _PageReply(msgspec.Struct, kw_only=True):
    has_more: bool
    next_cursor: str | None


class ProductsReply(_PageReply, kw_only=True):
    """Products, by slug. `next_cursor` is null exactly when `has_more` is false."""

    items: list[ProductReply]


class PoliciesReply(_PageReply, kw_only=True):
    """Policies of a product, by name. `next_cursor` is null exactly when `has_more` is false."""

    items: list[PolicyReply]


class CustomersReply(_PageReply, kw_only=True):
    """Customers, newest first. `next_cursor` is null exactly when `has_more` is false."""

    items: list[CustomerReply]


class LicensesReply(_PageReply, kw_only=True):
    """Licenses, newest first. `next_cursor` is null exactly when `has_more` is false."""

    items: list[LicenseReply]


class ActivationsReply(_PageReply, kw_only=True):
    """Activations of a license, newest first. `next_cursor` is null exactly when `has_more` is false."""

    items: list[ActivationReply]


class AuditsReply(_PageReply, kw_only=True):
    """Audit entries, newest first. `next_cursor` is null exactly when `has_more` is false."""

    items: list[AuditReply]
