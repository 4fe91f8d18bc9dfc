"""How long it takes to refuse unknown, foreign and suspended keys (SEC-34), and to count a request."""

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
from carnet.server.domain.limits.service import RateLimiter
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR

PAIRS = 500
"""In one round: 41 of them are 20,500 of each kind. In turns, so that a slow moment of the machine hits all alike."""


def rows(rounds: int) -> Iterator[Row]:
    """The greatest difference between the medians of two kinds, in milliseconds, over whole activations in process."""
    stage = Stage()
    try:
        medians, limits = asyncio.run(_measure(stage, rounds))
    finally:
        stage.close()
    detail = ", ".join(f"{name} {1000 * seconds:.3f} ms" for name, seconds in medians.items())
    difference = 1000 * (max(medians.values()) - min(medians.values()))
    yield Row("refused keys: greatest difference between medians, ms (SEC-34)", difference, reach=1.0, detail=detail)
    yield Row("rate limits of one request, µs (decision 0046)", 1e6 * limits, reach=10.0)


async def _measure(stage: Stage, rounds: int) -> tuple[dict[str, float], float]:
    async with open_installation(stage.settings) as installation:
        return await _medians(installation, rounds * PAIRS), _seconds_of_limits(installation.limiter, rounds)


def _seconds_of_limits(limiter: RateLimiter, rounds: int) -> float:
    """The best of *rounds*: what it costs to count a request for its address and its key, with 250 of each."""
    pairs = [(f"192.0.2.{number}", f"1CR5A-YMZRK-MGWCT-RFPHC-{number:05}") for number in range(250)]
    best = float("inf")
    for _ in range(rounds):
        started = perf_counter()
        for address, key in pairs:
            limiter.admit_address(address)
            limiter.admit_key(key, PRODUCT)
        best = min(best, (perf_counter() - started) / len(pairs))
    return best


async def _medians(installation: Installation, pairs: int) -> dict[str, float]:
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
