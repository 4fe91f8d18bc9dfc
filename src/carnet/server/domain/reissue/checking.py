"""
An artifact that came some other way, held against the register: from a customer's mail, a forum, a stick (SEC-24).

Looked at under every signing key there ever was, lost ones among them: here the question is not whether it is genuine
now, but whether a key of ours made it, and whether we did.
"""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, UsageError
from carnet.core.model import Grant
from carnet.formats.bundle import read_bundle
from carnet.formats.detect import detect
from carnet.formats.encoding import read_kindly
from carnet.formats.keys import KeyRing, KeyState, TrustedKey
from carnet.formats.license_token import token_policy, verify_license_token
from carnet.formats.machine_file import open_machine_file
from carnet.server.domain.activations.issuing import grant_from_json
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.reissue.seen import SeenArtifacts, stranger_of
from carnet.server.domain.trust.live import public_key_of
from carnet.server.ports import Clock, Storage
from carnet.server.ports.never_issued import Strangeness

Verdict = Literal["as_issued", "unknown", "differs"]


class CheckedArtifact(Struct):
    """
    What the register says of an artifact.

    Attributes:
        grant: What the artifact says.
        key_state: Where its key stands.
        verdict: It is what was issued; or the register does not know its id; or says something else of it.
        differs: The members that differ, by name.
    """

    grant: Grant
    key_state: KeyState
    verdict: Verdict
    differs: tuple[str, ...] = ()


class ArtifactChecking:
    """
    Holds artifacts against the register.

    Args:
        storage: The register, and the keys.
        clock: What time it is.
        vault: Opens the license key that a machine file opens with.
        seen: Records what was never issued.
    """

    def __init__(self, *, storage: Storage, clock: Clock, vault: KeyVault, seen: SeenArtifacts) -> None:
        self._storage = storage
        self._clock = clock
        self._vault = vault
        self._seen = seen

    async def check(self, data: bytes) -> tuple[CheckedArtifact, ...]:
        """
        Check a license token, or the token and the machine file of a bundle. What was never issued is recorded.

        Args:
            data: The file's content, at most 8 MiB.

        Raises:
            MalformedError, NotGenuineError: No key of ours signed it, or it is not whole: nobody has to worry about it.
            UsageError: ``artifact_unreadable``: of a kind that cannot be held against the register alone.
            StateError: ``key_does_not_open``, ``storage_unavailable``, ``storage_busy``.
        """
        facts = await self._storage.trust_facts()
        ring = KeyRing(TrustedKey(role=role, key=public_key_of(key)) for key in facts.keys for role in key.roles)
        states = {key.kid: key.state for key in facts.keys}
        now = self._clock.now()
        checked = []
        for grant in await self._grants(data, ring):
            each = await self._check(grant, states[str(grant.kid)])
            if each.verdict != "as_issued":
                reason: Strangeness = "unknown" if each.verdict == "unknown" else "differs"
                await self._seen.record((stranger_of(grant, now, reason),))
            checked.append(each)
        return tuple(checked)

    async def _grants(self, data: bytes, ring: KeyRing) -> tuple[Grant, ...]:
        kind = detect(data)
        if kind == "token":
            return (verify_license_token(read_kindly(data), ring),)
        if kind != "bundle":
            raise UsageError(
                "artifact_unreadable",
                "Only a license token, or a bundle with one, can be held against the register.",
                "A machine file says nothing without its license key: carnet verify opens it.",
            )
        bundle = read_bundle(data)
        found = [] if bundle.token is None else [verify_license_token(bundle.token, ring)]
        if found and bundle.machine_file is not None:
            by_file = await self._open(bundle.machine_file, found[0], ring)
            found += [] if by_file is None else [by_file]
        return tuple(found)

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

    async def _check(self, grant: Grant, state: KeyState) -> CheckedArtifact:
        line = await self._storage.issuance(grant.id)
        if line is None:
            return CheckedArtifact(grant=grant, key_state=state, verdict="unknown")
        issued = grant_from_json(line.claims)
        if grant.kind == "token":  # a token keeps of its policy what a device decides by
            issued = replace(issued, policy=token_policy(issued.policy))
        differs = tuple(name for name in grant.__fields__ if getattr(grant, name) != getattr(issued, name))
        verdict: Verdict = "differs" if differs else "as_issued"
        return CheckedArtifact(grant=grant, key_state=state, verdict=verdict, differs=differs)
