"""The intake of a batch of the events queue: marks what its messages name, and knocks at their repositories.

A message is done once the reference that it names is marked: from then on the sync registry decides when the reference
is tried. So no failure after the mark sends a message back to its queue. No message affects another: one that cannot be
read goes to the DLQ with its reason, and one that DynamoDB or SQS did not take comes again alone.

A batch costs one read (and one each half minute for the selection), a write to mark each event, and a write to knock at
each repository. A few writes run side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from geosync.aws.errors import reason
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import CorruptItem, GeosyncError, MessageError, SyncRegistryError
from geosync.intake.marking import IntakeContext, Marking, reference_of
from geosync.intake.refusals import Refusals
from geosync.messages.geo_event import GeoEvent, Heartbeat, parse_message
from geosync.sync_registry.items import Row
from geosync.sync_registry.readings import Glances
from geosync.sync_registry.site.holds import longest
from geosync.threads import SYSTEM_THREADS, Threads

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from geosync.observability import Metrics

SIDE_BY_SIDE = 8
"""Writes in flight at once: a batch of ten is marked in the time of two of them."""
NOTED_FOR_S = 30.0
"""Seconds after which the selection is noted again. It costs one read if it is the noted one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The result of a batch: the positions of the messages that must come again, and the repositories to wake.

    `speakers` are the positions of the messages that named each repository to be woken.
    """

    again: frozenset[int] = frozenset()
    wakes: tuple[str, ...] = ()
    speakers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class _Batch:
    """A batch in progress: bodies and messages by position, and which messages named each repository to knock at."""

    bodies: Sequence[str]
    messages: dict[int, GeoEvent | Heartbeat] = field(default_factory=dict)
    again: set[int] = field(default_factory=set)
    marked: dict[str, set[int]] = field(default_factory=dict)
    rows: dict[str, Row | None] = field(default_factory=dict)

    def events(self) -> dict[int, GeoEvent]:
        return {position: one for position, one in self.messages.items() if isinstance(one, GeoEvent)}

    def done(self) -> list[GeoEvent]:
        return [event for position, event in self.events().items() if position not in self.again]


class Intake:
    """Takes messages in for one site, a batch at a time."""

    def __init__(
        self,
        context: IntakeContext,
        refusals: Refusals,
        *,
        logger: Logger,
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._context = context
        self._refusals = refusals
        self._marking = Marking(context, logger=logger, metrics=metrics)
        self._logger = logger
        self._clock = clock
        self._threads = threads
        self._noted_until_s = -math.inf
        """Monotonic seconds."""

    def take(self, bodies: Sequence[str]) -> Taken:
        """Mark what the messages name, and knock. Raises nothing for one message: `Taken.again` has its position."""
        batch = _Batch(bodies)
        self._read(batch)
        if self._context.role == "primary":
            for _ in batch.messages:
                self._logger.info("message_dropped", extra={"reason": "this site is the primary"})
            return Taken(again=frozenset(batch.again))
        if not batch.messages or not self._note_selection(batch):
            return Taken(again=frozenset(batch.again))
        with self._threads.pool(SIDE_BY_SIDE, name="mark") as pool:
            glances = self._glances(batch)
            self._mark(batch, glances, pool)
            free = self._knock(batch, pool)
        wakes = tuple(free) if free and glances is not None and self._may_be_worked_on(glances) else ()
        speakers = {repository: tuple(sorted(batch.marked[repository])) for repository in wakes}
        return Taken(again=frozenset(batch.again), wakes=wakes, speakers=speakers)

    def _note_selection(self, batch: _Batch) -> bool:
        """Record the selection by which events are marked, every NOTED_FOR_S. False: that failed, and all comes again.

        It is repeated because an older environment, with a last batch, may have noted its own after this one did.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._noted_until_s:
            return True
        try:
            self._context.sync_registry.subscription.note_selection(self._context.selection.fingerprint)
        except (BotoCoreError, ClientError, SyncRegistryError) as error:
            self._logger.error("selection_not_noted", extra={"error": type(error).__name__, "reason": reason(error)})
            batch.again |= set(batch.messages)
            return False
        self._noted_until_s = now_s + NOTED_FOR_S
        return True

    def _read(self, batch: _Batch) -> None:
        for position, body in enumerate(batch.bodies):
            try:
                batch.messages[position] = parse_message(body)
            except MessageError as error:
                self._refuse(batch, position, error)

    def _glances(self, batch: _Batch) -> Glances | None:
        """Read all that the batch depends on. None: the table cannot be read, and the events come again."""
        events = batch.events()
        if not events:
            return None
        references = [(one.repository, reference_of(one)) for one in events.values() if one.renamed_from is None]
        try:
            return self._context.sync_registry.look_at(references, holds=self._context.registry_names)
        except (BotoCoreError, ClientError, SyncRegistryError) as error:
            self._logger.error("event_not_marked", extra={"error": type(error).__name__, "reason": reason(error)})
            batch.again |= set(events)
            return None

    def _mark(self, batch: _Batch, glances: Glances | None, pool: Executor) -> None:
        """Mark every message, several at a time, and handle those that failed."""
        writes: list[tuple[int, Future[tuple[str, ...]]]] = []
        for position, message in batch.messages.items():
            if isinstance(message, Heartbeat):
                writes.append((position, pool.submit(self._record_heartbeat, message)))
            elif glances is None:
                continue
            elif message.renamed_from is None:
                writes.append((position, pool.submit(self._mark_event, batch, message, glances)))
            else:
                writes += self._begin_renames(batch, position, message, message.renamed_from, pool)
        for position, write in writes:
            if (error := write.exception()) is not None:
                self._not_marked(batch, position, error)
                continue
            for repository in write.result():
                batch.marked.setdefault(repository, set()).add(position)

    def _record_heartbeat(self, heartbeat: Heartbeat) -> tuple[str, ...]:
        """Record a heartbeat of the primary. A former primary's, whose topic is still subscribed, is ignored."""
        if self._context.primary_name not in (None, heartbeat.site):
            self._logger.info("heartbeat_of_another_site", extra={"site": heartbeat.site})
            return ()
        self._context.sync_registry.heartbeat.record(
            site=heartbeat.site, sent_at=heartbeat.sent_at, arrived_at=self._clock.now_ms()
        )
        return ()

    def _mark_event(self, batch: _Batch, event: GeoEvent, glances: Glances) -> tuple[str, ...]:
        glance = glances.of(event.repository, reference_of(event))
        batch.rows[event.repository] = glance.row
        return self._marking.mark(event, glance)

    def _begin_renames(
        self, batch: _Batch, position: int, event: GeoEvent, former: str, pool: Executor
    ) -> list[tuple[int, Future[tuple[str, ...]]]]:
        """Begin to mark every repository that a rename moves."""
        writes = []
        try:
            for old, new in self._marking.renamed(event, former):
                writes.append((position, pool.submit(self._marking.mark_renamed, event, old, new)))
        except (BotoCoreError, ClientError, SyncRegistryError) as error:
            self._not_marked(batch, position, error)
        return writes

    def _not_marked(self, batch: _Batch, position: int, error: BaseException) -> None:
        if isinstance(error, CorruptItem):
            self._refuse(batch, position, error)
            return
        # This includes our own bugs: only this message comes again and ends in the DLQ, none of the others.
        self._logger.error("event_not_marked", extra={"error": type(error).__name__, "reason": reason(error)})
        batch.again.add(position)

    def _refuse(self, batch: _Batch, position: int, error: GeosyncError) -> None:
        try:
            self._refusals.refuse(batch.bodies[position], error)
        except (BotoCoreError, ClientError, SyncRegistryError) as lost:
            self._logger.error("message_not_refused", extra={"reason": reason(lost)})
            batch.again.add(position)

    def _knock(self, batch: _Batch, pool: Executor) -> list[str]:
        """Knock once at each repository, and keep the cursor; returns the repositories that nobody holds.

        A failure here brings no message back: the sweep finds what is owed.
        """
        sync_registry = self._context.sync_registry
        knocks: Mapping[str, Future[bool]] = {
            repository: pool.submit(partial(sync_registry.tell, repository, believed=batch.rows.get(repository)))
            for repository in batch.marked
        }
        cursor = self._keep_cursor(batch.done(), pool)
        free = []
        for repository, knock in knocks.items():
            error = knock.exception()
            if error is None:
                free += [] if knock.result() else [repository]
            elif isinstance(error, CorruptItem):
                for position in batch.marked[repository]:
                    self._refuse(batch, position, error)
            else:
                self._logger.error("not_knocked", extra={"repository": repository, "reason": reason(error)})
        for write in cursor:
            if (error := write.exception()) is not None:
                self._logger.error("cursor_not_kept", extra={"reason": reason(error)})
        return free

    def _keep_cursor(self, done: Iterable[GeoEvent], pool: Executor) -> list[Future[None]]:
        newest = max(done, key=lambda event: event.received_at, default=None)
        if newest is None:
            return []
        keep = partial(self._context.sync_registry.cursor.record, event_id=newest.id, received_at=newest.received_at)
        return [pool.submit(keep)]

    def _may_be_worked_on(self, glances: Glances) -> bool:
        """True unless the site is paused or one of its registries is on hold; the log says so."""
        if glances.paused:
            self._logger.info("site_paused")
            return False
        try:
            hold = longest(glances.holds, self._clock.now_ms())
        except CorruptItem as error:
            self._logger.error("hold_unreadable", extra={"reason": str(error)})
            return False
        if hold is not None:
            self._logger.info("registry_on_hold", extra={"registry": hold.registry, "until": hold.until})
        return hold is None
