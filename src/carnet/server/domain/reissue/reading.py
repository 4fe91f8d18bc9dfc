"""
A file from anywhere, read under every key there ever was: the installation's signing keys, lost ones among them, and
the compatibility keys of all products, retired ones among them (SEC-24).

Each kind is read by its format's own functions. Nothing here says whether it was issued.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, NotGenuineError, UsageError
from carnet.core.instant import Instant
from carnet.core.model import Grant
from carnet.formats.bundle import read_bundle
from carnet.formats.detect import Kind, detect
from carnet.formats.encoding import read_kindly
from carnet.formats.jws import unverified_jws
from carnet.formats.keys import Algorithm, KeyRing, KeyState, TrustedKey, check_kid
from carnet.formats.license_token import verify_license_token
from carnet.formats.limits import MAX_TOKEN
from carnet.formats.machine_file import open_machine_file
from carnet.formats.offline_token import unverified_offline_token, verify_offline_token
from carnet.formats.profiles.grants import keyforge_grant, traffic_orchestrator_grant
from carnet.formats.profiles.keyforge import verify_keyforge_token
from carnet.formats.profiles.traffic_orchestrator import (
    TrafficOrchestratorSettings,
    verify_traffic_orchestrator_token,
)
from carnet.formats.signed_key import verify_signed_key
from carnet.server.domain.checks import MAX_PAGE
from carnet.server.domain.keys.service import public_key_of as compatibility_public_key
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.trust.live import public_key_of
from carnet.server.ports import Storage
from carnet.server.records import ArtifactKind, CompatibilityKey, SigningKey, TokenProfile

_WHAT: Final = "The token"
_ALGORITHMS: Final[tuple[Algorithm, ...]] = ("Ed25519", "ES256", "RS256")
"""Of Keyforge tokens: the vendor chooses, and the key's record decides (SEC-01)."""


class ReadArtifact(Struct):
    """
    An artifact that a key of ours signed.

    Attributes:
        kind: What the register calls it.
        grant: What it says, in Carnet's words.
        key_state: Where its key stands.
        key_product: The product whose compatibility key signed it; None: the installation's own key did.
        imported_at: When that key came here from another system; None: it was made here.
        profile: In which profile a compatibility token is; None for every other kind.
        has_id: Whether it names itself: only then the register is asked for its id.
        names_key: Whether it names its key, as all that is issued here does.
        claims: What it says in its own words, where its line in the register is found or compared by those. It may
            hold the license key in clear, and is shown nowhere.
    """

    kind: ArtifactKind
    grant: Grant
    key_state: KeyState
    key_product: str | None = None
    imported_at: Instant | None = None
    profile: TokenProfile | None = None
    has_id: bool = True
    names_key: bool = True
    claims: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"ReadArtifact(kind={self.kind!r}, id={self.grant.id!r})"  # never the license key


_Reader: TypeAlias = Callable[[bytes, CompatibilityKey], ReadArtifact]
"""Reads a token in a profile under one key."""


class _Trust(Struct):
    """The installation's own keys, whatever became of them."""

    ring: KeyRing
    states: dict[str, KeyState]


class ArtifactReading:
    """
    Reads artifacts.

    Args:
        storage: The keys, and the licenses whose keys machine files open with.
        vault: Opens those.
    """

    def __init__(self, storage: Storage, vault: KeyVault) -> None:
        self._storage = storage
        self._vault = vault

    async def read(self, data: bytes) -> tuple[tuple[ReadArtifact, ...], bool]:
        """
        What is in a file, and whether something in it stays closed.

        Args:
            data: Its content: a license token, a bundle with one, a signed license key, an offline token, or a token
                in a profile of others.

        Raises:
            MalformedError, NotGenuineError: No key of ours signed it, or it is not whole.
            UsageError: ``artifact_unreadable``: of a kind that cannot be held against the register by itself.
            StateError: ``key_does_not_open``, ``storage_unavailable``, ``storage_busy``.
        """
        kind = detect(data)
        if kind == "bundle":
            return await self._bundle(data)
        return (await self._one(kind, data),), False

    async def _one(self, kind: Kind, data: bytes) -> ReadArtifact:
        if kind == "token":
            return await self._token(read_kindly(data))
        if kind == "keyforge-token":
            return await self._profile(_keyforge, read_kindly(data))
        if kind == "traffic-orchestrator-token":
            return await self._profile(_traffic_orchestrator, read_kindly(data))
        if kind == "signed-key":
            trust = await self._trust()
            grant = verify_signed_key(read_kindly(data).decode(), trust.ring)
            return _of_ours("license-key", grant, trust)
        if kind == "offline-token":
            trust = await self._trust()
            grant = verify_offline_token(data, trust.ring)
            return _of_ours("offline-token", grant, trust, has_id=False, claims=unverified_offline_token(data))
        raise _unreadable()

    async def _bundle(self, data: bytes) -> tuple[tuple[ReadArtifact, ...], bool]:
        bundle = read_bundle(data)
        if bundle.token is None:
            raise _unreadable()
        token = await self._token(bundle.token)
        if bundle.machine_file is None:
            return (token,), False
        trust = await self._trust()
        by_file = await self._open(bundle.machine_file, token.grant, trust.ring)
        if by_file is None:
            return (token,), True
        return (token, _of_ours("machine-file", by_file, trust)), False

    async def _trust(self) -> _Trust:
        keys = (await self._storage.trust_facts()).keys
        return _Trust(ring=_ring_of(keys), states={key.kid: key.state for key in keys})

    async def _token(self, text: bytes | str) -> ReadArtifact:
        """A license token: of ours, or one that a compatibility key signed for plain JWT libraries."""
        trust = await self._trust()
        kid = _kid_of(text)
        key = None if kid is None or kid in trust.states else await self._storage.compatibility_key(kid)
        if key is None:
            return _of_ours("token", verify_license_token(text, trust.ring), trust)
        return _of_others(verify_license_token(text, _single(key)), key, "native-jwt")

    async def _profile(self, read: _Reader, text: bytes) -> ReadArtifact:
        """A token that names no key is of any key that verifies it: whoever pins one key reads it so, too."""
        kid = _kid_of(text)
        named = None if kid is None else await self._storage.compatibility_key(kid)
        keys = await self._every_key() if kid is None else () if named is None else (named,)
        refused = _unknown_key(kid)
        for key in keys:
            try:
                return replace(read(text, key), names_key=kid is not None)
            except NotGenuineError as error:
                refused = error
        raise refused

    async def _every_key(self) -> tuple[CompatibilityKey, ...]:
        keys: list[CompatibilityKey] = []
        after: str | None = None
        while True:
            page = await self._storage.compatibility_keys(None, after=after, limit=MAX_PAGE)
            keys += page
            if len(page) < MAX_PAGE:
                return tuple(keys)
            after = page[-1].id

    async def _open(self, machine_file: str, token: Grant, ring: KeyRing) -> Grant | None:
        """The machine file beside a token, with the license key of the license that the token names."""
        license_ = await self._storage.license(token.license_id)
        if license_ is None or token.device is None:
            return None
        license_key = self._vault.open(license_.key_sealed, license_.id)
        try:
            return open_machine_file(machine_file.encode(), ring, license_key=license_key, fingerprint=token.device)
        except CarnetError:  # of another license or device, or sealed for an enrolment token
            return None


