"""What today's code makes of each kind of item that the previous release wrote (former_table.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.upgrade.former_table import BLOB, DIGEST, MINUTE_MS, OTHER

from geosync.sync_registry.items import SYNCED, Reference
from geosync.sync_registry.site.recounts import KEY as RECOUNT
from geosync.sync_registry.site.recounts import LastRecount
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.uploads import UPLOAD_PREFIX, KeptUpload

TAG, NAMED = Reference.tag("v1"), frozenset({DIGEST})
NOBODY: frozenset[str] = frozenset()
Read = dict[str, Callable[[], Any]]
"""For each kind what reads it; what it gives is true when there is something."""


def of_repositories(known: SyncRegistry, prefix: str) -> Read:
    """Read what concerns single repositories."""
    digest = Reference.digest(DIGEST)

    def row(name: str) -> Any:
        found = known.row(f"{prefix}/{name}")
        return found and (found.state, found.working_on, found.retry_count)

    def owed(name: str, reference: Reference = TAG) -> Any:
        at = (f"{prefix}/{name}", reference)
        found = known.owed_named([at])[at]
        return found and (found.expects, found.failure, found.parked, found.copied)

    def ids() -> dict[str, int]:
        return known.listing.ids(f"{prefix}/{name}" for name in ("synced", "failed", "parked", "flight", "large"))

    return {
        "…/row": lambda: {name: row(name) for name in ("synced", "failed", "flight")},
        "…/owed#tag#": lambda: {name: owed(name) for name in ("failed", "parked", "flight")},
        "…/owed#digest#": lambda: owed("digest", Reference.digest(OTHER)),
        "…/owed#*": lambda: owed("whole", Reference.whole()),
        "…/tag#": lambda: known.seen_digests(f"{prefix}/synced", [TAG]),
        "…/digest#": lambda: known.seen_digests(f"{prefix}/synced", [digest]),
        "…/differs#": lambda: [(one.tag, one.secondary) for one in known.suspects.all(f"{prefix}/synced")],
        "…/upload#": lambda: [
            (one.digest, one.offset)
            for one in map(KeptUpload.from_item, known._store.items(f"{prefix}/large", UPLOAD_PREFIX, limit=9))
        ],
        "blob#/blob": lambda: known.shared_blobs.read([BLOB])[BLOB].repositories,
        "#rows/name#": lambda: sorted(ids()),
        "#rows/id#": lambda: sorted(str(known.listing.name_of(number)) for number in ids().values()),
        "#findings/name#": lambda: [(one.missing, one.missing_names) for one in known.findings.page(limit=9)],
        "#suspected/found#": lambda: [str(one.reference) for one in known.suspected.read(limit=9)],
    }


def of_the_site(known: SyncRegistry, now_ms: int) -> Read:
    """Read what concerns the whole site."""

    def recount() -> int:
        return LastRecount.from_item(known._store.get(RECOUNT)).rows

    def rows() -> Any:
        counted = known.counters.read()
        return counted and (counted.rows, counted.synced, counted.failed)

    def minutes() -> list[tuple[int, int | None]]:
        found = known.history.minutes(now_ms - 70 * MINUTE_MS, now_ms)
        return [(one.counts["at_most_100_ms"], one.most.get("owed")) for one in found]

    def month() -> Any:
        kept = known.history.kept(now_ms=now_ms)
        return kept and (kept.total["bytes"], kept.total["late"])

    walk = now_ms - MINUTE_MS
    return {
        "#site/pause": lambda: known.pauses.read() and known.is_paused(),
        "#site/hold#": lambda: [(one.registry, one.reason) for one in known.holds(ended_s=86_400)],
        "#site/token#": lambda: [(one.name, one.right) for one in known.admin_access.all()],
        "#site/ended#": lambda: known.admin_access.was_ended("session"),
        "#site/deletes": lambda: known.breaker.state().found,
        "#site/capabilities#": lambda: known.capabilities.get("registry.example") is not None,
        "#site/catalogue": lambda: (latest := known.catalogue.latest()) and latest.finished_at is not None,
        "#site/rows-walk": lambda: known.rows_walk.cursor(walk),
        "#site/walk#": lambda: sum(known.walks.total(walk).values()),
        "#site/rows-reported": known.rows_report_cursor.after,
        "#site/counter#ids": known.counters.next_row_id,
        "#site/counter#rows#": rows,
        "#site/recount": recount,
        "#site/cursor": lambda: (found := known.cursor.read()) and found.id,
        "#site/heartbeat": lambda: (found := known.heartbeat.read()) and found.site,
        "#site/heartbeat_posted": lambda: (found := known.posted_heartbeat.read()) and found.at is not None,
        "#site/letters": lambda: (found := known.letters.read()) and found.letters,
        "#site/minute": lambda: known.minute.read() is not None,
        "#site/verification#sample": lambda: not known.sample.reserve(901, 1000, now_ms=now_ms),
        "#site/subscription": lambda: (found := known.subscription.read()) and found.arn != "",
        "#site/sweep": lambda: (found := known.sweep.read()) and found.at > 0,
        "#site/recovery": lambda: known.recovery.read().at is not None,
        "#site/refused": lambda: not known.recovery.forget_refused(before=1),
        "#site/lost": lambda: (found := known.recovery.lost()) and found.count,
        "#history/minute#": minutes,
        "#history/hour#": month,
        "#outbox-/event#": lambda: sorted(one.kind for one in known.outbox.left_over(old_ms=0, limit=9)),
    }


def of_others(known: SyncRegistry) -> Read:
    """Read what is known of other sites."""
    return {
        "#site/known#": lambda: [one.name for one in known.sites.all()],
        "#site/report#": lambda: sorted(known.sites.reports()),
        "#rows-of#/page#": lambda: [one.rows[0].name for one in known.reported_rows.pages("oslo", after="")],
        "#site/told": lambda: [one.name for one in known.told.read().sites],
        "#site/promotion": lambda: (found := known.promotions.latest()) and found.dead_letters,
    }


def everything(known: SyncRegistry, prefix: str, now_ms: int) -> dict[str, Any]:
    """What today's code makes of each kind."""
    reads = of_repositories(known, prefix) | of_the_site(known, now_ms) | of_others(known)
    return {kind: read() for kind, read in reads.items()}


