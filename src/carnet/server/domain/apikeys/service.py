"""Admin tokens: make, list, revoke, recognise."""

from __future__ import annotations

from carnet.server.domain.apikeys.commands import CreateApiKey, CreatedApiKey
from carnet.server.records import Actor, ApiKey, Page


class ApiKeyService:
    """What can be done with admin tokens."""

    async def create(self, command: CreateApiKey, actor: Actor) -> CreatedApiKey:
        """
        Make a token and show it, once.

        Raises:
            UsageError: ``invalid_argument``.
        """
        raise NotImplementedError

    async def list(self, *, after: str | None = None, limit: int = 50) -> Page[ApiKey]:
        """Tokens' records, newest first, at most *limit* (1 to 500) older than the id *after*."""
        raise NotImplementedError

    async def revoke(self, api_key_id: str, actor: Actor) -> ApiKey:
        """
        Stop a token at once. Revoking twice changes nothing.

        Raises:
            UsageError: ``apikey_not_found``.
        """
        raise NotImplementedError

    async def authenticate(self, token: str) -> ApiKey | None:
        """The record of a token that works now; None for any other text. Compares keyed hashes only."""
        raise NotImplementedError
