"""One holder: works off what is due in one repository, under its lease, until nothing is due or it has to stop.

References run side by side through one copier, so that a layer that several of them share moves once. While they run,
the lease is renewed; when a renewal says that references came in, they are taken at once, newest first. A holder ends
in one of the ways of `Ending`. Whatever it leaves is owed still, and the sweep finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from geosync.aws.errors import reason as reason_of
from geosync.comparing.context import ComparisonContext
from geosync.comparing.repository import RepositoryComparison
from geosync.copying.connecting import Connecting
from geosync.copying.copy import Copier
from geosync.copying.outcome import Outcome
from geosync.copying.repair import Repairer
from geosync.copying.route import Helpers, Route
from geosync.copying.s3.copier import S3Copier
from geosync.copying.sharing import Sharing
from geosync.copying.uploads import Uploads
from geosync.errors import Contended, GeosyncError, LeaseLost, NotSent, OutOfTime
from geosync.messages.work import Help, WorkMessage
from geosync.oci.references import is_repository
from geosync.pair.capabilities import Capabilities
from geosync.pair.pair import Pair
from geosync.sync_registry import decisions
from geosync.sync_registry.access import TABLE_ERRORS
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Lease, Owed, Reference
from geosync.syncing.backlog import Backlog
from geosync.syncing.context import HolderContext, Invocation
from geosync.syncing.ending import Ending, Halt
from geosync.syncing.nowhere import Nowhere
from geosync.syncing.reference import ReferenceSync
from geosync.syncing.settle import Settler

Attempt = Callable[[Owed], Outcome]


class Holder:
    """Works off one repository under one lease: `run` once."""

    def __init__(self, invocation: Invocation, lease: Lease) -> None:
        self._invocation = invocation
        self._repository = lease.repository
        self._backlog = Backlog(invocation.sync_registry, lease.repository, invocation.clock)
        self._halt = Halt(invocation.deadline, invocation.threads)
        self._settler = Settler(invocation, self._backlog, self._halt)
        self._held = HeldLease(
            invocation.sync_registry,
            lease,
            on_moved=self._take_what_came_in,
            on_lost=self._stop_for_loss,
            threads=invocation.threads,
        )
        self._uploads = Uploads(self._held.take_uploads, invocation.threads)
        self._wake = invocation.threads.event()
        self._in_flight: dict[Reference, tuple[Owed, Future[Outcome]]] = {}

    def run(self) -> Ending:
        """Work off what is due. No thread of it outlives the call.

        Raises what DynamoDB raised, and SyncRegistryError, after the lease was let go as far as that was possible.
        """
        registries, threads = self._invocation.registries, self._invocation.threads
        try:
            pair = registries.pair(self._repository)
            capabilities = registries.capabilities(pair.secondary)
        except GeosyncError as error:
            self._end_unbegun(error)
            ending = self._let_go()
            self._announce(all_of_it=True)
            return ending
        sharing = self._sharing(pair)
        route = self._route(pair, capabilities, sharing)
        self._copier = Copier(route, tag_write=self._held.tag_write)
        attempt = self._attempt(route)
        self._nowhere = Nowhere(pair, self._held)
        with (
            self._held,
            Connecting(pair, threads, parallelism=registries.parallelism),
            self._copier,
            threads.pool(self._invocation.reference_concurrency, name="reference") as pool,
        ):
            try:
                self._work(pool, attempt)
            except OutOfTime:
                self._halt.end(Ending.OUT_OF_TIME)
            except LeaseLost:
                self._halt.end(Ending.LOST)
            except TABLE_ERRORS as error:
                self._halt.fail(error)
            self._halt.stop_attempts()
            self._drain()
        if self._copier.disproved:
            self._invocation.reporter.report_habit(pair.secondary.client.name)
            with suppress(*TABLE_ERRORS):  # then the next holder finds it out again
                registries.forget_capabilities(pair.secondary)
        if (reason := registries.connections.news()) is not None:
            self._invocation.reporter.report_ranges(pair.primary.client.name, reason)
        ending = self._let_go()
        sharing.tell()
        self._announce(all_of_it=True)
        self._invocation.reporter.report_shared(self._repository, sharing.outcome())
        if self._invocation.s3 is not None:
            self._invocation.reporter.report_s3(self._repository, self._invocation.s3.outcome())
        return ending

    # -------------------------------------------------------------------------------------------------- what it is of

    def _sharing(self, pair: Pair) -> Sharing:
        return Sharing(
            self._invocation.sync_registry.shared_blobs,
            repository=pair.secondary.name,
            token=self._held.lease.token,
            least_bytes=self._invocation.registries.shared_blob_bytes,
            clock=self._invocation.clock,
            threads=self._invocation.threads,
        )

    def _route(self, pair: Pair, capabilities: Capabilities, sharing: Sharing) -> Route:
        registries, bandwidth = self._invocation.registries, self._invocation.bandwidth
        return Route(
            pair=pair,
            capabilities=capabilities,
            uploads=self._uploads,
            pace=registries.pace if bandwidth is None else bandwidth.pace,
            connections=registries.connections,
            is_new=self._is_new(),
            mount_from=self._mount_from(),
            sharing=sharing,
            s3=self._s3(),
            helpers=self._helpers(),
            bandwidth=bandwidth,
            parallelism=registries.parallelism,
            clock=self._invocation.clock,
            threads=self._invocation.threads,
        )

    def _is_new(self) -> bool:
        """Tell whether all that the repository needs is missing at the secondary, as far as is known.

        A row of a version that did not note the first hold may have been synced before. Where a repository has to be
        made, the PUT that asks has it made, and not each POST beside it.
        """
        lease = self._held.lease
        is_made = self._invocation.registries.secondary.pushes_make_repositories
        return lease.is_first and lease.counted.state is None and is_made

    def _s3(self) -> S3Copier | None:
        s3 = self._invocation.s3
        return s3 if s3 is not None and s3.serves(self._invocation.registries.secondary) else None

    def _helpers(self) -> Helpers | None:
        least_bytes = self._invocation.shared_copy_bytes
        if self._invocation.work_queue is None or not least_bytes:
            return None
        return Helpers(least_bytes=least_bytes, holder=self._held.lease.token, ask=self._ask_for_help)

    def _ask_for_help(self, helps: Sequence[Help]) -> bool:
        """Ask other invocations for help, in the workers' threads; False: the queue took no request."""
        queue, reporter = self._invocation.work_queue, self._invocation.reporter
        assert queue is not None  # noqa: S101 - else nobody is given this method
        try:
            queue.send_all(WorkMessage(repository=self._repository, reason="sweep", help=one) for one in helps)
        except NotSent as error:  # as a rule some messages of the batch were taken: those helpers share the copy
            reporter.report_no_help(self._repository, str(error))
            return True
        except (BotoCoreError, ClientError) as error:
            reporter.report_no_help(self._repository, reason_of(error))
            return False
        reporter.report_asked(self._repository, helps)
        return True

    def _mount_from(self) -> str | None:
        """The repository at the secondary that this one was renamed from."""
        former = self._held.lease.renamed_from
        if former is None or not is_repository(former):
            return None
        return self._invocation.registries.at_secondary(former)

    def _attempt(self, route: Route) -> Attempt:
        """Make the function that tries an owed reference of any kind; any thread may call it."""
        invocation = self._invocation
        context = HolderContext(
            pair=route.pair,
            sync_registry=invocation.sync_registry,
            held=self._held,
            selection=invocation.registries.selection,
            removals=invocation.removals,
            pause=self._halt.pause,
            clock=invocation.clock,
            threads=invocation.threads,
        )
        whole = RepositoryComparison(
            ComparisonContext(
                pair=context.pair,
                sync_registry=context.sync_registry,
                held=context.held,
                selection=context.selection,
                check=context.check,
                verifies=invocation.verifies,
                clock=context.clock,
            ),
            removals=context.removals,
            threads=context.threads,
        )
        references = ReferenceSync(
            context,
            copier=self._copier,
            repairer=Repairer(route, check=context.check),
            remover=invocation.registries.remover,
            bare_at=lambda: whole.bare_at,
        )

        def attempt(owed: Owed) -> Outcome:
            now_ms = invocation.clock.now_ms()
            if decisions.is_of_a_backfill(owed) and (opens_in_ms := invocation.window.opens_in_ms(now_ms)):
                again = not invocation.sync_registry.postpone(owed, now_ms + opens_in_ms)
                return Outcome(discharged=False, marked_again=again)
            return whole.sync(owed) if owed.reference.kind == "repository" else references.sync(owed)

        return attempt

    # ------------------------------------------------------------------------------------------------ the main thread

    def _end_unbegun(self, error: GeosyncError) -> None:
        """Settle that no attempt can begin. Deaths come first: releasing the repository deletes the record of them."""
        try:
            self._settler.settle_deaths(self._held)
            self._settler.settle_unbegun(self._held, error)
        except LeaseLost:
            self._halt.end(Ending.LOST)

    def _work(self, pool: Executor, attempt: Attempt) -> None:
        deadline = self._invocation.deadline
        self._settler.settle_deaths(self._held)
        while self._halt.ending is None:
            deadline.check()
            self._announce()
            lease = self._held.lease  # before the backlog asks what is due: `finish` holds only for this revision
            later_s = self._backlog.refill(self._in_flight)
            self._begin_what_fits(pool, attempt)
            if self._in_flight:
                # While every slot is busy, only the end of an attempt makes room: becoming due is no reason to wake up.
                self._wait(None if self._is_full() else later_s)
                self._collect()
            elif later_s is not None:
                self._wait(min(later_s, max(deadline.left_s(), 0)))
            elif self._nowhere.drop(lease) or self._held.finish(lease, self._uploads.left()):
                self._halt.end(Ending.FINISHED)
            else:
                self._backlog.ask_again()

    def _begin_what_fits(self, pool: Executor, attempt: Attempt) -> None:
        while not self._is_full():
            owed = self._backlog.take(idle=not self._in_flight)
            if owed is None:
                return
            if owed.walk is None or owed.reference.kind != "repository":
                self._held.owe()
            self._held.work_on(self._named(owed.reference), at_once=self._is_careful or owed.deaths > 0)
            future = pool.submit(attempt, owed)
            self._in_flight[owed.reference] = (owed, future)
            future.add_done_callback(lambda _: self._wake.set())

    def _is_full(self) -> bool:
        return len(self._in_flight) >= (1 if self._is_careful else self._invocation.reference_concurrency)

    @property
    def _is_careful(self) -> bool:
        """True after a holder of the repository vanished: references go one by one, each named in the row before.

        Likewise a reference that counts a death, whoever let the repository go since: no other is named beside it.
        """
        return self._held.lease.deaths > 0 or any(owed.deaths for owed, _ in self._in_flight.values())

    def _wait(self, seconds: float | None) -> None:
        """Wait for an end, an arrival or a stop, at most `seconds`, and no longer than announcements may wait."""
        announcer = self._invocation.announcer
        bounds = (seconds, announcer.due_in_s() if announcer is not None else None)
        self._wake.wait(min((bound for bound in bounds if bound is not None), default=None))
        self._wake.clear()  # before what has ended is collected: an end in between sets it again

    def _announce(self, *, all_of_it: bool = False) -> None:
        """Announce what arrived and what failed, once it is due."""
        if self._invocation.announcer is not None:
            self._invocation.announcer.tell_fresh(all_of_them=all_of_it)

    def _collect(self) -> None:
        """Settle every attempt that has ended."""
        for owed, future in [one for one in self._in_flight.values() if one[1].done()]:
            del self._in_flight[owed.reference]
            self._settler.settle(owed, future)
            self._nowhere.note_ended(future)
        self._held.work_on(self._named(), at_once=False)

    def _named(self, *more: Reference) -> frozenset[str]:
        """The keys of what is in flight, and of `more`: the references to blame if this holder vanishes."""
        return frozenset(reference.seen_key for reference in (*self._in_flight, *more))

    def _drain(self) -> None:
        """Wait for what is in flight, and settle it; a holder that is out of time or lost stops it first."""
        if self._halt.ending in (Ending.OUT_OF_TIME, Ending.LOST):
            self._copier.stop(OutOfTime("the holder stopped"))
        for owed, future in self._in_flight.values():
            future.exception()
            try:
                self._settler.settle(owed, future)
            except TABLE_ERRORS as error:
                self._halt.fail(error)
        self._in_flight.clear()

    def _let_go(self) -> Ending:
        """Release the lease if it is still held, with the layers that are under way, and say why the holder stopped."""
        ending = self._halt.ending
        if ending is not Ending.LOST:
            self._invocation.reporter.report_under_way(self._repository, self._uploads.left())
        if ending in (Ending.HELD, Ending.OUT_OF_TIME):
            with suppress(LeaseLost, Contended, BotoCoreError, ClientError):
                self._held.release(self._uploads.left())
        return self._halt.reason()

    # ------------------------------------------------------------------------------------- the thread of the renewals

    def _take_what_came_in(self) -> None:
        self._backlog.ask_again()
        self._wake.set()

    def _stop_for_loss(self, error: LeaseLost) -> None:
        self._halt.end(Ending.LOST)
        self._halt.stop_attempts()
        self._copier.stop(error)
        self._wake.set()
