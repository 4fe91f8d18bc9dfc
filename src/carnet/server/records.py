"""
The server's stored facts as frozen values: what storage maps rows to, and what the services decide about.

One class per table, plain types only. No SQL, no keys in clear, no HTTP. Times are `Instant`, ids are UUID text in
creation order (see `domain/ids.py`). A `revision` is the storage's to count: it is read, never written.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

from carnet.core._base import Struct
from carnet.core.conditions import Conditions
from carnet.core.instant import Instant
from carnet.core.model import LicenseStatus, LicenseType, Policy
from carnet.core.progress import NOTHING, Progress, needs_care
from carnet.core.refresh_stamps import Stamps
from carnet.formats.keys import Algorithm, KeyState, Role

CompatibilityAlgorithm = Literal["EdDSA", "ES256", "RS256"]
TokenProfile = Literal["native-jwt", "keyforge", "traffic-orchestrator"]
KeyUse = Literal["traffic-orchestrator", "other"]
KeyOrigin = Literal["created", "imported"]
ActorKind = Literal["device", "vendor", "operator", "system"]
ArtifactKind = Literal["token", "machine-file", "license-key", "offline-token", "compatibility-token"]
SubjectKind = Literal["license", "activation"]

_T = TypeVar("_T")

NO_DETAILS: Final[Mapping[str, Any]] = MappingProxyType({})
"""An empty JSON object that nobody can change."""


class Actor(Struct):
    """
    Who does something, as the audit names them.

    `device` acts with a license key or a device key (id: the activation or license it used); `vendor` with an admin
    token (id: the API key's id); `operator` on the machine itself through the CLI; `system` by itself.
    """

    kind: ActorKind
    id: str | None = None


OPERATOR = Actor(kind="operator")
SYSTEM = Actor(kind="system")


class Page(Struct, Generic[_T]):
    """Some of a list, newest first; `next_after` continues it and is None at its end, and only there."""

    items: tuple[_T, ...]
    next_after: str | None = None


class Product(Struct):
    """What is sold. `id` is its slug, the same word that apps and artifacts carry."""

    id: str
    name: str
    created_at: Instant
    metadata: Mapping[str, Any]
    revision: int = 1


class StoredPolicy(Struct):
    """
    A policy of a product, with what a new license under it starts as.

    `token_algorithm` is what compatibility tokens of its licenses must be signed with (R-02); None takes whatever the
    product's active compatibility key has. It is about other clients only, and stands in no artifact. `conditions` are
    the rules that the server alone applies.
    """

    id: str
    product: str
    policy: Policy
    license_type: LicenseType
    duration_seconds: int | None
    created_at: Instant
    updated_at: Instant
    token_algorithm: CompatibilityAlgorithm | None = None
    revision: int = 1
    conditions: Conditions = Conditions()


class Customer(Struct):
    """Who holds licenses. Tokens carry at most the opaque `id`, never name or e-mail (R-67)."""

    id: str
    name: str
    email: str | None
    created_at: Instant
    metadata: Mapping[str, Any]
    revision: int = 1


class License(Struct):
    """
    A license as stored. `policy` is the policy's own; `overrides` are this license's; `effective` is both together,
    with the update window. `conditions` are likewise the policy's with `own_conditions` applied. `seat_limit` is the
    ceiling that the database holds: what was sold (`effective.seat_limit`) and what the conditions allow above it.

    `key_lookup` and `key_sealed` are the two stored forms of the key (SEC-32); the key itself is nowhere here.
    `seats_over` counts seats that were held already when the limit was lowered below them: they stay, no new one fits.
    `revision` and `policy_revision` rise with every change by the vendor, of the license and of its policy; what
    devices move is in `progress`.
    """

    id: str
    product: str
    policy_id: str
    policy: Policy
    customer: str | None
    type: LicenseType
    status: LicenseStatus
    key_lookup: bytes
    key_sealed: bytes
    key_last_four: str
    overrides: Mapping[str, Any]
    effective: Policy
    metadata: Mapping[str, Any]
    created_at: Instant
    starts_at: Instant | None
    expires_at: Instant | None
    seat_limit: int | None
    seats_used: int
    seats_over: int
    status_index: int
    revision: int = 1
    policy_revision: int = 1
    conditions: Conditions = Conditions()
    own_conditions: Mapping[str, Any] = NO_DETAILS
    progress: Progress = NOTHING

    @property
    def needs_care(self) -> bool:
        """Whether its seats need more than the shortest way (`core.progress.needs_care`)."""
        return needs_care(self.conditions, self.type, self.progress)

    def __repr__(self) -> str:
        return f"License(id={self.id!r}, product={self.product!r}, key=…{self.key_last_four})"


class Activation(Struct):
    """
    A device's seat on a license. It holds the seat until `deactivated_at`.

    `account` is the user whose seat it is, where seats belong to users (R-28); `user` is whoever the device named.
    `enrolment` is the enrolment token it came with, and `group` where that placed it (users-ask 14).
    `stamps` tell whether a copy of the device comes too (SEC-45).
    """

    id: str
    license_id: str
    product: str
    fingerprint: str
    device_name: str
    platform: str
    public_key: bytes | None
    components: tuple[tuple[str, str], ...]
    user: str | None
    domain: str | None
    app_version: str | None
    created_at: Instant
    refreshed_at: Instant
    covered_until: Instant
    deactivated_at: Instant | None
    status_index: int
    account: str | None = None
    enrolment: str | None = None
    group: str | None = None
    stamps: Stamps = Stamps()


class Issuance(Struct):
    """One line of the register of everything signed: enough to sign the same claims again (design.md §2 rule 7)."""

    jti: str
    kind: ArtifactKind
    kid: str
    license_id: str
    activation_id: str | None
    issued_at: Instant
    expires_at: Instant
    claims: str


class AuditEntry(Struct):
    """One change, as it was made: never secrets, at most ids and last fours (SEC-33). `seq` is None until stored."""

    at: Instant
    actor: Actor
    action: str
    object_kind: str
    object_id: str
    details: Mapping[str, Any]
    seq: int | None = None


class ApiKey(Struct):
    """
    An admin token's record. The token itself is shown once and stored as a keyed hash.

    `products` are the only ones that it may touch; None: all of them, and what belongs to none.
    """

    id: str
    name: str
    token_hash: bytes
    last_four: str
    scopes: tuple[str, ...]
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None
    products: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"ApiKey(id={self.id!r}, name={self.name!r}, last_four={self.last_four!r})"


class CompatibilityKey(Struct):
    """
    The public record of a product's compatibility key (design.md §4): it fixes the key's algorithm (SEC-01).

    The private half is nowhere here: it lies sealed in a file named by `id`. Of a product's keys at most one is
    `active` and signs; a replaced one is `verify-only` since `replaced_at`; a `retired` one verifies nothing any more.
    `signs_for` is what its first token was for: the key of Traffic Orchestrator tokens signs nothing else, ever
    (contracts/traffic-orchestrator.md §3.1). None: it has signed nothing.
    """

    id: str
    product: str
    kid: str
    alg: CompatibilityAlgorithm
    state: KeyState
    origin: KeyOrigin
    public_pem: str
    created_at: Instant
    replaced_at: Instant | None
    retired_at: Instant | None = None
    signs_for: KeyUse | None = None


class SigningKey(Struct):
    """
    The public record of a key that the installation signs with, or did, or will (design.md §4).

    Attributes:
        kid: The thumbprint of the public key.
        alg: What it signs with, for ever (SEC-01).
        roles: What it may sign, in the order of `formats.keys.ROLES`; a key that takes its place has the same.
        public_key: 32 bytes.
        location: A URI that says where the private half is; never the half itself.
        state: Where it stands in its life (`domain.trust.life`).
        announced_at: Since when a root has named it.
        activated_at: Since when it has signed; None: not yet.
        replaced_at: Since when it only verifies; None: not so far.
        ended_at: Since when no root names it any more; None: one does.
    """

    kid: str
    alg: Algorithm
    roles: tuple[Role, ...]
    public_key: bytes
    location: str
    state: KeyState
    announced_at: Instant
    activated_at: Instant | None = None
    replaced_at: Instant | None = None
    ended_at: Instant | None = None


class RootFile(Struct):
    """A root file after version 1, byte for byte, and since when it is in force here."""

    version: int
    file: str
    installed_at: Instant


class Event(Struct):
    """
    Something that happened, for those outside who asked to be told (REL-09).

    Attributes:
        id: The same on every delivery, so that receivers can tell a repeat.
        at: When.
        kind: What, as ``<kind of object>.<what happened>``.
        object_id: To which object.
        product: Of which product.
        payload: What else matters, as plain JSON; never secrets.
        delivered_at: When it was handed to the destinations; None: not yet.
        seq: Its number; of one object, the lower one happened first. None until stored.
    """

    id: str
    at: Instant
    kind: str
    object_id: str
    product: str | None
    payload: Mapping[str, Any]
    delivered_at: Instant | None = None
    seq: int | None = None


class Enrolment(Struct):
    """
    An enrolment token's record (users-ask 14): a keyed hash to find it by, a sealed copy for what is locked with it.

    Its rules are `core.enrolment`'s. `used` counts the devices that ever enrolled with it.
    """

    id: str
    license_id: str
    name: str
    token_hash: bytes
    token_sealed: bytes
    last_four: str
    max_uses: int | None
    used: int
    networks: tuple[str, ...]
    group: str | None
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None

    def __repr__(self) -> str:
        return f"Enrolment(id={self.id!r}, name={self.name!r}, last_four={self.last_four!r})"


class Usage(Struct):
    """How much of a meter a license used in the period that began at `period_starts_at`."""

    license_id: str
    meter: str
    period_starts_at: Instant
    used: int
    updated_at: Instant


class UsageEvent(Struct):
    """One counted use. Its `id` is the caller's own, and counts once for the license (R-29)."""

    license_id: str
    id: str
    meter: str
    amount: int
    at: Instant
    period_starts_at: Instant
    used_after: int
