"""
From lines of the register to the bundle of a device: signed from the stored claims, as everything is.
"""

from __future__ import annotations

from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, StateError
from carnet.core.model import Grant
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.keys import KeyRing, Role, Signer
from carnet.formats.license_token import issue_unchecked_license_token, verify_license_token
from carnet.formats.limits import MAX_ROOT_STEPS
from carnet.formats.machine_file import open_machine_file, seal_unchecked_machine_file
from carnet.server.domain.activations.issuing import signing_failed
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.status.lists import StatusLists
from carnet.server.ports import Random, SigningKeys
from carnet.server.ports.reissue import SeatUnder

_ENTROPY_BYTES = 32


class Pair(Struct):
    """What a seat has now: its newest token and machine file, as grants; None where there is none that lives."""

    seat: SeatUnder
    token: Grant | None
    machine_file: Grant | None


class BundleMaker:
    """
    Makes bundles.

    Args:
        keys: The signing keys.
        ring: The public keys of the newest root, to check what was made.
        vault: Opens what machine files are sealed for.
        random: For their encryption.
        lists: The status lists that go along (R-83).
    """

    def __init__(
        self, *, keys: SigningKeys, ring: KeyRing, vault: KeyVault, random: Random, lists: StatusLists
    ) -> None:
        self._keys = keys
        self._ring = ring
        self._vault = vault
        self._random = random
        self._lists = lists

    def check_lost(self, kid: str) -> None:
        """
        Make sure that nothing is signed with *kid* any more, and nobody is told to trust it.

        Raises:
            StateError: ``key_still_trusted``.
        """
        if any(trusted.key.kid == kid for trusted in self._ring.keys()):  # noqa: SIM118 - a key ring is no dictionary
            raise StateError(
                "key_still_trusted",
                f"The root in force names the key {kid}: what it signed is genuine, and needs no other in its place.",
                f"Take it out first: carnet key compromise {kid}",
            )

    def signer(self, role: Role) -> Signer:
        """
        The signer of now.

        Raises:
            StateError: ``no_signing_key``, ``clock_behind``, ``clock_jumped``.
        """
        return self._keys.signer(role)

    def can_sign(self, role: Role, kid: str) -> bool:
        """Whether what is registered under *kid* can be signed here as it is: a key that was rotated out may not."""
        return self._keys.signer(role).kid == kid or self._keys.earlier(kid) is not None

    def _signer_of(self, role: Role, grant: Grant) -> Signer:
        now = self._keys.signer(role)
        return now if grant.kid is None or now.kid == grant.kid else self._keys.earlier(grant.kid) or now

    async def keep_up(self) -> None:
        """
        Know the newest status lists.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``.
        """
        await self._lists.keep_up()

    def make(self, pair: Pair, roots: tuple[str, ...], *, checked: bool) -> str:
        """
        The bundle of a device, with the root files that lead to the key and the lists that its license is in.

        Args:
            pair: Registered, at least one of both.
            roots: Root files after version 1, oldest first; the newest `MAX_ROOT_STEPS` of them go along.
            checked: Whether what was made is verified as a device does it.

        Raises:
            StateError: ``signing_failed``, ``key_does_not_open``.
        """
        try:
            token, machine_file = self._token(pair, checked=checked), self._machine_file(pair, checked=checked)
            lists = self._lists.named_by(grant for grant in (pair.token, pair.machine_file) if grant is not None)
            made = Bundle(roots=roots[-MAX_ROOT_STEPS:], token=token, machine_file=machine_file, status_lists=lists)
            return write_bundle(made)
        except CarnetError as error:
            if error.code == "key_does_not_open":
                raise
            raise signing_failed() from error

    def _token(self, pair: Pair, *, checked: bool) -> str | None:
        if pair.token is None:
            return None
        signer = self._signer_of("token", pair.token)
        text = issue_unchecked_license_token(pair.token, signer)
        if checked and verify_license_token(text, self._ring) != replace(pair.token, kid=signer.kid):
            raise signing_failed()
        return text

    def _machine_file(self, pair: Pair, *, checked: bool) -> str | None:
        if pair.machine_file is None:
            return None
        seat, signer = pair.seat, self._signer_of("machine-file", pair.machine_file)
        license_key = self.secret(seat)
        text = seal_unchecked_machine_file(
            pair.machine_file,
            license_key=license_key,
            device_name=seat.activation.device_name,
            platform=seat.activation.platform,
            signer=signer,
            entropy=self._random(_ENTROPY_BYTES),
            created=seat.activation.created_at,
        )
        if checked:
            device = pair.machine_file.device or ""
            opened = open_machine_file(text.encode(), self._ring, license_key=license_key, fingerprint=device)
            if opened != replace(pair.machine_file, kid=signer.kid):
                raise signing_failed()
        return text

    def secret(self, seat: SeatUnder) -> str:
        """What the device knows: the license key, or the enrolment token that it came with."""
        activation = seat.activation
        if seat.token_sealed is not None and activation.enrolment is not None:
            return self._vault.open(seat.token_sealed, activation.enrolment)
        return self._vault.open(seat.key_sealed, activation.license_id)
