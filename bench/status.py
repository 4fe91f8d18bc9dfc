"""
Status lists at the size of ten million indices, one in a hundred revoked: bytes as a device fetches them, look-ups,
and making all of them (R-83, SEC-26).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Final

from bench.report import Row
from carnet.core.instant import Instant
from carnet.formats.keys import Ed25519Signer, KeyRing
from carnet.formats.status_list import StatusList, issue_status_list, verify_status_list
from carnet.server.domain.status.allocation import SHARD_SIZE, StatusAllocator
from carnet.server.domain.status.building import list_of
from carnet.server.ports import ListedLicense, ShardRows

INDICES: Final = 10_000_000
_ONE_IN: Final = 100
_SUSPENDED_ONE_IN: Final = 1000
_KIB: Final = 1024
_NOW: Final = Instant(1_795_000_000)
_LOOKUPS: Final = 200_000


def rows(rounds: int) -> Iterator[Row]:
    """Sizes, look-ups, and building; *rounds* of the look-ups."""
    signer = Ed25519Signer(bytes(range(32)))
    ring = KeyRing.single("status-list", signer.public_key)
    chance = random.Random(83)  # noqa: S311 - the same bits at every run
    full = [_shard(0, SHARD_SIZE, chance) for _ in range(20)]
    sizes = [len(_signed(0, each, signer)) for each in full]
    yield Row(
        "signed list of 131,072 at 1 % revoked, largest of 20 (KiB)",
        max(sizes) / _KIB,
        reach=4.0,
        detail=f"{min(sizes):,} … {max(sizes):,} bytes",
    )
    mixed = [_shard(0, SHARD_SIZE, chance, with_suspended=True) for _ in range(5)]
    sizes = [len(_signed(0, each, signer)) for each in mixed]
    yield Row("the same with 0.1 % suspended as well, 2 bits each (KiB)", max(sizes) / _KIB, detail="not bounded")

    per_index = []
    tokens: list[str] = []
    for indices in (INDICES // 10, INDICES):
        shards = _all(indices, chance)
        tokens, seconds = _build(shards, signer)
        per_index.append(seconds / indices)
        total = sum(map(len, tokens))
        if indices == INDICES:
            yield Row("all lists of 10 million indices (kB)", total / 1000, reach=310, detail=f"{len(tokens)} lists")
        yield Row(
            f"packing and signing all lists of {indices // 1_000_000} million, one core (s)",
            seconds,
            reach=5.0 if indices == INDICES else None,
            detail=f"{seconds / len(tokens) * 1000:.1f} ms a list",
        )
    yield Row("seconds per index, 10 million ÷ 1 million", per_index[1] / per_index[0], reach=1.3)

    before = time.perf_counter()
    listed = verify_status_list(tokens[0], ring)
    loaded = time.perf_counter() - before
    places = [chance.randrange(SHARD_SIZE) for _ in range(_LOOKUPS)]
    spent = min(_looked_up(listed, places) for _ in range(min(rounds, 9)))
    yield Row("a look-up after load (µs)", spent / _LOOKUPS * 1e6, reach=5.0, detail=f"load {loaded * 1000:.2f} ms")

    allocator = StatusAllocator(bytes(32), "https://license.example.com")
    before = time.perf_counter()
    seen = {allocator.place(sequence) for sequence in range(1_000_000)}
    spent = time.perf_counter() - before
    yield Row("doubles among 1 million positions", 1_000_000 - len(seen), reach=0, detail=f"{spent:.1f} µs each")


def _shard(shard: int, size: int, chance: random.Random, *, with_suspended: bool = False) -> ShardRows:
    begin = shard * SHARD_SIZE
    places = chance.sample(range(begin, begin + size), size // _ONE_IN + size // _SUSPENDED_ONE_IN)
    revoked, paused = places[: size // _ONE_IN], places[size // _ONE_IN :]
    half = len(revoked) // 2
    licenses = [ListedLicense(position=place, is_revoked=True) for place in revoked[:half]]
    if with_suspended:
        licenses += [ListedLicense(position=place, is_revoked=False) for place in paused]
    return ShardRows(licenses=tuple(licenses), ended=tuple(revoked[half:]))


def _all(indices: int, chance: random.Random) -> list[ShardRows]:
    """The rows of every shard; the last is filled in part, and scattered over the whole as all are."""
    shards = []
    for shard in range(-(-indices // SHARD_SIZE)):
        used = min(SHARD_SIZE, indices - shard * SHARD_SIZE)
        whole = _shard(shard, SHARD_SIZE, chance)
        part = used / SHARD_SIZE
        shards.append(
            ShardRows(
                licenses=whole.licenses[: round(len(whole.licenses) * part)],
                ended=whole.ended[: round(len(whole.ended) * part)],
            )
        )
    return shards


def _build(shards: list[ShardRows], signer: Ed25519Signer) -> tuple[list[str], float]:
    before = time.process_time()
    tokens = [_signed(shard, each, signer) for shard, each in enumerate(shards)]
    return tokens, time.process_time() - before


def _signed(shard: int, each: ShardRows, signer: Ed25519Signer) -> str:
    uri = f"https://license.example.com/v1/status/{shard}"
    issuer = "01997f3e-5a10-7c3b-9a2e-0123456789ab"
    return issue_status_list(
        list_of(shard, each, issuer=issuer, uri=uri, version=(1_790_000_000, 4711), now=_NOW), signer
    )


def _looked_up(listed: StatusList, places: list[int]) -> float:
    before = time.perf_counter()
    for place in places:
        listed.status(place)
    return time.perf_counter() - before
