"""
What every device-facing call answers: its result or refusal, with the signed proof that was asked for (SEC-30).

Refusals are proved like grants: only an authentic, coded no may shorten what a device holds (design.md §2 rule 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from carnet.core._base import Struct
from carnet.core.decision import Reason, Refused
from carnet.core.errors import StateError, TransportError
from carnet.core.instant import Instant
from carnet.formats.answer import Action, Answer, digest_artifacts, issue_answer
from carnet.formats.keys import Role
from carnet.server.domain.ids import Ids
from carnet.server.domain.signing import off_the_loop
from carnet.server.ports import SigningKeys

_T = TypeVar("_T")


class Answered(Struct, Generic[_T]):
    """
    A result, or an authentic no.

    `proof` is the signed answer over nonce, outcome, device, product and artifact hashes; None without a nonce, and for
    products this server does not know.
    """

    result: _T | Refused
    proof: str | None = None


class Prover:
    """
    Signs answers.

    Args:
        keys: The signing keys.
        issuer: This installation's id.
        ids: For answer ids.
    """

    def __init__(self, keys: SigningKeys, issuer: str, ids: Ids) -> None:
        self._keys = keys
        self._issuer = issuer
        self._ids = ids

    async def prove_if_possible(self, **claims: Any) -> str | None:
        """`prove`; None while nothing can be signed, for answers that are worth giving without (REL-08, SEC-31)."""
        try:
            return await self.beside(lambda: self.prove(**claims))
        except (StateError, TransportError):
            return None

    async def prove_beside(self, **claims: Any) -> str:
        """`prove`, beside the event loop where the signer is slow."""
        return await self.beside(lambda: self.prove(**claims))

    async def beside(self, make: Callable[[], _T], *roles: Role) -> _T:
        """What *make* makes, which proves, and signs as *roles* too: beside the event loop where a signer is slow."""
        return await off_the_loop(self._keys, ("answer", *roles), make)

    def prove(
        self,
        *,
        nonce: str,
        action: Action,
        at: Instant,
        product: str,
        device: str | None,
        license_id: str | None = None,
        activation_id: str | None = None,
        refused: tuple[Reason, ...] = (),
        artifacts: Mapping[str, str] | None = None,
        stamp: str | None = None,
    ) -> str:
        """
        The proof of one answer.

        Args:
            nonce: As the device sent it.
            action: What it asked for.
            at: The server's time.
            product: As the device named it.
            device: Its fingerprint, where it named one.
            license_id: The license it concerns.
            activation_id: The activation it concerns.
            refused: Every reason of a refusal, the main one first; empty for a grant.
            artifacts: Name and text of each artifact that the answer carries; their hashes are signed.
            stamp: What the device is to show at its next refresh.
        """
        answer = Answer(
            id=self._ids.new(at),
            issuer=self._issuer,
            nonce=nonce,
            action=action,
            outcome="refused" if refused else "granted",
            code=refused[0].code if refused else None,
            reasons=tuple(reason.code for reason in refused),
            at=at,
            product=product,
            device=device,
            license_id=license_id,
            activation_id=activation_id,
            artifacts=digest_artifacts(artifacts or {}),
            stamp=stamp,
        )
        return issue_answer(answer, self._keys.signer("answer"))
