"""How long it takes to refuse keys that are unknown, of another product, or suspended (SEC-34)."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator
from time import perf_counter

from bench.population import PRODUCT, device_of
from bench.report import Row
from bench.stage import Stage
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim
from carnet.server.domain.licenses.commands import CreateLicense
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR

PAIRS = 500
"""In one round: 41 of them are 20,500 of each kind. In turns, so that a slow moment of the machine hits all alike."""


def rows(rounds: int) -> Iterator[Row]:
    """The greatest difference between the medians of two kinds, in milliseconds, over whole activations in process."""
    stage = Stage()
    try:
        medians = asyncio.run(_medians(stage, rounds * PAIRS))
    finally:
        stage.close()
    detail = ", ".join(f"{name} {1000 * seconds:.3f} ms" for name, seconds in medians.items())
    difference = 1000 * (max(medians.values()) - min(medians.values()))
    yield Row("refused keys: greatest difference between medians, ms (SEC-34)", difference, reach=1.0, detail=detail)


async def _medians(stage: Stage, pairs: int) -> dict[str, float]:
    async with open_installation(stage.settings) as installation:
        asked = await _keys(installation)
        taken: dict[str, list[float]] = {name: [] for name in asked}
        device = DeviceClaim(fingerprint=device_of(1, 1), name="Line 1", platform="linux")
        for _ in range(pairs):
            for name, (key, product) in asked.items():
                command = ActivateCommand(license_key=key, product=product, device=device)
                started = perf_counter()
                await installation.activations.activate(command)
                taken[name].append(perf_counter() - started)
    return {name: statistics.median(each) for name, each in taken.items()}


async def _keys(installation: Installation) -> dict[str, tuple[str, str]]:
    await installation.products.create(CreateProduct(id="another"), OPERATOR)
    wanted = CreateLicense(product=PRODUCT, policy="consumer")
    suspended, foreign = [await installation.licenses.create(wanted, OPERATOR) for _ in range(2)]
    await installation.licenses.suspend(suspended.license.id, OPERATOR)
    return {
        "unknown": ("00000-00000-00000-00000-00000", PRODUCT),
        "of another product": (foreign.key, "another"),
        "suspended": (suspended.key, PRODUCT),
    }
