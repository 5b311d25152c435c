"""A preview of another selection: the tags that it would bring to a site, and those that would leave. It only reads.

What would come is found in the primary's registry: its catalogue, and the tags of the repositories in which the two
selections may differ. What would leave is found in the sync registry: the tags that Geosync put here or saw equal. Both
are bounded, and say where there may be more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from geosync.errors import NotFound
from geosync.operating.repositories import listed_names
from geosync.pair.selection import Selection
from geosync.registries.registry import Registry
from geosync.sync_registry.items import Seen
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.sync_registry import SyncRegistry

One = TypeVar("One")
PAGE = 500
"""Names, or tags, that are read of the sync registry at a time."""
MOST_NAMED = 50
"""Tags of a repository that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewBounds:
    """The most that a preview looks at, on each side: names of repositories, and repositories whose tags are read.

    `tags` is the number of one repository's tags that are read.
    """

    names: int = 10_000
    repositories: int = 200
    tags: int = 10_000


DEFAULT_BOUNDS = PreviewBounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryTags:
    """Tags of one repository that would come, or leave; `names` are the first of them.

    `known`: the tags that Geosync put here or saw equal in it, where they would leave. `more`: there may be more.
    """

    repository: str
    tags: int
    names: tuple[str, ...]
    known: int = 0
    new: int = 0
    """Of those that would leave, tags that no comparison has found outside yet."""
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionChange:
    """The repositories in which tags would come, or leave; `more`: not all could be looked at."""

    repositories: tuple[RepositoryTags, ...]
    more: bool

    @property
    def tags(self) -> int:
        """The number of tags."""
        return sum(one.tags for one in self.repositories)

    @property
    def has_more(self) -> bool:
        """True if there may be more repositories, or more tags in one of them."""
        return self.more or any(one.more for one in self.repositories)


def brought(
    primary: Registry, before: Selection, after: Selection, bounds: PreviewBounds = DEFAULT_BOUNDS
) -> SelectionChange:
    """The tags at the primary that `after` selects and `before` does not. Raises RegistryError and OutOfTime."""
    names, more = _first((name for page in primary.repositories() for name in page), bounds.names)
    same_tags = (before.include_tags, before.exclude_tags) == (after.include_tags, after.exclude_tags)
    differing = [
        name for name in names if after.has_repository(name) and not (same_tags and before.has_repository(name))
    ]
    looked_at = differing[: bounds.repositories]
    found = [_brought_in(primary, name, before, after, bounds) for name in looked_at]
    return SelectionChange(repositories=_with_any(found), more=more or len(differing) > len(looked_at))


def leaving(sync_registry: SyncRegistry, after: Selection, bounds: PreviewBounds = DEFAULT_BOUNDS) -> SelectionChange:
    """The tags here, put there by Geosync or seen equal, that `after` does not select."""
    names, more = _first(listed_names(sync_registry, step=PAGE), bounds.names)
    differing = [name for name in names if after.restricts_tags or not after.has_repository(name)]
    looked_at = differing[: bounds.repositories]
    found = [_leaving_from(sync_registry, name, after, bounds) for name in looked_at]
    return SelectionChange(repositories=_with_any(found), more=more or len(differing) > len(looked_at))


def reason_to_suspend(change: SelectionChange, limits: Limits) -> str | None:
    """The first reason for which removing `change` would suspend deletes by comparison; None: none was found."""
    for one in change.repositories:
        if one.new and one.tags > limits.share * one.known:
            return f"{one.tags} of the {one.known} tags of {one.repository} would be outside the selection"
    new = sum(one.new for one in change.repositories)
    return f"{new} tags would be found outside the selection" if new > limits.tags else None


def _brought_in(
    primary: Registry, name: str, before: Selection, after: Selection, bounds: PreviewBounds
) -> RepositoryTags:
    tags, more = _first(_listed(primary, name), bounds.tags)
    had = set(before.tags(name, tags))
    new = [tag for tag in after.tags(name, tags) if tag not in had]
    return RepositoryTags(repository=name, tags=len(new), names=tuple(sorted(new)[:MOST_NAMED]), more=more)


def _listed(primary: Registry, repository: str) -> Iterator[str]:
    """The tags of a repository at the primary; none where it was deleted since it was listed."""
    try:
        for page in primary.tags(repository):
            yield from page
    except NotFound:
        return


def _leaving_from(sync_registry: SyncRegistry, name: str, after: Selection, bounds: PreviewBounds) -> RepositoryTags:
    known, more = _first(_known(sync_registry, name), bounds.tags)
    out = [(tag, seen) for tag, seen in known if not after.has_tag(name, tag)]
    return RepositoryTags(
        repository=name,
        tags=len(out),
        names=tuple(tag for tag, _ in out[:MOST_NAMED]),
        known=len(known),
        new=sum(seen.outside_since is None for _, seen in out),
        more=more,
    )


def _known(sync_registry: SyncRegistry, repository: str) -> Iterator[tuple[str, Seen]]:
    after = ""
    while page := sync_registry.seen_tags(repository, limit=PAGE, after=after):
        yield from ((reference.value, seen) for reference, seen in page)
        after = page[-1][0].seen_key


def _first(them: Iterable[One], most: int) -> tuple[list[One], bool]:
    """The first `most` of them, and whether there are more."""
    first = list(islice(them, most + 1))
    return first[:most], len(first) > most


def _with_any(found: Sequence[RepositoryTags]) -> tuple[RepositoryTags, ...]:
    return tuple(one for one in found if one.tags or one.more)
