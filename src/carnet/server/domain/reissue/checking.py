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
from carnet.formats.keys import KeyState
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.products.service import product_not_found
from carnet.server.domain.reissue.comparing import Compared, Comparing
from carnet.server.domain.reissue.reading import ArtifactReading, ReadArtifact
from carnet.server.domain.reissue.seen import SeenArtifacts, stranger_of
from carnet.server.ports import Clock, Storage
from carnet.server.ports.never_issued import Strangeness
from carnet.server.records import ArtifactKind

Verdict = Literal["as_issued", "unknown", "differs", "cannot_know"]
Judgement = Literal["issued", "never_issued", "cannot_know"]

_MOST_RESTORES: Final = 100
"""Looked back at so many."""

_RESTORED: Final = StateError(
    "register_incomplete",
    "It says that it was issued in a time of which the register knows nothing, because it was put back from a backup"
    " since. It may be yours, or dated into that time by somebody who has the key.",
    "Compare it with what else you know of that time, or with another backup.",
)
_ELSEWHERE: Final = StateError(
    "signed_elsewhere",
    "It says that it was issued before its key was imported: another system had that key then, and what that one issued"
    " is not in this register. It may be of that system, or dated back by somebody who has the key.",
    "Ask the system that the key came from, or compare it with what that one has on record.",
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
        kind: What the register calls it.
        grant: What the artifact says, under the id of its line where it names none.
        license_id: Its license; None where it names a license key that no license of its product has.
        key_state: Where its key stands.
        key_product: The product whose compatibility key signed it; None: the installation's own key did.
        verdict: It is what was issued; or the register does not know it; or says something else of it. Or nobody can
            know, and `reason` says why.
        differs: The members that differ, by name.
        reason: The register was put back from a backup, and what the artifact says of itself falls into the time that
            was lost; or it is from before its key came here from another system.
    """

    kind: ArtifactKind
    grant: Grant
    license_id: str | None
    key_state: KeyState
    key_product: str | None
    verdict: Verdict
    differs: tuple[str, ...] = ()
    reason: Reason | None = None

    @property
    def expires_at(self) -> Instant | None:
        """When it ends, as it says; None: never."""
        return self.grant.license_expires_at if self.grant.offline_until is None else self.grant.offline_until


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
        vault: Opens the license keys that machine files open with, and that tokens of others hold.
        seen: Records what was never issued.
    """

    def __init__(self, *, storage: Storage, clock: Clock, vault: KeyVault, seen: SeenArtifacts) -> None:
        self._storage = storage
        self._clock = clock
        self._reading = ArtifactReading(storage, vault)
        self._comparing = Comparing(storage, vault)
        self._seen = seen

    async def check(self, data: bytes) -> tuple[CheckedArtifact, ...]:
        """
        Hold what is in a file against the register. What was never issued is recorded.

        Args:
            data: The file's content, at most 8 MiB: a license token, a bundle with one, a signed license key, an
                offline token, or a token in a profile of others.

        Raises:
            MalformedError, NotGenuineError: No key of ours signed it, or it is not whole: nobody has to worry about it.
            UsageError: ``artifact_unreadable``: of a kind that cannot be held against the register alone.
            StateError: ``key_does_not_open``, ``storage_unavailable``, ``storage_busy``.
        """
        found, _ = await self._reading.read(data)
        return await self._hold(found)

    async def judge(self, data: bytes, *, within: tuple[str, ...] | None = None) -> Judged:
        """
        As `check`, for whoever wants an answer to every file: what cannot be checked is not an error.

        Args:
            data: The file's content.
            within: Other products are as if they were not there: what is theirs is neither judged nor recorded.

        Raises:
            UsageError: ``product_not_found``: it is of a product that *within* does not hold, or signed with the
                compatibility key of one.
            StateError: As `check`.
        """
        try:
            found, is_closed = await self._reading.read(data)
        except (MalformedError, NotGenuineError, UsageError) as error:
            return Judged(verdict="cannot_know", items=(), reasons=(_reason(error),))
        for read in found:
            _check_reach(read, within)
        items = await self._hold(found)
        reasons = (
            *dict.fromkeys(each.reason for each in items if each.reason is not None),
            *((_reason(_CLOSED),) if is_closed else ()),
        )
        if any(each.verdict in {"unknown", "differs"} for each in items):
            return Judged(verdict="never_issued", items=items, reasons=reasons)
        return Judged(verdict="cannot_know" if reasons else "issued", items=items, reasons=reasons)

    async def _hold(self, found: tuple[ReadArtifact, ...]) -> tuple[CheckedArtifact, ...]:
        """Hold *found* against the register, and record those that were never issued."""
        now = self._clock.now()
        checked = []
        for read in found:
            each = await self._check(read)
            if each.verdict not in {"as_issued", "cannot_know"}:
                reason: Strangeness = "unknown" if each.verdict == "unknown" else "differs"
                stranger = stranger_of(each.grant, now, reason, kind=each.kind, license_id=each.license_id)
                await self._seen.record((stranger,))
            checked.append(each)
        return tuple(checked)

    async def _check(self, read: ReadArtifact) -> CheckedArtifact:
        compared = await self._comparing.compare(read)
        verdict: Verdict = "unknown" if compared.line is None else "differs" if compared.differs else "as_issued"
        reason = await self._why_unknowable(read, compared)
        grant, line = read.grant, compared.line
        if verdict == "as_issued" and line is not None:
            grant = replace(grant, id=line.jti, activation_id=line.activation_id)
        return CheckedArtifact(
            kind=read.kind,
            grant=replace(grant, license_id=compared.license_id or grant.license_id),
            license_id=compared.license_id,
            key_state=read.key_state,
            key_product=read.key_product,
            verdict=verdict if reason is None else "cannot_know",
            differs=compared.differs if reason is None else (),
            reason=reason,
        )

    async def _why_unknowable(self, read: ReadArtifact, compared: Compared) -> Reason | None:
        """Why it may have been issued although the register does not know it; None: it was, or it never was."""
        issued_at = read.grant.issued_at
        if compared.line is not None and (not compared.differs or not compared.may_be_another):
            return None
        if await self._was_lost(issued_at):
            return _reason(_RESTORED)
        if read.imported_at is not None and issued_at <= read.imported_at:
            return _reason(_ELSEWHERE)
        return None

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


def _check_reach(read: ReadArtifact, within: tuple[str, ...] | None) -> None:
    """Refuse what is of a product out of reach, in words that tell nothing but what the artifact says itself."""
    if within is None or (read.grant.product in within and read.key_product in {None, *within}):
        return
    # A Traffic Orchestrator token names no product: only its key tells whose it is, and the answer does not.
    raise product_not_found("…" if read.profile == "traffic-orchestrator" else read.grant.product)
