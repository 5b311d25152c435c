"""Progress of a comparison: counters of one walk through the primary's catalogue, changed where the work is done.

    unlisted   repositories of this site that the primary's catalogue did not list, and that are compared as well
    compared   repositories whose `owed#*` was discharged
    tags       tags that the primary listed in them
    found      of those, tags that were not seen equal and became owed, and referrers of the others that did
    settled    of those, what was discharged

`unlisted` changes in the transaction that marks, `compared` and `settled` in the one that discharges: they are exact.
`tags` and `found` are added page by page, so that a page that was begun twice counts twice. 32 items for each walk, as
holders of different repositories end at the same time, and DynamoDB refuses one of two transactions on the same item.
They are forgotten by TTL.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping

from geosync.clock import Clock
from geosync.sync_registry.items import SITE, Item, Owed
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update

COUNTERS = 32
KEPT_S = 30 * 86_400
"""Lifetime of a walk's counters (TTL `expire_at`)."""
UNLISTED, COMPARED, TAGS, FOUND, SETTLED = "unlisted", "compared", "tags", "found", "settled"


def keys(walk: int) -> list[Key]:
    """The counters of the walk that began at `walk` (ms)."""
    return [_key(walk, number) for number in range(COUNTERS)]


def count(walk: int, repository: str, counts: Mapping[str, int], *, now_ms: int) -> Update:
    """Add to a walk's counters."""
    number = zlib.crc32(repository.encode()) % COUNTERS
    return Update(key=_key(walk, number), add=counts, set={"expire_at": now_ms // 1000 + KEPT_S})


def discharged(references: Iterable[Owed], *, now_ms: int) -> list[Update]:
    """Add the discharge of `references` (of one repository) to the counters of the walks that found them."""
    counts: dict[tuple[int, str], Counter[str]] = {}
    for owed in references:
        if owed.walk is not None:
            what = COMPARED if owed.reference.kind == "repository" else SETTLED
            counts.setdefault((owed.walk, owed.repository), Counter())[what] += 1
    return [count(walk, repository, added, now_ms=now_ms) for (walk, repository), added in counts.items()]


def total(items: Iterable[Item]) -> Counter[str]:
    """Sum up a walk's counters."""
    summed: Counter[str] = Counter()
    for item in items:
        for name in (UNLISTED, COMPARED, TAGS, FOUND, SETTLED):
            summed[name] += whole_number(item, name)
    return summed


def _key(walk: int, number: int) -> Key:
    return Key(SITE, f"walk#{walk}#{number:02}")


class Walks:
    """The counters of the comparisons' walks through the primary's catalogue."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def count_page(self, owed: Owed, *, tags: int, found: int) -> None:
        """Count a page of a whole repository for the walk that asked for it: tags listed, and found different."""
        if owed.walk is not None:
            counts = {TAGS: tags, FOUND: found}
            self._store.write(count(owed.walk, owed.repository, counts, now_ms=self._clock.now_ms()))

    def total(self, walk: int) -> Counter[str]:
        """The sum of the counters of the walk that began at `walk` (ms): one request."""
        return total(self._store.batch_get(keys(walk)).values())
