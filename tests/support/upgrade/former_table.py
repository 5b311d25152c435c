"""What a release leaves, written by its own code: every kind of item of a table, and messages of its queues.

It runs with the kept release's library on the path, and with nothing of today's: so it uses what that release has, and
is adapted when another one is kept (tests/e2e/previous). It reads a JSON document: `prefix` (repositories are below
it), `now_ms` (the present), and `images`, of which it makes events. It prints `items` (sets as `{"set": […]}`),
`letters` (work messages) and `events`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import Any

from geosync.clock import Clock
from geosync.messages.geo_event import GeoEvent
from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import Owed, Reference, Seen
from geosync.sync_registry.site.admin_access import NamedToken
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.site.history import Observed
from geosync.sync_registry.site.letters import LettersLook
from geosync.sync_registry.site.promotions import Promotion
from geosync.sync_registry.site.recounts import LastRecount, Recounts
from geosync.sync_registry.site.recovery import Recovery
from geosync.sync_registry.site.reported_rows import END, ReportedPage, ReportedRow
from geosync.sync_registry.site.sites import SiteReport
from geosync.sync_registry.site.told import Told, ToldSite
from geosync.sync_registry.suspects import Suspect
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Comparison, Mark
from geosync.sync_registry.uploads import KeptUpload

DIGEST, BLOB, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
MINUTE_MS = 60_000
TOKEN = "former" * 8
"""Opens the admin API, as the named token `ci`."""


class Stopped(Clock):
    """A clock that stands at the present."""

    def __init__(self, now_ms: int) -> None:
        self.at_ms = now_ms

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_s(self) -> float:
        return self.at_ms / 1000

    def sleep_s(self, seconds: float) -> None:
        self.at_ms += int(seconds * 1000)


def rows(known: SyncRegistry, prefix: str, now_ms: int) -> None:
    """Write rows of repositories: one is synced, one failed, one is parked, one held, one renamed."""
    seen = Seen(digest=DIGEST, looked_at=now_ms - 1000, seen_at=now_ms - 500)
    lease = mark(known, f"{prefix}/synced", Reference.tag("v1"), Reference.digest(DIGEST))
    for one in known.due(lease.repository):
        assert known.discharge(lease, one, seen)
    known.suspects.note(lease.repository, Suspect(tag="v1", at=now_ms, primary=DIGEST, secondary=OTHER))
    assert known.finish(lease)

    lease = mark(known, f"{prefix}/failed", Reference.tag("v1"))
    (owed,) = known.due(lease.repository)
    known.outbox.put_failure(owed, "503 Service Unavailable", parked=False)
    assert known.fail(known.note_copy(owed, DIGEST), "503 Service Unavailable")
    assert known.finish(lease)

    lease = mark(known, f"{prefix}/parked", Reference.tag("v1"))
    (owed,) = known.due(lease.repository)
    assert known.fail(owed, "schema 1 is not taken", parked=True)
    assert known.finish(lease)

    lease = mark(known, f"{prefix}/flight", Reference.tag("v1"))  # its holder was killed in the middle of a copy
    known.renew(lease, frozenset({"tag#v1"}))

    lease = mark(known, f"{prefix}/large", Reference.tag("v1"))
    upload = KeptUpload(digest=BLOB, size=9, registry="registry.example", path="/v2/x/blobs/uploads/1", offset=4)
    known.release(lease, [upload])

    known.mark(f"{prefix}/whole", Reference.whole())
    known.mark(f"{prefix}/digest", Reference.digest(OTHER))
    known.note_rename(f"{prefix}/whole", f"{prefix}/former")


def mark(known: SyncRegistry, repository: str, *references: Reference) -> Any:
    for reference in references:
        known.mark(repository, reference, Mark(expects=DIGEST, pushed_at=known._clock.now_ms()))
    lease = known.knock(repository)
    assert lease is not None
    return lease


def of_the_site(known: SyncRegistry, prefix: str, now_ms: int) -> None:
    """Write the items of the whole site."""
    known.pause("an upgrade")
    known.hold("gone.example", reason="no answer")
    assert known.take_slot("work", f"{prefix}-namespace", most=2, lasting_s=60) is not None
    known.admin_access.add(
        NamedToken(
            name="ci", right="read", created_at=now_ms, ends_at=None, key=hashlib.sha256(TOKEN.encode()).hexdigest()
        )
    )
    known.admin_access.end_session("session", over_at_s=now_ms // 1000 + 3600)
    known.breaker.count_missing(f"{prefix}/synced", new=2, missing=2, of=10)
    known.capabilities.put("registry.example", {"mounts": True}, asked_at_s=now_ms // 1000)
    walk = known.catalogue.begin(now_ms=now_ms - MINUTE_MS)
    known.catalogue.note_finished(walk, now_ms=now_ms)
    known.rows_walk.advance(walk.started_at, f"{prefix}/synced")
    known.rows_report_cursor.record(f"{prefix}/synced")
    known.cursor.record(event_id="event-1", received_at=now_ms)
    known.heartbeat.record(site="dublin", sent_at=now_ms - 20, arrived_at=now_ms)
    known.posted_heartbeat.record(at=now_ms)
    known.letters.write(LettersLook(at=now_ms, letters=1, parked=1, unmarked=0))
    known.minute.record()
    Recounts(known._store).record(LastRecount(at=now_ms, rows=5))
    known.sample.reserve(100, 1000, now_ms=now_ms)
    known.subscription.begin_anew("arn:aws:sns:eu-west-1:1:t:s", settle_s=2)
    known.sweep.record(woken=3, reason=None)
    known.recovery.write(Recovery(sent_at=now_ms - 10, at=now_ms, point=now_ms - 10))
    known.recovery.record_refused()


def history(known: SyncRegistry, now_ms: int) -> None:
    """Minutes of the service level, over the change of an hour."""
    for ago in (61, 2, 1):
        observed = Observed(counts={"at_most_100_ms": 3, "late": 1, "bytes": 7}, gauges={"owed": 2})
        known.history.record(observed, now_ms=now_ms - ago * MINUTE_MS)


def of_others(known: SyncRegistry, prefix: str, now_ms: int) -> None:
    """Write the items about other sites, and the findings of a comparison."""
    known.sites.add(name="oslo", url="https://oslo.example/geo", key="1" * 64, now_ms=now_ms)
    known.sites.record(SiteReport(site="oslo", sent_at=now_ms, arrived_at=now_ms, status="{}"))
    row = ReportedRow(name="group/app", state="2", verification_state="0", last_synced_at=now_ms)
    known.reported_rows.put("oslo", ReportedPage(after="", until=END, at=now_ms, rows=(row,)))
    known.told.record(Told(at=now_ms, sites=(ToldSite(name="dublin", url=None, primary=True),)))
    known.promotions.begin(Promotion(token="t" * 32, began_at=now_ms, events_waiting=0, dead_letters=1))
    lease = known.acquire(f"{prefix}/found")
    assert lease is not None
    finding = Finding(repository=lease.repository, found_at=now_ms, of=3, missing=1, missing_names=("v9",))
    known.record_finding(lease, finding, None)
    walk = mark_of_a_walk(known, lease.repository, now_ms)
    seen = Seen(digest=DIGEST, looked_at=now_ms, seen_at=now_ms, unannounced=True, suspected=True)
    assert known.discharge(lease, walk, seen)
    known.suspected.record(walk)
    lost = mark_of_a_walk(known, lease.repository, now_ms, tag="lost")
    known.suspected.record(lost)
    assert known.discharge(lease, lost, seen)
    (one,) = [one for one in known.suspected.read(limit=10) if one.reference.value == "lost"]
    assert known.suspected.end(one, lost=True)
    assert known.finish(lease)
    known.shared_blobs.note({BLOB: (f"{prefix}/synced",)})


def mark_of_a_walk(known: SyncRegistry, repository: str, now_ms: int, tag: str = "unannounced") -> Owed:
    walk = Comparison(walk=now_ms - MINUTE_MS, unannounced=True)
    return known.mark(repository, Reference.tag(tag), Mark(comparison=walk, pushed_at=now_ms))


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as JSON holds it."""
    return {
        name: {"set": sorted(value)} if isinstance(value, set | frozenset) else value for name, value in item.items()
    }


def events(images: list[dict[str, str]], now_ms: int) -> list[str]:
    """The geo events of pushes, as the primary's topic carries them."""
    return [
        GeoEvent(
            id=f"event-{number}",
            site="dublin",
            event_name="created",
            occurred_at=None,
            received_at=now_ms,
            source="distribution",
            correlation_id=f"push-{number}",
            **image,
        ).to_json()
        for number, image in enumerate(images)
    ]


def main(prefix: str, now_ms: int, images: list[dict[str, str]]) -> None:
    store = MemoryStore()
    known = SyncRegistry(store, clock=Stopped(now_ms), tells=True)
    rows(known, prefix, now_ms)
    of_the_site(known, prefix, now_ms)
    history(known, now_ms)
    of_others(known, prefix, now_ms)
    letters = [
        WorkMessage(repository=f"{prefix}/{name}", reason="replay", references=(Reference.tag("v1"),)).to_json()
        for name in ("parked", "dead")
    ]
    items = [plain(item) for item in store.table.values()]
    json.dump({"items": items, "letters": letters, "events": events(images, now_ms)}, sys.stdout)


if __name__ == "__main__":
    main(**json.load(sys.stdin))
