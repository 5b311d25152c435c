"""The values that a holder is given, and those that its parts share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geosync.announcing.announcer import Announcer
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.missing import Removals
from geosync.comparing.window import ANY_TIME, BackfillWindow
from geosync.copying.s3.copier import S3Copier
from geosync.messages.queues import Queue
from geosync.oci.deadline import Deadline
from geosync.pair.bandwidth import Bandwidth
from geosync.pair.pair import Pair
from geosync.pair.registries import Registries
from geosync.pair.selection import Selection
from geosync.pair.settings import REFERENCES
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.syncing.reporting import Reporter
from geosync.threads import SYSTEM_THREADS, Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One invocation at a secondary site: all that it gives to each of its holders."""

    sync_registry: SyncRegistry
    registries: Registries
    removals: Removals
    reporter: Reporter
    deadline: Deadline
    reference_concurrency: int = REFERENCES
    """References that a holder works on side by side."""
    verifies: bool = True
    """Rolling verification is on."""
    s3: S3Copier | None = None
    """Has S3 copy layers, where the site was told both buckets."""
    bandwidth: Bandwidth | None = None
    """The bound on bytes per second; None: no bound."""
    work_queue: Queue | None = None
    """The queue by which a holder asks for help; None: it asks nobody."""
    shared_copy_bytes: int = 0
    """A holder asks for help if so many bytes of one image are missing; 0: never."""
    announcer: Announcer | None = None
    """Announces arrivals and failures; None: they are not announced."""
    window: BackfillWindow = ANY_TIME
    """The window in which references that only a comparison found may be copied."""
    clock: Clock = SYSTEM_CLOCK
    threads: Threads = SYSTEM_THREADS


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderContext:
    """One repository at both sites, and the lease under which it is made equal.

    `pause` waits so many seconds inside an attempt; it raises OutOfTime when the holder stops or the invocation ends
    meanwhile.
    """

    pair: Pair
    sync_registry: SyncRegistry
    held: HeldLease
    selection: Selection
    removals: Removals
    pause: Callable[[float], None]
    clock: Clock
    threads: Threads

    def check(self) -> None:
        """Raise OutOfTime when the holder stops or the invocation is over."""
        self.pause(0)

    def check_selection(self) -> None:
        """Raise OutOfTime if this invocation may have a former selection: that cannot tell what is outside now."""
        self.sync_registry.subscription.check_selection(self.selection.fingerprint)
