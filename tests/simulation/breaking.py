"""Rules of Geosync's, and for each the library without it: the simulation must find what is false then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from boto3.dynamodb.conditions import Attr

from geosync.admin.resources.metrics import Gauge
from geosync.clock import Clock
from geosync.comparing.looks import TagLooks
from geosync.comparing.progress import Progress
from geosync.copying.blobs import BlobMover
from geosync.copying.copy import Copier
from geosync.intake import marking
from geosync.minute import health, letters, losses, recovery
from geosync.minute.reporting import MinuteReporter
from geosync.observability import Metrics, Unit
from geosync.oci.requests import Call
from geosync.oci.scopes import push
from geosync.oci.upload_verbs import UploadVerbs
from geosync.operating import geo_site_status
from geosync.operating.audit import Audit, AuditEntry
from geosync.operating.health import Health
from geosync.operating.owed_references import OwedReference
from geosync.operating.status import Status
from geosync.pair.capabilities import Capabilities
from geosync.pair.known_capabilities import KnownCapabilities
from geosync.pair.selection import Selection
from geosync.reading import freshness, manifest_pull, waiting
from geosync.reading.freshness import Known
from geosync.reading.since import SinceAsked
from geosync.recovery import point
from geosync.sync_registry import decisions
from geosync.sync_registry.forgetting import Forgetting
from geosync.sync_registry.items import OUTSIDE, Owed, Reference, Seen
from geosync.sync_registry.overview import Accounting
from geosync.sync_registry.owed_index import OwedIndex, TagWriters
from geosync.sync_registry.site import counters, history
from geosync.sync_registry.site.breaker import Breaker
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.transitions import discharge
from geosync.syncing.attempt import Attempt
from geosync.syncing.reference import ReferenceSync
from geosync.verifying.counts import VerificationCounts, verification_counts_of

ALWAYS = Attr("repository").exists() | Attr("repository").not_exists()

Patch = Callable[[], Any]
"""Makes what takes a part of a rule out for as long as it is entered."""
NOT_THERE = "digests|would_be_lost|synced|recovery_point|no rest"
"""What is said to be here, or not to be owed, and is neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule in words, what takes it out, and what the simulation then finds within `seeds` seeds."""

    says: str
    without: tuple[Patch, ...]
    seeds: int
    finds: str = NOT_THERE
    """A regular expression."""
    first: int = 0
    """The seed to begin with: not long before one that finds it today, as it takes half a second to look at one."""
    minutes: int = 2
    """Before the rest."""
    often: tuple[str, ...] = ()
    """Deeds that happen more often: without them it would take more seeds."""


def _instead(where: object, name: str, replacement: object) -> Patch:
    return lambda: patch.object(where, name, replacement)


def _answer(where: object, name: str, answer: object) -> Patch:
    """Have it always answer the same."""
    return _instead(where, name, lambda *_, **__: answer)


def _measure_a_minute_less(reporter: MinuteReporter, status: Status) -> None:
    _report_point(reporter, replace(status, at=status.at - 60_000))


def _every_heartbeat_counts(heartbeats: Any, **_: object) -> int | None:
    return max((sent_at for sent_at, _ in heartbeats), default=None)


def _whatever_was_shown(_: object, known: Known) -> str | None:
    if known.owed is not None:
        return known.owed.shown
    return known.seen.digest if known.seen is not None else None


def _see_an_empty_queue(_queues: object, clock: Clock) -> tuple[int, int]:
    return clock.now_ms(), 0


def _without_mark(_self: object, event: Any, _glance: object) -> tuple[str, ...]:
    return (event.repository,)


def _holders_only(index: OwedIndex, *, now_ms: int, suspect_ms: int) -> TagWriters:
    return replace(_tag_writers(index, now_ms=now_ms, suspect_ms=suspect_ms), left={})


def _put_twice(metrics: Metrics, values: Mapping[str, float], unit: Unit = "Count") -> None:
    _put(metrics, {name: 2 * value for name, value in values.items()}, unit)


def _read_one_more(gauge: Gauge, status: Any) -> float | None:
    value = _read(gauge, status)
    return None if value is None else value + 1


def _trust_the_record(_looks: TagLooks, _owed: Owed, known: Mapping[Reference, Seen]) -> frozenset[str]:
    return frozenset(one.value for one in known)


def _step_and_remove(owed: Owed, *arguments: Any, **more: Any) -> decisions.Step:
    marked = replace(owed, if_absent=owed.if_absent | {OUTSIDE})
    return _step_outside(marked, *arguments, **{**more, "removes": True, "suspended": False})


def _accounted_whatever_is_selected(site: Accounting, _: Selection | None) -> int | None:
    return _accounted_ms(replace(site, subscription=None), None)


def _is_there(seen: Seen) -> bool:
    return _is_the_primarys(replace(seen, outside_since=None))


def _is_untried(one: OwedReference) -> bool:
    return one.reference != "*" and not one.only_deleted and not one.is_here and one.failure is None


def _believe(sync: ReferenceSync, attempt: Attempt) -> None:
    attempt.secondary = decisions.Look(attempt.primary.digest, sync._context.clock.now_ms())


def _begin_without_mount(verbs: UploadVerbs, repository: str, _mount: str | None, _source: str) -> Call:
    return Call(method="POST", target=f"/v2/{repository}/blobs/uploads/", access=(push(repository),), repeatable=True)


def _write_anew(audit: Audit, entry: AuditEntry, *, status: int) -> None:
    audit._put(entry, "done" if status < 400 else "failed", source="", detail="", status=status)


def _remove_and_write(sync: ReferenceSync, attempt: Attempt) -> None:
    if attempt.owed.reference.kind == "tag":
        sync._remove(attempt)
    _write(sync, attempt)


def _count_twice(*arguments: Any, **more: Any) -> list[Update]:
    return [
        replace(one, add={name: 2 * number for name, number in one.add.items()}) for one in _moved(*arguments, **more)
    ]


def _checksum_whatever_is_verified(rows: Any) -> VerificationCounts:
    found = _verification_counts_of(rows)
    return replace(found, checksummed=found.total)


_verification_counts_of = verification_counts_of
_moved, _write = counters.moved, ReferenceSync._write
_tag_writers = OwedIndex.tag_writers
_is_the_primarys = decisions.is_the_primarys
_accounted_ms = freshness.accounted_ms
_put, _read = Metrics.put, Gauge.read
_step_outside = decisions.step_outside
_report_point = MinuteReporter.recovery_point


RULES: dict[str, Rule] = {
    "accounted": Rule(
        says="a heartbeat counts once the queue was seen empty a minute after it",
        without=(
            _instead(point, "accounted", _every_heartbeat_counts),
            _instead(recovery, "_look", _see_an_empty_queue),
        ),
        finds="recovery_point|metric RecoveryPointAge",
        minutes=4,
        seeds=100,
        first=36,
        often=("dynamodb", "late_events"),
    ),
    "mark": Rule(
        says="an event is marked before its message is deleted",
        without=(_instead(marking.Marking, "mark", _without_mark),),
        finds="message lost|counted EventsSkipped",
        seeds=10,
    ),
    "named": Rule(
        says="what failed is named among what would be lost",
        without=(_instead(OwedReference, "is_a_push_to_come", property(_is_untried)),),
        finds="would_be_lost|digests",
        seeds=100,
        often=("wire",),
    ),
    "marked again": Rule(
        says="what was marked again meanwhile stays owed",
        without=(_instead(discharge, "is_unmarked", lambda _: ALWAYS),),
        seeds=100,
        often=("push_many", "messages_twice", "late_tags", "delete_tag"),
    ),
    "settle": Rule(
        says="a look at the primary proves nothing before the settle time",
        without=(_answer(decisions, "proves_primary", True),),
        finds=f"was removed, and the primary has it|{NOT_THERE}",
        first=7,
        seeds=100,
    ),
    "suspect": Rule(
        says="a look at the secondary proves nothing while a late write may land",
        without=(_answer(decisions, "proves_secondary", True),),
        seeds=300,
        first=183,
        often=("overtaken_write",),
    ),
    "drain": Rule(
        says="a promotion waits for tag writes that nobody waits for any more",
        without=(_instead(OwedIndex, "tag_writers", _holders_only),),
        finds="moved .* of the primary",
        seeds=200,
        first=210,
        often=("late_writes", "overtaken_write", "fail_over"),
    ),
    "look": Rule(
        says="synced means seen: the secondary is looked at before a discharge",
        without=(_instead(ReferenceSync, "_look_at_secondary", _believe),),
        seeds=100,
    ),
    "there": Rule(
        says="a blob that is there is not uploaded",
        without=(
            _instead(UploadVerbs, "_begin", _begin_without_mount),
            _answer(BlobMover, "_is_there", False),
            _answer(KnownCapabilities, "__call__", Capabilities(checks_blobs=False)),
        ),
        finds="uploaded twice",
        seeds=10,
    ),
    "overwrite": Rule(
        says="a tag that moves is overwritten, and never removed before",
        without=(_instead(ReferenceSync, "_write", _remove_and_write),),
        finds="was removed, and",
        seeds=20,
        often=("push_many",),
    ),
    "ours": Rule(
        says="a tag that Geosync did not put there stays",
        without=(_answer(decisions, "is_ours", True),),
        finds="was removed, and is not Geosync's",
        seeds=100,
        often=("stranger",),
    ),
    "rows": Rule(
        says="the number of repositories changes with the rows",
        without=(_instead(counters, "moved", _count_twice),),
        finds="numbers",
        seeds=10,
    ),
    "as new as promised": Rule(
        says="a tag is served only if nothing is owed for it and its recovery point is new enough",
        without=(_answer(manifest_pull, "may_be_served", True),),
        finds="pulled: ",
        seeds=30,
        often=("pull", "push_many"),
    ),
    "since it began": Rule(
        says="a strict pull is answered by a look that was made after it began",
        without=(_instead(SinceAsked, "shown", _whatever_was_shown),),
        finds="pulled: ",
        seeds=30,
        often=("pull", "push_many"),
    ),
    "selected meanwhile": Rule(
        says="nothing is accounted of the time in which a tag was outside the selection",
        without=(
            _instead(waiting, "accounted_ms", _accounted_whatever_is_selected),
            _instead(freshness, "is_the_primarys", _is_there),
        ),
        finds="pulled: ",
        first=40,
        seeds=60,
        minutes=10,
        often=("select", "pull", "push", "retag"),
    ),
    "nowhere": Rule(
        says="a repository that neither registry has is no row",
        without=(_answer(Forgetting, "drop", False),),
        finds="which is nowhere",
        minutes=1,
        seeds=10,
        often=("resync",),
    ),
    "measured": Rule(
        says="a metric is what the status says",
        without=(_instead(MinuteReporter, "recovery_point", _measure_a_minute_less),),
        finds="metric RecoveryPointAge",
        minutes=1,
        seeds=10,
    ),
    "gap": Rule(
        says="what may have been pushed while the subscription was gone is not called lost",
        without=(_answer(losses, "_may_be_of_a_gap", False),),
        finds="metric NotificationsLost: ",
        first=6,
        seeds=60,
        minutes=4,
        often=("unsubscribe",),
    ),
    "kept outside": Rule(
        says="what leaves the selection stays under OutsideSelection=keep",
        without=(_instead(decisions, "step_outside", _step_and_remove),),
        finds="was removed, and what leaves the selection stays",
        minutes=6,
        first=12,
        seeds=60,
        often=("select",),
    ),
    "a whole repository": Rule(
        says="a repository that leaves the selection as a whole waits for an operator",
        without=(_answer(Breaker, "count_outside", None),),
        finds="nobody accepted that all of the repository goes",
        first=2,
        seeds=50,
        minutes=4,
        often=("select",),
    ),
    "taken names": Rule(
        says="a tag outside the selection that somebody took for an image of their own stays",
        without=(_answer(decisions, "_shows_ours", True),),
        finds="was removed, and it is not Geosync's",
        seeds=100,
        first=62,
        minutes=4,
        often=("select", "take_name"),
    ),
    "outside": Rule(
        says="what is outside the selection is not copied",
        without=(_answer(Selection, "has_tag", True),),
        finds="was copied, and is not selected|is outside the selection",
        first=3,
        seeds=20,
        often=("select",),
    ),
    "habit": Rule(
        says="a habit is no proof: what is below a manifest that was taken is looked for",
        without=(_answer(Copier, "_looks_below", False),),
        first=4,
        seeds=30,
        often=("change_habit",),
    ),
    "restored": Rule(
        says="a comparison looks at tags here, as a registry may come back from a backup, and nobody asks",
        without=(_instead(TagLooks, "on_record", _trust_the_record),),
        finds="no rest|recovery_point|metric RecoveryPointAge",
        first=8,
        seeds=100,
        often=("back_up", "restore", "push_many"),
    ),
    "counts": Rule(
        says="what is counted was done",
        without=(_instead(Metrics, "put", _put_twice),),
        finds=" counted ",
        minutes=1,
        seeds=5,
    ),
    "scrape": Rule(
        says="a metric that is scraped is what the status says",
        without=(_instead(Gauge, "read", _read_one_more),),
        finds="/metrics: ",
        minutes=1,
        first=5,
        seeds=30,
        often=("look",),
    ),
    "percentages": Rule(
        says="a percentage is that of the counts beside it",
        without=(_answer(geo_site_status, "percentage", "50.00%"),),
        finds="in_percentage is 50.00%",
        minutes=1,
        first=20,
        seeds=30,
        often=("look",),
    ),
    "health": Rule(
        says="a site that is paused, or owes for long, is not called healthy",
        without=(_answer(health, "health_of", Health()),),
        finds="metric HealthLevel: ",
        minutes=1,
        seeds=10,
        often=("pause",),
    ),
    "audit": Rule(
        says="the end of an action changes nothing else in its record",
        without=(_instead(Audit, "end", _write_anew),),
        finds="audit record .* changed",
        minutes=1,
        seeds=10,
        often=("act",),
    ),
    "one minute": Rule(
        says="a minute that comes twice counts once",
        without=(_answer(history, "_no_run_since_it_began", None),),
        finds="history: hour.* went by",
        minutes=4,
        seeds=30,
        often=("minutes_twice",),
    ),
    "letters": Rule(
        says="the letter of a reference that is here, or was deleted, leaves the DLQ",
        without=(_answer(letters, "_is_needed", True),),
        finds="no rest: .*in the DLQ: parked",
        minutes=4,
        first=42,
        seeds=60,
        often=("lose_layer", "push"),
    ),
    "failed references": Rule(
        says="a reference that has failed is counted as such",
        without=(_instead(Status, "failed", property(lambda _: 0)),),
        finds="failed references: 0 are said",
        minutes=1,
        seeds=20,
        often=("wire",),
    ),
    "comparing": Rule(
        says="a comparison counts the repositories that it has still to look at",
        without=(_instead(Progress, "to_compare", property(lambda _: 3)),),
        finds="to compare: 3 are said",
        minutes=1,
        seeds=30,
    ),
    "checksummed": Rule(
        says="a repository that was not verified has no checksum",
        without=(_instead(geo_site_status, "verification_counts_of", _checksum_whatever_is_verified),),
        finds="checksummed_count is",
        minutes=1,
        seeds=30,
        often=("look",),
    ),
    "sweep": Rule(
        says="what is due and held by nobody is woken",
        without=(_answer(SyncRegistry, "due_repositories", []),),
        finds="no rest",
        seeds=30,
    ),
}


@contextmanager
def broken(rule: str | None) -> Iterator[None]:
    """Run without a rule; None: with all of them."""
    with ExitStack() as stack:
        for patch_of in RULES[rule].without if rule is not None else ():
            stack.enter_context(patch_of())
        yield
