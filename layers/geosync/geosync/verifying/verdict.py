"""The end of a round: the checksums of both sites over the tags that count, and what is confirmed becomes owed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from geosync.pair.selection import Selection
from geosync.sync_registry.items import EVERYTHING, Reference, Seen
from geosync.sync_registry.measured import Tally
from geosync.sync_registry.suspects import Suspect
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.transitions import verification as transitions
from geosync.sync_registry.transitions.marks import Mark
from geosync.verifying.checksum import Checksum

SEEN_PAGE = 1000
"""Tags read at a time for the checksum."""
MOST_NAMED = 50
"""Digests that a mark distrusts by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The end of a round: both checksums, why it failed (None: it did not), and what it counted of the tags here."""

    ours: str
    primarys: str
    failure: str | None
    tally: Tally


def conclude(
    sync_registry: SyncRegistry, selection: Selection, repository: str, size_of: Callable[[str], int | None]
) -> Verdict:
    """Reckon both checksums, and mark each tag that differs, with what is not to be trusted below it.

    `size_of`: the bytes of an image, by its digest, where this round read all of it.
    """
    ours, primarys, tally = Checksum(), Checksum(), Tally()
    failure: str | None = None
    recorded = _counted(_selected(sync_registry, selection, repository), tally, size_of)
    for tag, digest, suspect in _merged(recorded, sync_registry.suspects.all(repository)):
        if suspect is None:
            ours.add(tag, digest or "")
            primarys.add(tag, digest or "")
            continue
        if suspect.primary is None:
            continue
        primarys.add(tag, suspect.primary)
        if suspect.secondary is not None and digest is not None:
            ours.add(tag, suspect.secondary)
        failure = _failure(failure, suspect)
        sync_registry.shared_blobs.forget(suspect.blobs)  # before the mark: a wrong blob must not be mounted
        sync_registry.mark(repository, Reference.tag(tag), Mark(distrust=_distrusted(suspect), asked=True))
    return Verdict(ours=str(ours), primarys=str(primarys), failure=failure, tally=tally)


def _selected(sync_registry: SyncRegistry, selection: Selection, repository: str) -> Iterator[tuple[str, Seen]]:
    """The selected tags that were seen equal, sorted; read a page at a time."""
    for reference, seen in sync_registry.all_seen_tags(repository, page=SEEN_PAGE):
        if selection.has_tag(repository, reference.value):
            yield reference.value, seen


def _distrusted(suspect: Suspect) -> frozenset[str]:
    """The digests that a mark of this tag names; too many of them are everything."""
    return suspect.distrusted if len(suspect.distrusted) <= MOST_NAMED else frozenset({EVERYTHING})


def _counted(
    tags: Iterator[tuple[str, Seen]], tally: Tally, size_of: Callable[[str], int | None]
) -> Iterator[tuple[str, str]]:
    """The digests of these tags; each is counted on the way."""
    for tag, seen in tags:
        tally.add(seen.digest, seen.size_bytes if seen.size_bytes is not None else size_of(seen.digest))
        yield tag, seen.digest


def _merged(
    recorded: Iterator[tuple[str, str]], suspects: Iterator[Suspect]
) -> Iterator[tuple[str, str | None, Suspect | None]]:
    """The tags that count, sorted: name, recorded digest, and what was found of it if it looked different."""
    found: Iterator[tuple[str, str | Suspect]]
    found = heapq.merge(recorded, ((one.tag, one) for one in suspects), key=itemgetter(0))
    for tag, entries in groupby(found, key=itemgetter(0)):
        digest: str | None = None
        suspect: Suspect | None = None
        for _, entry in entries:
            if isinstance(entry, Suspect):
                suspect = entry
            else:
                digest = entry
        yield tag, digest, suspect


def _failure(before: str | None, suspect: Suspect) -> str:
    """The reason of a failed verification: a mismatch comes before what is missing below tags."""
    if suspect.primary != suspect.secondary:
        return transitions.MISMATCH
    if before is not None:
        return before
    named = min(suspect.distrusted)
    return f"{suspect.tag}: {named} is missing or wrong at the secondary"
