"""Images without a tag that the secondary lacks, where the primary's registry lists them.

They were pushed by digest, or a later push took their tag, before Geosync came or while notifications were lost.
Whoever pins a digest needs them. Children of an index are among them: an index brings its children, and a child that
is here already costs a look.

None counts as a lost notification: the secondary's registry may have removed it by a rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from itertools import islice

from geosync.comparing.context import ComparisonContext
from geosync.comparing.marking import Marker, equal_until, is_asked
from geosync.sync_registry.decisions import Look, proves_secondary
from geosync.sync_registry.items import Owed, Reference, Seen

PART = 200
"""Digests that are looked at before it is asked whether the holder stops."""


class UntaggedImages:
    """Finds and marks the images without a tag that the secondary lacks, under one lease."""

    def __init__(self, context: ComparisonContext, marker: Marker, pool: Executor) -> None:
        self._context = context
        self._marker = marker
        self._pool = pool

    def compare(self, owed: Owed) -> int:
        """Mark what is missing; returns how many were marked. Raises RegistryError when a registry does not answer.

        Nothing is done where superseded images are skipped, or tags are selected: what has no tag is not selected then.
        """
        selection = self._context.selection
        if not selection.superseded_images or selection.restricts_tags:
            return 0
        looked_at = self._context.clock.now_ms()
        pages = self._context.pair.primary.untagged_digests()
        return sum(self._compare(owed, part, looked_at) for page in pages or () for part in _parts(page))

    def _compare(self, owed: Owed, digests: Sequence[str], looked_at: int) -> int:
        self._context.check()
        wanted = self._to_look_at(owed, list(map(Reference.digest, digests)))
        seen_at = self._context.clock.now_ms()
        secondary = self._context.pair.secondary
        looked = list(zip(wanted, self._pool.map(lambda one: secondary.head_manifest(one.value), wanted), strict=True))
        self._record([one.value for one, there in looked if there is not None], looked_at, seen_at)
        missing = {one: wanted[one] for one, there in looked if there is None}
        self._marker.mark_different(owed, missing, announced=False)
        return len(missing)

    def _to_look_at(self, owed: Owed, references: Sequence[Reference]) -> dict[Reference, int | None]:
        """Those of `references` that may be missing, each with the last moment (ms) as in Marker.mark_different.

        A comparison that somebody asked for looks at all: the registry may have been restored from a backup. Any other
        leaves out what was seen here, and what Marker.to_mark leaves out.
        """
        listed: dict[Reference, int | None] = dict.fromkeys(references, equal_until(owed, None))
        if owed.walk is None:
            return listed
        seen = {} if is_asked(owed) else self._context.sync_registry.seen(owed.repository, references)
        return self._marker.to_mark(owed, {one: until for one, until in listed.items() if one not in seen})

    def _record(self, here: Sequence[str], looked_at: int, seen_at: int) -> None:
        """Remember what is here, so that the next comparison asks nothing about it."""
        suspect_until = self._context.held.lease.suspect_until
        proved = [one for one in here if proves_secondary(Look(one, seen_at), suspect_until)]
        seen = [(Reference.digest(one), Seen(digest=one, looked_at=looked_at, seen_at=seen_at)) for one in proved]
        if seen:
            self._context.held.record(seen)


def _parts(page: Sequence[str]) -> Iterator[Sequence[str]]:
    digests = iter(page)
    while part := list(islice(digests, PART)):
        yield part
