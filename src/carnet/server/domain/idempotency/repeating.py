"""
Making the answer of a device call again, from what is remembered of it (REL-02).

The same claims are signed again: same seat, same artifact ids, same ends. A memory is no grant, though: who repeats a
call proves itself again, and a seat or license that has ended since is answered as it is now.
"""

from __future__ import annotations

from collections.abc import Callable

from carnet.core.decision import Refused
from carnet.core.errors import CarnetError
from carnet.core.instant import MAX_INSTANT, Instant, parse_instant
from carnet.core.model import Grant
from carnet.core.terms import OfflineWindow
from carnet.server.domain.activations.commands import (
    ActivateCommand,
    ActivationResult,
    DeactivateCommand,
    DeactivationResult,
    RefreshCommand,
)
from carnet.server.domain.activations.issuing import Issuing, Prepared, grant_from_json
from carnet.server.domain.activations.requests import authorize, is_its_token
from carnet.server.domain.activations.vendor import activation_view
from carnet.server.domain.answers import Answered, Prover
from carnet.server.domain.licenses.service import license_view
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.status.lists import StatusLists
from carnet.server.ports import Clock, Remembered, SeatQuery, Storage
from carnet.server.records import Activation, License


class Repeats:
    """
    Answers device calls that were answered before.

    Args:
        storage: Facts.
        clock: What time it is.
        vault: Opens the license key that machine files are sealed for.
        issuing: Signs.
        prover: Proves.
        newer_roots: The root files after a version.
        lists: The published status lists.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        vault: KeyVault,
        issuing: Issuing,
        prover: Prover,
        newer_roots: Callable[[int | None], tuple[str, ...]],
        lists: StatusLists,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._vault = vault
        self._issuing = issuing
        self._prover = prover
        self._newer_roots = newer_roots
        self._lists = lists

    async def seat(
        self, command: ActivateCommand | RefreshCommand, remembered: Remembered
    ) -> Answered[ActivationResult] | None:
        """The seat that was taken or refreshed, with the same artifacts; None where the call is to be decided anew."""
        now = self._clock.now()
        ids = remembered.ids
        found = await self._allowed(command, ids.get("activation"), now)
        if found is None:
            return None
        license_, activation = found
        token = await self._claims(ids.get("token"))
        machine_file = await self._claims(ids.get("machine_file"))
        is_in_force = (
            activation.deactivated_at is None
            and license_.status == "active"
            and (license_.expires_at is None or now < license_.expires_at)
        )
        if token is None or machine_file is None or not is_in_force:
            return None
        renew_after = parse_instant(ids["renew_after"])
        try:
            key = await self._secret(command, license_, activation)
        except CarnetError:
            return None
        if not self._issuing.signs_as(token, machine_file):  # keys were changed since: the call is decided anew
            return None
        # A signer that is away is an outage, told as one: a decision anew would only be one more (REL-08).
        prepared = _prepared(token, machine_file, renew_after)
        artifacts = await self._prover.beside(
            lambda: self._issuing.sign(prepared, activation, key), "token", "machine-file"
        )
        result = ActivationResult(
            created=ids.get("created") == "1",
            activation=activation_view(activation),
            license=license_view(license_),
            token=artifacts.token,
            machine_file=artifacts.machine_file,
            renew_after=renew_after,
            server_time=now,
            roots=self._newer_roots(command.root_version),
            status_lists=self._lists.newer((license_.status_index, activation.status_index), command.status_versions),
        )
        proof = None
        if command.nonce is not None:
            proof = await self._prover.prove_beside(
                nonce=command.nonce,
                action="activate" if isinstance(command, ActivateCommand) else "refresh",
                at=now,
                product=command.product,
                device=command.device.fingerprint,
                license_id=license_.id,
                activation_id=activation.id,
                artifacts={"token": result.token, "machine_file": result.machine_file},
                stamp=ids.get("stamp") or None,
            )
        return Answered(result=result, proof=proof)

    async def freed(self, command: DeactivateCommand, remembered: Remembered) -> Answered[DeactivationResult] | None:
        """The seat that was given back; None where the call is to be decided anew."""
        now = self._clock.now()
        found = await self._allowed(command, remembered.ids.get("activation"), now)
        if found is None or found[1].deactivated_at is None:
            return None
        license_, activation = found
        proof = None
        if command.nonce is not None:
            proof = await self._prover.prove_beside(
                nonce=command.nonce,
                action="deactivate",
                at=now,
                product=command.product,
                device=command.device.fingerprint,
                license_id=license_.id,
                activation_id=activation.id,
            )
        result = DeactivationResult(
            activation=activation_view(activation), deactivated_at=found[1].deactivated_at, server_time=now
        )
        return Answered(result=result, proof=proof)

    async def _secret(
        self, command: ActivateCommand | RefreshCommand, license_: License, activation: Activation
    ) -> str:
        """What the device's machine file opens with: the license key, or the enrolment token that it came with."""
        shows_key = command.license_key is not None and license_.key_lookup in self._vault.lookups(command.license_key)
        token = None
        if activation.enrolment is not None and not shows_key:
            token = await self._storage.enrolment(activation.enrolment)
        if token is not None:
            return self._vault.open(token.token_sealed, token.id)
        return self._vault.open(license_.key_sealed, license_.id)

    async def _allowed(
        self, command: ActivateCommand | RefreshCommand | DeactivateCommand, activation_id: str | None, now: Instant
    ) -> tuple[License, Activation] | None:
        """License and activation, if the caller may speak for them now."""
        lookups = () if command.license_key is None else self._vault.lookups(command.license_key)
        enrolment = None if command.license_key is None else self._vault.enrolment_hash(command.license_key.strip())
        facts = await self._storage.find_seat(SeatQuery(product=command.product, activation_id=activation_id or ""))
        if facts.license is None or facts.activation is None:
            return None
        if isinstance(command, ActivateCommand):
            is_right = (
                (facts.license.key_lookup in lookups or is_its_token(facts, enrolment))
                and facts.license.product == command.product
                and facts.activation.fingerprint == command.device.fingerprint
            )
            return (facts.license, facts.activation) if is_right else None
        authorized = authorize(
            facts,
            product=command.product,
            device=command.device,
            lookups=lookups,
            enrolment=enrolment,
            proof=command.device_proof,
            now=now,
        )
        return None if isinstance(authorized, Refused) else (facts.license, facts.activation)

    async def _claims(self, jti: str | None) -> Grant | None:
        issuance = None if jti is None else await self._storage.issuance(jti)
        return None if issuance is None else grant_from_json(issuance.claims)


def _prepared(token: Grant, machine_file: Grant, renew_after: Instant) -> Prepared:
    """Claims as they were prepared the first time; the register has them already."""
    window = OfflineWindow(
        issued_at=token.issued_at,
        not_before=token.not_before,
        token_until=token.offline_until or Instant(MAX_INSTANT),
        machine_file_until=machine_file.offline_until or Instant(MAX_INSTANT),
        renew_after=renew_after,
    )
    return Prepared(window=window, token=token, machine_file=machine_file, issuances=())
