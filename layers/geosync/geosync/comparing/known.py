"""The known tags of a repository (seen equal once): no longer listed by the primary, or outside the selection."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from geosync.comparing.context import ComparisonContext
from geosync.sync_registry.items import Owed, Reference, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTags:
    """The tags of a repository that were seen equal once.

    `names` are those in the selection, `unlisted` those of them that the primary did not list now. `outside` are those
    that left the selection.
    """

    names: frozenset[str]
    unlisted: Sequence[tuple[Reference, Seen]]
    outside: Sequence[tuple[Reference, Seen]]

    @property
    def total(self) -> int:
        """The number of known tags in the selection."""
        return len(self.names)


def read_known(context: ComparisonContext, owed: Owed, listed: Container[str], *, complete: bool) -> KnownTags:
    """Read the known tags.

    `complete`: the listing was read from its beginning. When it was resumed, `listed` lacks its earlier pages. Then
    whatever was not looked at since the repository was marked counts as not listed.
    """
    names: set[str] = set()
    unlisted: list[tuple[Reference, Seen]] = []
    outside: list[tuple[Reference, Seen]] = []
    for reference, seen in context.sync_registry.all_seen_tags(owed.repository):
        if not context.selection.has(owed.repository, reference):
            outside.append((reference, seen))
            continue
        names.add(reference.value)
        if reference.value not in listed and (complete or seen.looked_at < owed.marked_at):
            unlisted.append((reference, seen))
    return KnownTags(names=frozenset(names), unlisted=unlisted, outside=outside)
