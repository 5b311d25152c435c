"""The truth, read from the living primary: every tag that it has, compared with what this site's registry has.

It judges the list that promote would have shown. A tag that differs and is not on the list is looked at again after a
while: it may have been pushed after the list was made, or its notification may be on its way. What still differs then,
and nobody has told the site of, is a push that a promotion would lose without naming it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice

from geosync.drilling.both import BothRegistries, digest_of, listed
from geosync.drilling.cut import cut
from geosync.drilling.findings import Difference, TruthFound
from geosync.errors import ConfigurationError, ContentError, GeosyncError, OutOfTime, RegistryError
from geosync.operating.repositories import listed_names
from geosync.sync_registry.items import Reference
from geosync.sync_registry.sync_registry import SyncRegistry

NAMES_OF_A_PAGE = 500
MOST_NAMED = 100
"""Differences that are named one by one."""
MOST_UNREAD = 10
"""Repositories and tags that could not be compared, and are named."""
LOOKED_AT_AGAIN = 200
"""Differences that nobody has told of and that are looked at again: where there are more, these show what is wrong."""
BETWEEN_LOOKS_S = 2.0
Tag = tuple[str, str]
"""A repository's name at the primary, and a tag of it."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A difference after another look at it; `error` is what that look ended with, None: it still differs."""

    difference: Difference
    error: GeosyncError | None = None


@dataclass(slots=True)
class ComparedTags:
    """The tags that were compared: those that are equal, and those that differ."""

    repositories: int = 0
    equal: list[Tag] = field(default_factory=list)
    different: list[Difference] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """What kept single repositories and tags from being compared."""

    @property
    def tags(self) -> int:
        """The number of tags."""
        return len(self.equal) + len(self.different)

    def sample(self, size: int, rank: Callable[[Tag], str]) -> list[Tag]:
        """Choose `size` of the equal tags, the first by `rank`."""
        return nsmallest(size, self.equal, key=rank)


