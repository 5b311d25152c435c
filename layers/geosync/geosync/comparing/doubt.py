"""The decision of the breaker's doubt: deletes by comparison are suspended, or go on.

A comparison may overtake the events of the deletions that it finds. So the doubt waits until everything that was sent
before it is marked: until the events queue is seen empty, a minute later or more, as an SQS queue's counts are right
only then. Meanwhile comparisons remove nothing. Then the missing tags are counted again: those that an event announced
are owed by now, or gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.recovery.point import COUNTS_SETTLE_MS
from geosync.sync_registry.site.breaker import State
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.sync_registry import SyncRegistry


def decide(
    sync_registry: SyncRegistry,
    events_waiting: Callable[[], int],
    *,
    primary: str | None,
    clock: Clock = SYSTEM_CLOCK,
) -> State:
    """Suspend deletes by comparison, or let them go on, where it is time to decide; returns the breaker as it is then.

    `events_waiting` counts the events in the queue; it is asked where there is a doubt. That costs a query for each 100
    findings and for each 500 tags of the repositories that miss some which no operator accepted, until too many are
    counted; without a doubt there is one read. Only what was seen under `primary` (the ARN of its topic) counts.
    """
    breaker = sync_registry.breaker
    state = breaker.state()
    if state.doubted_at is None or clock.now_ms() < state.doubted_at + COUNTS_SETTLE_MS or events_waiting():
        return state
    counted, known = replace(state, found=0), sync_registry.under(primary)
    for finding in _with_missing(sync_registry, since=state.accepted_at):
        missing, of = _missing(known, finding.repository, accepted_at=state.accepted_at)
        counted = replace(counted, found=counted.found + missing)
        reason = breaker.too_many(finding.repository, missing=missing, of=of)
        if reason is None and missing:
            reason = breaker.too_many_in_all(counted, finding.repository)
        if reason is not None:
            breaker.suspend(state, reason)
            return breaker.state()
    if clock.now_ms() < state.counted_at + COUNTS_SETTLE_MS:
        return state  # a comparison records the tags that it misses only after they are counted
    breaker.dismiss(state, found=counted.found)
    breaker.resume_if_back()  # a suspension is not lifted while there is a doubt
    return breaker.state()


def _with_missing(sync_registry: SyncRegistry, *, since: int) -> Iterator[Finding]:
    """The findings with missing tags after `since` (ms), read as they are taken; an operator accepted the others."""
    return (one for one in sync_registry.findings.walk() if one.missing and one.found_at > since)


def _missing(sync_registry: SyncRegistry, repository: str, *, accepted_at: int) -> tuple[int, int]:
    """The tags of a repository that are missing and were neither announced nor accepted; and all known ones inside.

    A comparison counts in the same way: neither tags that left the selection nor those that were seen under a former
    primary count towards the total. Else each comparison would have the doubt that this dismisses, and remove nothing.
    """
    missing = of = 0
    for page in sync_registry.seen_pages(repository):
        gone = [one for one, seen in page if seen.missing_since is not None and seen.missing_since > accepted_at]
        missing += len(gone) - len(sync_registry.told_deleted(repository, gone))
        of += sum(seen.outside_since is None for _, seen in page)
    return missing, of
