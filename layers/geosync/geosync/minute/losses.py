"""The decision about notifications that may be lost: those that are here by no event though the queue was seen empty.

A comparison overtakes events that still wait. So what it found is only suspected, until the events queue was seen empty
so long after the find that its counts were right: then every event that was sent before it is marked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geosync.sync_registry.site.suspected import LossVerdict, Suspected
from geosync.sync_registry.sync_registry import SyncRegistry

MOST = 300
"""Suspicions that one minute decides about: some three seconds of transactions."""

Tell = Callable[[Suspected], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The outcome: how many were lost, and how many of those that were looked at are undecided."""

    lost: int
    undecided: int


def decide(sync_registry: SyncRegistry, *, empty_at_ms: int | None, tell: Tell) -> Decided:
    """Decide about what may be lost; each that is lost is told to `tell`.

    `empty_at_ms` is the moment up to which all that was sent is marked, None while that is not known.
    """
    suspected = sync_registry.suspected.read(limit=MOST)
    if not suspected:
        return Decided(lost=0, undecided=0)
    lost = undecided = 0
    for one, verdict in sync_registry.suspected.verdicts(suspected).items():
        is_lost = verdict is LossVerdict.LOST
        may_come = is_lost and (empty_at_ms is None or one.at > empty_at_ms)
        if verdict is LossVerdict.OPEN or may_come or not sync_registry.suspected.end(one, lost=is_lost):
            undecided += 1
        elif is_lost:
            lost += 1
            tell(one)
    return Decided(lost=lost, undecided=undecided)
