"""
What one scrape of `/metrics` shows: the counters of every process of this server, and how the installation is.

With several processes (`CARNET_WORKERS`) every sample carries ``worker="0"``, ``"1"``, …: whichever process answers,
all are there, and a rate is right for each even when one of them is started anew. ``sum without (worker) (…)`` is the
server's. What is of the installation (outbox, jobs) is read from its database once, and carries no such label.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Final

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from carnet.core.errors import CarnetError
from carnet.server.api.metrics import Metrics
from carnet.server.jobs.health import outbox_age
from carnet.server.ports import JobsKept, OutboxState, Storage
from carnet.server.siblings import Siblings

_FRESH_SECONDS: Final = 1.0
"""Anybody may ask, and the database is asked at most so often."""

_READ_SECONDS: Final = 5.0


class _Given(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """What is given."""
        yield from self._families


class Scraping:
    """
    Answers scrapes.

    Args:
        metrics: What this process counts.
        storage: Where outbox and jobs are.
        siblings: The other processes; None: there are none.
    """

    def __init__(self, metrics: Metrics, storage: Storage, siblings: Siblings | None = None) -> None:
        self._metrics = metrics
        self._storage = storage
        self._siblings = siblings
        self._read_at = -_FRESH_SECONDS
        self._read: asyncio.Future[tuple[Metric, ...]] | None = None

    async def render(self) -> bytes:
        """The text that Prometheus reads."""
        installation = await self._installation()
        if self._siblings is None:
            return self._metrics.render() + _text(installation)
        texts = await self._siblings.texts()
        texts[self._siblings.own] = self._metrics.render()
        return _text((*by_worker(texts), *installation))

    async def _installation(self) -> tuple[Metric, ...]:
        now = monotonic()
        if self._read is None or (self._read.done() and now - self._read_at >= _FRESH_SECONDS):
            self._read_at = now
            self._read = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._read)

    async def _ask(self) -> tuple[Metric, ...]:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                kept, state = await self._storage.jobs(), await self._storage.outbox_state()
        except (CarnetError, TimeoutError):  # `/readyz` names the database; what this process counts is shown
            return ()
        return tuple(_of_installation(kept, state))


def by_worker(texts: dict[int, bytes | None]) -> tuple[Metric, ...]:
    """
    What several processes count, each sample with the number of its process.

    Args:
        texts: By number, what each shows; None: it did not answer.
    """
    families: dict[str, Metric] = {}
    up = GaugeMetricFamily("carnet_worker_up", "Whether a server process answered.", labels=("worker",))
    for number, text in sorted(texts.items()):
        up.add_metric((str(number),), text is not None)
        for found in text_string_to_metric_families((text or b"").decode()):
            family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
            for sample in found.samples:
                family.samples.append(sample._replace(labels={**sample.labels, "worker": str(number)}))
    return (*families.values(), up)


def _of_installation(kept: JobsKept, state: OutboxState) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "carnet_outbox_age_seconds",
        "For how long the oldest event has waited to be delivered everywhere.",
        value=outbox_age(kept, state),
    )
    for name, about, counts in (
        ("carnet_outbox_waiting", "Deliveries that wait, by destination.", state.waiting),
        ("carnet_outbox_dead", "Deliveries that were given up, by destination.", state.dead),
    ):
        family = GaugeMetricFamily(name, about, labels=("destination",))
        for destination, count in counts.items():
            family.add_metric((destination,), count)
        yield family
    late = GaugeMetricFamily("carnet_job_late_seconds", "For how long a job has been due.", labels=("job",))
    failing = GaugeMetricFamily("carnet_job_failing", "Whether its last run failed.", labels=("job",))
    for row in kept.held:
        late.add_metric((row.name,), row.late_seconds(kept.at))
        failing.add_metric((row.name,), row.problem is not None)
    yield late
    yield failing


def _text(families: Iterable[Metric]) -> bytes:
    return generate_latest(_Given(families))
