"""Activations: what devices call (activate, validate, refresh, deactivate) and what the vendor does with their seats."""

from __future__ import annotations

from carnet.server.domain.activations.commands import (
    ActivateCommand,
    ActivationResult,
    ActivationView,
    DeactivateCommand,
    DeactivationResult,
    RefreshCommand,
    ValidateCommand,
    ValidationResult,
)
from carnet.server.domain.answers import Answered
from carnet.server.records import Actor, Page


class ActivationService:
    """
    What can be done with activations.

    The four device calls raise `UsageError` ``invalid_argument`` for values out of bounds, `MalformedError` for a bad
    fingerprint, device key or proof text; everything about the license is a `Refused` in `Answered.result`:
    `license_not_found`, `wrong_product`, `license_suspended`, `license_revoked`, `license_expired`, `wrong_domain`,
    `seat_limit_reached`, `activation_not_found`, `device_proof_required`, `device_proof_invalid`, `license_key_required`.
    """

    async def activate(self, command: ActivateCommand) -> Answered[ActivationResult]:
        """Take a seat for a device; the same device gets the seat it holds (R-23, users-ask 17)."""
        raise NotImplementedError

    async def validate(self, command: ValidateCommand) -> Answered[ValidationResult]:
        """Decide by the server's own records; one read. Refused only when key and product name no license."""
        raise NotImplementedError

    async def refresh(self, command: RefreshCommand) -> Answered[ActivationResult]:
        """Fresh artifacts for a held seat."""
        raise NotImplementedError

    async def deactivate(self, command: DeactivateCommand) -> Answered[DeactivationResult]:
        """Give a seat back; repeating it answers the same."""
        raise NotImplementedError

    async def get(self, activation_id: str) -> ActivationView:
        """
        One activation, held or given back.

        Raises:
            UsageError: ``activation_not_found``.
        """
        raise NotImplementedError

    async def list(
        self, license_id: str, *, include_deactivated: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[ActivationView]:
        """
        Activations of a license, newest first, at most *limit* (1 to 500) older than the id *after*.

        Raises:
            UsageError: ``license_not_found``.
        """
        raise NotImplementedError

    async def deactivate_by_vendor(
        self, activation_id: str, actor: Actor, *, reason: str | None = None
    ) -> ActivationView:
        """
        Free a seat without its device. What the device holds keeps working offline until its `covered_until`.

        Raises:
            UsageError: ``activation_not_found``, ``invalid_argument``.
        """
        raise NotImplementedError
