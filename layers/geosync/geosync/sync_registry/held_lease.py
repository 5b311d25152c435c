"""A lease in a holder's hand: renewed from a thread of its own, and asked before every tag write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType

from botocore.exceptions import BotoCoreError, ClientError

from geosync.errors import LeaseLost, SyncRegistryError
from geosync.sync_registry.items import Lease, Owed, Seen
from geosync.sync_registry.registry import SyncRegistry
from geosync.sync_registry.uploads import KeptUpload
from geosync.threads import SYSTEM_THREADS, Threads


class HeldLease:
    """Renews a lease every `timing.renewal` seconds until it is closed.

    `on_moved` is called (from the renewing thread) when references came in, `on_lost` with the LeaseLost when somebody
    else has the repository. Use it as a context manager: afterwards its thread is gone. It does not release the lease.
    """

    def __init__(
        self,
        registry: SyncRegistry,
        lease: Lease,
        *,
        on_moved: Callable[[], None],
        on_lost: Callable[[LeaseLost], None],
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._registry = registry
        self._lease = lease
        self._on_moved = on_moved
        self._on_lost = on_lost
        self._threads = threads
        self._lock = threads.lock()
        self._closed = threads.event()
        self._lost: LeaseLost | None = None

    @property
    def lease(self) -> Lease:
        """The lease as of the last write under it."""
        return self._lease

    def check_tag_write(self) -> None:
        """Raise LeaseLost unless a tag may be written now: the last renewal is recent enough (monotonic clock)."""
        if self._lost is not None:
            raise self._lost
        if not self._registry.may_write_tag(self._lease):
            raise LeaseLost("the lease was not renewed in time; no tag is written on its strength")

    def discharge(self, owed: Owed, seen: Seen | None) -> bool:
        """SyncRegistry.discharge under this lease."""
        return self._registry.discharge(self._lease, owed, seen)

    def finish(self, lease: Lease, leaving: Sequence[KeptUpload] = ()) -> bool:
        """SyncRegistry.finish; what was let go is not renewed any more, which would look like a loss."""
        with self._lock:
            finished = self._registry.finish(lease, leaving)
            if finished:
                self._closed.set()
            return finished

    def suspect(self) -> Lease:
        """SyncRegistry.suspect under this lease: a tag write of unknown outcome."""
        with self._lock:
            self._lease = self._registry.suspect(self._lease)
            return self._lease

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
        while not self._closed.wait(self._registry.timing.renewal):
            try:
                moved = self._renew()
            except LeaseLost as lost:
                self._lost = lost
                self._on_lost(lost)
                return
            except (BotoCoreError, ClientError, SyncRegistryError):
                continue  # the next renewal tries again; meanwhile check_tag_write guards what depends on it
            if moved:
                self._on_moved()

    def _renew(self) -> bool:
        """Renew once; whether references came in."""
        with self._lock:
            if self._closed.is_set():
                return False
            before = self._lease.revision
            self._lease = self._registry.renew(self._lease)
            return self._lease.revision != before


def _tell_nobody(*_: object) -> None:
    """Stand for the callbacks of a lease that is closed."""
