"""A site's status under the names that GitLab Geo gives its fields, for the admin API and dashboards.

The names and meanings are GitLab's, so that a program that reads a GitLab site's status reads this. Counts of
rows follow from counters that change with the rows (sync_registry/site/counters.py). What is not known is None, and so
is at a primary what only a secondary has: rows, and how far they are. Ids of events are numbers
(messages/event_number.py); times are seconds since the epoch in `…_timestamp` and `…_time`, and RFC 3339 in
`updated_at`, as GitLab has them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from geosync import __version__
from geosync.messages.event_log import LastEvent
from geosync.messages.event_number import event_number
from geosync.operating.health import Health
from geosync.operating.revision import revision
from geosync.operating.site_facts import SiteFacts
from geosync.operating.status import Status
from geosync.sync_registry.site.counters import RowCounts
from geosync.sync_registry.site.cursor import EventCursor
from geosync.verifying.counts import VerificationCounts, verification_counts_of


def geo_site_status(
    status: Status,
    facts: SiteFacts,
    health: Health,
    *,
    on_primary: int | None = None,
    last_event: LastEvent | None = None,
    replication_enabled: bool = True,
) -> dict[str, object]:
    """The fields of GitLab's `geo_sites/:id/status` for container repositories, from what `status.read` returned.

    `on_primary` is the number of the primary's repositories, of this site's own where it is the primary. `last_event`
    is the newest event of the primary's that this site knows of. See health.py for `health`.
    """
    prefix = "container_repositories_"
    rows = status.rows if not facts.is_primary else None
    verification = verification_counts_of(rows) if rows is not None else None
    cursor = status.cursor if not facts.is_primary else None
    return {
        f"{prefix}count": on_primary,
        **{f"{prefix}{name}": value for name, value in _replication(rows).items()},
        **{f"{prefix}{name}": value for name, value in _verification(verification).items()},
        f"{prefix}replication_enabled": replication_enabled and (facts.is_primary or status.pause is None),
        f"{prefix}oldest_unsynced_time": _oldest_unsynced_s(status, facts),
        **_event("last_event", last_event),
        **_event("cursor_last_event", cursor),
        "last_successful_status_check_timestamp": _seconds(status.last_minute),
        **health.fields(),
        "version": __version__,
        "revision": revision(),
        "selective_sync_type": facts.selective_sync_type,
        "namespaces": [{"full_path": name} for name in facts.namespaces],
        "updated_at": datetime.fromtimestamp(status.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def _verification(counts: VerificationCounts | None) -> dict[str, object]:
    return {
        "verification_total_count": counts.total if counts is not None else None,
        "verified_count": counts.verified if counts is not None else None,
        "verification_failed_count": counts.failed if counts is not None else None,
        "verified_in_percentage": percentage(counts.verified, counts.total) if counts is not None else None,
        "checksummed_count": counts.checksummed if counts is not None else None,
        "checksum_total_count": counts.total if counts is not None else None,
        "checksum_failed_count": counts.checksum_failed if counts is not None else None,
    }


def _replication(rows: RowCounts | None) -> dict[str, object]:
    """The counts of rows without what GitLab writes before each name."""
    return {
        "registry_count": rows.rows if rows is not None else None,
        "synced_count": rows.synced if rows is not None else None,
        "failed_count": rows.failed if rows is not None else None,
        "synced_in_percentage": percentage(rows.synced, rows.rows) if rows is not None else None,
    }


def _event(name: str, event: LastEvent | EventCursor | None) -> dict[str, int | None]:
    """The two fields of an event, `name` before each."""
    return {
        f"{name}_id": event_number(event.id, event.received_at) if event is not None else None,
        f"{name}_timestamp": _seconds(event.received_at if event is not None else None),
    }


def _seconds(at_ms: int | None) -> int | None:
    return at_ms // 1000 if at_ms is not None else None


def percentage(part: int, whole: int) -> str:
    """Write a share as GitLab does: `97.50%`, from 0 to 100; nothing of nothing is `0.00%`."""
    return f"{min(max(100 * part / whole, 0), 100) if whole > 0 else 0:.2f}%"


def _oldest_unsynced_s(status: Status, facts: SiteFacts) -> int | None:
    """The moment since which the oldest is owed (seconds); None: nothing is, a primary owes nothing, or not known."""
    oldest = status.oldest
    if facts.is_primary or oldest is None or oldest.owed_since is None or status.more_owed or status.more_parked:
        return None
    return oldest.owed_since // 1000
