"""Half copies that left the selection (sync_registry/half_copies.py) and are in it again: each becomes owed.

A comparison cannot see them: the secondary may show the very digest that the primary has. They are marked by digest, so
that their holder checks all of their parts, whatever their tags point at now.
"""

from __future__ import annotations

from geosync.comparing.context import ComparisonContext
from geosync.comparing.marking import Marker
from geosync.pair.selection import Selection
from geosync.sync_registry.half_copies import HalfCopy
from geosync.sync_registry.items import Owed

PAGE = 100
"""Half copies that are read at a time: as a rule there is none."""


def mark_halves(context: ComparisonContext, marker: Marker, owed: Owed) -> int:
    """Mark the half copies of a repository that are selected again, and delete their records; returns how many."""
    halves, marked, after = context.sync_registry.half_copies, 0, ""
    while page := halves.of(owed.repository, limit=PAGE, after=after):
        context.check()
        selected = {one: _tag(context.selection, owed.repository, one) for one in page}
        selected = {one: tag for one, tag in selected.items() if tag is not None or not one.tags}
        marker.mark_halves(owed, selected)
        for one in selected:
            halves.forget(owed.repository, one.digest)  # after the mark: should this end in between, it is marked again
        marked += len(selected)
        after = page[-1].digest
    return marked


def _tag(selection: Selection, repository: str, half: HalfCopy) -> str | None:
    """The first of its tags that is selected. One that was pushed by digest has none: its holder decides about it."""
    return min(selection.tags(repository, half.tags), default=None)
