"""A site with something of each kind, for the pages of its dashboard."""

from __future__ import annotations

from tests.functional.admin.parts import EVENTS_TABLE, A, Site
from tests.support.noted import note_finding

from geosync.clock import SYSTEM_CLOCK
from geosync.messages.geo_event import GeoEvent
from geosync.notifications.publish import EventLogWriter
from geosync.sync_registry.site.findings import Finding

LONG = f"group/app-19/{'subgroup-of-teams/' * 4}the_image"
"""A name that does not fit beside the rest of its row."""


def fill(site: Site) -> None:
    """Write more than a page of rows, one of them failed, what a comparison found, an event and a dead letter."""
    for number in range(21):
        site.synced(LONG if number == 19 else f"group/app-{number:02}", v1=A)
    site.measured("group/app-01", tags=12, size_bytes=1_234_567)
    site.measured("group/app-02", tags=1_200, size_bytes=None)
    site.failed("group/z-broken", "v1")
    finding = Finding(repository="group/app-00", found_at=1_700_000_000_000, of=3, extra=2, extra_names=("mine", "old"))
    note_finding(site.store, finding, None)
    site.send_dead_letter("poison")
    now_ms = SYSTEM_CLOCK.now_ms()
    event = GeoEvent(
        id="event", site="dublin", event_name="created", repository=LONG, tag="v1", digest=A, media_type=None,
        occurred_at="2026-11-24T05:00:00Z", received_at=now_ms, source="registry", correlation_id="correlation",
    )  # fmt: skip
    EventLogWriter(site.dynamodb, EVENTS_TABLE, retention_days=30).write([event])