class Truth:
    """Compares both registries, at most `most_tags` tags; its requests run in `pool`."""

    def __init__(
        self, registries: BothRegistries, sync_registry: SyncRegistry, pool: Executor, *, most_tags: int
    ) -> None:
        self._registries = registries
        self._sync_registry = sync_registry
        self._pool = pool
        self._most_tags = most_tags

    def compare(self) -> ComparedTags:
        """Compare tag by tag; what could not be read is said in `left` and `unread`."""
        found = ComparedTags()
        try:
            for name in self._names(found):
                try:
                    self._compare(name, found)
                except (ConfigurationError, RegistryError, ContentError) as error:
                    found.unread.append(f"{name} was not compared: {error}")
                if found.tags >= self._most_tags:
                    found.left.append(f"only {found.tags} tags were compared, of {found.repositories} repositories")
                    break
        except (RegistryError, ContentError, OutOfTime) as error:
            found.left.append(f"not all tags were compared: {error}")
        return found

    def _names(self, found: ComparedTags) -> Iterator[str]:
        """The selected repositories of the primary; those that the site knows where the primary lists none."""
        selection, has_listed = self._registries.selection, False
        try:
            for page in self._registries.primary.repositories():
                has_listed = True
                yield from filter(selection.has_repository, page)
        except (RegistryError, ContentError) as error:
            if has_listed:
                raise
            found.left.append(f"the primary lists no repositories, those that the site knows were compared: {error}")
            yield from filter(selection.has_repository, listed_names(self._sync_registry, step=NAMES_OF_A_PAGE))

    def _compare(self, name: str, found: ComparedTags) -> None:
        pair = self._registries.pair(name)
        at_primary, here = listed(pair.primary), listed(pair.secondary)
        room = self._most_tags - found.tags
        wanted = list(islice(self._registries.selection.tags(name, at_primary), room))
        found.repositories += 1

        def look(tag: str) -> Difference | ContentError | None:
            try:
                there = at_primary[tag] or digest_of(pair.primary, tag)
                if there is None:
                    return None  # it was deleted since it was listed
                had = (here[tag] or digest_of(pair.secondary, tag)) if tag in here else None
            except ContentError as error:
                return error
            return Difference(repository=name, tag=tag, at_primary=there, here=had)

        for one in self._pool.map(look, wanted):
            if isinstance(one, ContentError):
                found.unread.append(f"a tag of {name} was not compared: {one}")
            elif one is not None and one.here == one.at_primary:
                found.equal.append((name, one.tag))
            elif one is not None:
                found.different.append(one)

    def judge(self, found: ComparedTags, named: Iterable[Tag], *, all_listed: bool, settle_s: float) -> TruthFound:
        """Tell which differences promote's list `named`, and which nobody would have named.

        Where the list names not all that is owed (`all_listed` False), what is owed counts as named. Differences that
        nobody has told of are looked at for `settle_s` seconds, LOOKED_AT_AGAIN of them at most.
        """
        on_list = set(named)
        others = _besides(found.different, on_list)
        if not all_listed:
            on_list |= self._owed(others)
            others = _besides(found.different, on_list)
        looks = self._settle(others[:LOOKED_AT_AGAIN], settle_s)
        failed = [look for look in looks if look.error is not None]
        unnamed = [look.difference for look in looks if look.error is None]
        beyond = len(others[LOOKED_AT_AGAIN:])
        on_its_list = [one for one in found.different if (one.repository, one.tag) in on_list]
        left = list(found.left)
        if beyond:
            left.append(f"{beyond} tags that differ were not looked at again: at most {LOOKED_AT_AGAIN} are")
        if failed:
            tag = f"{failed[0].difference.repository}:{failed[0].difference.tag}"
            left.append(f"{len(failed)} tags that differ could not be looked at again, as {tag}: {failed[0].error}")
        return TruthFound(
            repositories=found.repositories,
            tags=found.tags,
            equal=len(found.equal),
            named_tags=len(on_its_list),
            named=tuple(on_its_list[:MOST_NAMED]),
            in_flight=len(others) - beyond - len(looks),
            unnamed_tags=len(unnamed),
            unnamed=tuple(unnamed[:MOST_NAMED]),
            unjudged_tags=beyond + len(failed),
            left=(*left, *cut(found.unread, MOST_UNREAD)),
        )

    def _settle(self, different: list[Difference], settle_s: float) -> list[_Look]:
        """Look again until nothing is left that differs and is not owed, or the time is over; returns what is left."""
        deadline = self._registries.primary.deadline
        end_s = deadline.clock.monotonic_s() + min(settle_s, deadline.left_s())
        while True:
            owed = self._owed(different)
            again = self._pool.map(self._again, (one for one in different if (one.repository, one.tag) not in owed))
            looks = [look for look in again if look is not None]
            if not looks or deadline.clock.monotonic_s() >= end_s:
                return looks
            different = [look.difference for look in looks]
            deadline.clock.sleep(BETWEEN_LOOKS_S)

    def _owed(self, different: Iterable[Difference]) -> set[Tag]:
        named = ((one.repository, Reference.tag(one.tag)) for one in different)
        return {(name, reference.value) for name, reference in self._sync_registry.owed_named(named)}

    def _again(self, before: Difference) -> _Look | None:
        """Look at both sides again; None: they are equal now, or the primary has no such tag any more."""
        pair = self._registries.pair(before.repository)
        try:
            there, here = digest_of(pair.primary, before.tag), digest_of(pair.secondary, before.tag)
        except (RegistryError, ContentError, OutOfTime) as error:
            return _Look(before, error)
        if there is None or there == here:
            return None
        return _Look(Difference(repository=before.repository, tag=before.tag, at_primary=there, here=here))


def _besides(different: Iterable[Difference], named: Collection[Tag]) -> list[Difference]:
    return [one for one in different if (one.repository, one.tag) not in named]
