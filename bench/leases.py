"""
Floating leases through HTTP, on both databases: renewals a second, and claims in a large pool beside small ones.

`python -m bench.leases`; best of five rounds for renewals, medians of turns for the ratio of claims.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Iterator
from typing import Any

from bench.load import request
from bench.population import PRODUCT
from bench.postgres import Postgres
from bench.report import Row, print_rows
from bench.stage import Stage
from carnet.core.lease_terms import LeaseHolder, LeaseTerms
from carnet.server.domain.leases.commands import ClaimLease, LeaseResult
from carnet.server.domain.licenses.commands import CreateLicense
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR

CLIENTS = 64
RENEWED_POOLS = 20
RENEWED_LEASES = 100
LARGE, SMALL = 10_000, 100
TTL = 3600

_RENEWALS = {"SQLite": (2500, 4000, 50), "PostgreSQL": (None, None, None)}
"""Least and aimed-at renewals a second, and the largest p99 in ms; nobody asked for any on PostgreSQL."""


def rows(rounds: int) -> Iterator[Row]:
    """Renewals a second at 64 clients, with and without a proof; claims of a pool of 10,000 beside pools of 100."""
    turns = 3 if rounds < 20 else 5
    stage = Stage()
    try:
        yield from _renewals(stage, "SQLite", nonce=False)
        yield from _renewals(stage, "SQLite", nonce=True)
        yield _claims(stage, "SQLite", turns=turns)
    finally:
        stage.close()
    server = Postgres()
    try:
        stage = Stage(server.url)
        try:
            yield from _renewals(stage, "PostgreSQL", nonce=False)
            yield _claims(stage, "PostgreSQL", turns=turns)
        finally:
            stage.close()
    finally:
        server.close()


def _body(**members: Any) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


async def _licensed(installation: Installation, limit: int) -> str:
    made = await installation.licenses.create(CreateLicense(product=PRODUCT, policy="professional"), OPERATOR)
    terms = LeaseTerms(limit=limit, max_ttl_seconds=TTL)
    await installation.leases.change_terms(terms, OPERATOR, license_id=made.license.id)
    return made.key


async def _held(stage: Stage, *, nonce: bool) -> list[bytes]:
    """Live leases, and the request that renews each of them."""
    requests: list[bytes] = []
    async with open_installation(stage.settings) as installation:
        for _ in range(RENEWED_POOLS):
            key = await _licensed(installation, RENEWED_LEASES)

            async def claim(number: int, key: str = key) -> bytes:
                holder = LeaseHolder(kind="process", id=f"worker-{number:06d}")
                answered = await installation.leases.claim(
                    ClaimLease(license_key=key, product=PRODUCT, holder=holder, ttl_seconds=TTL)
                )
                result = answered.result
                assert isinstance(result, LeaseResult), result
                members: dict[str, Any] = {
                    "license_key": key,
                    "product": PRODUCT,
                    "holder": {"kind": holder.kind, "id": holder.id},
                    "ttl_seconds": TTL,
                }
                if nonce:
                    members["nonce"] = "q83vEjRWeJCrze8SNFZ4kA"
                return request("PUT", f"/v1/leases/{result.lease_id}", _body(**members))

            requests += await asyncio.gather(*(claim(number) for number in range(RENEWED_LEASES)))
    # Neighbours in time are of different pools, as in life.
    return [each for start in range(RENEWED_LEASES) for each in requests[start::RENEWED_LEASES]]


def _renewals(stage: Stage, database: str, *, nonce: bool) -> Iterator[Row]:
    path = stage.requests("renew", asyncio.run(_held(stage, nonce=nonce)))
    stage.start()
    try:
        figures = list(stage.load(path, clients=CLIENTS, seconds=3, rounds=6))[1:]
    finally:
        stage.stop()
    for each in figures:
        if set(each["statuses"]) != {"200"}:
            raise RuntimeError(f"not every renewal was granted: {each['statuses']}")
    best = max(figures, key=lambda each: each["per_second"])
    what = "with a proof" if nonce else "without a proof"
    detail = (
        f"{best['per_second']:.0f}/s, p50 {best['p50_ms']:.1f}, p99 {best['p99_ms']:.1f} ms,"
        f" server CPU {best['server_cpu_ms'] * 1e3:.0f} µs, generator {best['generator_cpu']:.0%} of its core"
    )
    least, aim, slowest = _RENEWALS[database]
    name = f"lease renew on {database}, durable, 64 clients, {what}, requests/s"
    yield Row(name, best["per_second"], least, aim, detail, at_least=True)
    yield Row("    its p99, ms", best["p99_ms"], slowest)


def _claims(stage: Stage, database: str, *, turns: int) -> Row:
    rates: dict[int, list[float]] = {LARGE: [], SMALL: []}
    for _ in range(turns):
        for pool in (LARGE, SMALL):
            path = stage.requests("claim", asyncio.run(_pools(stage, pool)))
            stage.start()
            try:
                (figures,) = stage.load(path, clients=CLIENTS, seconds=600, rounds=1, once=True)
            finally:
                stage.stop()
            if figures["statuses"] != {"201": LARGE}:
                raise RuntimeError(f"not every claim was granted: {figures['statuses']}")
            rates[pool].append(figures["per_second"])
    ratios = [large / small for small, large in zip(rates[SMALL], rates[LARGE], strict=True)]
    detail = f"{statistics.median(rates[LARGE]):.0f}/s in one of 10,000, {statistics.median(rates[SMALL]):.0f}/s in 100"
    name = f"lease claims on {database} in a pool of 10,000 ÷ in pools of 100"
    return Row(name, statistics.median(ratios), 0.8, 0.95, detail, at_least=True)


async def _pools(stage: Stage, pool: int) -> list[bytes]:
    """10,000 claims that fill one large pool, or as many small ones as that takes, side by side."""
    async with open_installation(stage.settings) as installation:
        keys = [await _licensed(installation, pool) for _ in range(LARGE // pool)]
    return [
        request(
            "POST",
            "/v1/leases",
            _body(
                license_key=keys[number % len(keys)],
                product=PRODUCT,
                holder={"kind": "process", "id": f"worker-{number:06d}"},
                ttl_seconds=TTL,
            ),
        )
        for number in range(LARGE)
    ]


def main() -> int:
    """Measure and print; the exit code says whether every bound was reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.leases", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    return print_rows(rows(9 if parser.parse_args().quick else 41))


if __name__ == "__main__":
    sys.exit(main())
