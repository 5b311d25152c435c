"""Looks at tags on both sides: one request for a tag as a rule.

A registry that lists tags with their digests needs no look on its side. If neither registry does, the one look is at
the primary: a tag that still has the digest with which it was seen equal, and that the secondary still lists, counts as
unchanged at the secondary. That record is trusted for a month, and only if rolling verification looks at each tag
sooner. It is not trusted if a late write may have landed since, or if an operator asked. In each part of a listing the
tag that was seen last is looked at here, because a registry that was restored from a backup has lost its latest writes.
If that tag is not as recorded, the records of that part and of all later parts are not trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from geosync.clock import DAY_MS, Clock
from geosync.comparing.context import ComparisonContext
from geosync.comparing.marking import is_asked
from geosync.errors import NotFound, Refused, Unauthorized
from geosync.oci.manifests import Descriptor
from geosync.pair.pair import Pair
from geosync.sync_registry.decisions import Look, proves_secondary
from geosync.sync_registry.items import Owed, Reference, Seen

TRUSTED_FOR_MS = 30 * DAY_MS
"""Time since a tag was seen here for which the record of it is trusted, where verification looks at it sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagListing:
    """The tags of the secondary's repository, with their digests if its registry lists them.

    The listing was begun at `asked_at` (ms).
    """

    asked_at: int
    digests: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A tag that was looked at: its digest at the primary, what a HEAD said of it, and what was seen if it is equal."""

    digest: str
    described: Descriptor | None = None
    seen: Seen | None = None


def list_secondary(pair: Pair, clock: Clock) -> TagListing | None:
    """List all tags of the secondary's repository; None where that is not permitted."""
    asked_at = clock.now_ms()
    digests: dict[str, str | None] = {}
    try:
        for page in pair.secondary.tags_with_digests():
            digests.update(page)
    except NotFound:
        digests.clear()
    except (Unauthorized, Refused):
        return None
    return TagListing(asked_at=asked_at, digests=digests)


def describe(pair: Pair, tag: str) -> Compared | None:
    """Look at a tag at the primary only; None where there is none."""
    here = pair.primary.head_manifest(tag)
    return Compared(digest=here.digest, described=here) if here is not None else None


class TagLooks:
    """Looks at tags of one repository in one run of its comparison. `listing` is the secondary's."""

    def __init__(self, context: ComparisonContext, listing: TagListing | None) -> None:
        self._context = context
        self._pair = context.pair
        self._listing = listing
        self._is_as_recorded = True

    def _trusted(self, known: Mapping[Reference, Seen]) -> list[tuple[int, str, str]]:
        """The moment (ms), the name and the digest of each that is listed here as it was seen, if none is lost."""
        if any(self._is_lost(one, seen) for one, seen in known.items()):
            self._is_as_recorded = False
        return [(seen.seen_at, one.value, seen.digest) for one, seen in known.items() if self._is_trusted(one, seen)]

    def on_record(self, owed: Owed, known: Mapping[Reference, Seen]) -> frozenset[str]:
        """The tags among `known` that count as unchanged here, after a look at the one seen last.

        None of them if one is no longer listed here: the registry may have been restored from an older backup, and the
        tag seen last may have been written after that. Nor any if somebody asked for the comparison: the tag seen last
        may have moved back to what the backup has.
        """
        named = self._trusted(known)
        if is_asked(owed) or not named:
            return frozenset()
        _, last, digest = max(named)
        there = self._pair.secondary.head_manifest(last)
        if there is None or there.digest != digest:
            self._is_as_recorded = False
            return frozenset()
        return frozenset(tag for _, tag, _ in named)

    def _is_trusted(self, reference: Reference, seen: Seen) -> bool:
        if not self._context.verifies or self._listing is None or not self._is_as_recorded or self._lists_digests:
            return False
        is_recent = seen.seen_at > self._listing.asked_at - TRUSTED_FOR_MS
        return is_recent and reference.value in self._listing.digests and self._proves(seen.digest, seen.seen_at)

    def _is_lost(self, reference: Reference, seen: Seen) -> bool:
        listing = self._listing
        return listing is not None and seen.seen_at < listing.asked_at and reference.value not in listing.digests

    def look(self, tag: str, digest: str | None, before: Seen, asked_at: int, *, on_record: bool) -> Compared | None:
        """Look at a tag, by the listings where they can tell; `seen` only if that shows and proves that it is equal.

        `digest` is the primary's digest by its listing, which was begun at `asked_at` (ms); None if the listing has
        none. Returns None if the primary no longer has the tag.
        """
        if before.looked_at >= asked_at:
            digest = None  # it was looked at there since
        looked_at = asked_at if digest is not None else self._context.clock.now_ms()
        here = Compared(digest=digest) if digest is not None else describe(self._pair, tag)
        if here is None:
            return None
        there = Look(before.digest, before.seen_at) if on_record else self._look_here(tag, before)
        if there.digest != here.digest or not self._proves(there.digest, there.at):
            return here
        return replace(here, seen=Seen(digest=here.digest, looked_at=looked_at, seen_at=there.at))

    def _look_here(self, tag: str, before: Seen) -> Look:
        # What was written here since the listing began is newer than the listing.
        if self._listing is not None and self._lists_digests and before.seen_at < self._listing.asked_at:
            return Look(self._listing.digests.get(tag), self._listing.asked_at)
        at = self._context.clock.now_ms()
        there = self._pair.secondary.head_manifest(tag)
        return Look(there.digest if there is not None else None, at)

    @property
    def _lists_digests(self) -> bool:
        return self._pair.secondary.client.lists_digests

    def _proves(self, digest: str | None, at: int) -> bool:
        return proves_secondary(Look(digest, at), self._context.held.lease.suspect_until)
