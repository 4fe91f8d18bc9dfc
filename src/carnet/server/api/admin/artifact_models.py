"""The bodies of the calls that issue artifacts: signed keys, offline tokens, tokens for other clients."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
from msgspec import Meta

from carnet.server.api.wire import Seconds, Time
from carnet.server.records import ArtifactKind, TokenProfile

Device: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=255, description="The device's fingerprint, as it was activated.")
]


class SignedKeyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    A signed license key: for one device, or for any; `revocable` keys say where they stand in the revocation lists.
    """

    example: ClassVar[dict[str, Any]] = {"revocable": True}

    device: Device | None = None
    revocable: bool = True


class OfflineTokenRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A legacy offline token for a device that holds a seat; `ttl_seconds` is capped by the policy."""

    example: ClassVar[dict[str, Any]] = {
        "device": "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74",
        "ttl_seconds": 2592000,
    }

    device: Device
    ttl_seconds: Seconds | None = None


class TokenRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    A token for other clients, under the product's active compatibility key.

    `device` holds a seat; needed for `keyforge`, and for `native-jwt` where the policy requires activation.
    """

    example: ClassVar[dict[str, Any]] = {
        "profile": "native-jwt",
        "device": "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74",
    }

    profile: TokenProfile
    device: Device | None = None
    ttl_seconds: Seconds | None = None


class ArtifactReply(msgspec.Struct, kw_only=True):
    """
    A signed artifact. `text` is to be handed on exactly as it is; it may hold the license key, so it is a secret.

    `id` is its line in the register of everything issued; `expires_at` null means never.
    """

    kind: ArtifactKind
    id: str
    license_id: str
    product: str
    kid: str
    device: str | None
    issued_at: Time
    expires_at: Time | None
    text: str
