"""A vendor with one installation for tests of license models: policies, licenses and devices in one line each."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from carnet.core._base import replace
from carnet.core.conditions import Conditions, conditions_from_json
from carnet.core.decision import Decision, Refused
from carnet.core.model import LicenseType, Policy
from carnet.server.domain.activations.commands import (
    ActivationResult,
    DeactivateCommand,
    DeactivationResult,
    RefreshCommand,
    ValidateCommand,
    ValidationResult,
)
from carnet.server.domain.licenses.commands import (
    ConvertLicense,
    CreatedLicense,
    CreateLicense,
    LicenseView,
    RenewLicense,
)
from carnet.server.domain.policies.commands import CreatePolicy, UpdatePolicy
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR, Event
from support.installations import PRODUCT, Device, HeldClock, opened


class Market:
    """What a test of license models needs."""

    def __init__(self, installation: Installation, clock: HeldClock) -> None:
        self.installation = installation
        self.clock = clock
        self._numbers = itertools.count(1)

    # ── the vendor ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def policy(
        self,
        kind: LicenseType = "perpetual",
        *,
        name: str | None = None,
        duration_seconds: int | None = None,
        conditions: dict[str, Any] | None = None,
        **rules: Any,
    ) -> str:
        """A fresh policy; its name."""
        name = name or f"plan-{next(self._numbers)}"
        await self.installation.policies.create(
            CreatePolicy(
                product=PRODUCT,
                policy=Policy(name=name, **rules),
                license_type=kind,
                duration_seconds=duration_seconds,
                conditions=conditions_from_json(conditions or {}),
            ),
            OPERATOR,
        )
        return name

    async def change_policy(self, name: str, *, conditions: Conditions | None = None, **rules: Any) -> None:
        """Change a policy's rules, or its conditions."""
        stored = await self.installation.policies.get(PRODUCT, name)
        update = UpdatePolicy(product=PRODUCT, name=name, policy=replace(stored.policy, **rules), conditions=conditions)
        await self.installation.policies.update(update, OPERATOR)

    async def license(self, policy: str, **changes: Any) -> CreatedLicense:
        """A fresh license."""
        return await self.installation.licenses.create(
            CreateLicense(product=PRODUCT, policy=policy, **changes), OPERATOR
        )

    async def sold(self, kind: LicenseType = "perpetual", **policy: Any) -> CreatedLicense:
        """A license of a policy of its own."""
        return await self.license(await self.policy(kind, **policy))

    async def view(self, created: CreatedLicense) -> LicenseView:
        """The license as it is now."""
        return await self.installation.licenses.get(created.license.id)

    async def renew(self, created: CreatedLicense, **changes: Any) -> LicenseView:
        """A renewal."""
        command = RenewLicense(license_id=created.license.id, **changes)
        return await self.installation.licenses.renew(command, OPERATOR)

    async def convert(self, created: CreatedLicense, **changes: Any) -> LicenseView:
        """A change in place."""
        command = ConvertLicense(license_id=created.license.id, **changes)
        return await self.installation.changes.convert(command, OPERATOR)

    async def events(self, kind: str | None = None) -> list[Event]:
        """What waits in the outbox, oldest first."""
        found = await self.installation._storage.waiting_events(after=None, limit=500)
        return [each for each in found if kind is None or each.kind == kind]

    async def kinds(self) -> list[str]:
        """The kinds of what waits in the outbox, oldest first."""
        return [each.kind for each in await self.events()]

    # ── devices ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def activate(self, key: str, device: object = "one", **changes: Any) -> ActivationResult | Refused:
        """A device asks for a seat."""
        command = Device(device).activate(key, with_key=False, **changes)
        return (await self.installation.activations.activate(command)).result

    async def refresh(self, key: str, device: object = "one", **changes: Any) -> ActivationResult | Refused:
        """A device asks for fresh artifacts."""
        command = RefreshCommand(
            product=PRODUCT, device=Device(device).claim(with_key=False), license_key=key, **changes
        )
        return (await self.installation.activations.refresh(command)).result

    async def leave(self, key: str, device: object = "one") -> DeactivationResult | Refused:
        """A device gives its seat back."""
        command = DeactivateCommand(product=PRODUCT, device=Device(device).claim(with_key=False), license_key=key)
        return (await self.installation.activations.deactivate(command)).result

    async def validate(self, key: str, device: object | None = None, **changes: Any) -> ValidationResult | Refused:
        """What the server says."""
        claim = None if device is None else Device(device).claim(with_key=False)
        command = ValidateCommand(license_key=key, product=PRODUCT, device=claim, **changes)
        return (await self.installation.activations.validate(command)).result


def at_market(folder: Path, story: Callable[[Market], Awaitable[None]]) -> None:
    """Tell *story* on a fresh installation."""

    async def run() -> None:
        clock = HeldClock()
        async with opened(folder, clock) as installation:
            await installation.products.create(CreateProduct(id=PRODUCT), OPERATOR)
            await story(Market(installation, clock))

    asyncio.run(run())


def seated(outcome: ActivationResult | Refused) -> ActivationResult:
    """*outcome*, which is a seat."""
    assert isinstance(outcome, ActivationResult), outcome
    return outcome


def refused(outcome: object) -> list[str]:
    """The codes of *outcome*, which is a refusal."""
    assert isinstance(outcome, Refused), outcome
    return [reason.code for reason in outcome.reasons]


def decided(outcome: ValidationResult | Refused) -> Decision:
    """The decision of *outcome*, which is one."""
    assert isinstance(outcome, ValidationResult), outcome
    return outcome.decision


async def licensed_product(installation: Installation) -> None:
    """Make the product."""
    await installation.products.create(CreateProduct(id=PRODUCT), OPERATOR)
