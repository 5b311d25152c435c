"""What a site's API answers of itself, as JSON or as Prometheus metrics, against a count of what is so.

A request takes a while, and is read piece by piece: a number is right that was so at any moment of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tests.simulation.invariants import View, missing_tags, recovery_point
from tests.simulation.ledger import Ledger, OwedAs
from tests.simulation.queues import Queue
from tests.simulation.table import LAG_S

Bounds = tuple[float, float]
SAMPLE = re.compile(r'(?P<metric>\w+)\{[^}]*site="(?P<site>[^"]+)"[^}]*\} (?P<value>\S+)')
FIELDS = {
    "geo_container_repositories_registry": "container_repositories_registry_count",
    "geo_container_repositories_synced": "container_repositories_synced_count",
    "geo_container_repositories_failed": "container_repositories_failed_count",
    "geo_container_repositories_verification_total": "container_repositories_verification_total_count",
    "geo_container_repositories_verified": "container_repositories_verified_count",
    "geo_container_repositories_verification_failed": "container_repositories_verification_failed_count",
    "geosync_references_owed": "owed_references_count",
    "geosync_references_failed": "failed_references_count",
    "geosync_references_parked": "parked_references_count",
    "geosync_notifications_lost": "notifications_lost_count",
    "geosync_would_be_lost": "would_be_lost_count",
    "geosync_dead_letters": "dead_letters_count",
    "geosync_events_waiting": "events_waiting_count",
    "geosync_replication_enabled": "container_repositories_replication_enabled",
    "geosync_recovery_point_timestamp_seconds": "recovery_point_at",
}
"""The fields of a status that metrics tell, by the metrics' names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A site's answer about itself. `view` is what is so at its end; it was asked at `began_s`."""

    view: View
    began_s: float

    @property
    def ledger(self) -> Ledger:
        """What happened at the site."""
        return self.view.ledger

    @property
    def since_s(self) -> float:
        """The earliest moment that the index may have shown."""
        return self.began_s - LAG_S - 0.05

    def queued(self, queue: Queue) -> Bounds:
        """What a queue may have counted within the last minute."""
        seen = queue.history
        return min(visible for _, visible, _ in seen), max(visible + hidden for _, visible, hidden in seen)

    def lost(self) -> Bounds:
        """At least the pushes whose events were marked, and that are not here; at most all tags and digests owed."""
        missing = {(repository, tag) for repository, tag, _ in missing_tags(self.view, self.since_s)}
        return len(missing), self.ledger.owed_since(self.since_s, lambda one: not one.is_whole)[1]


def _rows(name: str) -> Callable[[Answered], Bounds]:
    return lambda one: one.ledger.rows_since(one.since_s, name)


def _owed(is_one: Callable[[OwedAs], bool]) -> Callable[[Answered], Bounds]:
    return lambda one: one.ledger.owed_since(one.since_s, is_one)


RULES: dict[str, Callable[[Answered], Bounds]] = {
    "container_repositories_registry_count": _rows("rows"),
    "container_repositories_synced_count": _rows("synced"),
    "container_repositories_failed_count": _rows("failed"),
    "container_repositories_comparing_count": lambda one: one.ledger.comparing_since(one.since_s),
    "container_repositories_verification_total_count": _rows("rows"),
    "container_repositories_verified_count": _rows("verified"),
    "container_repositories_verification_failed_count": _rows("found wrong"),
    "container_repositories_checksum_total_count": _rows("rows"),
    "container_repositories_checksummed_count": _rows("checksummed"),
    "container_repositories_checksum_failed_count": _rows("no checksum"),
    "owed_references_count": _owed(lambda one: not one.is_parked and not one.is_a_look),
    "failed_references_count": _owed(lambda one: one.has_failed),
    "parked_references_count": _owed(lambda one: one.is_parked),
    "notifications_lost_count": lambda one: one.ledger.lost_since(one.began_s),
    "would_be_lost_count": Answered.lost,
    "dead_letters_count": lambda one: one.queued(one.view.site.queues["dlq"]),
    "events_waiting_count": lambda one: one.queued(one.view.site.queues["events"]),
    "container_repositories_replication_enabled": lambda one: one.ledger.running_since(one.began_s),
}


OF_REPOSITORIES = "container_repositories_"
PARTS = {
    "synced_count": "registry_count",
    "failed_count": "registry_count",
    "verified_count": "verification_total_count",
    "verification_failed_count": "verification_total_count",
    "checksummed_count": "checksum_total_count",
    "checksum_failed_count": "checksum_total_count",
}
"""The counts of repositories that are part of another one."""
MOST_NAMED = 20
"""References that a status names of those that would be lost."""
PERCENTAGES = {"synced_in_percentage": "synced_count", "verified_in_percentage": "verified_count"}
"""The percentages, and the counts that they are of."""


def false_numbers(said: Mapping[str, Any]) -> Iterator[str]:
    """Say which numbers of one status contradict each other, or cannot be."""
    for name, value in said.items():
        if isinstance(value, int | float) and value < 0:
            yield f"{name} is {value}"
    counts = {name: said.get(f"{OF_REPOSITORIES}{name}") for name in (*PARTS, *PARTS.values())}
    for name, whole in PARTS.items():
        part, all_of_it = counts[name], counts[whole]
        if part is not None and all_of_it is not None and part > all_of_it:
            yield f"{name} is {part}, of {all_of_it}"
    for name, of in PERCENTAGES.items():
        value, part, all_of_it = said.get(f"{OF_REPOSITORIES}{name}"), counts[of], counts[PARTS[of]]
        right = None if part is None or all_of_it is None else f"{100 * part / (all_of_it or 1):.2f}%"
        if value != right:
            yield f"{name} is {value}, and {part} of {all_of_it} are {right}"


def fields_of(body: str, site: str) -> dict[str, Any]:
    """The fields that an answer has of a site: of a status, of a list of them, or of metrics."""
    if body.startswith("#"):
        found = {one["metric"]: one["value"] for one in SAMPLE.finditer(body) if one["site"] == site}
        return {field: float(found[metric]) for metric, field in FIELDS.items() if metric in found}
    said = json.loads(body)
    return next((one for one in (said if isinstance(said, list) else [said]) if one["name"] == site), {})


def false_fields(answered: Answered, fields: Mapping[str, Any]) -> Iterator[str]:
    """Say which fields are false, if any are; what is not known is null, or is not there."""
    for name, rule in RULES.items():
        value = fields.get(name)
        if value is None:
            continue
        low, high = rule(answered)
        if not low <= float(value) <= high:
            yield f"{name} is {value}, and it was {low:g} to {high:g}"
    named, lost = fields.get("would_be_lost"), fields.get("would_be_lost_count")
    if named is not None and lost is not None and len(named) != min(lost, MOST_NAMED):
        yield f"would_be_lost_count is {lost}, and {len(named)} are named"
    point = fields.get("recovery_point_at")
    if point is not None:
        said_ms = point * 1000 if isinstance(point, float) else datetime.fromisoformat(point).timestamp() * 1000
        yield from recovery_point(replace(answered.view, said_ms=int(said_ms)))
