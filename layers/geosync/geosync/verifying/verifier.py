"""Verify one repository: begin a round or go on with it, and write down how it ended."""

from __future__ import annotations

import random

from geosync.clock import DAY_MS
from geosync.copying.outcome import VerificationEnding, VerificationResult
from geosync.errors import GeosyncError, OutOfTime, RegistryUnavailable, SyncRegistryError
from geosync.sync_registry.items import Item
from geosync.sync_registry.timing import ms
from geosync.sync_registry.transitions import verification as transitions
from geosync.sync_registry.transitions.verification import Round
from geosync.sync_registry.verification_items import Overtaken
from geosync.syncing.reporting import Reporter
from geosync.verifying.context import VerificationContext
from geosync.verifying.known_tags import GROUP
from geosync.verifying.place import Stop
from geosync.verifying.rounds import TAGS, VerificationRun
from geosync.verifying.verdict import Verdict


class Verifier:
    """Verifies repositories of one secondary, one at a time."""

    def __init__(self, context: VerificationContext, *, reporter: Reporter) -> None:
        self._context = context
        self._items = context.sync_registry.verification
        self._reporter = reporter

    def verify(self, repository: str, *, asked: bool = False) -> VerificationResult:
        """Verify `repository` for a slice of time, if it is due or somebody `asked` for it.

        A registry that is down is put on hold. Raises what DynamoDB raised, CorruptItem, and Contended.
        """
        item = self._items.read(repository)
        now_ms = self._context.clock.now_ms()
        reason = transitions.not_now(item, now_ms=now_ms, asked=asked)
        if reason is not None or item is None:
            return _not_now(reason or "")
        if not self._context.registries.selection.has_repository(repository):
            return self._put_off(item, now_ms + DAY_MS, "it is outside the selection")
        if self._items.has_owed_tag(repository):
            return _not_now("a tag is owed in it")
        again_ms = transitions.retry_at(item, now_ms=now_ms, asked=asked)
        if again_ms is not None:
            return self._put_off(item, again_ms, "it failed, and is tried again later")
        at = self._items.start(item, phase=TAGS, now_ms=now_ms, asked=asked)
        return self._run(at) if at is not None else _not_now(CHANGES)

    def _put_off(self, item: Item, due_ms: int, reason: str) -> VerificationResult:
        return _not_now(reason if self._items.put_off(item, due_ms) else CHANGES)

    def _run(self, at: Round) -> VerificationResult:
        context = self._context
        if not at.cursor and at.phase == TAGS:
            context.sync_registry.suspects.clear(at.repository)
        with context.threads.pool(GROUP, name="verify") as pool:
            run = VerificationRun(context, at, pool)
            try:
                ending, reason = self._ended(run)
            except Overtaken:
                ending, reason = VerificationEnding.OVERTAKEN, "something was pushed meanwhile"
        made = max(run.asking.spent - at.spent_on(context.clock.now_ms()), 0)
        return VerificationResult(ending=ending, reason=reason, requests=made)

    def _ended(self, run: VerificationRun) -> tuple[VerificationEnding, str]:
        """Run, and write down how that ended. Raises Overtaken."""
        try:
            return self._conclude(run, run.go())
        except Stop as stop:
            return self._later(run, stop)
        except OutOfTime as stopped:
            return self._later(run, Stop(self._context.clock.now_ms(), str(stopped)))
        except RegistryUnavailable as error:
            return self._unavailable(run, error)
        except SyncRegistryError:
            raise
        except GeosyncError as error:
            return self._fail(run, f"Verification failed: {error}")

    def _unavailable(self, run: VerificationRun, error: RegistryUnavailable) -> tuple[VerificationEnding, str]:
        """Hold a registry that is down or asks for patience; a request that fails on a healthy one is a failure."""
        if error.status != 429 and self._context.registries.answers(error.registry):
            return self._fail(run, f"Verification failed: {error}")
        hold = self._context.sync_registry.hold(error.registry, reason=str(error), retry_after=error.retry_after)
        self._reporter.report_hold(hold)
        return self._later(run, Stop(hold.until, str(error)))

    def _later(self, run: VerificationRun, stop: Stop) -> tuple[VerificationEnding, str]:
        run.place.keep(stop.due, anew=stop.anew)
        return VerificationEnding.LATER, str(stop)

    def _conclude(self, run: VerificationRun, verdict: Verdict) -> tuple[VerificationEnding, str]:
        if verdict.failure is not None:
            return self._fail(run, verdict.failure, checksums=(verdict.ours, verdict.primarys), owed=True)
        now_ms = self._context.clock.now_ms()
        interval_s = self._context.bounds.interval_s
        due_ms = now_ms + (ms(interval_s) if interval_s else transitions.OFF_MS)
        measured = verdict.tally.measured(now_ms)
        self._items.succeed(run.place.noted, verdict.ours, now_ms=now_ms, due_ms=due_ms, measured=measured)
        return VerificationEnding.VERIFIED, ""

    def _fail(
        self, run: VerificationRun, failure: str, *, checksums: tuple[str, str] | None = None, owed: bool = False
    ) -> tuple[VerificationEnding, str]:
        self._items.fail(
            run.place.noted,
            failure,
            now_ms=self._context.clock.now_ms(),
            jitter=random.randrange(30),  # noqa: S311 - spreads retries, guards nothing
            checksums=checksums,
            owed=owed,
        )
        return VerificationEnding.FAILED, failure


CHANGES = "it changes just now"
"""The reason when the row is not as it was read any more."""


def _not_now(reason: str) -> VerificationResult:
    return VerificationResult(ending=VerificationEnding.NOT_NOW, reason=reason)
