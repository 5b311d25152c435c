"""The walk through the primary's catalogue, page by page: every repository in it becomes owed as a whole (`owed#*`).

It finds what was on the primary before Geosync came (backfill), and what no notification announced (comparison): a
registry keeps its notifications in memory, and loses them with its process. How far a walk got is kept in the sync
registry (sync_registry/site/catalogue.py), so that it survives the invocation that began it.
"""

from __future__ import annotations

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.marking import mark_of
from geosync.comparing.rows import Rows
from geosync.errors import OutOfTime, RegistryError, RegistryUnavailable
from geosync.pair.selection import Selection
from geosync.registries.registry import Registry
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.catalogue import Walk, WalkTakenUp
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.timing import ms
from geosync.threads import SYSTEM_THREADS, Threads

MARKERS = 8
"""Marks written side by side."""
STALLED_AFTER_MS = 10 * 60_000
"""Time without progress of a walk after which the next one does not wait for it: what it still owes has failed, or
waits for a registry.
"""
ABANDONED_AFTER_MS = 15 * 60_000
"""Time without a page done after which a walk is taken up again: the length of an invocation."""


def is_due(walk: Walk | None, *, now_ms: int, every_s: float) -> bool:
    """True when a walk should begin or go on: the first, an abandoned one, and one every so often (0: never again).

    None begins while the work of the last one makes progress: if a comparison takes longer than `every_s`, they follow
    one another. None begins or goes on while the API that lists the catalogue has asked for a pause.
    """
    if walk is None:
        return True
    if walk.not_before is not None and now_ms < walk.not_before:
        return False
    if walk.asked_for:
        return True
    if walk.finished_at is None:
        return now_ms - walk.touched_at >= ABANDONED_AFTER_MS
    if not walk.complete and walk.moved_at is not None and now_ms - walk.moved_at < STALLED_AFTER_MS:
        return False
    return every_s > 0 and now_ms - walk.started_at >= ms(every_s)


class Catalogue:
    """Goes through the primary's catalogue."""

    def __init__(
        self,
        sync_registry: SyncRegistry,
        primary: Registry,
        rows: Rows,
        selection: Selection,
        *,
        clock: Clock = SYSTEM_CLOCK,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._sync_registry = sync_registry
        self._notes = sync_registry.catalogue
        self._primary = primary
        self._rows = rows
        self._selection = selection
        self._clock = clock
        self._threads = threads

    def walk(self) -> Walk | None:
        """Begin a walk, or go on with the one that was not finished, to the end of the catalogue and of the rows.

        None: another invocation walks. EventBridge may start a minute twice, and SQS deliver a message twice. Of two
        invocations at one walk, the later goes on; two walks at once would overwrite each other's marks.

        Raises OutOfTime between pages, RegistryUnavailable, and RegistryError where the catalogue cannot be read. All
        of them leave the walk where it is, the last with its reason. RegistryUnavailable leaves its reason, too, where
        it is about another host than the registry's: a vendor's API that lists its catalogue.
        """
        try:
            return self._go_on(self._begun())
        except WalkTakenUp:
            return None

    def _begun(self) -> Walk:
        walk = self._notes.latest()
        if walk is None or walk.finished_at is not None:
            return self._notes.begin(now_ms=self._clock.now_ms(), after=walk)
        return self._notes.take_up(walk, now_ms=self._clock.now_ms())

    def _go_on(self, walk: Walk) -> Walk:
        try:
            for page in self._primary.repositories(last=walk.last):
                selected = [name for name in page if self._selection.has_repository(name)]
                self._mark(walk, selected)
                walk = self._notes.note_page(walk, page, selected=len(selected), now_ms=self._clock.now_ms())
            self._rows.walk(walk)
        except OutOfTime:
            self._notes.note_out_of_time(walk)
            raise
        except RegistryUnavailable as error:
            if error.registry != self._primary.name:
                self._note_pause(walk, error)
            raise
        except RegistryError as error:
            self._notes.note_failure(walk, str(error), now_ms=self._clock.now_ms())
            raise
        return self._notes.note_finished(walk, now_ms=self._clock.now_ms())

    def _note_pause(self, walk: Walk, error: RegistryUnavailable) -> None:
        """Note that the API which lists the catalogue does not answer, and for how long it asked to be left alone."""
        now_ms = self._clock.now_ms()
        until_ms = now_ms + ms(error.retry_after) if error.retry_after is not None else None
        self._notes.note_failure(walk, str(error), now_ms=now_ms, not_before_ms=until_ms)

    def _mark(self, walk: Walk, repositories: list[str]) -> None:
        """Mark whole repositories; the sweep wakes them, as many at a time as the work queue has room for."""
        mark = mark_of(walk)

        def mark_whole(name: str) -> None:
            self._sync_registry.mark(name, Reference.whole(), mark)

        with self._threads.pool(MARKERS, name="mark") as pool:
            for _ in pool.map(mark_whole, repositories):
                pass
