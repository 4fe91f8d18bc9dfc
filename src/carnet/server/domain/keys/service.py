"""
Compatibility keys of products: create, import, list, export, sign, retire (design.md §4, specs/keys.md §6).

They are not in the root: whoever pins one trusts that one key and nothing else. A product has at most one that signs;
adding another turns it verify-only, so that what it signed stays genuine and nothing new is signed with it. A retired
one is published no more, and its private half is gone.

They sign license tokens and nothing else (`formats.keys.COMPATIBLE_ROLES`), and one that signs Traffic Orchestrator
tokens signs those only (contracts/traffic-orchestrator.md §3.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, StateError, UsageError
from carnet.formats.jose_keys import generate_private_pem, private_pem, public_key_from_pem, public_pem, signer_from_pem
from carnet.formats.keys import Algorithm, KeyRing, PublicKey, Signer
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import MAX_PAGE, check_page, check_slug, invalid
from carnet.server.domain.ids import Ids
from carnet.server.domain.keys.commands import ALGORITHMS, AddedKey, BrokenKey, CreateKey, ImportKey
from carnet.server.domain.pages import after_id, page_of
from carnet.server.domain.products.service import product_not_found
from carnet.server.ports import Clock, KeyChange, KeyContext, PrivateKeys, Storage
from carnet.server.records import (
    Actor,
    AuditEntry,
    CompatibilityAlgorithm,
    CompatibilityKey,
    KeyOrigin,
    KeyUse,
    Page,
)

PRODUCT_MEMBER: Final = "carnet_product"
"""The JWK member by which a compatibility key says that it is one, and whose; readers ignore it (RFC 7517 §4)."""

_PUBLISHED: Final = ("announced", "active", "verify-only")
_PROOF: Final = b"carnet/v1/start-up-proof\0compatibility-key"
_JOSE: Final[dict[Algorithm, CompatibilityAlgorithm]] = {"Ed25519": "EdDSA", "ES256": "ES256", "RS256": "RS256"}
_OURS: Final[dict[CompatibilityAlgorithm, Algorithm]] = {jose: ours for ours, jose in _JOSE.items()}


class KeyService:
    """
    What can be done with compatibility keys.

    Args:
        storage: Their public records.
        clock: The server's time.
        ids: For records.
        private: Their private halves.
        ring: The installation's own keys, none of which may become a compatibility key.
        check_clock: Raises while the clock may not be signed with (SEC-31).
    """

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        ids: Ids,
        private: PrivateKeys,
        ring: KeyRing,
        *,
        check_clock: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._private = private
        self._own = tuple(trusted.key for trusted in ring.keys())  # noqa: SIM118 - a key ring is not a dictionary
        self._check_clock = check_clock
        self._signers: dict[str, Signer] = {}

    async def create(self, command: CreateKey, actor: Actor) -> AddedKey:
        """
        Make a key pair, from now on the product's active one; its id is the RFC 7638 thumbprint (SEC-02).

        Raises:
            UsageError: ``invalid_argument``; ``product_not_found``.
            StateError: ``data_not_writable``.
        """
        if command.alg not in ALGORITHMS:
            raise invalid("alg", f"one of {', '.join(ALGORITHMS)}")
        pem = await asyncio.to_thread(generate_private_pem, _OURS[command.alg])
        return await self._add(command.product, pem, signer_from_pem(pem).public_key, "created", actor)

    async def import_pem(self, command: ImportKey, actor: Actor) -> AddedKey:
        """
        Take over a key pair, from now on the product's active one.

        Raises:
            MalformedError: ``bad_key``: not a private key of a known kind, or one that SEC-06 refuses; ``bad_kid``;
                ``too_large``.
            UsageError: ``wrong_passphrase``; ``product_not_found``; ``key_exists``: the key or its id is known
                here, of whatever product or of the installation itself.
            StateError: ``data_not_writable``.
        """
        signer = signer_from_pem(command.pem, kid=command.kid, passphrase=command.passphrase)
        pem = private_pem(command.pem, passphrase=command.passphrase)
        return await self._add(command.product, pem, signer.public_key, "imported", actor)

    async def list(
        self,
        product: str | None = None,
        *,
        after: str | None = None,
        limit: int = 50,
        within: tuple[str, ...] | None = None,
    ) -> Page[CompatibilityKey]:
        """
        Keys of a product, or of all, newest first: at most *limit* (1 to 500) older than the record id *after*.

        With *within*, other products are as if they were not there.

        Raises:
            UsageError: ``product_not_found``, ``invalid_argument``.
        """
        if product is not None and within is not None and product not in within:
            raise product_not_found(product)
        wanted = within if product is None else (product,)
        found = await self._storage.compatibility_keys(wanted, after=after_id(after), limit=check_page(limit) + 1)
        if product is not None and not found and await self._storage.product(product) is None:
            raise product_not_found(product)
        return page_of(found, limit, lambda key: key.id)

    async def get(self, kid: str) -> CompatibilityKey:
        """
        One key by its id.

        Raises:
            UsageError: ``key_not_found``.
        """
        found = await self._storage.compatibility_key(kid)
        if found is None:
            raise key_not_found()
        return found

    async def active(self, product: str) -> CompatibilityKey:
        """
        The key that tokens of *product* for other clients are signed with.

        Raises:
            UsageError: ``no_compatibility_key``: the product has none that signs.
        """
        found = await self._storage.active_compatibility_key(product)
        if found is None:
            raise UsageError(
                "no_compatibility_key",
                f"The product {product[:100]} has no active compatibility key, which such tokens are signed with.",
                f"Make one: carnet key create --product {product[:100]} --alg EdDSA, ES256 or RS256.",
            )
        return found

    async def reserve(self, kid: str, use: KeyUse, actor: Actor) -> CompatibilityKey:
        """
        Say what the key *kid* signs for, before it signs its first token; durable, and never changed afterwards.

        Clients of Traffic Orchestrator check neither the type nor the issuer of a token, so whatever else its key
        signed could pass as one (contracts/traffic-orchestrator.md §3.1).

        Raises:
            UsageError: ``key_not_found``; ``key_use_conflict``: it has signed tokens of the other kind.
        """
        now = self._clock.now()

        def change(key: CompatibilityKey) -> KeyChange:
            if key.signs_for is not None and key.signs_for != use:
                ours = "Traffic Orchestrator tokens" if key.signs_for == "traffic-orchestrator" else "other tokens"
                raise UsageError(
                    "key_use_conflict",
                    f"The key {key.kid} signs {ours}; a key for Traffic Orchestrator tokens signs nothing else, ever.",
                    "Make another key for these tokens, in a product of their own if both are wanted at once.",
                )
            if key.signs_for == use:
                return KeyChange(key=key, audit=None)
            audit = entry(now, actor, "key.reserved", key.kid, product=key.product, signs_for=use)
            return KeyChange(key=replace(key, signs_for=use), audit=audit)

        changed = await self._storage.change_compatibility_key(kid, change)
        if changed is None:
            raise key_not_found()
        return changed

    async def retire(self, kid: str, actor: Actor, *, even_active: bool = False) -> CompatibilityKey:
        """
        End a key for good: it leaves the JWKS, and its private half is destroyed. Retiring it twice changes nothing.

        Tokens it signed are refused by whoever reads the JWKS; who pinned the key itself must drop it.

        Args:
            kid: Its id.
            actor: Who.
            even_active: Whether the key that signs now may end, so that the product is left without one.

        Raises:
            UsageError: ``key_not_found``; ``conflict``: it is active and *even_active* was not said.
            StateError: ``data_not_writable``: the record says retired, and its file is still there.
        """
        now = self._clock.now()

        def change(key: CompatibilityKey) -> KeyChange:
            if key.state == "retired":
                return KeyChange(key=key, audit=None)
            if key.state == "active" and not even_active:
                raise UsageError(
                    "conflict",
                    f"The key {key.kid} is the one that signs for {key.product} now.",
                    "Make another key first, or say that it shall end although it is active.",
                )
            audit = entry(now, actor, "key.retired", key.kid, product=key.product, before=key.state)
            return KeyChange(key=replace(key, state="retired", retired_at=now), audit=audit)

        retired = await self._storage.change_compatibility_key(kid, change)
        if retired is None:
            raise key_not_found()
        self._signers.pop(retired.id, None)
        # After the record: killed in between, a sealed file is left that nothing uses, and retiring again removes it.
        await asyncio.to_thread(self._private.forget, retired)
        return retired

    async def signer(self, kid: str) -> Signer:
        """
        What signs with the active key *kid*. The record is read every time, so that a replaced key signs no more.

        Raises:
            UsageError: ``key_not_found``; ``key_not_active``: it only verifies.
            StateError: ``missing_file``, ``data_not_readable``; ``signing_failed``: what it signs does not verify;
                ``clock_behind``, ``clock_jumped`` (SEC-31).
            MalformedError: ``bad_key_file``: the sealed file is not this record's.
        """
        self._check_clock()
        key = await self.get(kid)
        if key.state != "active":
            raise UsageError(
                "key_not_active", f"This key is {key.state}: it signs nothing new.", "Use the product's active key."
            )
        signer = self._signers.get(key.id)
        if signer is None:
            signer = await asyncio.to_thread(self._proven, key)
            self._signers[key.id] = signer
        return signer

    async def prove(self) -> tuple[BrokenKey, ...]:
        """
        Open every active key, sign with it, and verify under the record's public half (SEC-25).

        Returns:
            Those that failed; each signs nothing until it is well again. It is looked at anew at every call.
        """
        broken: list[BrokenKey] = []
        for key in await self.published():
            if key.state != "active":
                continue
            try:
                self._signers[key.id] = await asyncio.to_thread(self._proven, key)
            except CarnetError as error:
                self._signers.pop(key.id, None)
                broken.append(BrokenKey(kid=key.kid, product=key.product, code=error.code))
        return tuple(broken)

    def _proven(self, key: CompatibilityKey) -> Signer:
        signer = self._private.signer(key)
        try:
            public_key_of(key).verify(signer.sign(_PROOF), _PROOF)
        except CarnetError as error:
            raise StateError(
                "signing_failed",
                f"What the key {key.kid} signs does not verify under its own public half.",
                "Restore the keys directory from your backup.",
            ) from error
        return signer

    async def published(self) -> tuple[CompatibilityKey, ...]:
        """Every key that something may be verified with, newest first: what the JWKS shows."""
        found: list[CompatibilityKey] = []
        after: str | None = None
        while True:
            page = await self._storage.compatibility_keys(None, after=after, limit=MAX_PAGE)
            found += page
            if len(page) < MAX_PAGE:
                return tuple(key for key in found if key.state in _PUBLISHED)
            after = page[-1].id

    async def _add(self, product: str, pem: str, public: PublicKey, origin: KeyOrigin, actor: Actor) -> AddedKey:
        check_slug("product", product)
        if any(public.kid == own.kid or public.raw == own.raw for own in self._own):
            raise _known()
        now = self._clock.now()
        key = CompatibilityKey(
            id=self._ids.new(now),
            product=product,
            kid=public.kid,
            alg=_JOSE[public.alg],
            state="active",
            origin=origin,
            public_pem=public_pem(public),
            created_at=now,
            replaced_at=None,
        )

        def decide(context: KeyContext) -> tuple[AuditEntry, ...]:
            if not context.product_known:
                raise product_not_found(product)
            if context.is_taken:
                raise _known()
            former = context.active
            made = entry(
                now,
                actor,
                f"key.{origin}",
                key.kid,
                product=product,
                alg=key.alg,
                replaces=None if former is None else former.kid,
            )
            if former is None:
                return (made,)
            return made, entry(now, actor, "key.replaced", former.kid, product=product, replaced_by=key.kid)

        # The private half is durable before the record is: no record ever lacks its key. Killed in between, a sealed
        # file that nothing names is left.
        await asyncio.to_thread(self._private.keep, key, pem)
        try:
            former = await self._storage.add_compatibility_key(key, decide)
        except UsageError:  # `decide` refused: the record was certainly not stored
            await asyncio.to_thread(self._private.forget, key)
            raise
        return AddedKey(key=key, former=former)


def public_key_of(key: CompatibilityKey) -> PublicKey:
    """
    The public key of a record, checked like any other (SEC-06) and of the record's algorithm (SEC-01).

    Raises:
        MalformedError: ``bad_key``.
    """
    public = public_key_from_pem(key.public_pem, key.kid)
    if _JOSE[public.alg] != key.alg:
        raise MalformedError(
            "bad_key", "This key's record names another algorithm than its key has.", "Restore it from your backup."
        )
    return public


def pem_of(key: CompatibilityKey) -> str:
    """The public half as PEM (SubjectPublicKeyInfo), bare: some libraries refuse any text before it."""
    return public_pem(public_key_of(key))


def jwk_of(key: CompatibilityKey) -> dict[str, Any]:
    """The public half as a JSON Web Key, which says by `PRODUCT_MEMBER` that it is a compatibility key."""
    return {**public_key_of(key).to_jwk(), PRODUCT_MEMBER: key.product}


def key_not_found() -> UsageError:
    """The error for a compatibility key that does not exist."""
    return UsageError("key_not_found", "There is no such compatibility key.", "List the keys, and check its id.")


def _known() -> UsageError:
    return UsageError(
        "key_exists",
        "This key, or another one with its id, is here already; nothing was changed.",
        "List the keys, of all products. A key that signs for the installation itself cannot be a product's too.",
    )
