"""The work of one message of the live queue or the work queue.

A wake names a repository: the worker that gets its lease works off what is due there. A worker that the work queue woke
then goes on by itself with what is due next, as long as its invocation has time: so retries and backfill are bounded by
how many workers there are, and not by how many wakes a minute sends. One that the live queue woke ends with its
repository, so that its slot is free for the next push.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from geosync.aws.errors import reason
from geosync.comparing.missing import Removals
from geosync.errors import CorruptItem, MessageError, NotMarked
from geosync.intake.intake import Intake
from geosync.intake.refusals import Refusals
from geosync.messages.geo_event import GeoEvent, Heartbeat
from geosync.messages.reading import AnyMessage, read_message
from geosync.messages.work import CatalogueMessage, Help, VerifyMessage, WorkMessage
from geosync.sync_registry.access import TABLE_ERRORS
from geosync.sync_registry.items import Lease, Reference
from geosync.sync_registry.readings import Glance
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.context import Invocation
from geosync.syncing.ending import Ending
from geosync.syncing.holder import Holder
from geosync.working.comparison import ComparisonWork
from geosync.working.help import HelpWork
from geosync.working.readiness import Readiness
from geosync.working.share import NamespaceShare
from geosync.working.verification import VerificationWork
from geosync.working.workplace import WorkOptions, Workplace

ENOUGH_S = 120.0
"""Seconds that must be left for another repository: a layer of a GB takes 50 s at 20 MiB/s, and what an invocation
does not end is begun anew, or goes in chunks, in the next."""
CANDIDATES = 100
"""Repositories that a worker reads at a time, and among which it picks: more than workers end at once, so few meet."""
CANDIDATES_KEPT_S = 5.0
"""Seconds for which a worker uses the candidates that it read: two dozen queries are most of a small repository."""


class Worker:
    """Takes messages for one site, one at a time, and works off the repositories that they wake."""

    def __init__(self, place: Workplace, options: WorkOptions, intake: Intake, refusals: Refusals) -> None:
        self._place = place
        self._options = options
        self._intake = intake
        self._refusals = refusals
        self._readiness = Readiness(place)
        self._removals = Removals(
            breaker=place.sync_registry.breaker, allowed=options.removals, outside=options.removes_outside
        )
        self._share = NamespaceShare(place, options.slots)
        self._help = HelpWork(place, self._readiness, self._share)
        self._comparison = ComparisonWork(place, self._readiness, self._removals)
        self._verification = VerificationWork(place, self._readiness, options.verification)
        self._was_asked_for_help = False
        """This invocation was caused by a message of functions/sync itself, so it asks nobody for help.

        Lambda counts how often a function is invoked by its own messages. It takes a chain of sixteen for a loop, stops
        it and puts the message into the DLQ.
        """

    def receive(self, body: str, *, sent_at_ms: int | None = None) -> bool:
        """Process one message. True: it came from the work queue, so that this invocation may `go_on`.

        `sent_at_ms` is when SQS took it (ms), None if that is not known.

        Raises what DynamoDB or SQS raised before the message was marked or in the DLQ: then it must come again.
        """
        try:
            message = read_message(body)
        except MessageError as error:
            self._refusals.refuse(body, error)
            return False
        self._share.pool = "work" if _came_from_the_work_queue(message) else "live"
        self._was_asked_for_help = isinstance(message, WorkMessage) and message.help is not None
        try:
            self._process(message, body, sent_at_ms)
        except CorruptItem as error:
            self._refusals.refuse(body, error)
            return False
        return self._place.role == "secondary" and _came_from_the_work_queue(message)

    def go_on(self) -> None:
        """Work off what is due next at the site, one repository after another, until nothing is or time is short."""
        self._after_the_mark(self._work_off_others)

    def _take_in(self, body: str) -> None:
        """Take in a message of the events queue: during an update of the stack, the former event source sends some."""
        taken = self._intake.take([body])
        if taken.again:
            raise NotMarked("the message was neither marked nor put into the DLQ")
        for repository in taken.wakes:
            self._after_the_mark(partial(self._look_and_wake, repository))

    def _look_and_wake(self, repository: str) -> None:
        self._wake(repository, self._readiness.look(repository))

    def _process(self, message: AnyMessage, body: str, sent_at_ms: int | None) -> None:
        if isinstance(message, GeoEvent | Heartbeat):
            self._take_in(body)
            return
        if self._place.role == "primary":
            self._place.logger.info("message_dropped", extra={"reason": "this site is the primary"})
            return
        match message:
            case WorkMessage(repository=repository, help=Help() as asked):
                if not self._is_outside(repository, Reference.whole()):
                    self._after_the_mark(partial(self._help.bring, repository, asked))
            case WorkMessage():
                self._work(message)
            case CatalogueMessage():
                self._after_the_mark(self._comparison.walk)
            case VerifyMessage(repository=None):
                self._verification.make_due(message, sent_at_ms=sent_at_ms)
            case VerifyMessage(repository=str(repository), asked_at=asked_at):
                self._after_the_mark(partial(self._verify, repository, asked=asked_at is not None))

    def _verify(self, repository: str, *, asked: bool) -> None:
        """Verify a repository. One whose turn it is waits while its namespace has its share; one `asked` for does not.

        Only this message says that somebody asked: with rolling verification off, nothing would choose the repository
        again.
        """
        with self._share.slot(repository) as has_slot:
            if has_slot or asked:
                self._verification.verify(repository, asked=asked)
            else:
                self._verification.put_off(repository)

    def _work(self, message: WorkMessage) -> None:
        if self._is_outside(message.repository, Reference.whole()) and not self._has_ours(message.repository):
            self._after_the_mark(lambda: self._forget(message.repository))
            return
        references = message.references
        if not self._removals.outside:
            references = tuple(one for one in references if not self._is_outside(message.repository, one))
        for reference in references:
            if_absent = frozenset({message.if_absent} if message.if_absent is not None else ())
            self._place.sync_registry.mark(message.repository, reference, Mark(if_absent=if_absent, asked=True))
        glance = self._readiness.look(message.repository)
        work = self._knock if references else self._wake
        self._after_the_mark(partial(work, message.repository, glance))

    def _is_outside(self, repository: str, reference: Reference) -> bool:
        """True when this site does not replicate the reference; the log says so.

        While the settings cannot be read, nothing counts as outside: the reference is marked, and the holder looks
        again.
        """
        registries = self._readiness.registries()
        if registries is None or registries.selection.has(repository, reference):
            return False
        keys = {"repository": repository, "reference": str(reference)}
        self._place.logger.info("outside_the_selection", extra=keys)
        return True

    def _has_ours(self, repository: str) -> bool:
        """True if a repository outside the selection has tags that may go, or may have some."""
        return self._comparison.has_ours(self._place.registries.get(), repository)

    def _forget(self, repository: str) -> None:
        self._comparison.forget(self._place.registries.get(), repository)

    # --------------------------------------------------------------------------------------------------- the holders

    def _knock(self, repository: str, glance: Glance) -> None:
        """Knock for something that was marked, and work it off unless somebody holds the repository."""
        if not self._readiness.may_sync(glance):
            self._place.sync_registry.knock(repository, believed=glance.row, take=False)
            return
        with self._share.slot(repository) as has_slot:
            lease = self._place.sync_registry.knock(repository, believed=glance.row, take=has_slot)
            if lease is not None:
                self._hold(lease, glance)

    def _wake(self, repository: str, glance: Glance) -> None:
        """Work off what was marked before, unless somebody holds the repository or nothing may be worked on."""
        if not self._readiness.may_sync(glance):
            return
        with self._share.slot(repository) as has_slot:
            lease = self._place.sync_registry.acquire(repository, believed=glance.row) if has_slot else None
            if lease is not None:
                self._hold(lease, glance)

    def _hold(self, lease: Lease, glance: Glance) -> Ending:
        """Work off the repository; if it ends well, clear the holds of its registries."""
        place = self._place
        bandwidth = place.bandwidth if self._share.pool == "work" else None
        invocation = Invocation(
            sync_registry=place.sync_registry,
            registries=place.registries.get(),
            removals=self._removals,
            reporter=place.reporter,
            deadline=place.deadline,
            reference_concurrency=self._options.parallelism,
            verifies=self._options.verification.interval_s > 0,
            s3=place.s3,
            announcer=place.announcer,
            window=self._options.window,
            bandwidth=bandwidth,
            # Helpers keep to the bandwidth: a holder that does not would wait for them.
            work_queue=place.work_queue if bandwidth is place.bandwidth and not self._was_asked_for_help else None,
            shared_copy_bytes=self._options.shared_copy_bytes,
            clock=place.clock,
            threads=place.threads,
        )
        with place.reporter.measured(invocation.registries):
            ending = Holder(invocation, lease).run()
        place.logger.info("repository_ended", extra={"repository": lease.repository, "ending": ending.value})
        if ending is Ending.FINISHED:
            for hold in glance.holds:
                place.sync_registry.clear_hold(hold.registry)
        return ending

    # ------------------------------------------------------------------------------------------------- what is next

    def _work_off_others(self) -> None:
        """Work off one due repository after another, each once, except in namespaces that have their share.

        The index that names a repository follows its table: it may still name what has just been worked off.
        """
        self._share.begin()
        tried: set[str] = set()

        def is_to_pass(repository: str) -> bool:
            return repository in tried or self._share.is_full(repository)

        while candidates := self._place.sync_registry.due_repositories(CANDIDATES, skip=is_to_pass):
            read_at = self._place.clock.monotonic_s()
            random.shuffle(candidates)
            for repository in candidates:
                tried.add(repository)
                if self._share.is_full(repository):
                    continue
                if self._place.deadline.left_s() < ENOUGH_S or not self._work_off(repository):
                    return
                if self._place.clock.monotonic_s() - read_at > CANDIDATES_KEPT_S:
                    break

    def _work_off(self, repository: str) -> bool:
        """Work off one repository that was due, unless somebody holds it. False: nothing else may be begun."""
        try:
            glance = self._readiness.look(repository)
            if not self._readiness.may_sync(glance):
                return False
            if not self._place.sync_registry.due(repository, 1):
                return True  # another worker was here since the candidates were read
            with self._share.slot(repository) as has_slot:
                lease = self._place.sync_registry.acquire(repository, believed=glance.row) if has_slot else None
                return lease is None or self._hold(lease, glance) in (Ending.FINISHED, Ending.LOST)
        except CorruptItem as error:  # the sweep's wake puts it into the DLQ, once a minute instead of once per worker
            self._place.logger.error("repository_unreadable", extra={"reason": str(error)})
            return True

    def _after_the_mark(self, work: Callable[[], object]) -> None:
        """Do work whose failure brings no message back: what is owed is written down, and the sweep finds it."""
        try:
            work()
        except TABLE_ERRORS as error:
            if isinstance(error, CorruptItem):
                raise
            self._place.logger.exception("sync_interrupted", extra={"reason": reason(error)})


def _came_from_the_work_queue(message: AnyMessage) -> bool:
    """True for a message of the work queue: none that goes to the live queue or the events queue."""
    return not isinstance(message, GeoEvent | Heartbeat) and not (
        isinstance(message, WorkMessage) and message.reason == "event"
    )
