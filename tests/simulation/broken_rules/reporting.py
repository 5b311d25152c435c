"""Rules of what a site reports: its metrics, its status, its history, its audit log, its dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.simulation.broken_rules.rule import Rule, answer, instead

from geosync.admin.resources.metrics import Gauge
from geosync.comparing.progress import Progress
from geosync.minute import health, letters
from geosync.minute.reporting import MinuteReporter
from geosync.observability import Metrics, Unit
from geosync.operating import geo_site_status
from geosync.operating.audit import Audit, AuditEntry
from geosync.operating.health import Health
from geosync.operating.status import Status
from geosync.sync_registry.items import Reference
from geosync.sync_registry.marking import Marks
from geosync.sync_registry.site import counters, history
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.transitions.marks import Mark
from geosync.verifying.counts import VerificationCounts, verification_counts_of

_verification_counts_of = verification_counts_of
_moved = counters.moved
_put = Metrics.put
_read = Gauge.read
_report_point = MinuteReporter.recovery_point


def _measure_a_minute_less(reporter: MinuteReporter, status: Status) -> None:
    _report_point(reporter, replace(status, at=status.at - 60_000))


def _put_twice(metrics: Metrics, values: Mapping[str, float], unit: Unit = "Count") -> None:
    _put(metrics, {name: 2 * value for name, value in values.items()}, unit)


def _read_one_more(gauge: Gauge, status: Any) -> float | None:
    value = _read(gauge, status)
    return None if value is None else value + 1


def _mark_uncounted(marks: Marks, repository: str, said: Mark, walk: int) -> None:
    marks.mark(repository, Reference.whole(), said)


def _write_anew(audit: Audit, entry: AuditEntry, *, status: int) -> None:
    audit._put(entry, "done" if status < 400 else "failed", source="", detail="", status=status)


def _count_twice(*arguments: Any, **more: Any) -> list[Update]:
    return [
        replace(one, add={name: 2 * number for name, number in one.add.items()}) for one in _moved(*arguments, **more)
    ]


def _checksum_whatever_is_verified(rows: Any) -> VerificationCounts:
    found = _verification_counts_of(rows)
    return replace(found, checksummed=found.total)


RULES: dict[str, Rule] = {
    "rows": Rule(
        says="the number of repositories changes with the rows",
        without=(instead(counters, "moved", _count_twice),),
        finds="numbers",
        seeds=10,
    ),
    "measured": Rule(
        says="a metric is what the status says",
        without=(instead(MinuteReporter, "recovery_point", _measure_a_minute_less),),
        finds="metric RecoveryPointAge",
        minutes=1,
        seeds=10,
    ),
    "counts": Rule(
        says="what is counted was done",
        without=(instead(Metrics, "put", _put_twice),),
        finds=" counted ",
        minutes=1,
        seeds=5,
    ),
    "scrape": Rule(
        says="a metric that is scraped is what the status says",
        without=(instead(Gauge, "read", _read_one_more),),
        finds="/metrics: ",
        minutes=1,
        first=5,
        seeds=30,
        often=("look",),
    ),
    "percentages": Rule(
        says="a percentage is that of the counts beside it",
        without=(answer(geo_site_status, "percentage", "50.00%"),),
        finds="in_percentage is 50.00%",
        minutes=1,
        first=20,
        seeds=30,
        often=("look",),
    ),
    "health": Rule(
        says="a site that is paused, or owes for long, is not called healthy",
        without=(answer(health, "health_of", Health()),),
        finds="metric HealthLevel: ",
        minutes=1,
        seeds=10,
        often=("pause",),
    ),
    "audit": Rule(
        says="the end of an action changes nothing else in its record",
        without=(instead(Audit, "end", _write_anew),),
        finds="audit record .* changed",
        minutes=1,
        seeds=10,
        often=("act",),
    ),
    "one minute": Rule(
        says="a minute that comes twice counts once",
        without=(answer(history, "_no_run_since_it_began", None),),
        finds="history: hour.* went by",
        minutes=4,
        seeds=30,
        often=("minutes_twice",),
    ),
    "letters": Rule(
        says="the letter of a reference that is here, or was deleted, leaves the DLQ",
        without=(answer(letters, "_is_needed", True),),
        finds="no rest: .*in the DLQ: parked",
        minutes=4,
        first=42,
        seeds=60,
        often=("lose_layer", "push"),
    ),
    "failed references": Rule(
        says="a reference that has failed is counted as such",
        without=(instead(Status, "failed", property(lambda _: 0)),),
        finds="failed references: 0 are said",
        minutes=1,
        seeds=20,
        often=("wire",),
    ),
    "comparing": Rule(
        says="a comparison counts the repositories that it has still to look at",
        without=(instead(Progress, "to_compare", property(lambda _: 3)),),
        finds="to compare: 3 are said",
        minutes=1,
        seeds=30,
    ),
    "unlisted": Rule(
        says="a comparison counts the repositories that the primary's catalogue does not list, too",
        without=(instead(Marks, "mark_unlisted", _mark_uncounted),),
        finds="to compare",
        seeds=5,
        often=("restore", "resync_all"),
    ),
    "checksummed": Rule(
        says="a repository that was not verified has no checksum",
        without=(instead(geo_site_status, "verification_counts_of", _checksum_whatever_is_verified),),
        finds="checksummed_count is",
        minutes=1,
        seeds=30,
        often=("look",),
    ),
}
