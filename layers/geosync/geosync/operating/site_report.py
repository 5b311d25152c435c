"""A site's whole status as it shows and reports it: GitLab's fields and ours, ready to be written as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geosync.clock import optional_moment, optional_seconds
from geosync.messages.event_log import LastEvent
from geosync.operating.comparison_report import comparison_report
from geosync.operating.drill_schedule import last_drill_fields, why_due
from geosync.operating.geo_site_status import geo_site_status
from geosync.operating.health import health_of, signs_of
from geosync.operating.queued_messages import QueuedMessages
from geosync.operating.recovery_point import why_not_known
from geosync.operating.service_level import level_now
from geosync.operating.site_facts import SiteFacts
from geosync.operating.stalled import why_stalled_now
from geosync.operating.status import Status
from geosync.sync_registry.site.history import bins_of
from geosync.sync_registry.site.lags import bound_ms

MOST_NAMED = 20
"""References that are named as those that would be lost; their number stands beside them."""

SHOWN_BINS = range(0, 85, 4)
"""The bins whose bounds are those of the metric: 0.1 s, and each bound twice the one before, up to five days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCatalogue:
    """The repositories that the primary's catalogue named, whoever replicates them, in a walk that began `at` (ms)."""

    repositories: int
    at: int


def site_report(
    status: Status,
    facts: SiteFacts,
    *,
    queued: QueuedMessages,
    catalogue: CountedCatalogue | None = None,
    silent: Iterable[str] = (),
    last_event: LastEvent | None = None,
) -> dict[str, object]:
    """The fields of admin.resources.sites.GeoSiteStatus but the id, from a status that `status.read` returned.

    All of it is of one moment: what was read, and what the queues held then. `catalogue` is what a primary knows of its
    own repositories; a secondary knows what its last comparison saw. `silent`: as in health.PrimarySigns. `last_event`
    is the newest of the event log, which only a primary has.
    """
    if facts.is_primary:
        on_primary = catalogue.repositories if catalogue is not None else None
    else:
        catalogue, last_event, on_primary = _counted_here(status), _last_event_here(status, queued), status.on_primary
    health = health_of(signs_of(facts, status, dead_letters=queued.dead_letters, silent=silent))
    return {
        **geo_site_status(status, facts, health, on_primary=on_primary, last_event=last_event),
        "name": facts.name,
        "primary": facts.is_primary,
        "primary_repositories_count": catalogue.repositories if catalogue is not None else None,
        "primary_repositories_counted_at": optional_moment(catalogue.at if catalogue is not None else None),
        "dead_letters_count": queued.dead_letters,
        "events_waiting_count": queued.events_waiting,
        "paused_since": optional_moment(status.pause.since) if status.pause is not None else None,
        "pause_reason": status.pause.reason if status.pause is not None else None,
        "registries_on_hold": [f"{hold.registry}: {hold.reason}" for hold in status.holds],
        **({} if facts.is_primary else _of_secondary(status, facts, queued)),
    }


def _counted_here(status: Status) -> CountedCatalogue | None:
    walk = status.comparison
    if walk is None or walk.counted is None or walk.counted_at is None:
        return None
    return CountedCatalogue(repositories=walk.counted, at=walk.counted_at)


def _of_secondary(status: Status, facts: SiteFacts, queued: QueuedMessages) -> dict[str, object]:
    """Fields that only a secondary has: what is owed, its recovery point, its comparison. A primary's are null."""
    lost, why = status.would_be_lost, why_stalled_now(status, events=queued.events_waiting, letters=queued.dead_letters)
    return {
        "recovery_point_at": optional_moment(status.recovery_point),
        "recovery_point_but_parked_at": optional_moment(status.recovery_point_but_parked),
        "recovery_point_stands_because": why,
        "recovery_point_unknown_because": why_not_known(status) if status.recovery_point is None else None,
        "proved_at": optional_moment(status.proved_at),
        "notifications_lost_count": status.lost.count if status.lost is not None else 0,
        "would_be_lost": [f"{one.repository}:{one.reference}" for one in lost[:MOST_NAMED]],
        "would_be_lost_count": len(lost),
        "owed_references_count": sum(not one.is_a_look for one in status.owed),
        "failed_references_count": status.failed,
        "parked_references_count": len(status.parked),
        "more_owed": status.more_owed or status.more_parked,
        "oldest_owed_seconds": status.oldest_owed_s,
        **_lags(status),
        "service_level": level_now(status, facts.objective).fields(),
        "measured": _measured(status),
        "comparison": comparison_report(status.comparison, status.progress),
        "container_repositories_comparing_count": status.progress.to_compare if status.progress is not None else 0,
        "deletes_suspended_since": optional_moment(status.deletes.suspended_at),
        "deletes_suspended_because": status.deletes.reason,
        "last_heartbeat_at": optional_moment(status.heartbeat.sent_at) if status.heartbeat is not None else None,
        "last_drill": last_drill_fields(status.last_drill),
        "drill_due_because": why_due(status.last_drill, facts.drill_schedule, now_ms=status.at),
    }


def _lags(status: Status) -> dict[str, object]:
    """From push to synced in the last hour; null where nothing was measured."""
    lags = status.lags
    return {
        "lag_measured_count": lags.measured,
        "lag_median_seconds": optional_seconds(lags.median_ms),
        "lag_p99_seconds": optional_seconds(lags.p99_ms),
    }


def _measured(status: Status) -> dict[str, object] | None:
    """The counts since the site keeps a history; None: it keeps none yet."""
    if status.kept is None:
        return None
    total, bins = status.kept.total, bins_of(status.kept.total)
    return {
        "lag_counts": [
            {
                "at_most_seconds": bound_ms(upper) / 1000,
                "count": sum(count for number, count in bins.items() if number <= upper),
            }
            for upper in SHOWN_BINS
        ],
        "lag_count": sum(bins.values()),
        "lag_sum_seconds": total.get("lag_ms", 0) / 1000,
        "missed_count": total.get("late", 0) + total.get("lost", 0),
        "synced_count": total.get("synced", 0),
        "bytes": total.get("bytes", 0),
        "requests": total.get("requests", 0),
    }


def _last_event_here(status: Status, queued: QueuedMessages) -> LastEvent | None:
    """The primary's newest event as a secondary knows it: the last that it processed, unless others wait.

    None while events wait: how new the newest of them is, is not known here.
    """
    cursor = status.cursor
    if cursor is None or queued.events_waiting:
        return None
    return LastEvent(id=cursor.id, received_at=cursor.received_at)
