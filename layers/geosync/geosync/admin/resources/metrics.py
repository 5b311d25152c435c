"""`GET /metrics`: the status of each site that this one knows, for Prometheus and whoever reads its format.

A metric that GitLab has keeps GitLab's name (GitLab documentation, "GitLab Prometheus metrics", Geo); the others begin
with `geosync_`. The label `site` names the site. A value that is not known has no sample; it is never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from geosync.admin.current import CurrentRequest
from geosync.admin.resources.site_views import SiteViews
from geosync.admin.resources.sites import GeoSiteStatus
from geosync.admin.site import AdminSite
from geosync.clock import parsed_moment

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector

TEXTS = ("text/plain", "application/openmetrics-text")
"""The media types of an answer."""
LEVELS = {"Healthy": 0, "Degraded": 1, "Unhealthy": 2}


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric; `of` is the name of a number in the status, or reads the value from the status."""

    name: str
    help: str
    of: str | Callable[[GeoSiteStatus], float | None]

    def read(self, status: GeoSiteStatus) -> float | None:
        """The value for this site; None: not known."""
        value = getattr(status, self.of) if isinstance(self.of, str) else self.of(status)
        return None if value is None else float(value)


def _moment(field: str) -> Callable[[GeoSiteStatus], float | None]:
    """Read a field that is a moment as seconds since the epoch."""

    def read(status: GeoSiteStatus) -> float | None:
        text = getattr(status, field)
        return None if text is None else parsed_moment(text) / 1000

    return read


def _level(field: str) -> Callable[[GeoSiteStatus], float | None]:
    """Read a field of the service level."""

    def read(status: GeoSiteStatus) -> float | None:
        value: float | None = getattr(status.service_level, field, None)
        return value

    return read


def _enabled(status: GeoSiteStatus) -> float | None:
    enabled = status.container_repositories_replication_enabled
    return None if enabled is None else float(enabled)


GAUGES = (
    Gauge("geo_container_repositories", "Repositories to replicate", "container_repositories_count"),
    Gauge("geo_container_repositories_synced", "Repositories that are synced", "container_repositories_synced_count"),
    Gauge(
        "geo_container_repositories_failed", "Repositories that failed to sync", "container_repositories_failed_count"
    ),
    Gauge(
        "geo_container_repositories_registry",
        "Repositories that have a row in the sync registry",
        "container_repositories_registry_count",
    ),
    Gauge(
        "geo_container_repositories_verification_total",
        "Repositories that are verified, or are to be",
        "container_repositories_verification_total_count",
    ),
    Gauge(
        "geo_container_repositories_verified", "Repositories that are verified", "container_repositories_verified_count"
    ),
    Gauge(
        "geo_container_repositories_verification_failed",
        "Repositories that a verification found wrong",
        "container_repositories_verification_failed_count",
    ),
    Gauge("geo_last_event_id", "The primary's newest event", "last_event_id"),
    Gauge("geo_last_event_timestamp", "When the primary took its newest event", "last_event_timestamp"),
    Gauge("geo_cursor_last_event_id", "The last event that the site processed", "cursor_last_event_id"),
    Gauge(
        "geo_cursor_last_event_timestamp",
        "When the primary took the last event that the site processed",
        "cursor_last_event_timestamp",
    ),
    Gauge(
        "geo_last_successful_status_check_timestamp",
        "When the site's last report arrived",
        "last_successful_status_check_timestamp",
    ),
    Gauge(
        "geosync_health_level",
        "0 healthy, 1 degraded, 2 unhealthy",
        lambda status: LEVELS.get(status.health_status),
    ),
    Gauge("geosync_replication_enabled", "1 while the site replicates, 0 while it is paused", _enabled),
    Gauge(
        "geosync_recovery_point_timestamp_seconds",
        "Everything pushed before this moment is at the site",
        _moment("recovery_point_at"),
    ),
    Gauge("geosync_status_timestamp_seconds", "The moment of the status", _moment("updated_at")),
    Gauge("geosync_references_owed", "Tags and digests that are owed, and tried again", "owed_references_count"),
    Gauge("geosync_references_failed", "Tags and digests that have failed, parked ones too", "failed_references_count"),
    Gauge("geosync_references_parked", "Tags and digests that wait for an operator", "parked_references_count"),
    Gauge("geosync_oldest_owed_seconds", "For how long the oldest reference is owed", "oldest_owed_seconds"),
    Gauge("geosync_would_be_lost", "References that would be lost if the primary died now", "would_be_lost_count"),
    Gauge("geosync_notifications_lost", "Notifications that a comparison found lost", "notifications_lost_count"),
    Gauge("geosync_dead_letters", "Messages in the dead-letter queue", "dead_letters_count"),
    Gauge("geosync_events_waiting", "Events in the queue that are not marked yet", "events_waiting_count"),
    Gauge(
        "geosync_registries_on_hold",
        "Registries that are left alone for a while",
        lambda status: len(status.registries_on_hold) if status.owed_references_count is not None else None,
    ),
    Gauge("geosync_lag_measured", "Pushes of the last hour whose lag was measured", "lag_measured_count"),
    Gauge("geosync_lag_median_seconds", "From push to synced, the median of the last hour", "lag_median_seconds"),
    Gauge("geosync_lag_p99_seconds", "From push to synced, of 99 of 100 pushes of the last hour", "lag_p99_seconds"),
    Gauge(
        "geosync_service_level_percent",
        "Pushes of this month that were seen within the target; an upper bound while more is owed than is read",
        _level("share_percent"),
    ),
    Gauge(
        "geosync_service_level_target_percent",
        "The share of pushes that is to be seen within the target",
        _level("target_share_percent"),
    ),
    Gauge(
        "geosync_service_level_target_lag_seconds",
        "The target: the lag within which a push is to be seen",
        _level("target_lag_seconds"),
    ),
    Gauge(
        "geosync_error_budget_left_percent",
        "What is left of this month's error budget",
        _level("budget_left_percent"),
    ),
    Gauge("geosync_pushes_overdue", "Pushes that are older than the target and not here", _level("overdue_count")),
)
"""Metrics that rise and fall, in the order in which they are answered."""


