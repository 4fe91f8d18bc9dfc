"""
An artifact that came some other way, held against the register: from a customer's mail, a forum, a stick (SEC-24).

Looked at under every signing key there ever was, lost ones among them: here the question is not whether it is genuine
now, but whether a key of ours made it, and whether we did.
"""

from __future__ import annotations

from typing import Final, Literal

from carnet.core._base import Struct, replace
from carnet.core.decision import Reason
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, StateError, UsageError
from carnet.core.instant import Instant
from carnet.core.model import BACKDATE_SECONDS, Grant
from carnet.formats.bundle import read_bundle
from carnet.formats.detect import detect
from carnet.formats.encoding import read_kindly
from carnet.formats.keys import KeyRing, KeyState, TrustedKey
from carnet.formats.license_token import token_policy, verify_license_token
from carnet.formats.machine_file import open_machine_file
from carnet.server.domain.activations.issuing import grant_from_json
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.products.service import product_not_found
from carnet.server.domain.reissue.seen import SeenArtifacts, stranger_of
from carnet.server.domain.trust.live import public_key_of
from carnet.server.ports import Clock, Storage
from carnet.server.ports.never_issued import Strangeness

Verdict = Literal["as_issued", "unknown", "differs", "cannot_know"]
Judgement = Literal["issued", "never_issued", "cannot_know"]

_MOST_RESTORES: Final = 100
"""Looked back at so many."""

_RESTORED: Final = StateError(
    "register_incomplete",
    "It says that it was issued in a time of which the register knows nothing: between a backup and the moment when it"
    " was put back. It may be yours, or dated into that time by somebody who has the key.",
    "Compare it with what else you know of that time, or with another backup.",
)
_CLOSED: Final = UsageError(
    "machine_file_closed",
    "The machine file beside the token does not open with what the token names, so only the token was judged.",
    "Open it with its license key: carnet verify.",
)


class CheckedArtifact(Struct):
    """
    What the register says of an artifact.

    Attributes:
        grant: What the artifact says.
        key_state: Where its key stands.
        verdict: It is what was issued; or the register does not know its id; or says something else of it. Or nobody
            can know: the register was put back from a backup, and what it says of itself falls into the time that was
            lost.
        differs: The members that differ, by name.
    """

    grant: Grant
    key_state: KeyState
    verdict: Verdict
    differs: tuple[str, ...] = ()


class Judged(Struct):
    """
    What can be said of a file.

    Attributes:
        verdict: All of it was issued here as it is; something of it never was, though a key of ours signed it; or
            neither can be said.
        items: What could be held against the register.
        reasons: Why something could not; empty only where the verdict is about all of it.
    """

    verdict: Judgement
    items: tuple[CheckedArtifact, ...]
    reasons: tuple[Reason, ...]


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
        grants, _, states = await self._read(data)
        return await self._hold(grants, states)

    async def judge(self, data: bytes, *, within: tuple[str, ...] | None = None) -> Judged:
        """
        As `check`, for whoever wants an answer to every file: what cannot be checked is not an error.

        Args:
            data: The file's content.
            within: Other products are as if they were not there: what is theirs is neither judged nor recorded.

        Raises:
            UsageError: ``product_not_found``: it is of a product that *within* does not hold.
            StateError: As `check`.
        """
        try:
            grants, is_closed, states = await self._read(data)
        except (MalformedError, NotGenuineError, UsageError) as error:
            return Judged(verdict="cannot_know", items=(), reasons=(_reason(error),))
        for grant in grants:
            if within is not None and grant.product not in within:
                raise product_not_found(grant.product)
        items = await self._hold(grants, states)
        is_lost = any(each.verdict == "cannot_know" for each in items)
        reasons = (*((_reason(_RESTORED),) if is_lost else ()), *((_reason(_CLOSED),) if is_closed else ()))
        if any(each.verdict in {"unknown", "differs"} for each in items):
            return Judged(verdict="never_issued", items=items, reasons=reasons)
        return Judged(verdict="cannot_know" if reasons else "issued", items=items, reasons=reasons)

    async def _read(self, data: bytes) -> tuple[tuple[Grant, ...], bool, dict[str, KeyState]]:
        """What is in a file, whether something in it stays closed, and where each of our keys stands."""
        facts = await self._storage.trust_facts()
        ring = KeyRing(TrustedKey(role=role, key=public_key_of(key)) for key in facts.keys for role in key.roles)
        states = {key.kid: key.state for key in facts.keys}
        kind = detect(data)
        if kind == "token":
            return (verify_license_token(read_kindly(data), ring),), False, states
        bundle = read_bundle(data) if kind == "bundle" else None
        if bundle is None or bundle.token is None:
            raise UsageError(
                "artifact_unreadable",
                "Only a license token, or a bundle with one, can be held against the register.",
                "A machine file says nothing without its license key: carnet verify opens it.",
            )
        token = verify_license_token(bundle.token, ring)
        by_file = None if bundle.machine_file is None else await self._open(bundle.machine_file, token, ring)
        grants = (token,) if by_file is None else (token, by_file)
        return grants, bundle.machine_file is not None and by_file is None, states

    async def _hold(self, grants: tuple[Grant, ...], states: dict[str, KeyState]) -> tuple[CheckedArtifact, ...]:
        """Hold *grants* against the register, and record those that were never issued."""
        now = self._clock.now()
        checked = []
        for grant in grants:
            each = await self._check(grant, states[str(grant.kid)])
            if each.verdict not in {"as_issued", "cannot_know"}:
                reason: Strangeness = "unknown" if each.verdict == "unknown" else "differs"
                await self._seen.record((stranger_of(grant, now, reason),))
            checked.append(each)
        return tuple(checked)

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
        verdict: Verdict
        if line is None:
            verdict = "cannot_know" if await self._was_lost(grant.issued_at) else "unknown"
            return CheckedArtifact(grant=grant, key_state=state, verdict=verdict)
        issued = grant_from_json(line.claims)
        if grant.kind == "token":  # a token keeps of its policy what a device decides by
            issued = replace(issued, policy=token_policy(issued.policy))
        differs = tuple(name for name in grant.__fields__ if getattr(grant, name) != getattr(issued, name))
        return CheckedArtifact(
            grant=grant, key_state=state, verdict="differs" if differs else "as_issued", differs=differs
        )

    async def _was_lost(self, at: Instant) -> bool:
        """
        Whether the register has forgotten what was issued at *at*: it was put back from a backup since (REL-11).

        What was lost lies behind the last row of the audit that came back, and before the epoch that begins then; what
        is issued says a minute less than it was (`BACKDATE_SECONDS`).
        """
        entries = self._storage.audit_entries
        begun = await entries(object_id=None, action="installation.epoch_begun", before=None, limit=_MOST_RESTORES)
        for epoch in begun:
            kept = await entries(object_id=None, action=None, before=epoch.seq, limit=1)
            if max((each.at for each in kept), default=Instant(0)) - BACKDATE_SECONDS <= at <= epoch.at:
                return True
        return False


def _reason(error: CarnetError) -> Reason:
    return Reason(code=error.code, message=error.message, fix=error.fix)
