"""
Many requests in a row on one server: what it keeps of them in memory, and whether it grows slow (REL-13).

Nine validations to one activation, on the embedded database. Kills and restarts are the fault tests' part.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from bench.population import activations_of_new_devices, fill_sqlite, validations
from bench.report import Row
from bench.stage import Stage, resident_now_mb

REQUESTS = 100_000
CLIENTS = 16
TENTHS = 10


def rows(rounds: int) -> Iterator[Row]:
    """Growth of memory and of p99 from the first tenth to the last; a fifth of the requests where *rounds* are few."""
    tenth = REQUESTS // TENTHS if rounds >= 20 else REQUESTS // TENTHS // 5
    stage = Stage()
    try:
        fill_sqlite(stage.settings.data, 1, 2 * tenth)
        asked = list(validations(range(1, tenth * 9 // 10 + 1)))
        stage.start()
        taken, memory = [], []
        for number in range(TENTHS + 1):  # the first is for warming up
            first_license = 1 + number * (tenth // 10)
            activating = activations_of_new_devices(range(first_license, first_license + tenth // 10), 1)
            mixed = chain.from_iterable((*asked[9 * turn : 9 * turn + 9], each) for turn, each in enumerate(activating))
            path = stage.requests("soak", mixed)
            (figures,) = stage.load(path, clients=CLIENTS, seconds=600, rounds=1, once=True)
            if set(figures["statuses"]) != {"200", "201"} or figures["requests"] != tenth // 10 * 10:
                raise RuntimeError(f"not every answer was a grant: {figures['statuses']}")
            assert stage.server is not None
            taken.append(figures)
            memory.append(resident_now_mb(stage.server.pid))
        first, last = taken[1], taken[-1]
        served = sum(each["requests"] for each in taken)
        yield Row(f"memory after {served:,} requests ÷ after the first tenth", memory[-1] / memory[1], 1.05,
                  detail=f"{memory[-1]:.1f} against {memory[1]:.1f} MB")  # fmt: skip
        yield Row("p99 of the last tenth ÷ of the first", last["p99_ms"] / first["p99_ms"], 1.2,
                  detail=f"{last['p99_ms']:.1f} against {first['p99_ms']:.1f} ms")  # fmt: skip
    finally:
        stage.close()
