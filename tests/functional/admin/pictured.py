"""A site as the pictures of the documentation show it: always the same one, at always the same moment."""

from __future__ import annotations

import math
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from moto.sqs.models import Message
from tests.functional.admin.parts import SYNC_TABLE, Site
from tests.support.filled import fill
from tests.support.noted import note_finding

from geosync import __version__
from geosync.clock import Clock, moment
from geosync.errors import NotFound, RegistryUnavailable
from geosync.sync_registry import attempts
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.measured import Tally
from geosync.sync_registry.site import catalogue, walks
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.site.history import HistoryItems, Observed, bin_name
from geosync.sync_registry.site.recovery import Recovery
from geosync.sync_registry.site.told import Told, ToldSite
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark
from geosync.sync_registry.verification_items import VerificationItems

NOW_MS = 1_798_448_400_000
"""2026-12-28, 09:00 UTC."""
FIXED = f"""
Date.now = () => {NOW_MS};
window.asking = 0;
const ask = window.fetch, isOver = () => {{ window.asking -= 1; }};
window.fetch = async (...request) => {{
  window.asking += 1;
  const answer = await ask(...request).catch((error) => {{ isOver(); throw error; }});
  const read = answer.text.bind(answer);
  answer.text = () => read().finally(isOver);
  return answer;
}};
"""
"""What has a browser live at that moment, and know how many answers it waits for (SETTLED)."""
SETTLED = """
const done = arguments[0];
let quiet = 0;
const look = () => {
  quiet = window.asking ? 0 : quiet + 1;
  return quiet > 6 ? done() : requestAnimationFrame(look);
};
look();
"""
"""Waits until nothing is asked for, and what came is drawn: an answer may have the page ask for more."""
MINUTE_MS = 60_000
TEAMS = {"platform": ("api", "gateway", "scheduler", "worker"), "shop": ("cart", "checkout", "search", "web")}
TAGS = {"v2.14.0": 61_200_418, "v2.14.1": 61_204_932, "v2.15.0": 63_871_004, "latest": 63_871_004}
PATIENCE = RegistryUnavailable("dublin.example.com", "GET /v2/shop/search/manifests/v2.15.1", status=503)
LAYER = NotFound(
    "dublin.example.com",
    f"GET /v2/platform/worker/blobs/sha256:{'4be1' * 16}",
    status=404,
    codes=["BLOB_UNKNOWN"],
)


