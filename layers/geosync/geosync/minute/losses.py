"""The decision about notifications that may be lost: no event announced a reference, and the queue was seen empty.

A comparison overtakes events that still wait. So what it found is only suspected until the events queue is seen empty,
long enough after the find that SQS's counts are right. Then every event that was sent before the find is marked.

While a subscription was missing the topic delivered nothing. Nobody here can know whether a push of that time was
announced, so it is not called lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geosync.sync_registry.site.subscription import Subscription
from geosync.sync_registry.site.suspected import LossVerdict, Suspected
from geosync.sync_registry.sync_registry import SyncRegistry

MOST = 300
"""Suspicions that one minute decides about: some three seconds of transactions."""

Tell = Callable[[Suspected], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The outcome: how many were lost, and how many of those that were read are undecided."""

    lost: int
    undecided: int


def _is_marked(one: Suspected, empty_at_ms: int | None) -> bool:
    return empty_at_ms is not None and one.at <= empty_at_ms


def decide(
    sync_registry: SyncRegistry, subscription: Subscription | None, *, empty_at_ms: int | None, tell: Tell
) -> Decided:
    """Decide about notifications that may be lost; `tell` is called for each that is.

    `subscription` is the current one. Everything that was sent before `empty_at_ms` is marked; None: not known.
    """
    suspected = sync_registry.suspected.read(limit=MOST + 1)
    if not suspected:
        return Decided(lost=0, undecided=0)
    lost, undecided = 0, len(suspected[MOST:])
    for one, verdict in sync_registry.suspected.verdicts(suspected[:MOST]).items():
        is_lost = verdict is LossVerdict.LOST
        may_come = is_lost and not _is_marked(one, empty_at_ms)
        if verdict is LossVerdict.OPEN or may_come:
            undecided += 1
        elif is_lost and _may_be_of_a_gap(one, subscription):
            undecided += not sync_registry.suspected.excuse(one)
        elif not sync_registry.suspected.end(one, lost=is_lost):
            undecided += 1
        elif is_lost:
            lost += 1
            tell(one)
    return Decided(lost=lost, undecided=undecided)


def _may_be_of_a_gap(one: Suspected, subscription: Subscription | None) -> bool:
    """Tell whether it may have been pushed while nothing was delivered to this site."""
    return one.since is not None and (subscription is None or not subscription.joins(one.since))
