"""A lease in a holder's hand: every write under the lease goes through it, and it asks before every tag write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType

from geosync.errors import LeaseLost, OutcomeUnknown, OutOfTime
from geosync.sync_registry.access import TABLE_ERRORS
from geosync.sync_registry.items import SYNCED, Lease, Owed, Reference, Seen
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.uploads import KeptUpload
from geosync.threads import SYSTEM_THREADS, Threads


class HeldLease:
    """One repository's lease, renewed by a thread of its own every `timing.renewal_s` seconds until it is closed.

    `on_moved` is called (from the renewing thread) when references came in, `on_lost` with the LeaseLost when somebody
    else has the repository. Use it as a context manager: afterwards its thread is gone. It does not release the lease.
    Without the context manager only `renew` renews it. Thread-safe.

    A tag write of unknown outcome is remembered here before it is written down: nobody can release or finish over it.
    If no write of the lease succeeds any more, the lease runs out, and whoever takes over suspects the same.
    """

    def __init__(
        self,
        sync_registry: SyncRegistry,
        lease: Lease,
        *,
        on_moved: Callable[[], None] = lambda: None,
        on_lost: Callable[[LeaseLost], None] = lambda _: None,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._sync_registry = sync_registry
        self._lease = lease
        self._on_moved = on_moved
        self._on_lost = on_lost
        self._threads = threads
        self._lock = threads.condition()  # held during a request to the table
        self._closed = threads.event()
        self._lost: LeaseLost | None = None
        self._working_on = self._written_on = frozenset[str]()
        self._suspected_until: list[int] = []  # appended to without the lock, which a request may hold for long

    @property
    def lease(self) -> Lease:
        """The lease as of the last write under it, with what is suspected since."""
        return self._suspecting(self._lease)

    def check_tag_write(self) -> None:
        """Raise LeaseLost unless a tag may be written now: the last renewal must be recent (monotonic clock)."""
        if self._lost is not None:
            raise self._lost
        if not self._sync_registry.may_write_tag(self._lease):
            raise LeaseLost("the lease was not renewed in time: no tag may be written under it")

    @contextmanager
    def tag_write(self) -> Iterator[None]:
        """Guard a write or removal of a tag, in any thread. Raises LeaseLost when no tag may be written now.

        When what is within raises OutcomeUnknown, or OutOfTime (which may come in the middle of an answer), that is
        written into the row before it comes through; LeaseLost, or what the table raises, comes in its place.
        """
        self.check_tag_write()
        try:
            yield
        except (OutcomeUnknown, OutOfTime):
            self.suspect()
            raise

    def work_on(self, keys: frozenset[str], *, at_once: bool) -> None:
        """Tell which references (`Reference.seen_key`) are worked on: if this holder vanishes, they are to blame.

        The next renewal writes it into the row; `at_once`: before this returns. Raises LeaseLost.
        """
        self._working_on = keys
        if at_once:
            with self._lock:
                self._renewed()

    def owe(self) -> None:
        """Note that something is owed in the repository, before it is marked or worked on; one write, at most once.

        A row that was synced when its holder began is synced while the holder only looks again. Raises LeaseLost.
        """
        if self._lease.state != SYNCED:
            return
        with self._lock:
            if self._lease.state == SYNCED:
                self._lease = self._sync_registry.owe(self._lease)

    # ------------------------------------------------------------------------------------------- what was worked off

    def count_deaths(self, left: Sequence[Owed], failure: str) -> list[Owed]:
        """Count a failed attempt for what the last holder left when it vanished. Raises LeaseLost."""
        return self._sync_registry.count_deaths(self._lease, left, failure)

    def discharge(
        self,
        owed: Owed,
        seen: Seen | None,
        *,
        superseded: frozenset[str] = frozenset(),
        half: frozenset[str] = frozenset(),
    ) -> bool:
        """Discharge a reference and record what was seen (None: gone). False: marked again meanwhile. Raises LeaseLost.

        Digests of earlier pushes of the tag (`superseded`) become owed by digest; those that stay here `half` copied
        are recorded.
        """
        return self._sync_registry.discharge(self._lease, owed, seen, superseded=superseded, half=half)

    def record(self, seen: Sequence[tuple[Reference, Seen]]) -> set[Reference]:
        """Record what a comparison saw of what nobody owes; returns those recorded. Raises LeaseLost."""
        return self._sync_registry.record(self._lease, seen)

    def note_missing_on_primary(self, *, missing: bool) -> None:
        """Note in the row that the primary does not know the repository at all, or does. Raises LeaseLost."""
        self._sync_registry.note_missing_on_primary(self._lease, missing=missing)

    def record_finding(self, finding: Finding, before: Finding | None) -> None:
        """Record what a comparison found, in place of what the one `before` it did. Raises LeaseLost."""
        self._sync_registry.record_finding(self._lease, finding, before)

    def note_going(self, *, missing: int | None = None, outside: int | None = None, of: int) -> None:
        """Note in the finding how many tags go, before the breaker counts them. Raises LeaseLost."""
        self._sync_registry.note_going(self._lease, missing=missing, outside=outside, of=of)

    def forget(self, *, check: Callable[[], None]) -> bool:
        """Delete all that the sync registry has of the repository, except for its half copies; `check` may raise.

        False: not now. Somebody took the repository, or a write to its secondary may still land. Either way it is let
        go.
        """
        return self._sync_registry.forget(self.lease, check=check)

    def take_uploads(self) -> list[KeptUpload]:
        """Take over the uploads that the last holder left: from now on nobody else can. Raises LeaseLost."""
        return self._sync_registry.uploads.take(self._lease)

    # ----------------------------------------------------------------------------------------------------- the lease

    def renew(self) -> Lease:
        """Renew now, beside the thread; a `revision` that moved says that references came in. Raises LeaseLost."""
        with self._lock:
            return self._renewed()

    def suspect(self) -> Lease:
        """Note that a tag write of unknown outcome may still land; it renews as well. Raises LeaseLost.

        Whatever it raises, every later write of the lease says so.
        """
        self._suspected_until.append(self._sync_registry.suspect(self._lease).suspect_until)
        with self._lock:
            return self._renewed()

    def finish(self, lease: Lease | None = None, leaving: Sequence[KeptUpload] = ()) -> bool:
        """Let the repository go; its state follows from what is still owed. False: it was renewed, look again.

        `lease` is the one from before the look that found nothing due (default: the latest). The thread stops renewing
        what was let go: that would look like a lost lease. Raises LeaseLost.
        """
        with self._lock:
            finished = self._sync_registry.finish(self._suspecting(lease or self._lease), leaving)
            if finished:
                self._closed.set()
            else:
                self._renewed()  # somebody knocked: with the revision from before, no later try could succeed
            return finished

    def drop(self, lease: Lease | None = None) -> bool:
        """Release the repository and delete its row, as nothing is left of it; False: it is still held, as it was.

        `lease` as for `finish`.
        """
        with self._lock:
            dropped = self._sync_registry.drop(self._suspecting(lease or self._lease))
            if dropped:
                self._closed.set()
            return dropped

    def release(self, leaving: Sequence[KeptUpload] = ()) -> None:
        """Release the repository with work left in it: the sweep wakes the next. Its lease is no longer renewed.

        Raises LeaseLost.
        """
        with self._lock:
            self._sync_registry.release(self.lease, leaving)
            self._closed.set()

    # --------------------------------------------------------------------------------------------- the renewing thread

    def __enter__(self) -> HeldLease:
        self._thread = self._threads.start(self._renew_until_closed, name="lease-renewal")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        # A holder and its lease know each other. Nobody is told any more: both are free without a garbage collection.
        self._on_moved = self._on_lost = _tell_nobody

    def _renew_until_closed(self) -> None:
        while not self._closed.wait(self._sync_registry.timing.renewal_s):
            try:
                moved = self._renew_once()
            except LeaseLost as lost:
                self._lost = lost
                self._on_lost(lost)
                return
            except TABLE_ERRORS:
                continue  # the next renewal tries again; meanwhile check_tag_write guards what depends on it
            if moved:
                self._on_moved()

    def _renew_once(self) -> bool:
        """Renew unless the lease was let go meanwhile; True when references came in."""
        with self._lock:
            if self._closed.is_set():
                return False
            before = self._lease.revision
            return self._renewed().revision != before

    def _suspecting(self, lease: Lease) -> Lease:
        until = max(self._suspected_until, default=0)
        return replace(lease, suspect_until=until) if until > lease.suspect_until else lease

    def _renewed(self) -> Lease:
        working_on = self._working_on
        changed = working_on if working_on != self._written_on else None
        self._lease = self._sync_registry.renew(self.lease, changed)
        self._written_on = working_on
        return self._lease


def _tell_nobody(*_: object) -> None:
    """Stand for the callbacks of a lease that is closed."""
