"""A site's whole status as it shows and reports it: GitLab's fields and ours, ready to be written as JSON."""

from __future__ import annotations

from datetime import UTC, datetime

from geosync.settings import Role
from geosync.status import Status


def site_report(
    status: Status, *, name: str, role: Role, dead_letters: int | None = None, events_waiting: int | None = None
) -> dict[str, object]:
    """The fields of admin.models.GeoSiteStatus but the id, from what `status.read` found at this site.

    `dead_letters` and `events_waiting` are the messages in its queues: while an event waits there, or nobody knows
    whether one does, the recovery point is not known.
    """
    everything = not (status.more_owed or status.more_parked)
    prefix = "container_repositories_"
    owed = {one.repository for one in status.references}
    failed = {one.repository for one in status.references if one.failure is not None}
    synced = max(status.repositories - len(owed), 0)
    oldest = status.oldest
    return {
        "name": name,
        "primary": role == "primary",
        "healthy": True,
        "health": "Healthy",
        "health_status": "Healthy",
        f"{prefix}count": status.repositories,
        f"{prefix}registry_count": status.repositories,
        f"{prefix}synced_count": synced if everything else None,
        f"{prefix}failed_count": len(failed) if everything else None,
        f"{prefix}synced_in_percentage": _percentage(synced, status.repositories) if everything else None,
        f"{prefix}replication_enabled": role == "primary" or status.pause is None,
        "recovery_point_at": _moment(status.recovery_point) if events_waiting == 0 else None,
        "proved_at": _moment(status.comparison.started_at)
        if status.comparison is not None and status.comparison.finished_at is not None
        else None,
        "owed_references_count": len(status.owed),
        "failed_references_count": status.failed,
        "parked_references_count": len(status.parked),
        "more_owed": not everything,
        "lag_seconds": max(status.at - (oldest.owed_since or status.at), 0) // 1000 if oldest is not None else 0,
        "dead_letters_count": dead_letters,
        "events_waiting_count": events_waiting,
        "paused_since": _moment(status.pause.since) if status.pause is not None else None,
        "pause_reason": status.pause.reason if status.pause is not None else None,
        "registries_on_hold": [f"{hold.registry}: {hold.reason}" for hold in status.holds],
        "last_heartbeat_at": _moment(status.heartbeat.sent_at) if status.heartbeat is not None else None,
        "updated_at": _moment(status.at),
    }


def _percentage(part: int, whole: int) -> str:
    return f"{100 * part / whole if whole else 0:.2f}%"


def _moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
