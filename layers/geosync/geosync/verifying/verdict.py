"""The end of a round: the checksums of both sites over the tags that count, and what is confirmed becomes owed."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from geosync.pair.selection import Selection
from geosync.sync_registry.items import EVERYTHING, Reference
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
    """The end of a round: both checksums, and why it failed (None: it did not)."""

    ours: str
    primarys: str
    failure: str | None


def conclude(sync_registry: SyncRegistry, selection: Selection, repository: str) -> Verdict:
    """Reckon both checksums, and mark each tag that differs, with what is not to be trusted below it."""
    ours, primarys = Checksum(), Checksum()
    failure: str | None = None
    tags = _recorded(sync_registry, repository)
    recorded = ((tag, digest) for tag, digest in tags if selection.has_tag(repository, tag))
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
        distrust = suspect.distrusted if len(suspect.distrusted) <= MOST_NAMED else frozenset({EVERYTHING})
        sync_registry.shared_blobs.forget(suspect.blobs)  # before the mark: nobody is to mount what is wrong
        sync_registry.mark(repository, Reference.tag(tag), Mark(distrust=distrust, asked=True))
    return Verdict(ours=str(ours), primarys=str(primarys), failure=failure)


def _recorded(sync_registry: SyncRegistry, repository: str) -> Iterator[tuple[str, str]]:
    """The tags that were seen equal, with their digests, sorted; read a page at a time."""
    after = ""
    while page := sync_registry.seen_tags(repository, limit=SEEN_PAGE, after=after):
        yield from ((reference.value, seen.digest) for reference, seen in page)
        after = page[-1][0].seen_key


def _merged(
    recorded: Iterator[tuple[str, str]], suspects: Iterator[Suspect]
) -> Iterator[tuple[str, str | None, Suspect | None]]:
    """The tags that count, sorted: name, recorded digest, and what was found of it if it looked different."""
    ours = ((tag, 0, digest) for tag, digest in recorded)
    theirs = ((suspect.tag, 1, suspect) for suspect in suspects)
    waiting: tuple[str, str] | None = None
    found: Iterator[tuple[str, int, str | Suspect]] = heapq.merge(ours, theirs, key=lambda one: one[:2])
    for tag, _, what in found:
        if isinstance(what, Suspect):
            known = waiting[1] if waiting is not None and waiting[0] == tag else None
            if waiting is not None and known is None:
                yield *waiting, None
            waiting = None
            yield tag, known, what
        else:
            if waiting is not None:
                yield *waiting, None
            waiting = (tag, what)
    if waiting is not None:
        yield *waiting, None


def _failure(before: str | None, suspect: Suspect) -> str:
    """The reason of a failed verification: a mismatch comes before what is missing below tags."""
    if suspect.primary != suspect.secondary:
        return transitions.MISMATCH
    if before is not None:
        return before
    named = min(suspect.distrusted)
    return f"{suspect.tag}: {named} is missing or wrong at the secondary"
