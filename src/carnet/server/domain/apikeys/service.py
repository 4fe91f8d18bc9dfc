"""Admin tokens: make, list, revoke, recognise."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_encode
from carnet.server.domain.apikeys.commands import SCOPES, CreateApiKey, CreatedApiKey
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import check_instant, check_page, check_text, invalid
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.pages import after_id, page_of
from carnet.server.domain.products.service import product_not_found
from carnet.server.domain.statistics.service import Statistics
from carnet.server.ports import ApiKeyChange, Clock, Random, Storage
from carnet.server.records import Actor, ApiKey, Page

TOKEN_PREFIX = "carnet_admin_"  # noqa: S105 - the public part, by which secret scanners find leaked tokens
MAX_PRODUCTS = 100
_TOKEN_BYTES = 32
_MAX_TOKEN = 512
_MIN_OWN_TOKEN = 24
_MIN_OWN_DISTINCT = 10
_PLACEHOLDERS = ("changeme", "change-me", "change_me", "placeholder", "example", "password", "your-token", "secret")


class ApiKeyService:
    """What can be done with admin tokens."""

    def __init__(
        self, storage: Storage, clock: Clock, ids: Ids, vault: KeyVault, random: Random, *, statistics: Statistics
    ) -> None:
        self._statistics = statistics
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._random = random

    async def create(self, command: CreateApiKey, actor: Actor) -> CreatedApiKey:
        """
        Make a token and show it, once.

        Raises:
            UsageError: ``invalid_argument``, ``product_not_found``.
        """
        now = self._clock.now()
        check_text("name", command.name, most=100)
        if not command.scopes or len(set(command.scopes)) != len(command.scopes) or set(command.scopes) - set(SCOPES):
            raise invalid("scopes", f"some of {', '.join(SCOPES)}, each once")
        expires_at = check_instant("expires_at", command.expires_at)
        if expires_at is not None and expires_at <= now:
            raise invalid("expires_at", "in the future")
        products = command.products
        if products is not None:
            if not 0 < len(products) <= MAX_PRODUCTS or len(set(products)) != len(products):
                raise invalid("products", f"1 to {MAX_PRODUCTS} products, each once, or left out for all of them")
            for product in products:
                if await self._storage.product(product) is None:
                    raise product_not_found(product)
        token = new_token(self._random)
        api_key = api_key_record(
            token, vault=self._vault, api_key_id=self._ids.new(now), name=command.name, scopes=command.scopes, now=now
        )
        api_key = replace(api_key, expires_at=expires_at, products=products)
        audit = entry(
            now,
            actor,
            "apikey.created",
            api_key.id,
            scopes=list(api_key.scopes),
            expires_at=api_key.expires_at,
            products=None if products is None else list(products),
        )
        await self._storage.add_api_key(api_key, audit)
        return CreatedApiKey(api_key=api_key, token=token)

    async def list(self, *, after: str | None = None, limit: int = 50) -> Page[ApiKey]:
        """
        Tokens' records, newest first, at most *limit* (1 to 500) older than the id *after*.

        Raises:
            UsageError: ``invalid_argument``.
        """
        found = await self._storage.api_keys(after=after_id(after), limit=check_page(limit) + 1)
        return page_of(found, limit, lambda api_key: api_key.id)

    async def last_used(self, api_keys: Iterable[ApiKey]) -> dict[str, Instant]:
        """When tokens were used last, by id; a statistic, some seconds late. Those never used are left out."""
        return await self._storage.last_seen("apikey", tuple(api_key.id for api_key in api_keys))

    async def revoke(self, api_key_id: str, actor: Actor) -> ApiKey:
        """
        Stop a token at once. Revoking twice changes nothing.

        Raises:
            UsageError: ``apikey_not_found``.
        """
        now = self._clock.now()

        def change(api_key: ApiKey) -> ApiKeyChange:
            if api_key.revoked_at is not None:
                return ApiKeyChange(api_key=api_key, audit=None)
            audit = entry(now, actor, "apikey.revoked", api_key.id)
            return ApiKeyChange(api_key=replace(api_key, revoked_at=now), audit=audit)

        changed = await self._storage.change_api_key(api_key_id, change)
        if changed is None:
            raise UsageError("apikey_not_found", "There is no such API key.", "List the API keys, and check the id.")
        return changed

    async def authenticate(self, token: str) -> ApiKey | None:
        """The record of a token that works now, which is noted as used; None for any other text."""
        api_key = await self.working(token)
        if api_key is not None:
            self._statistics.seen("apikey", api_key.id, self._clock.now())
        return api_key

    async def working(self, token: str) -> ApiKey | None:
        """The record of a token that works now; None for any other text. Compares keyed hashes only, notes nothing."""
        if len(token) > _MAX_TOKEN:
            return None
        api_key = await self._storage.api_key_by_hash(self._vault.token_hash(token))
        if api_key is None or api_key.revoked_at is not None:
            return None
        is_over = api_key.expires_at is not None and self._clock.now() >= api_key.expires_at
        return None if is_over else api_key


def new_token(random: Random) -> str:
    """A fresh admin token: 256 random bits, and a checksum by which a scanner or a person tells a whole one."""
    body = f"{TOKEN_PREFIX}{b64url_encode(random(_TOKEN_BYTES))}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def check_own_token(token: str) -> str:
    """
    *token*, if it may be an admin token that somebody chose: for set-up without a terminal (conventions.md §2.9).

    Raises:
        UsageError: ``weak_token``: short, simple, or a placeholder (SEC-47).
    """
    is_plain = all("!" <= character <= "~" for character in token)
    if (
        _MIN_OWN_TOKEN <= len(token) <= _MAX_TOKEN
        and is_plain
        and len(set(token)) >= _MIN_OWN_DISTINCT
        and not any(word in token.lower() for word in _PLACEHOLDERS)
    ):
        return token
    raise UsageError(
        "weak_token",
        "The given admin token is too simple, or a placeholder.",
        f"Use {_MIN_OWN_TOKEN} or more random visible characters, or unset CARNET_ADMIN_TOKEN and let Carnet make one.",
    )


def api_key_record(
    token: str, *, vault: KeyVault, api_key_id: str, name: str, scopes: tuple[str, ...], now: Instant
) -> ApiKey:
    """What is stored of *token*: a keyed hash and its last four characters."""
    return ApiKey(
        id=api_key_id,
        name=name,
        token_hash=vault.token_hash(token),
        last_four=token[-4:],
        scopes=scopes,
        created_at=now,
        expires_at=None,
        revoked_at=None,
    )
