"""Stored times in the future, after a clock was set back: they are reported, and what relies on them is deleted.

The clock may have been this site's or the primary's. A stored moment in the future stops what waits for a newer one:
no heartbeat is accounted, no event moves the cursor, no comparison is due. Nothing is proved up to such a moment. So it
is deleted; the next heartbeat, the next event, and a comparison that is asked for at once, write it anew.
"""

from __future__ import annotations

from dataclasses import replace

from geosync.minute.reporting import MinuteReporter
from geosync.operating.status import Status
from geosync.sync_registry.site.heartbeat import AHEAD_MS
from geosync.sync_registry.site.recovery import Recovery
from geosync.sync_registry.sync_registry import SyncRegistry


def forget_the_future(sync_registry: SyncRegistry, status: Status, reporter: MinuteReporter) -> None:
    """Delete times in the future, as a status that was read a moment ago has them. Raises what DynamoDB raises."""
    latest = status.at + AHEAD_MS
    found: list[str] = []
    known = _up_to(status.recovery, latest)
    if known != status.recovery:
        found.append("recovery point")
        sync_registry.recovery.write(known)
    if status.cursor is not None and status.cursor.received_at > latest:
        found.append("cursor")
        sync_registry.cursor.forget(after=latest)
    walk = status.comparison
    if walk is not None and max(walk.started_at, walk.proved_at or 0, walk.settled_at or 0) > latest:
        found.append("comparison")
        sync_registry.catalogue.doubt(walk)
    if found:
        reporter.clock_set_back(found)


def _up_to(known: Recovery, latest: int) -> Recovery:
    """The recovery point as it is known, without moments after `latest` (ms)."""

    def kept(moment: int | None) -> int | None:
        return moment if moment is None or moment <= latest else None

    return replace(
        known,
        sent_at=kept(known.sent_at),
        heartbeats=tuple(one for one in known.heartbeats if one[0] <= latest),
        point=kept(known.point),
        point_but_parked=kept(known.point_but_parked),
    )
