"""A site's status under the names that GitLab Geo gives its fields, for the admin API and dashboards.

The names and meanings are GitLab's, so that a program that reads a GitLab site's status reads this. Counts follow from
the sync registry: `_registry_count` from a counter that changes with the rows, the open and the failed ones from the
index of what is owed; `_synced_count` is the rest. Ids of events are texts here, where GitLab has numbers; times are
seconds since the epoch in `…_timestamp` and RFC 3339 in `updated_at`, as GitLab has them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from geosync.messages.event_log import LastEvent
from geosync.operating.status import Status
from geosync.settings import Role
from geosync.verifying.counts import VerificationCounts

UNHEALTHY_AFTER_MS = 10 * 60_000
"""Milliseconds since functions/reconcile last ran after which a site counts as unhealthy (GitLab: an hour)."""


NOT_VERIFIED = VerificationCounts()


def geo_site_status(
    status: Status,
    *,
    role: Role,
    verification: VerificationCounts = NOT_VERIFIED,
    last_event: LastEvent | None = None,
    replication_enabled: bool = True,
) -> dict[str, object]:
    """The fields of GitLab's `geo_sites/:id/status` for container repositories, from what `status.read` returned.

    `last_event` is the newest event of the site's event log (event_log.last), which only a primary has. A site is
    healthy while functions/reconcile runs.
    """
    prefix = "container_repositories_"
    synced = max(status.repositories - status.open_repositories, 0)
    problem = _problem(status)
    cursor = status.cursor
    return {
        f"{prefix}count": status.on_primary,
        f"{prefix}registry_count": status.repositories,
        f"{prefix}synced_count": synced,
        f"{prefix}failed_count": status.failed_repositories,
        f"{prefix}synced_in_percentage": percentage(synced, status.repositories),
        f"{prefix}verification_total_count": verification.total,
        f"{prefix}verified_count": verification.verified,
        f"{prefix}verification_failed_count": verification.failed,
        f"{prefix}verified_in_percentage": percentage(verification.verified, verification.total),
        f"{prefix}checksummed_count": verification.checksummed,
        f"{prefix}checksum_failed_count": verification.checksum_failed,
        f"{prefix}replication_enabled": replication_enabled and (role == "primary" or status.pause is None),
        "last_event_id": last_event.id if last_event is not None else None,
        "last_event_timestamp": last_event.received_at // 1000 if last_event is not None else None,
        "cursor_last_event_id": cursor.id if cursor is not None else None,
        "cursor_last_event_timestamp": cursor.received_at // 1000 if cursor is not None else None,
        "last_successful_status_check_timestamp": status.last_minute // 1000
        if status.last_minute is not None
        else None,
        "health": problem or "Healthy",
        "healthy": problem is None,
        "health_status": "Healthy" if problem is None else "Unhealthy",
        "updated_at": datetime.fromtimestamp(status.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def percentage(part: int, whole: int) -> str:
    """Write a share as GitLab does: `97.50%`; nothing of nothing is `0.00%`."""
    return f"{100 * part / whole if whole else 0:.2f}%"


def _problem(status: Status) -> str | None:
    if status.last_minute is None:
        return "functions/reconcile has not run yet"
    late = status.at - status.last_minute
    if late > UNHEALTHY_AFTER_MS:
        return f"functions/reconcile has not run for {late // 60_000} minutes"
    return None
