"""One holder: works off what is due in one repository, under its lease, until nothing is due or it has to stop.

References run side by side through one copier, so that a layer that several of them share moves once. While they run,
the lease is renewed; when that says that references came in, they are taken at once, newest first. A holder ends in one
of the ways of `Ending`; whatever it leaves is owed still, and the sweep finds it.
"""

from __future__ import annotations

import threading
from collections.abc import Container
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from enum import Enum

from botocore.exceptions import BotoCoreError, ClientError

from geosync.comparing.context import ComparisonContext
from geosync.comparing.missing import Removals
from geosync.comparing.repository import RepositoryComparison
from geosync.copying.blobs import BlobMover
from geosync.copying.copy import Copier
from geosync.copying.outcome import Outcome
from geosync.copying.repair import Repairer
from geosync.copying.uploads import Uploads
from geosync.errors import (
    Contended,
    GeosyncError,
    LeaseLost,
    OutOfTime,
    RegistryUnavailable,
    SyncRegistryError,
    Unauthorized,
)
from geosync.oci.deadline import Deadline
from geosync.oci.references import is_repository
from geosync.pair.site_registries import Registries
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Lease, Owed, Reference
from geosync.sync_registry.registry import SyncRegistry
from geosync.sync_registry.site.breaker import Breaker
from geosync.sync_registry.site.holds import Hold
from geosync.sync_registry.table.changes import Store
from geosync.syncing.backlog import Backlog
from geosync.syncing.reference import ReferenceSync
from geosync.syncing.reporting import Reporter


class Ending(Enum):
    """Why a holder stopped."""

    FINISHED = "finished"
    """Nothing is due."""
    HELD = "held"
    """A registry cannot be used now; it is on hold."""
    OUT_OF_TIME = "out_of_time"
    """The invocation is about to end."""
    LOST = "lost"
    """Somebody else has the repository."""


