"""The settling of ended attempts: each is written down, its error attributed to a reference, a registry or the table.

```
outcome                             reported; marked again meanwhile: due again
lease lost, out of time             the holder stops; the reference stays owed as it is
a registry is down or throttles     the registry is on hold, the reference postponed, no attempt counted
a registry is read-only             the same
a registry refuses our credentials  the same
the same, of this repository alone  one failed attempt
content that is, or arrives, wrong  one failed attempt, parked after five of them: it may have broken on its way
a refusal that is no registry's     one failed attempt: what stands before the registry may have said it
any other error of ours             one failed attempt, parked where no later one changes it
an error that nobody foresaw        one failed attempt
the table                           the holder stops, and its caller gets the error
AWS throttles the table             the same; the first such reference is postponed, no attempt counted
the last holder vanished            one failed attempt at what it worked on, parked after eight
```
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress

from geosync.aws.errors import reason, tells_of_throttling
from geosync.copying.outcome import Outcome
from geosync.errors import (
    ArrivedWrong,
    ChildAbsent,
    ContentError,
    GeosyncError,
    HolderVanished,
    LeaseLost,
    OutcomeUnknown,
    OutOfTime,
    ReadOnly,
    RegistryError,
    RegistryUnavailable,
    Unauthorized,
)
from geosync.sync_registry.access import TABLE_ERRORS
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Owed
from geosync.sync_registry.site.holds import Hold
from geosync.sync_registry.transitions.attempts import is_last_death, is_last_doubt
from geosync.syncing.backlog import Backlog
from geosync.syncing.context import Invocation
from geosync.syncing.ending import Ending, Halt

VANISHED = (
    "the function ended without a word while it worked on this: most likely it ran out of memory or was killed; "
    "its log of that time says more, and a resync or a replay tries again"
)
THROTTLED_MS = 15_000
"""Time until a reference is tried again whose holder AWS throttled."""


class Settler:
    """Settles the attempts of one holder. For its main thread.

    One bad reference never stops the others. A registry that is down stops the holder.
    """

    def __init__(self, invocation: Invocation, backlog: Backlog, halt: Halt) -> None:
        self._sync_registry = invocation.sync_registry
        self._clock = invocation.clock
        self._registries = invocation.registries
        self._reporter = invocation.reporter
        self._backlog = backlog
        self._halt = halt
        self._deadline = invocation.deadline
        self._has_told_of_throttling = False

    def settle(self, owed: Owed, future: Future[Outcome]) -> None:
        """Write down how an attempt ended. Raises what the table raises while it is written."""
        try:
            outcome = future.result()
        except (LeaseLost, OutOfTime, *TABLE_ERRORS) as error:
            self._stop(owed, error)
        except (RegistryUnavailable, Unauthorized) as error:
            self._settle_refused(owed, error)
        except Exception as error:  # noqa: BLE001 - a thread's edge: a fault of ours costs one reference, not the others
            self._settle_failed(owed, error)
        else:
            self._reporter.report_ended(owed, outcome)
            self._backlog.note_ended(owed, marked_again=outcome.marked_again)

    def settle_deaths(self, held: HeldLease) -> None:
        """Count a failed attempt for what the last holder was working on, if it vanished. Raises what the table raises.

        The reference over which holders vanish again and again is parked; the others of the repository go on.
        """
        if not held.lease.deaths:
            return
        self._reporter.report_death(held.lease)
        if not held.lease.working_on:
            return
        left = self._sync_registry.left_behind(held.lease)
        # The names are removed even if nothing is left: otherwise a later mark would be blamed for the next death.
        error = HolderVanished(VANISHED)
        parked = {owed.reference for owed in left if is_last_death(owed, self._sync_registry.timing)}
        for owed in left:
            if owed.reference in parked:
                self._reporter.park(owed, str(error))
            self._sync_registry.outbox.put_failure(owed, str(error), parked=owed.reference in parked)
        for owed in held.count_deaths(left, str(error)):
            self._reporter.report_failed(owed, error, parked=owed.reference in parked)

    def settle_unbegun(self, held: HeldLease, error: GeosyncError) -> None:
        """Write down that no attempt can be begun: the secondary's registry could not even be asked for its habits."""
        if isinstance(error, RegistryUnavailable | Unauthorized) and self._is_of_the_registry(error):
            self._hold(error)
        elif isinstance(error, OutOfTime):
            self._halt.end(Ending.OUT_OF_TIME)
        else:
            self._fail_all(held, error)

    def _stop(self, owed: Owed, error: Exception) -> None:
        """Stop the holder for an error that concerns no single reference.

        If AWS throttles, only one reference records it. Each such write waits for the throttled table, and the lease
        must be released in time: otherwise the next holder counts a death.
        """
        if isinstance(error, LeaseLost):
            self._halt.end(Ending.LOST)
        elif isinstance(error, OutOfTime):
            self._halt.end(Ending.OUT_OF_TIME)
        else:
            self._halt.fail(error)
            text = reason(error)
            if tells_of_throttling(text) and not self._has_told_of_throttling and self._deadline.left_s() > 0:
                self._has_told_of_throttling = True
                later_ms = self._clock.now_ms() + THROTTLED_MS
                with suppress(*TABLE_ERRORS):  # most likely it is the same table
                    self._sync_registry.hold_back(owed, later_ms, text)

    def _settle_refused(self, owed: Owed, error: RegistryUnavailable | Unauthorized) -> None:
        """Hold the registry if it serves nobody; what fails on a registry that serves others is one failed attempt."""
        if self._is_of_the_registry(error):
            unanswered = isinstance(error, OutcomeUnknown)
            self._sync_registry.hold_back(owed, self._hold(error).until, str(error), unanswered=unanswered)
        else:
            self._settle_failed(owed, error)

    def _settle_failed(self, owed: Owed, error: Exception) -> None:
        """Count the attempt. If no later one can succeed, put a message into the DLQ, and then park the reference."""
        text = str(error) if isinstance(error, GeosyncError) else f"internal error: {type(error).__name__}"
        timing, doubted = self._sync_registry.timing, isinstance(error, ContentError | ArrivedWrong | ChildAbsent)
        parked = is_last_doubt(owed, timing) if doubted else _is_final(error)
        if doubted and parked:
            text = f"in {owed.doubts + 1} attempts: {text}"
        parked = parked or owed.attempts + 1 >= timing.max_attempts
        if parked:
            self._reporter.park(owed, text)
        self._sync_registry.outbox.put_failure(owed, text, parked=parked)
        if doubted:
            counted = self._sync_registry.fail_in_doubt(owed, text, child_absent=isinstance(error, ChildAbsent))
        else:
            counted = self._sync_registry.fail(owed, text, parked=parked)
        self._reporter.report_failed(owed, error, parked=parked and counted is not None)
        self._backlog.note_ended(owed, marked_again=counted is None)

    def _is_of_the_registry(self, error: RegistryUnavailable | Unauthorized) -> bool:
        """Tell an error of a whole registry from one of this repository alone.

        A registry that does not answer, asks for patience, is read-only, or refuses the credentials altogether serves
        nobody.
        """
        if isinstance(error, ReadOnly):
            return error.everywhere
        if isinstance(error, RegistryUnavailable):
            return error.status == 429 or not self._registries.answers(error.registry)
        try:
            self._registries.named(error.registry).ping()
        except Unauthorized:
            return True
        except GeosyncError:
            return False
        return False

    def _hold(self, error: RegistryUnavailable | Unauthorized) -> Hold:
        """Put the registry on hold, and stop."""
        name = error.registry
        if isinstance(error, Unauthorized):
            hold = self._sync_registry.hold(name, reason=str(error), credentials=self._registries.credentials(name))
        else:
            hold = self._sync_registry.hold(name, reason=str(error), retry_after=error.retry_after)
        self._reporter.report_hold(hold)
        self._halt.end(Ending.HELD)
        return hold

    def _fail_all(self, held: HeldLease, error: GeosyncError) -> None:
        """Count a failed attempt of all that is due, and let the repository go: its row says so."""
        for owed in self._sync_registry.due(held.lease.repository):
            self._settle_failed(owed, error)
        try:
            finished = held.finish(held.lease)
        except LeaseLost:
            self._halt.end(Ending.LOST)
        else:
            self._halt.end(Ending.FINISHED if finished else Ending.OUT_OF_TIME)


def _is_final(error: Exception) -> bool:
    """Tell whether no later attempt changes the error: a registry's own refusal, not that of a proxy before it.

    Bytes that the destination keeps wrong are final at once: a verification had read them wrong before.
    """
    if not isinstance(error, GeosyncError) or error.retryable:
        return False
    return not isinstance(error, RegistryError) or error.explained
