"""
The bodies of the calls about compatibility keys. A private key stands in none of them: making one happens on the
server, and taking one over is a command on its machine (docs/decisions/0051-keys-of-other-clients.md).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from carnet.formats.keys import KeyState
from carnet.server.api.wire import Time
from carnet.server.records import CompatibilityAlgorithm, KeyOrigin, KeyUse


class CreateKeyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A compatibility key for a product; the one that it has becomes verify-only. A key pair is never sent."""

    example: ClassVar[dict[str, Any]] = {"product": "hustl", "alg": "ES256"}

    product: Annotated[str, Meta(min_length=1, max_length=100, examples=["hustl"])]
    alg: CompatibilityAlgorithm


class RetireKeyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whether also the key that signs now may end; the body may also be left out."""

    example: ClassVar[dict[str, Any]] = {"even_active": False}

    even_active: bool = False


class KeyReply(msgspec.Struct, kw_only=True):
    """A compatibility key. `signs_for` is what its first token was for; null: it has signed nothing."""

    kid: str
    product: str
    alg: CompatibilityAlgorithm
    state: KeyState
    origin: KeyOrigin
    signs_for: KeyUse | None
    created_at: Time
    replaced_at: Time | None
    retired_at: Time | None


class ExportedKeyReply(KeyReply, kw_only=True):
    """A compatibility key with its public half, for apps to pin: it is in no root."""

    pem: str
    jwk: dict[str, str]


class AddedKeyReply(ExportedKeyReply, kw_only=True):
    """A new compatibility key; `replaces` is the key that from now on only verifies."""

    replaces: str | None


class KeysReply(msgspec.Struct, kw_only=True):
    """Compatibility keys, newest first. `next_cursor` is null exactly when `has_more` is false."""

    items: list[KeyReply]
    has_more: bool
    next_cursor: str | None