@dataclass(frozen=True, slots=True)
class Total:
    """A metric that only rises, since the site keeps a history; `of` is a field of the status' `measured`."""

    name: str
    help: str
    of: str


TOTALS = (
    Total("geosync_replicated_bytes", "Bytes that were copied", "bytes"),
    Total("geosync_registry_requests", "Requests to the two registries", "requests"),
    Total("geosync_references_synced", "References that were seen equal", "synced_count"),
    Total("geosync_pushes_missed_target", "Pushes seen later than the target, or never announced", "missed_count"),
)
LAG = "geosync_lag_seconds"


class SiteCollector:
    """The statuses of some sites at one moment, as prometheus_client collects them. `now_ms`: that moment."""

    def __init__(self, statuses: Iterable[GeoSiteStatus], *, now_ms: int) -> None:
        self._statuses = tuple(statuses)
        self._now_ms = now_ms

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with a sample for each site of which it is known."""
        # Imported here and below: that takes 0.1 s of processor, for which no other request should wait.
        from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily  # noqa: PLC0415

        about = InfoMetricFamily("geosync_site", "Role and version of a site", labels=["site"])
        for status in self._statuses:
            role = "primary" if status.primary else "secondary"
            about.add_metric([status.name], {"role": role, "version": status.version or ""})
        yield about
        for gauge in (*GAUGES, self._age()):
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=["site"])
            for status in self._statuses:
                value = gauge.read(status)
                if value is not None:
                    family.add_metric([status.name], value)
            yield family
        yield from self._totals()
        yield self._lags()

    def _totals(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily  # noqa: PLC0415

        for total in TOTALS:
            counter = CounterMetricFamily(total.name, total.help, labels=["site"])
            for status in self._statuses:
                if status.measured is not None:
                    counter.add_metric([status.name], getattr(status.measured, total.of))
            yield counter

    def _lags(self) -> Metric:
        from prometheus_client.metrics_core import HistogramMetricFamily  # noqa: PLC0415

        lags = HistogramMetricFamily(LAG, "From push to seen, of the pushes that were seen here", labels=["site"])
        for status in self._statuses:
            if (measured := status.measured) is not None:
                buckets = [(str(one.at_most_seconds), float(one.count)) for one in measured.lag_counts]
                lags.add_metric([status.name], [*buckets, ("+Inf", measured.lag_count)], measured.lag_sum_seconds)
        return lags

    def _age(self) -> Gauge:
        """The age of the recovery point now: a report is up to a minute old, and what it says ages."""
        at = _moment("recovery_point_at")

        def read(status: GeoSiteStatus) -> float | None:
            moment_s = at(status)
            return None if moment_s is None else max(0.0, self._now_ms / 1000 - moment_s)

        return Gauge("geosync_recovery_point_age_seconds", "How old the recovery point is now", read)


class MetricsRoutes:
    """Answers with the metrics of each site that this one knows."""

    def __init__(self, site: AdminSite, current: CurrentRequest) -> None:
        self._site = site
        self._current = current

    def show_metrics(self) -> Response[str]:
        """The metrics, in OpenMetrics where the header Accept asks for it, else in the text format of Prometheus."""
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

        encode, content_type = choose_encoder(self._current.accept)
        views = SiteViews(self._site, self._current.base)
        collector: Collector = SiteCollector(views.statuses(), now_ms=self._site.clock.now_ms())
        return Response(status_code=200, content_type=content_type, body=encode(collector).decode())
