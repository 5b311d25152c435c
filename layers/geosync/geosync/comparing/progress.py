"""Progress of the backfill, and of each comparison after it: done, total, rate and time left, from a few counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geosync.sync_registry.site import walks
from geosync.sync_registry.site.catalogue import Walk, WalkPace
from geosync.sync_registry.sync_registry import SyncRegistry

LATELY_MS = 10 * 60_000
"""The longest time that a pace is made from."""
MEASURED_MS = 60_000
"""The shortest time from which a pace is made."""
WORTH_AN_ESTIMATE = 10
"""The time left is estimated once one tenth is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of the latest walk, and of the comparison of what it found. Times in milliseconds since the epoch.

    `repositories` are to be compared: what the catalogue named so far, and what this site has besides. It is all of
    them once `listed`; of those `compared` are done. `tags` were listed in those, `found` of them were different,
    `settled` of those were copied and seen.
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
    paces: tuple[WalkPace, ...] = ()
    """How far it was in the last minutes, the oldest first."""

    @property
    def state(self) -> Literal["running", "settling", "finished"]:
        """Settling: all of it is compared and copied, and the minute's second look that nothing is left is to come."""
        if self.complete:
            return "finished"
        return "settling" if self.listed and not self._left_over else "running"

    @property
    def to_compare(self) -> int:
        """Repositories that the comparison has still to look at, or fewer: it may not know all of them yet."""
        return max(self.repositories - self.compared, 0)

    @property
    def _left_over(self) -> int:
        return self.to_compare + max(self.found - self.settled, 0)

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
        """The time left at the pace of the last minutes: a backfill pauses and speeds up, so its mean pace misleads.

        None while that cannot be said: not all is listed, nothing was seen for a minute, or less than a tenth is done.
        """
        if self.complete or self.state == "settling":
            return 0.0
        first = next((one for one in self.paces if self.at - one.at <= LATELY_MS), None)
        if not self.listed or first is None or self.at - first.at < MEASURED_MS:
            return None
        seconds = (self.at - first.at) / 1000
        repositories = _left_s(self.compared, self.repositories, self.compared - first.compared, seconds)
        tags = _left_s(self.settled, self.found, self.settled - first.settled, seconds)
        return max(repositories, tags) if repositories is not None and tags is not None else None


def _left_s(done: int, total: int, lately: int, seconds: float) -> float | None:
    """The time until all is done where `lately` were in `seconds`; None: it cannot be said."""
    if done >= total:
        return 0.0
    if lately <= 0 or done * WORTH_AN_ESTIMATE < total:
        return None
    return (total - done) * seconds / lately


def progress_of(sync_registry: SyncRegistry, walk: Walk, *, now_ms: int) -> Progress:
    """Read how far `walk` got: one request for its counters."""
    counts = sync_registry.walks.total(walk.started_at)
    repositories = walk.repositories + counts[walks.UNLISTED]
    return Progress(
        started_at=walk.started_at,
        at=(walk.moved_at or now_ms) if walk.complete else now_ms,
        listed=walk.finished_at is not None,
        complete=walk.complete,
        repositories=repositories,
        # A page of the catalogue that was begun twice marks, and counts, twice.
        compared=min(counts[walks.COMPARED], repositories),
        tags=counts[walks.TAGS],
        found=counts[walks.FOUND],
        settled=counts[walks.SETTLED],
        paces=walk.paces,
    )
