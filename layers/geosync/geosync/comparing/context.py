"""The values that the parts of one repository's comparison share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.pair.pair import Pair
from geosync.pair.selection import Selection
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.sync_registry import SyncRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonContext:
    """One repository at both sites, and the lease under which it is compared.

    `check` is called between requests; it raises OutOfTime when the holder stops. `verifies`: rolling verification is
    on, so that what was seen here once is looked at again without the comparison.
    """

    pair: Pair
    sync_registry: SyncRegistry
    held: HeldLease
    selection: Selection
    check: Callable[[], None]
    verifies: bool = True
    clock: Clock = SYSTEM_CLOCK
