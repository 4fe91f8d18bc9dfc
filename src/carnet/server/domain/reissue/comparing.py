"""
An artifact that a key of ours signed, held against its line in the register (SEC-24).

Most kinds name themselves, and their line says everything that they say. An offline token names neither itself nor
its license's id (contracts/licenseseat.md §4.1), and no line holds a license key. So its license is found by the key
that it holds, and it is compared with what the lines of that license and second would be as offline tokens: the same
claims give the same document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError
from carnet.core.model import Grant
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_token import token_policy
from carnet.formats.limits import MAX_ADMIN_BODY
from carnet.formats.offline_token import issue_offline_token, unverified_offline_token
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.domain.activations.issuing import grant_from_json
from carnet.server.domain.artifacts.drawing import MASKED
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.reissue.reading import ReadArtifact
from carnet.server.ports import Storage
from carnet.server.records import Issuance, License

_THROWAWAY: Final = bytes(range(32))
"""A key whose signature nobody sees: only what would be signed matters."""


class Compared(Struct):
    """
    What the register has of an artifact.

    Attributes:
        line: Its line; None: there is none.
        differs: The members in which the artifact is another; empty where it is what was issued.
        license_id: The license that it names; None where it names it by a license key that no license here has.
        may_be_another: Whether the line was found by something that another artifact may share with it.
    """

    line: Issuance | None
    differs: tuple[str, ...]
    license_id: str | None
    may_be_another: bool = False


class Comparing:
    """
    Finds lines and compares.

    Args:
        storage: The register, and the licenses.
        vault: Their keys.
    """

    def __init__(self, storage: Storage, vault: KeyVault) -> None:
        self._storage = storage
        self._vault = vault

    async def compare(self, read: ReadArtifact) -> Compared:
        """
        What the register has of *read*.

        Raises:
            StateError: ``key_does_not_open``, ``storage_unavailable``, ``storage_busy``.
        """
        if read.kind == "offline-token":
            return await self._offline_token(read)
        license_id: str | None = read.grant.license_id
        license_: License | None = None
        if read.profile == "keyforge":
            license_ = await self._license_by_key(_license_key_of(read), read.grant.product)
            license_id = None if license_ is None else license_.id
        line = await self._storage.issuance(read.grant.id) if read.has_id else None
        differs = () if line is None else self._differs(read, line, license_)
        return Compared(line=line, differs=differs, license_id=license_id)

    def _differs(self, read: ReadArtifact, line: Issuance, license_: License | None) -> tuple[str, ...]:
        if line.kind != read.kind:
            return ("kind",)
        if read.kind != "compatibility-token":
            return _grant_differs(read.grant, line)
        stored = parse_object(line.claims.encode(), max_bytes=MAX_ADMIN_BODY, what="The stored claims")
        if stored.get("profile", "native-jwt") != read.profile:
            return ("profile",)
        if read.claims is None:
            return _grant_differs(read.grant, line)
        differs = _members_differ(self._masked(read, line, license_), stored["claims"])
        return differs if line.kid == read.grant.kid and read.names_key else (*differs, "kid")

    def _masked(self, read: ReadArtifact, line: Issuance, license_: License | None) -> Mapping[str, Any]:
        """The claims as the register keeps them: in place of the license key of the line's license stands `MASKED`."""
        claims = read.claims or {}
        if read.profile != "keyforge":
            return claims
        is_its_key = (
            license_ is not None
            and license_.id == line.license_id
            and _license_key_of(read) == self._vault.open(license_.key_sealed, license_.id)
        )
        # Any other key is none: also one that is spelled like the mask.
        return {**claims, "license": {**claims["license"], "key": MASKED if is_its_key else None}}

    async def _offline_token(self, read: ReadArtifact) -> Compared:
        claims, grant = read.claims or {}, read.grant
        license_ = await self._license_by_key(str(claims["license_key"]), grant.product)
        if license_ is None:
            return Compared(line=None, differs=(), license_id=None)
        license_key = self._vault.open(license_.key_sealed, license_.id)
        nearest: tuple[Issuance, tuple[str, ...]] | None = None
        for line in await self._storage.issuances_at(license_.id, "offline-token", grant.issued_at):
            would_be = _as_offline_token(line, license_key)
            if would_be is None or would_be["fingerprint"] != grant.device:
                continue
            differs = _members_differ(claims, would_be)
            if nearest is None or len(differs) < len(nearest[1]):
                nearest = line, differs
        if nearest is None:
            return Compared(line=None, differs=(), license_id=license_.id)
        return Compared(line=nearest[0], differs=nearest[1], license_id=license_.id, may_be_another=True)

    async def _license_by_key(self, license_key: str, product: str) -> License | None:
        """The license with this key, if it is of *product*: what is of another is not there for who asks."""
        found = await self._storage.license_by_key(self._vault.lookups(license_key))
        return found if found is not None and found.product == product else None


def _license_key_of(read: ReadArtifact) -> str:
    return str((read.claims or {})["license"]["key"])


def _grant_differs(grant: Grant, line: Issuance) -> tuple[str, ...]:
    issued = grant_from_json(line.claims)
    if grant.kind == "token":  # a token keeps of its policy what a device decides by
        issued = replace(issued, policy=token_policy(issued.policy))
    return tuple(name for name in grant.__fields__ if getattr(grant, name) != getattr(issued, name))


def _as_offline_token(line: Issuance, license_key: str) -> dict[str, Any] | None:
    """What *line* is as an offline token; None where it could not be made then either, so that nobody has one."""
    try:
        text = issue_offline_token(
            grant_from_json(line.claims), license_key=license_key, signer=Ed25519Signer(_THROWAWAY, line.kid)
        )
    except CarnetError:
        return None
    return unverified_offline_token(text.encode())


def _members_differ(told: Mapping[str, Any], issued: Mapping[str, Any]) -> tuple[str, ...]:
    """By their canonical text, because to Python 1 and true are equal."""
    return tuple(name for name in sorted({*told, *issued}) if _one(told, name) != _one(issued, name))


def _one(members: Mapping[str, Any], name: str) -> bytes:
    return dump_json({name: members[name]} if name in members else {})