def _keyforge(text: bytes, key: CompatibilityKey) -> ReadArtifact:
    facts = verify_keyforge_token(text, _single(key), algorithms=_ALGORITHMS)
    return _of_others(keyforge_grant(facts), key, "keyforge", claims=_claims_of(text), has_id=facts.id is not None)


def _traffic_orchestrator(text: bytes, key: CompatibilityKey) -> ReadArtifact:
    claims = _claims_of(text)
    # Clients of others do not look at the issuer (contracts/traffic-orchestrator.md §3.1), so another one than ours is
    # no reason to leave a token alone.
    told = claims.get("iss")
    settings = TrafficOrchestratorSettings(issuer=told) if type(told) is str else TrafficOrchestratorSettings()
    facts = verify_traffic_orchestrator_token(text, _single(key), settings=settings)
    grant = traffic_orchestrator_grant(facts, product=key.product, domain=None)
    return _of_others(grant, key, "traffic-orchestrator", claims=claims, has_id=facts.id is not None)


def _kid_of(text: bytes | str) -> str | None:
    header, _ = unverified_jws(text, max_bytes=MAX_TOKEN, what=_WHAT)
    return check_kid(header["kid"]) if "kid" in header else None


def _claims_of(text: bytes) -> dict[str, Any]:
    return unverified_jws(text, max_bytes=MAX_TOKEN, what=_WHAT)[1]


def _of_ours(
    kind: ArtifactKind, grant: Grant, trust: _Trust, *, has_id: bool = True, claims: dict[str, Any] | None = None
) -> ReadArtifact:
    return ReadArtifact(kind=kind, grant=grant, key_state=trust.states[str(grant.kid)], has_id=has_id, claims=claims)


def _of_others(
    grant: Grant,
    key: CompatibilityKey,
    profile: TokenProfile,
    *,
    claims: dict[str, Any] | None = None,
    has_id: bool = True,
) -> ReadArtifact:
    return ReadArtifact(
        kind="compatibility-token",
        grant=grant,
        key_state=key.state,
        key_product=key.product,
        imported_at=key.created_at if key.origin == "imported" else None,
        profile=profile,
        has_id=has_id,
        claims=claims,
    )


def _ring_of(keys: Iterable[SigningKey]) -> KeyRing:
    """All of them as if they were active: whether a key is still trusted is not the question here."""
    return KeyRing(TrustedKey(role=role, key=public_key_of(key)) for key in keys for role in key.roles)


def _single(key: CompatibilityKey) -> KeyRing:
    return KeyRing.single("token", compatibility_public_key(key))


def _unknown_key(kid: str | None) -> NotGenuineError:
    """As the formats say it, of a key that is not here."""
    try:
        KeyRing(()).find("token", kid or "without a name")
    except NotGenuineError as unknown:
        return unknown
    raise AssertionError("an empty ring has a key")


def _unreadable() -> UsageError:
    return UsageError(
        "artifact_unreadable",
        "Only a license token, a bundle with one, a signed license key, an offline token or a token for other clients"
        " can be held against the register.",
        "A machine file says nothing without its license key: carnet verify opens it. carnet license show finds a"
        " short license key. Nothing is registered of what is made on the spot.",
    )
