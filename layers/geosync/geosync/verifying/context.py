"""The values that every run of a verification works with."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.oci.deadline import Deadline
from geosync.pair.registries import Registries
from geosync.pair.settings import Bounds
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.threads import SYSTEM_THREADS, Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationContext:
    """A secondary, what its verification may cost, and when the invocation ends."""

    sync_registry: SyncRegistry
    registries: Registries
    bounds: Bounds
    deadline: Deadline
    clock: Clock = SYSTEM_CLOCK
    threads: Threads = SYSTEM_THREADS
