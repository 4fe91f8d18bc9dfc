"""
What `/metrics` shows, in Prometheus text form: requests, latencies, refusals, failures. Never keys, ids or addresses.

Every app has its own registry, so that two apps in one process (tests, embedding) do not mix. Label values come from
route templates and problem codes, which are few and ours; nothing a caller writes becomes a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from carnet._version import __version__
from carnet.server.domain.reissue.seen import SeenArtifacts
from carnet.server.domain.statistics.anomalies import AlertKind
from carnet.server.domain.statistics.flushing import Flusher
from carnet.server.domain.statistics.service import Statistics
from carnet.server.domain.status.lists import StatusLists
from carnet.server.ports import Clock, ReplicaStats, StorageStats

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST.partition("; charset")[0]
UNMATCHED: Final = "unmatched"
"""The route label of requests for addresses that do not exist: one label for all, or scanners would fill memory."""

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class _StorageCollector(Collector):
    """The database writer's own counters, read when asked."""

    def __init__(self, stats: Callable[[], StorageStats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """What Prometheus calls."""
        stats = self._stats()
        yield CounterMetricFamily("carnet_storage_commits", "Commits of the database writer.", value=stats.commits)
        yield CounterMetricFamily("carnet_storage_jobs", "Changes written; many may share a commit.", value=stats.jobs)
        yield CounterMetricFamily(
            "carnet_storage_failed_jobs", "Changes that were rolled back.", value=stats.failed_jobs
        )
        yield GaugeMetricFamily(
            "carnet_storage_largest_group", "Most changes in one commit.", value=stats.largest_group
        )
        yield GaugeMetricFamily("carnet_storage_waiting", "Changes waiting to be written.", value=stats.waiting)
        if stats.replica is not None:
            yield from _replica_metrics(stats.replica)


def _replica_metrics(stats: ReplicaStats) -> Iterator[Metric]:
    reads = CounterMetricFamily("carnet_replica_reads", "Reads of the replica, by outcome.", labels=("outcome",))
    for outcome, count in (("used", stats.reads), ("behind", stats.behind), ("failed", stats.failures)):
        reads.add_metric((outcome,), count)
    yield reads
    yield GaugeMetricFamily(
        "carnet_replica_age_seconds", "How old the last state read from it was, at most.", value=stats.age_seconds
    )


class _StatisticsCollector(Collector):
    """What became of buffered statistics, and the alerts they raised."""

    def __init__(self, statistics: Statistics, flusher: Flusher) -> None:
        self._statistics = statistics
        self._flusher = flusher

    def collect(self) -> Iterator[Metric]:
        """What Prometheus calls."""
        alerts = CounterMetricFamily("carnet_alerts", "Alerts about what looks odd, by kind.", labels=("kind",))
        for kind in get_args(AlertKind):
            alerts.add_metric((kind,), self._statistics.alerts.get(kind, 0))
        yield alerts
        yield CounterMetricFamily(
            "carnet_statistics_dropped", "Statistics that found no room.", value=self._statistics.dropped
        )
        yield CounterMetricFamily(
            "carnet_flush_failures", "Writes of statistics that failed; tried again.", value=self._flusher.failures
        )


class _ListCollector(Collector):
    """The published status lists that this process serves."""

    def __init__(self, lists: StatusLists, clock: Clock) -> None:
        self._lists = lists
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """What Prometheus calls."""
        served = self._lists.all()
        yield GaugeMetricFamily("carnet_status_lists", "Status lists that are served.", value=len(served))
        yield GaugeMetricFamily(
            "carnet_status_list_age_seconds",
            "How long ago the oldest of them was published.",
            value=self._lists.oldest_age_seconds(self._clock.now()),
        )
        yield CounterMetricFamily(
            "carnet_status_lists_published", "Lists that this process published.", value=self._lists.published
        )


class _SeenCollector(Collector):
    """What devices and files brought that was never issued here (SEC-24)."""

    def __init__(self, seen: SeenArtifacts) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """What Prometheus calls."""
        found = CounterMetricFamily(
            "carnet_artifacts_never_issued",
            "Artifacts recorded that name a key of ours and were never issued; proved: we saw them.",
            labels=("proved",),
        )
        found.add_metric(("yes",), self._seen.proved)
        found.add_metric(("no",), self._seen.unproved)
        yield found
        yield CounterMetricFamily(
            "carnet_held_artifacts_dropped",
            "Artifacts that devices told of and that found no room to be looked up.",
            value=self._seen.dropped,
        )


class Metrics:
    """The counters of one app."""

    def __init__(
        self,
        storage_stats: Callable[[], StorageStats],
        statistics: Statistics | None = None,
        flusher: Flusher | None = None,
        lists: StatusLists | None = None,
        clock: Clock | None = None,
        *,
        seen: SeenArtifacts | None = None,
    ) -> None:
        """
        Args:
            storage_stats: Reads the database writer's counters.
            statistics: Whose losses and alerts are shown.
            flusher: Whose failures are shown.
            lists: Whose number and age are shown.
            clock: By which they age.
            seen: Whose findings are shown.
        """
        self.registry = CollectorRegistry()
        self.registry.register(_StorageCollector(storage_stats))
        if statistics is not None and flusher is not None:
            self.registry.register(_StatisticsCollector(statistics, flusher))
        if lists is not None and clock is not None:
            self.registry.register(_ListCollector(lists, clock))
        if seen is not None:
            self.registry.register(_SeenCollector(seen))
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Counter(
            "carnet_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "carnet_http_request_seconds", "Time to answer.", ("route",), buckets=_BUCKETS, registry=self.registry
        )
        self._activations = Histogram(
            "carnet_activation_seconds",
            "Time to answer an activation, by outcome (new, same, refused, failed).",
            ("outcome",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._problems = Counter(
            "carnet_problems", "Requests refused or failed, by problem code.", ("route", "code"), registry=self.registry
        )
        self.signing_errors = Counter(
            "carnet_signing_errors", "Artifacts that could not be signed.", registry=self.registry
        )
        self.in_flight = Gauge("carnet_http_requests_in_flight", "Requests being answered.", registry=self.registry)
        Gauge("carnet_build_info", "Always 1.", ("version",), registry=self.registry).labels(__version__).set(1)
        # One look-up per request instead of three label resolutions: prometheus_client takes a lock for each.
        self._of = lru_cache(maxsize=2048)(self._resolve)

    def _resolve(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(method, route, str(status)), self._seconds.labels(route)

    def observe(self, method: str, route: str, status: int, code: str, seconds: float) -> None:
        """
        Count one answered request.

        Args:
            method: One of HTTP's own methods, or ``OTHER``.
            route: The route's template, or `UNMATCHED`.
            status: As sent.
            code: The problem's code; empty when all was well.
            seconds: From the first byte of the request's head handed to us to the last of the answer.
        """
        requests, duration = self._of(method, route, status)
        requests.inc()
        duration.observe(seconds)
        if code:
            self._problems.labels(route, code).inc()
        if route == "/v1/activate" and method == "POST":
            self._activations.labels(_outcome(status)).observe(seconds)

    def render(self) -> bytes:
        """What this process counts, as Prometheus reads it."""
        return generate_latest(self.registry)


def _outcome(status: int) -> str:
    if status == 201:
        return "new"
    if status == 200:
        return "same"
    return "refused" if status < 500 else "failed"
