"""A site's whole status as it shows and reports it: GitLab's fields and ours, ready to be written as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geosync.messages.event_log import LastEvent
from geosync.operating.geo_site_status import geo_site_status
from geosync.operating.health import health_of, signs_of
from geosync.operating.moments import optional_moment
from geosync.operating.recovery_point import why_not_known
from geosync.operating.site_facts import SiteFacts
from geosync.operating.status import Status
from geosync.verifying.counts import VerificationCounts

MOST_NAMED = 20
"""References that are named as those that would be lost; their number stands beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessages:
    """Numbers of messages in a site's queues."""

    dead_letters: int
    events_waiting: int


def site_report(
    status: Status,
    facts: SiteFacts,
    *,
    verified: VerificationCounts,
    queued: QueuedMessages,
    silent: Iterable[str] = (),
    last_event: LastEvent | None = None,
) -> dict[str, object]:
    """The fields of admin.resources.sites.GeoSiteStatus but the id, from a status that `status.read` returned.

    `silent`: as in health.PrimarySigns. `last_event` is the newest of the event log, which only a primary has.
    """
    oldest, lost = status.oldest, status.would_be_lost
    health = health_of(signs_of(facts, status, dead_letters=queued.dead_letters, silent=silent))
    if not facts.is_primary:
        last_event = _last_event_here(status, queued)
    return {
        **geo_site_status(status, facts, health, verification=verified, last_event=last_event),
        "name": facts.name,
        "primary": facts.is_primary,
        "recovery_point_at": optional_moment(status.recovery_point),
        "recovery_point_but_parked_at": optional_moment(status.recovery_point_but_parked),
        "recovery_point_stands_because": status.recovery.why,
        "recovery_point_unknown_because": _why_not_known(status, facts),
        "proved_at": optional_moment(status.proved_at),
        "notifications_lost_count": status.lost.count if status.lost is not None else 0,
        "would_be_lost": [f"{one.repository}:{one.reference}" for one in lost[:MOST_NAMED]],
        "would_be_lost_count": len(lost),
        "owed_references_count": len(status.owed),
        "failed_references_count": status.failed,
        "parked_references_count": len(status.parked),
        "more_owed": status.more_owed or status.more_parked,
        "lag_seconds": max(status.at - (oldest.owed_since or status.at), 0) // 1000 if oldest is not None else 0,
        "dead_letters_count": queued.dead_letters,
        "events_waiting_count": queued.events_waiting,
        "paused_since": optional_moment(status.pause.since) if status.pause is not None else None,
        "pause_reason": status.pause.reason if status.pause is not None else None,
        "registries_on_hold": [f"{hold.registry}: {hold.reason}" for hold in status.holds],
        "deletes_suspended_since": optional_moment(status.deletes.suspended_at),
        "deletes_suspended_because": status.deletes.reason,
        "last_heartbeat_at": optional_moment(status.heartbeat.sent_at) if status.heartbeat is not None else None,
    }


def _why_not_known(status: Status, facts: SiteFacts) -> str | None:
    return why_not_known(status) if status.recovery_point is None and not facts.is_primary else None


def _last_event_here(status: Status, queued: QueuedMessages) -> LastEvent | None:
    """The primary's newest event as a secondary knows it: the last that it processed, unless others wait.

    None while events wait: how new the newest of them is, is not known here.
    """
    cursor = status.cursor
    if cursor is None or queued.events_waiting:
        return None
    return LastEvent(id=cursor.id, received_at=cursor.received_at)
