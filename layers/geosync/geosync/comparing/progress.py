"""Progress of the backfill, and of each comparison after it: done, total, rate and time left, from a few counters."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.sync_registry.site import walks
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.sync_registry import SyncRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of the latest walk, and of the comparison of what it found. Times in milliseconds since the epoch.

    `repositories` is what the catalogue named so far, all of it once `listed`; of those `compared` are done. `tags`
    were listed in those, `found` of them were different, `settled` of those were copied and seen.
    """

    started_at: int
    at: int
    listed: bool
    complete: bool
    repositories: int
    compared: int
    tags: int
    found: int
    settled: int

    @property
    def seconds(self) -> float:
        """The time since the walk began."""
        return max(self.at - self.started_at, 1) / 1000

    @property
    def rate(self) -> float:
        """Repositories compared a second, since the walk began."""
        return self.compared / self.seconds

    @property
    def tag_rate(self) -> float:
        """Tags settled a second, since the walk began."""
        return self.settled / self.seconds

    @property
    def seconds_left(self) -> float | None:
        """The time left at this rate; None while that cannot be said: not all is listed, or nothing is done."""
        if self.complete:
            return 0.0
        repositories, tags = max(self.repositories - self.compared, 0), max(self.found - self.settled, 0)
        if not self.listed or (repositories and not self.compared) or (tags and not self.settled):
            return None
        return max(repositories / self.rate if repositories else 0.0, tags / self.tag_rate if tags else 0.0)


def progress_of(sync_registry: SyncRegistry, walk: Walk, *, now_ms: int) -> Progress:
    """Read how far `walk` got: one request for its counters."""
    counts = sync_registry.walks.total(walk.started_at)
    return Progress(
        started_at=walk.started_at,
        at=(walk.moved_at or now_ms) if walk.complete else now_ms,
        listed=walk.finished_at is not None,
        complete=walk.complete,
        repositories=walk.repositories,
        # A page of the catalogue that was begun twice marks, and counts, twice.
        compared=min(counts[walks.COMPARED], walk.repositories),
        tags=counts[walks.TAGS],
        found=counts[walks.FOUND],
        settled=counts[walks.SETTLED],
    )
