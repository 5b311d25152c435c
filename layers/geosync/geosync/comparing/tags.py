"""Tags that the primary lists, compared with what this site has of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from geosync.comparing.context import ComparisonContext
from geosync.comparing.looks import Compared, TagLooks
from geosync.comparing.marking import Marker, equal_until
from geosync.oci.listings import PAGE_SIZE, ListedTag
from geosync.sync_registry import decisions
from geosync.sync_registry.items import Owed, Reference, Seen

PART = 200
"""Tags after which the cursor moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPart:
    """Part of a listing after its comparison: how many tags were marked, and the others.

    `others` have their digests where the listing gave them; `looked` are the tags that were looked at.
    """

    marked: int
    others: Mapping[str, str | None]
    looked: Mapping[str, Compared]


def parts_of(page: list[ListedTag], after: str | None) -> Iterator[list[ListedTag]]:
    """Split a page into parts that the cursor can come between: an invocation may be too short for a whole page.

    A page longer than was asked for is all that there is, in any order (Distribution 2 knows neither `n` nor `last`).
    It is put in order, and what does not come after the cursor (`after`) is left out.
    """
    if len(page) > PAGE_SIZE:
        page = sorted((one for one in page if after is None or one.tag > after), key=lambda one: one.tag)
    for start in range(0, len(page), PART):
        yield page[start : start + PART]


class TagComparison:
    """Compares tags, and marks those that differ."""

    def __init__(self, context: ComparisonContext, marker: Marker, pool: Executor, looks: TagLooks) -> None:
        self._context = context
        self._marker = marker
        self._pool = pool
        self._looks = looks

    def compare(self, owed: Owed, part: Iterable[ListedTag], asked_at: int) -> ComparedPart:
        """Mark the tags of `part` that were never seen equal, or are not equal now; record the others as looked at.

        `asked_at` (ms) is when the primary was asked for the page.
        """
        listed = dict(part)
        known = self._context.sync_registry.seen(owed.repository, map(Reference.tag, listed))
        on_record = self._looks.on_record(owed, known)

        def look(one: tuple[Reference, Seen]) -> tuple[str, Compared | None]:
            tag, before = one[0].value, one[1]
            found = self._looks.look(tag, listed[tag], before, asked_at, on_record=tag in on_record)
            return tag, _as_announced(found, before)

        looks = dict(self._pool.map(look, known.items()))
        looked = {tag: found for tag, found in looks.items() if found is not None}
        recorded = self._record(looked)
        equal = {Reference.tag(tag): found.seen for tag, found in looked.items() if found.seen is not None}
        no_push = equal.keys() | {Reference.tag(tag) for tag in looks.keys() - looked.keys()}  # equal, or gone by now
        now = known | equal
        different = {one: equal_until(owed, now.get(one)) for one in map(Reference.tag, listed) if one not in recorded}
        different = self._marker.to_mark(owed, different, no_push=no_push)
        self._marker.mark_different(owed, different)
        marked = {one.value for one in different}
        others = {tag: digest for tag, digest in listed.items() if tag not in marked}
        return ComparedPart(marked=len(marked), others=others, looked=looked)

    def _record(self, looked: Mapping[str, Compared]) -> set[Reference]:
        """Record the tags that were seen equal; returns those that are not owed."""
        seen = [(Reference.tag(tag), found.seen) for tag, found in looked.items() if found.seen is not None]
        return self._context.held.record(seen) if seen else set()


def _as_announced(found: Compared | None, before: Seen) -> Compared | None:
    if found is None or found.seen is None:
        return found
    return replace(found, seen=decisions.as_announced(found.seen, before))
