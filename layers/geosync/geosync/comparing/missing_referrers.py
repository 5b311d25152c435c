"""Referrers that the secondary lacks: they refer to images that are equal on both sides, and no tag names them.

They were pushed by digest, and nobody was told. So a comparison asks the primary's referrers API about every digest
that the tags name, and about everything below an index. Where the primary has no such API, clients list referrers under
a tag, which is compared like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from geosync.comparing.context import ComparisonContext
from geosync.comparing.looks import Compared, describe
from geosync.comparing.marking import Marker, equal_until
from geosync.comparing.tags import ComparedPart
from geosync.copying.referrers import Listings, lacking
from geosync.errors import ContentError
from geosync.oci import media_types
from geosync.sync_registry.items import Owed, Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacked:
    """Digests of the referrers that are not at the secondary, and of the images whose referrers cannot be told."""

    missing: set[str]
    unread: set[str]


class MissingReferrers:
    """Marks the referrers that the secondary lacks, in one run through a repository; asks about each digest once."""

    def __init__(self, context: ComparisonContext, marker: Marker, pool: Executor) -> None:
        self._context = context
        self._marker = marker
        self._pool = pool
        self._listings = Listings(context.pair.primary)

    def compare(self, owed: Owed, part: ComparedPart) -> int:
        """Mark what refers to the equal tags of `part` and is missing; returns how many were marked.

        What refers to a tag that is marked itself comes with it. A tag whose referrers cannot be told is marked: its
        own failure says why, and the others go on. Raises RegistryError.
        """
        references = list(self._references(part))
        if not references:
            return 0
        known = self._context.sync_registry.seen(owed.repository, references)
        different = self._marker.to_mark(owed, {one: equal_until(owed, known.get(one)) for one in references})
        self._marker.mark_different(owed, different)
        return len(different)

    def _references(self, part: ComparedPart) -> Iterator[Reference]:
        """The missing referrers by digest, and the tags whose referrers cannot be told."""
        tag_of: dict[str, str] = {}
        missing: set[str] = set()
        unread: set[str] = set()
        for tags in _in_turn(part):
            if self._listings.unavailable:
                break
            found = self._described(part, tags)
            tag_of = {one.digest: tag for tag, one in found.items()} | tag_of
            lacked = self._ask(found.values())
            missing |= lacked.missing
            unread |= lacked.unread
        yield from map(Reference.digest, sorted(missing))
        yield from (Reference.tag(tag_of[one]) for one in sorted(unread))

    def _described(self, part: ComparedPart, tags: Iterable[str]) -> dict[str, Compared]:
        """Describe `tags`. An unknown tag is looked at, and left out if it is gone."""

        def described(tag: str) -> tuple[str, Compared | None]:
            digest = part.others[tag]
            if tag in part.looked:
                return tag, part.looked[tag]
            return tag, Compared(digest=digest) if digest is not None else describe(self._context.pair, tag)

        return {tag: one for tag, one in self._pool.map(described, tags) if one is not None}

    def _ask(self, images: Iterable[Compared]) -> Lacked:
        """Ask what refers to `images`, each digest once. One cannot be told when something below it cannot be read."""
        lacked = Lacked(missing=set(), unread=set())

        def ask(image: tuple[str, Compared]) -> None:
            digest, looked = image
            self._context.check()
            may_be_index = looked.described is None or media_types.is_index(looked.described.media_type)
            secondary = self._context.pair.secondary
            try:
                lacked.missing.update(
                    one.digest for one in lacking(self._listings, secondary, [(digest, may_be_index)])
                )
            except ContentError:
                lacked.unread.add(digest)

        for _ in self._pool.map(ask, {one.digest: one for one in images}.items()):
            pass
        return lacked


def _in_turn(part: ComparedPart) -> tuple[list[str], list[str], list[str]]:
    """The equal tags in the order in which they are asked about: first those whose digest is known.

    A look at each of the others is worth it only where there is an API: the first of them tells, if nothing has before.
    """
    told: Mapping[str, str | None] = {
        tag: digest for tag, digest in part.others.items() if tag in part.looked or digest is not None
    }
    untold = sorted(part.others.keys() - told.keys())
    return list(told), untold[:1], untold[1:]
