"""Tags that Geosync put at the secondary and that left the site's selection.

Under the policy `keep` they are forgotten, and stay. Under `remove` they go by the rules of tags that are missing at
the primary (missing.py): the first comparison that finds a tag outside notes the time (`outside_since`), after the
breaker has counted it. The next one, a window and the deletion delay later, marks it (OUTSIDE). Then it is removed if
it is still outside and the breaker is not on. The primary is not asked about any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from geosync.comparing.context import ComparisonContext
from geosync.comparing.marking import Marker
from geosync.comparing.missing import Removals, by_note
from geosync.sync_registry.items import KEEP, OUTSIDE, Owed, Reference, Seen
from geosync.sync_registry.site.breaker import State
from geosync.sync_registry.timing import ms

NOTED_AT_ONCE = 500
"""Tags outside the selection that are counted between two writes."""
PAGE = 500
"""Owed references read at a time."""


class OutsideTags:
    """Decides what becomes of a repository's tags outside the selection, under one lease."""

    def __init__(self, context: ComparisonContext, marker: Marker, removals: Removals) -> None:
        self._context = context
        self._marker = marker
        self._removals = removals

    def settle(self, owed: Owed, tags: Sequence[tuple[Reference, Seen]], *, inside: int) -> list[str]:
        """Note or mark `tags`, all known ones outside; returns the names of those that are to go.

        The repository has `inside` known tags beside them.
        """
        if not self._removals.outside or KEEP in owed.if_absent:
            self._marker.mark(owed, [one for one, _ in tags], if_absent=owed.if_absent & {KEEP})
            return []
        if not tags:
            return []
        state = self._removals.breaker.state()
        again, first = by_note(tags, lambda seen: seen.outside_since)
        waiting = sum(since > state.accepted_at for _, since in again)
        if first:
            self._context.held.note_going(outside=len(tags), of=inside)
            self._note(owed, first, before=waiting, of=inside + len(tags))
            state = self._removals.breaker.state()
        self._marker.mark(owed, self._removable(again, state), if_absent=frozenset({OUTSIDE}))
        return sorted(reference.value for reference, _ in tags)

    def _removable(self, again: Sequence[tuple[Reference, int]], state: State) -> list[Reference]:
        """Those of `again`, noted at these times (ms), that may go now.

        The delay comes before the mark: meanwhile nothing is owed that a failover could lose.
        """
        noted_by = self._context.clock.now_ms() - ms(self._context.sync_registry.timing.deletion_delay_s)
        breaker = self._removals.breaker
        return [one for one, since in again if since <= noted_by and breaker.may_remove(since, state)]

    def _note(self, owed: Owed, tags: Sequence[tuple[Reference, Seen]], *, before: int, of: int) -> None:
        """Note tags that are outside for the first time, counted by the breaker first.

        `before` of the repository's `of` tags were outside already, without those that an operator accepted.
        """
        for start in range(0, len(tags), NOTED_AT_ONCE):
            part = tags[start : start + NOTED_AT_ONCE]
            counted = before + start + len(part)
            self._removals.breaker.count_outside(owed.repository, new=len(part), outside=counted, of=of)
            now_ms = self._context.clock.now_ms()
            noted = [(one, replace(seen, outside_since=now_ms, missing_since=None)) for one, seen in part]
            self._context.held.record(noted)

    def mark_parked(self, owed: Owed) -> None:
        """Mark parked references of a repository outside: they would never be tried, and be owed for ever."""
        after = ""
        while page := self._context.sync_registry.owed(owed.repository, limit=PAGE, after=after):
            self._marker.mark(owed, [one.reference for one in page if one.parked])
            after = page[-1].reference.owed_key
