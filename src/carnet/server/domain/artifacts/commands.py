"""What can be asked of artifacts that are issued by hand, and what comes of it."""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.server.records import ArtifactKind, TokenProfile

PROFILES: tuple[TokenProfile, ...] = ("native-jwt", "keyforge", "traffic-orchestrator")


class SignedKeyOptions(Struct):
    """
    What a signed license key says beside its license's terms.

    Attributes:
        device: The only device that may use it; None for any.
        revocable: Whether it says where the license stands in the revocation lists. That costs about 60 characters;
            without it a key that went astray ends only with its term (specs/signed-license-key.md §7).
    """

    device: str | None = None
    revocable: bool = True


class IssueSignedKey(Struct):
    """A signed license key for a license that exists."""

    license_id: str
    options: SignedKeyOptions = SignedKeyOptions()


class IssueOfflineToken(Struct):
    """
    A legacy offline token (contracts/licenseseat.md §4) for a device that holds a seat.

    Attributes:
        license_id: Which license.
        fingerprint: The device, exactly as it was activated.
        ttl_seconds: The offline window, ≥ 1, capped by the policy; None for the policy's. Its grace is added.
    """

    license_id: str
    fingerprint: str
    ttl_seconds: int | None = None


class IssueToken(Struct):
    """
    A token for other clients, signed with the product's active compatibility key (R-02, R-10).

    Attributes:
        license_id: Which license.
        profile: `native-jwt` is Carnet's own token, for plain JWT libraries; the others are the contracts' dialects.
        fingerprint: The device, which must hold a seat. Needed for `keyforge`, and for `native-jwt` where the policy
            requires activation; `traffic-orchestrator` tokens are for domains and have none.
        ttl_seconds: How long it lives, ≥ 1: within the policy's longest window, and whole days for
            `traffic-orchestrator`. None for the usual: the policy's token time, at most 14 days for `keyforge`, the
            license itself for `traffic-orchestrator`.
    """

    license_id: str
    profile: TokenProfile
    fingerprint: str | None = None
    ttl_seconds: int | None = None


class IssuedArtifact(Struct):
    """
    A signed artifact as text. It may hold the license key in clear: show it to whom it is for, and log it nowhere.

    `id` is its line in the register of everything issued; `expires_at` None means never.
    """

    kind: ArtifactKind
    id: str
    license_id: str
    product: str
    kid: str
    device: str | None
    issued_at: Instant
    expires_at: Instant | None
    text: str

    def __repr__(self) -> str:
        return f"IssuedArtifact(kind={self.kind!r}, id={self.id!r}, license_id={self.license_id!r})"