class Holder:
    """Works off one repository under one lease: `run` once."""

    def __init__(
        self,
        registry: SyncRegistry,
        registries: Registries,
        lease: Lease,
        *,
        reporter: Reporter,
        deadline: Deadline,
        store: Store,
        breaker: Breaker,
        removals: bool = True,
        parallelism: int = 4,
    ) -> None:
        self._registry = registry
        self._registries = registries
        self._reporter = reporter
        self._deadline = deadline
        self._parallelism = parallelism
        self._removals = removals
        self._store = store
        self._breaker = breaker
        self._repository = lease.repository
        self._backlog = Backlog(registry, lease.repository)
        self._in_flight: dict[Reference, tuple[Owed, Future[Outcome]]] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._ending: Ending | None = None
        self._error: Exception | None = None
        self._held = HeldLease(registry, lease, on_moved=self._references_came_in, on_lost=self._lost)
        self._uploads = Uploads(lambda: registry.uploads.take(self._held.lease))

    def run(self) -> Ending:
        """Work off what is due. No thread of it outlives the call.

        Raises what DynamoDB raised, and SyncRegistryError, after the lease was let go as far as that was possible.
        """
        try:
            capabilities = self._registries.capabilities(self._registries.at_secondary(self._repository))
        except GeosyncError as error:
            return self._end_before_start(error)
        self._copier = Copier(
            self._registries.primary,
            self._repository,
            self._registries.secondary,
            self._registries.at_secondary(self._repository),
            before_tag_write=self._held.check_tag_write,
            capabilities=capabilities,
            parallelism=self._registries.parallelism,
            uploads=self._uploads,
            pace=self._registries.pace,
            mount_from=self._mount_from(),
        )
        with self._held, self._copier, ThreadPoolExecutor(self._parallelism, thread_name_prefix="reference") as pool:
            try:
                self._work(pool)
            except OutOfTime:
                self._end(Ending.OUT_OF_TIME)
            except LeaseLost:
                self._end(Ending.LOST)
            except (BotoCoreError, ClientError, SyncRegistryError) as error:
                self._fail(error)
            self._stop.set()
            self._drain()
        return self._let_go()

    # ------------------------------------------------------------------------------------------------ the main thread

    def _work(self, pool: ThreadPoolExecutor) -> None:
        references, whole = self._workers()
        while self._ending is None:
            self._deadline.check()
            lease = self._held.lease  # before the backlog asks what is due: `finish` is only good for this revision
            later = self._backlog.refill(self._in_flight)
            while len(self._in_flight) < self._parallelism:
                owed = self._backlog.take(idle=not self._in_flight)
                if owed is None:
                    break
                sync = whole.sync if owed.reference.kind == "repository" else references.sync
                future = pool.submit(sync, owed)
                self._in_flight[owed.reference] = (owed, future)
                future.add_done_callback(lambda _: self._wake.set())
            if self._in_flight:
                self._wake.wait(later)
                self._wake.clear()  # before what has ended is collected: an end in between sets it again
                self._collect()
            elif later is not None:
                self._wake.wait(min(later, max(self._deadline.left(), 0)))
                self._wake.clear()
            elif self._held.finish(lease, self._uploads.left()):
                self._end(Ending.FINISHED)
            else:
                self._backlog.references_came_in()

    def _workers(self) -> tuple[ReferenceSync, RepositoryComparison]:
        references = ReferenceSync(
            self._registry,
            self._held,
            primary=self._registries.primary,
            repository=self._repository,
            secondary=self._registries.secondary,
            secondary_repository=self._registries.at_secondary(self._repository),
            copier=self._copier,
            repairer=self._repairer(),
            remover=self._registries.remover,
            removals=self._removals,
            selection=self._registries.selection,
            breaker=self._breaker,
            sleep=self._sleep,
        )
        whole = RepositoryComparison(
            ComparisonContext(
                pair=self._registries.pair(self._repository),
                sync_registry=self._registry,
                held=self._held,
                selection=self._registries.selection,
                check=lambda: self._sleep(0),
            ),
            removals=Removals(breaker=self._breaker, allowed=self._removals),
        )
        return references, whole

    def _repairer(self) -> Repairer:
        source, destination = self._registries.primary, self._registries.secondary
        ours = self._registries.at_secondary(self._repository)
        mounts = self._registries.capabilities(ours).mounts

        def mover(distrusted: Container[str]) -> BlobMover:
            return BlobMover(
                source,
                self._repository,
                destination,
                ours,
                mounts=mounts,
                uploads=self._uploads,
                pace=self._registries.pace,
                distrusted=distrusted,
            )

        return Repairer(source, self._repository, destination, ours, mover=mover, check=lambda: self._sleep(0))

    def _mount_from(self) -> str | None:
        """The repository at the secondary that this one was renamed from."""
        former = self._held.lease.renamed_from
        return self._registries.at_secondary(former) if former is not None and is_repository(former) else None

    def _collect(self) -> None:
        """Settle every reference that has ended."""
        for owed, future in [pair for pair in self._in_flight.values() if pair[1].done()]:
            del self._in_flight[owed.reference]
            self._settle(owed, future)

    def _drain(self) -> None:
        """Wait for what is in flight, and settle it; a holder that is out of time or lost stops it first."""
        if self._ending in (Ending.OUT_OF_TIME, Ending.LOST):
            self._copier.stop(OutOfTime("the holder stopped"))
        for owed, future in self._in_flight.values():
            future.exception()
            try:
                self._settle(owed, future)
            except (BotoCoreError, ClientError, SyncRegistryError) as error:
                self._fail(error)
        self._in_flight.clear()

    def _settle(self, owed: Owed, future: Future[Outcome]) -> None:
        """Write down how an attempt ended. One bad reference never stops the others; a registry that is down does."""
        try:
            outcome = future.result()
        except LeaseLost:
            self._end(Ending.LOST)
        except OutOfTime:
            self._end(Ending.OUT_OF_TIME)
        except RegistryUnavailable as error:
            self._unavailable(owed, error)
        except Unauthorized as error:
            self._unauthorized(owed, error)
        except (BotoCoreError, ClientError, SyncRegistryError) as error:
            self._fail(error)
        except GeosyncError as error:
            self._failed(owed, error)
        except Exception as error:  # noqa: BLE001 - a thread's edge: a fault of ours costs one reference, not the others
            self._failed(owed, error)
        else:
            self._reporter.ended(owed, outcome)
            self._backlog.ended(owed, marked_again=outcome.marked_again)

    def _failed(self, owed: Owed, error: Exception) -> None:
        """Count the attempt. What no later attempt changes is parked; reported first, so that none is parked unsaid."""
        permanent = isinstance(error, GeosyncError) and not error.retryable
        text = str(error) if isinstance(error, GeosyncError) else f"internal error: {type(error).__name__}"
        parked = permanent or owed.attempts + 1 >= self._registry.timing.max_attempts
        if parked:
            self._reporter.park(owed, text)
        counted = self._registry.fail(owed, text, parked=parked)
        self._reporter.failed(owed, error, parked=parked and counted is not None)
        self._backlog.ended(owed, marked_again=counted is None)

    def _unavailable(self, owed: Owed, error: RegistryUnavailable) -> None:
        """Hold a registry that is down or asks for patience; a request that fails on a healthy one is one failure."""
        if self._is_of_one_repository(error):
            self._failed(owed, error)
            return
        self._registry.postpone(owed, self._hold(error).until, failure=str(error))

    def _is_of_one_repository(self, error: RegistryUnavailable) -> bool:
        """Whether the registry answers all the same, and asks nobody for patience."""
        return error.status != 429 and self._registries.answers(error.registry)

    def _unauthorized(self, owed: Owed, error: Unauthorized) -> None:
        """Hold a registry that refuses the credentials altogether; one repository that is forbidden is one failure."""
        if self._refuses(error.registry):
            self._registry.postpone(owed, self._hold(error).until, failure=str(error))
        else:
            self._failed(owed, error)

    def _refuses(self, name: str) -> bool:
        try:
            self._registries.named(name).ping()
        except Unauthorized:
            return True
        except GeosyncError:
            return False
        return False

    def _hold(self, error: RegistryUnavailable | Unauthorized) -> Hold:
        """Leave the registry alone for a while, and stop."""
        name = error.registry
        if isinstance(error, Unauthorized):
            hold = self._registry.hold(name, reason=str(error), credentials=self._registries.credentials(name))
        else:
            hold = self._registry.hold(name, reason=str(error), retry_after=error.retry_after)
        self._reporter.held(hold)
        self._end(Ending.HELD)
        return hold

    def _end_before_start(self, error: GeosyncError) -> Ending:
        """The secondary's registry could not even be asked what it does."""
        down = isinstance(error, RegistryUnavailable) and not self._is_of_one_repository(error)
        refused = isinstance(error, Unauthorized) and self._refuses(error.registry)
        if isinstance(error, RegistryUnavailable | Unauthorized) and (down or refused):
            self._hold(error)
        elif isinstance(error, OutOfTime):
            self._end(Ending.OUT_OF_TIME)
        else:
            self._fail_all(error)
        return self._let_go()

    def _fail_all(self, error: GeosyncError) -> None:
        """What is due cannot even be begun with: it has failed, and the row says so."""
        for owed in self._registry.due(self._repository):
            self._failed(owed, error)
        try:
            finished = self._registry.finish(self._held.lease)
        except LeaseLost:
            self._end(Ending.LOST)
        else:
            self._end(Ending.FINISHED if finished else Ending.OUT_OF_TIME)

    def _let_go(self) -> Ending:
        if self._ending is not Ending.LOST:
            self._reporter.under_way(self._repository, self._uploads.left())
        if self._ending in (Ending.HELD, Ending.OUT_OF_TIME):
            with suppress(LeaseLost, Contended, BotoCoreError, ClientError):
                self._registry.release(self._held.lease, self._uploads.left())
        if self._error is not None:
            raise self._error
        if self._ending is None:
            raise AssertionError("a holder that neither ended nor failed")
        return self._ending

    def _fail(self, error: Exception) -> None:
        """The table cannot be used: stop, and let the caller know why."""
        self._error = self._error or error
        self._end(Ending.OUT_OF_TIME)

    def _end(self, ending: Ending) -> None:
        """Stop for `ending`; the first reason counts, except that a lost lease overrides everything."""
        if self._ending is None or ending is Ending.LOST:
            self._ending = ending

    # ------------------------------------------------------------------------------------------------- other threads

    def _references_came_in(self) -> None:
        self._backlog.references_came_in()
        self._wake.set()

    def _lost(self, error: LeaseLost) -> None:
        self._end(Ending.LOST)
        self._stop.set()
        self._copier.stop(error)
        self._wake.set()

    def _sleep(self, seconds: float) -> None:
        """Wait inside an attempt; raises OutOfTime when the holder stops or the invocation ends meanwhile."""
        if self._stop.wait(min(seconds, max(self._deadline.left(), 0))):
            raise OutOfTime("the holder stopped")
        self._deadline.check()