def written(prefix: str) -> dict[str, Any]:
    """What former_table.py wrote, so that `everything` is to read it."""
    numbered = [f"{prefix}/{name}" for name in ("failed", "flight", "large", "parked", "synced")]
    owed = {"failed": (NAMED, "503 Service Unavailable", False, NAMED), "flight": (NAMED, None, False, NOBODY)}
    states = {"synced": (SYNCED, NOBODY, 0), "failed": ("3", NOBODY, 1), "flight": ("1", frozenset({"tag#v1"}), 0)}
    return {
        "…/row": states,
        "…/owed#tag#": owed | {"parked": (NAMED, "schema 1 is not taken", True, NOBODY)},
        "…/owed#digest#": (NOBODY, None, False, NOBODY),
        "…/owed#*": (NOBODY, None, False, NOBODY),
        "…/tag#": {TAG: DIGEST},
        "…/digest#": {Reference.digest(DIGEST): DIGEST},
        "…/differs#": [("v1", OTHER)],
        "…/upload#": [(BLOB, 4)],
        "blob#/blob": (f"{prefix}/synced",),
        "#rows/name#": numbered,
        "#rows/id#": numbered,
        "#findings/name#": [(1, ("v9",))],
        "#suspected/found#": ["unannounced"],
        "#site/hold#": [("gone.example", "no answer")],
        "#site/token#": [("ci", "read")],
        "#site/deletes": 2,
        "#site/rows-walk": f"{prefix}/synced",
        "#site/walk#": 2,
        "#site/rows-reported": f"{prefix}/synced",
        "#site/counter#ids": 7,
        "#site/counter#rows#": (6, 2, 2),
        "#site/recount": 5,
        "#site/cursor": "event-1",
        "#site/heartbeat": "dublin",
        "#site/letters": 1,
        "#site/lost": 1,
        "#history/minute#": [(3, 2)] * 3,
        "#history/hour#": (21, 3),
        "#outbox-/event#": ["failed", *["replicated"] * 4],
        "#site/known#": ["oslo"],
        "#site/report#": ["oslo"],
        "#rows-of#/page#": ["group/app"],
        "#site/told": ["dublin"],
        "#site/promotion": 1,
    }
