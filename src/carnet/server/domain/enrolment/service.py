"""Enrolment tokens: make, list, revoke (users-ask 14). Devices use them in place of the license key."""

from __future__ import annotations

from carnet.core._base import replace
from carnet.core.enrolment import MAX_NETWORKS, canonical_network
from carnet.core.errors import UsageError
from carnet.core.policies import MAX_SEATS
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import check_instant, check_optional_text, check_page, check_text, invalid
from carnet.server.domain.enrolment.commands import CreatedEnrolment, CreateEnrolment, EnrolmentView
from carnet.server.domain.enrolment.tokens import new_enrolment_token
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.service import license_not_found
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.pages import after_id, page_of
from carnet.server.ports import Clock, EnrolmentChange, Random, Storage
from carnet.server.records import Actor, Enrolment, Page

_MAX_NAME = 100


class EnrolmentService:
    """
    What can be done with enrolment tokens.

    Args:
        storage: Where they are.
        clock: The server's time.
        ids: For tokens' records.
        vault: Hashes and seals them, as license keys.
        random: For fresh tokens.
    """

    def __init__(self, storage: Storage, clock: Clock, ids: Ids, vault: KeyVault, random: Random) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._random = random

    async def create(self, command: CreateEnrolment, actor: Actor) -> CreatedEnrolment:
        """
        Make a token and show it, once.

        Raises:
            UsageError: ``invalid_argument``, ``license_not_found``.
        """
        now = self._clock.now()
        check_text("name", command.name, most=_MAX_NAME)
        check_optional_text("group", command.group, most=_MAX_NAME)
        most = command.max_uses
        if most is not None and (type(most) is not int or not 1 <= most <= MAX_SEATS):
            raise invalid("max_uses", f"a whole number from 1 to {MAX_SEATS}")
        expires_at = check_instant("expires_at", command.expires_at)
        if expires_at is not None and expires_at <= now:
            raise invalid("expires_at", "in the future")
        networks = tuple(canonical_network(each) for each in command.networks)
        if len(networks) > MAX_NETWORKS or None in networks:
            raise invalid("networks", f"at most {MAX_NETWORKS} CIDR ranges without host bits, such as 10.0.0.0/8")
        if await self._storage.license(command.license_id) is None:
            raise license_not_found()
        token = new_enrolment_token(self._random)
        enrolment_id = self._ids.new(now)
        stored = Enrolment(
            id=enrolment_id,
            license_id=command.license_id,
            name=command.name,
            token_hash=self._vault.enrolment_hash(token),
            token_sealed=self._vault.seal(token, enrolment_id),
            last_four=token[-4:],
            max_uses=most,
            used=0,
            networks=tuple(each for each in networks if each is not None),
            group=command.group,
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
        )
        audit = entry(
            now,
            actor,
            "enrolment.created",
            stored.id,
            license=stored.license_id,
            max_uses=stored.max_uses,
            expires_at=stored.expires_at,
            networks=list(stored.networks) or None,
            group=stored.group,
        )
        await self._storage.add_enrolment(stored, audit)
        return CreatedEnrolment(enrolment=enrolment_view(stored), token=token)

    async def list(self, license_id: str, *, after: str | None = None, limit: int = 50) -> Page[EnrolmentView]:
        """
        Tokens of a license, newest first, at most *limit* (1 to 500) older than the id *after*.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``.
        """
        check_page(limit)
        after_id(after)
        if await self._storage.license(license_id) is None:
            raise license_not_found()
        found = await self._storage.enrolments(license_id, after=after, limit=limit + 1)
        return page_of(tuple(enrolment_view(each) for each in found), limit, lambda view: view.id)

    async def revoke(self, enrolment_id: str, actor: Actor) -> EnrolmentView:
        """
        Enrol nobody with a token any more. Devices that came with it keep their seats. Revoking twice changes nothing.

        Raises:
            UsageError: ``enrolment_not_found``.
        """
        now = self._clock.now()

        def change(old: Enrolment) -> EnrolmentChange:
            if old.revoked_at is not None:
                return EnrolmentChange(enrolment=old, audit=None)
            audit = entry(now, actor, "enrolment.revoked", old.id, license=old.license_id)
            return EnrolmentChange(enrolment=replace(old, revoked_at=now), audit=audit)

        changed = await self._storage.change_enrolment(enrolment_id, change)
        if changed is None:
            raise enrolment_not_found()
        return enrolment_view(changed)


def enrolment_not_found() -> UsageError:
    """The error for an enrolment token that does not exist."""
    return UsageError(
        "enrolment_not_found", "There is no such enrolment token.", "List the license's tokens, and use an id."
    )


def enrolment_view(stored: Enrolment) -> EnrolmentView:
    """*stored* without what must not be shown."""
    return EnrolmentView(**{name: getattr(stored, name) for name in EnrolmentView.__fields__})
