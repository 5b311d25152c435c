"""A site's status under the names that GitLab Geo gives its fields, for the admin API and dashboards.

The names and meanings are GitLab's, so that a program that reads a GitLab site's status reads this. Counts follow from
the sync registry: `_registry_count` from a counter that changes with the rows, the open and the failed ones from the
index of what is owed; `_synced_count` is the rest. Ids of events are numbers (messages/event_number.py); times are
seconds since the epoch in `…_timestamp` and `…_time`, and RFC 3339 in `updated_at`, as GitLab has them.
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
from geosync.verifying.counts import VerificationCounts

NOT_VERIFIED = VerificationCounts()


def geo_site_status(
    status: Status,
    facts: SiteFacts,
    health: Health,
    *,
    verification: VerificationCounts = NOT_VERIFIED,
    last_event: LastEvent | None = None,
    replication_enabled: bool = True,
) -> dict[str, object]:
    """The fields of GitLab's `geo_sites/:id/status` for container repositories, from what `status.read` returned.

    `last_event` is the newest event of the primary's that this site knows of. See health.py for `health`.
    """
    prefix = "container_repositories_"
    synced = max(status.repositories - status.open_repositories, 0)
    cursor = status.cursor if not facts.is_primary else None
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
        f"{prefix}replication_enabled": replication_enabled and (facts.is_primary or status.pause is None),
        f"{prefix}checksum_total_count": verification.total,
        f"{prefix}oldest_unsynced_time": _oldest_unsynced_s(status, facts),
        "last_event_id": event_number(last_event.id, last_event.received_at) if last_event is not None else None,
        "last_event_timestamp": last_event.received_at // 1000 if last_event is not None else None,
        "cursor_last_event_id": event_number(cursor.id, cursor.received_at) if cursor is not None else None,
        "cursor_last_event_timestamp": cursor.received_at // 1000 if cursor is not None else None,
        "last_successful_status_check_timestamp": status.last_minute // 1000
        if status.last_minute is not None
        else None,
        **health.fields(),
        "version": __version__,
        "revision": revision(),
        "selective_sync_type": facts.selective_sync_type,
        "namespaces": [{"full_path": name} for name in facts.namespaces],
        "updated_at": datetime.fromtimestamp(status.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def percentage(part: int, whole: int) -> str:
    """Write a share as GitLab does: `97.50%`; nothing of nothing is `0.00%`."""
    return f"{100 * part / whole if whole else 0:.2f}%"


def _oldest_unsynced_s(status: Status, facts: SiteFacts) -> int | None:
    """The moment since which the oldest is owed (seconds); None: nothing is, a primary owes nothing, or not known."""
    oldest = status.oldest
    if facts.is_primary or oldest is None or oldest.owed_since is None or status.more_owed or status.more_parked:
        return None
    return oldest.owed_since // 1000
