"""A verification message: one repository is verified, or many are made due."""

from __future__ import annotations

from geosync.messages.work import VerifyMessage
from geosync.pair.settings import Bounds
from geosync.sync_registry.transitions import verification as transitions
from geosync.verifying.context import VerificationContext
from geosync.verifying.reverify import make_due
from geosync.verifying.verifier import Verifier
from geosync.working.readiness import Readiness
from geosync.working.workplace import Workplace

SLOTLESS_MS = 5 * 60_000
"""Milliseconds for which a repository waits if its namespace has its share: most invocations end sooner."""


class VerificationWork:
    """Verifies what messages ask for."""

    def __init__(self, place: Workplace, readiness: Readiness, bounds: Bounds) -> None:
        self._place = place
        self._readiness = readiness
        self._bounds = bounds

    def make_due(self, message: VerifyMessage, *, sent_at_ms: int | None = None) -> None:
        """Make the rows of the message's scope due that were not verified since it was sent.

        `sent_at_ms` is by SQS's clock. It takes precedence over the message's own time, which is by the asker's clock:
        rows have times of AWS's clock. Raises what DynamoDB raises: the message comes again, with the same moment.
        """
        place, asked_at = self._place, message.asked_at if sent_at_ms is None else sent_at_ms
        if message.scope is not None and asked_at is not None:
            made = make_due(place.sync_registry, message.scope, asked_at, check=place.deadline.check)
            place.logger.info("verifications_made_due", extra={"scope": message.scope, "repositories": made})

    def put_off(self, repository: str) -> None:
        """Have a repository that is due and has no slot wait some minutes, so that others are chosen meanwhile."""
        items, now_ms = self._place.sync_registry.verification, self._place.clock.now_ms()
        item = items.read(repository)
        if item is not None and transitions.not_now(item, now_ms=now_ms, asked=False) is None:
            items.put_off(item, now_ms + SLOTLESS_MS)

    def verify(self, repository: str, *, asked: bool) -> None:
        """Verify one repository, unless the site is paused or a registry on hold: it stays due."""
        place = self._place
        registries = self._readiness.registries()
        if registries is None:
            return
        if self._readiness.is_stopped():
            place.logger.info("verification_not_now", extra={"reason": "the site is paused or a registry on hold"})
            return
        context = VerificationContext(
            sync_registry=place.sync_registry,
            registries=registries,
            bounds=self._bounds,
            deadline=place.deadline,
            clock=place.clock,
        )
        verifier = Verifier(context, reporter=place.reporter)
        with place.reporter.measured(registries):
            place.reporter.report_verified(repository, verifier.verify(repository, asked=asked))
