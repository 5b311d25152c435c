"""Verify one repository: begin a round or go on with it, and write down how it ended."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from geosync.copying.outcome import VerificationEnding, VerificationResult
from geosync.errors import GeosyncError, OutOfTime, RegistryUnavailable, SyncRegistryError
from geosync.oci.deadline import Deadline
from geosync.pair.registries import Registries
from geosync.pair.settings import Bounds
from geosync.sync_registry.items import PARKED_DUE, ROW
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.table.changes import Change, ConditionFailed, Key, Store, TransactionFailed
from geosync.sync_registry.transitions import verification as transitions
from geosync.sync_registry.transitions.verification import Round
from geosync.syncing.reporting import Reporter
from geosync.verifying.rounds import GROUP, TAGS, Overtaken, Run, Stop, is_owed
from geosync.verifying.suspects import Suspects
from geosync.verifying.verdict import Verdict


class Verifier:
    """Verifies repositories of one secondary, one at a time."""

    def __init__(
        self,
        store: Store,
        registry: SyncRegistry,
        registries: Registries,
        bounds: Bounds,
        *,
        reporter: Reporter,
        deadline: Deadline,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self._store = store
        self._registry = registry
        self._registries = registries
        self._bounds = bounds
        self._reporter = reporter
        self._deadline = deadline
        self._clock = clock

    def verify(self, repository: str, *, asked: bool = False) -> VerificationResult:
        """Verify `repository` if it is due, or though it is not when somebody `asked`; as far as a slice of time goes.

        A registry that is down is put on hold. Raises what DynamoDB raised, CorruptItem, and Contended.
        """
        item = self._store.get(Key(repository, ROW))
        now = self._clock()
        reason = transitions.not_now(item, now=now, asked=asked)
        if reason is not None or item is None:
            return VerificationResult(ending=VerificationEnding.NOT_NOW, reason=reason or "")
        try:
            if not self._registries.selection.has_repository(repository):
                self._store.write(transitions.put_off(item, now + transitions.DAY))
                return VerificationResult(ending=VerificationEnding.NOT_NOW, reason="it is outside the selection")
            if is_owed(self._store, repository):
                return VerificationResult(ending=VerificationEnding.NOT_NOW, reason="a tag is owed in it")
            again = transitions.retry_at(item, now=now, asked=asked)
            if again is not None:
                self._store.write(transitions.put_off(item, again))
                return VerificationResult(
                    ending=VerificationEnding.NOT_NOW, reason="it failed, and is tried again later"
                )
            started = self._store.write(transitions.start(item, now=now))
        except ConditionFailed:
            return VerificationResult(ending=VerificationEnding.NOT_NOW, reason="it changes just now")
        return self._run(Round.of(started or {}, phase=TAGS))

    def _run(self, at: Round) -> VerificationResult:
        if not at.cursor and at.phase == TAGS:
            Suspects(self._store, at.repository).clear()
        with ThreadPoolExecutor(GROUP, thread_name_prefix="verify") as pool:
            run = Run(
                self._store,
                self._registry,
                self._registries,
                self._bounds,
                at,
                pool=pool,
                deadline=self._deadline,
                clock=self._clock,
            )
            ending, reason = self._ended(run)
        made = max(run.asking.spent - at.spent_on(self._clock()), 0)
        return VerificationResult(ending=ending, reason=reason, requests=made)

    def _ended(self, run: Run) -> tuple[VerificationEnding, str]:
        try:
            try:
                return self._conclude(run, run.go())
            except (Stop, OutOfTime) as stopped:
                stop = stopped if isinstance(stopped, Stop) else Stop(self._clock(), str(stopped))
                return self._later(run, stop)
            except RegistryUnavailable as error:
                if error.status != 429 and self._registries.answers(error.registry):
                    return self._fail(run, f"Verification failed: {error}")
                hold = self._registry.hold(error.registry, reason=str(error), retry_after=error.retry_after)
                self._reporter.report_hold(hold)
                return self._later(run, Stop(hold.until, str(error)))
            except SyncRegistryError:
                raise
            except GeosyncError as error:
                return self._fail(run, f"Verification failed: {error}")
        except Overtaken:
            return VerificationEnding.OVERTAKEN, "something was pushed meanwhile"

    def _later(self, run: Run, stop: Stop) -> tuple[VerificationEnding, str]:
        run.write(lambda at: transitions.keep(at, stop.due, anew=stop.anew))
        return VerificationEnding.LATER, str(stop)

    def _conclude(self, run: Run, verdict: Verdict) -> tuple[VerificationEnding, str]:
        if verdict.failure is not None:
            return self._fail(run, verdict.failure, checksums=(verdict.ours, verdict.primarys), owed=True)
        now = self._clock()
        due = now + round(self._bounds.interval * 1000) if self._bounds.interval else PARKED_DUE
        self._transact(run, lambda at: transitions.succeed(at, verdict.ours, now=now, due=due))
        return VerificationEnding.VERIFIED, ""

    def _fail(
        self, run: Run, failure: str, *, checksums: tuple[str, str] | None = None, owed: bool = False
    ) -> tuple[VerificationEnding, str]:
        now, jitter = self._clock(), random.randrange(30)  # noqa: S311 - spreads retries, guards nothing
        self._transact(
            run,
            lambda at: transitions.fail(at, failure, now=now, jitter=jitter, checksums=checksums, owed=owed),
        )
        return VerificationEnding.FAILED, failure

    def _transact(self, run: Run, changes: Callable[[Round], list[Change]]) -> None:
        """End a round: the row and the counters, whether or not somebody holds the lease. Raises Overtaken."""
        at = run.noted()
        for leased in (at.leased, not at.leased):
            with suppress(TransactionFailed):
                self._store.transact(changes(replace(at, leased=leased)))
                return
        raise Overtaken