class Moment:
    """The moment at which the site is looked at, and those at which it did what it did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = NOW_MS
        monkeypatch.setattr(Clock, "now_ms", lambda _: self.now_ms)
        monkeypatch.setattr(attempts, "_jitter", lambda: 20)  # seconds until the next try, which a page shows
        sent = Message.mark_sent

        def mark_sent(message: Any, *args: Any, **more: Any) -> None:
            sent(message, *args, **more)
            message.sent_timestamp = self.now_ms

        monkeypatch.setattr(Message, "mark_sent", mark_sent)
        date = BaseHTTPRequestHandler.date_time_string
        monkeypatch.setattr(
            BaseHTTPRequestHandler, "date_time_string", lambda handler, _=None: date(handler, self.now_ms / 1000)
        )


def digest(number: int) -> str:
    """A digest that looks like one, and is the same in each picture."""
    return "sha256:" + "".join(f"{(number * 2_654_435_761 + place * 40_503) % 65_536:04x}" for place in range(16))


def fill_site(site: Site, at: Moment) -> None:
    """Have the site know other sites, a day of its own, synced repositories and failures."""
    at.now_ms = NOW_MS - 30 * 86_400_000
    site.sync_registry.subscription.record("arn:aws:sns:eu-west-1:123456789012:events", settle_s=0)
    _history(site)
    _repositories(site, at)
    at.now_ms = NOW_MS
    _well(site)
    _others(site)


def _repositories(site: Site, at: Moment) -> None:
    names = [f"{team}/{name}" for team, all_names in TEAMS.items() for name in all_names]
    for place, repository in enumerate(names):
        at.now_ms = NOW_MS - (place + 1) * 7 * MINUTE_MS
        for number, (tag, size_bytes) in enumerate(TAGS.items()):
            what = digest(100 * place + (2 if tag == "latest" else number))
            seen = Seen(digest=what, looked_at=at.now_ms, seen_at=at.now_ms, size_bytes=size_bytes)
            _sync(site, repository, tag, seen)
        at.now_ms -= MINUTE_MS
        _verify(site, repository, at.now_ms)
    at.now_ms = NOW_MS - 4 * MINUTE_MS
    _fail(site, "platform/worker", "v2.15.1", str(LAYER), parked=True)
    at.now_ms = NOW_MS - 2 * MINUTE_MS
    _fail(site, "shop/search", "v2.15.1", str(PATIENCE))
    finding = Finding(repository="shop/web", found_at=NOW_MS - 3 * 3_600_000, of=4, extra=1, extra_names=("local-fix",))
    note_finding(site.store, finding, None)


def _sync(site: Site, repository: str, tag: str, seen: Seen) -> None:
    owed = site.sync_registry.mark(repository, Reference.tag(tag), Mark(expects=seen.digest))
    lease = site.sync_registry.acquire(repository)
    assert lease is not None
    assert site.sync_registry.discharge(lease, owed, seen)
    assert site.sync_registry.finish(lease)


def _verify(site: Site, repository: str, now_ms: int) -> None:
    items = VerificationItems(site.store)
    row = items.read(repository)
    assert row is not None
    begun = items.start(row, phase="1", now_ms=now_ms)
    assert begun is not None
    tally, hexadecimal = Tally(), digest(9).removeprefix("sha256:")
    for _, seen in site.sync_registry.seen_tags(repository, limit=len(TAGS)):
        tally.add(seen.digest, seen.size_bytes)
    measured = tally.measured(now_ms)
    items.succeed(begun, hexadecimal, now_ms=now_ms, due_ms=NOW_MS + 7 * 86_400_000, measured=measured)


def _fail(site: Site, repository: str, tag: str, why: str, *, parked: bool = False) -> None:
    owed = site.sync_registry.mark(repository, Reference.tag(tag), Mark(expects=digest(7)))
    lease = site.sync_registry.acquire(repository)
    assert lease is not None
    site.sync_registry.fail(owed, why, parked=parked)
    assert site.sync_registry.finish(lease)


def _well(site: Site) -> None:
    """The minute runs, heartbeats arrive, everything is compared."""
    registry = site.sync_registry
    registry.minute.record()
    registry.sweep.record(woken=0, reason=None)
    registry.heartbeat.record(site="dublin", sent_at=NOW_MS - 22_000, arrived_at=NOW_MS - 21_000)
    begun = dict.fromkeys(("started_at", "proved_at", "settled_at"), NOW_MS - 6 * 3_600_000)
    ended = dict.fromkeys(
        ("touched_at", "finished_at", "clean_since", "counted_at", "moved_at"), NOW_MS - 5 * 3_600_000
    )
    registry._store.write(Update(key=catalogue.KEY, set={**begun, **ended, "counted": 8, "repositories": 8}))
    counted = {walks.COMPARED: 8, walks.TAGS: 32, walks.FOUND: 3, walks.SETTLED: 3}
    registry._store.write(walks.count(begun["started_at"], "shop/web", counted, now_ms=NOW_MS))
    registry.recovery.write(Recovery(sent_at=NOW_MS - 22_000, at=NOW_MS - 21_000))


def _others(site: Site) -> None:
    """A primary, a site that is well, and one that is not."""
    told = []
    for name, age_s, more in (("dublin", 20, DUBLIN), ("oregon", 25, OREGON), ("tokyo", 41, TOKYO)):
        at = moment(NOW_MS - age_s * 1000)
        status = {"name": name, "primary": name == "dublin", "version": __version__}
        status |= {"updated_at": at, "reported_at": at}
        if name != "dublin":
            status["recovery_point_at"] = moment(NOW_MS - (age_s + (9 * 60 if name == "tokyo" else 0)) * 1000)
        url = f"https://{name}.example.com/geo"
        told.append(ToldSite(name=name, url=url, primary=name == "dublin", status={**status, **more}))
    site.sync_registry.told.record(Told(at=NOW_MS - 20_000, sites=tuple(told)))


_WELL = {"health": "Healthy", "healthy": True, "health_status": "Healthy", "health_reasons": []}
_EVERYTHING = {"container_repositories_replication_enabled": True, "container_repositories_registry_count": 8}
DUBLIN = {**_WELL, "container_repositories_replication_enabled": True, "dead_letters_count": 0}
OREGON = {
    **_WELL,
    **_EVERYTHING,
    "container_repositories_synced_count": 8,
    "container_repositories_synced_in_percentage": "100.00%",
    "dead_letters_count": 0,
    "container_repositories_failed_count": 0,
    "owed_references_count": 0,
    "lag_measured_count": 41,
    "lag_median_seconds": 1.9,
    "lag_p99_seconds": 6.4,
}
TOKYO = {
    **_EVERYTHING,
    "health": "Late",
    "healthy": False,
    "health_status": "Degraded",
    "health_reasons": ["the oldest push is owed for 9 min"],
    "container_repositories_synced_count": 6,
    "container_repositories_synced_in_percentage": "75.00%",
    "container_repositories_failed_count": 1,
    "owed_references_count": 14,
    "dead_letters_count": 1,
    "lag_measured_count": 38,
    "lag_median_seconds": 3.8,
    "lag_p99_seconds": 540,
}


def _history(site: Site) -> None:
    """A day by the minute: pushes by the hour of the day, and half an hour in which the primary was slow."""
    store = MemoryStore()
    history = HistoryItems(store)
    for minute in range(24 * 60 - 1, 0, -2):
        busy = 1 + math.sin((minute - 300) / 229)
        slow = 30 if 410 < minute < 440 else 0
        pushes = round(3 * busy + (minute % 7) / 3)
        counts = Counter({bin_name(12 + slow // 6 + minute % 7): pushes, "synced": pushes, "requests": 19 * pushes})
        counts["bytes"] = pushes * 10**6 * (18 + minute % 11)
        gauges = {"owed": round(2 * busy) + slow + minute % 3, "failed": 2 if slow else 0}
        gauges["recovery_point_age_s"] = 24 + minute % 31 + 12 * slow
        history.record(Observed(counts=counts, gauges=gauges), now_ms=NOW_MS - minute * MINUTE_MS)
    fill(site.dynamodb, SYNC_TABLE, store)
