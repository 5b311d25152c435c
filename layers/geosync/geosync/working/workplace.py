"""The parts that all work of a site shares, and the site's bounds for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from geosync.announcing.announcer import Announcer
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.window import ANY_TIME, BackfillWindow
from geosync.copying.s3.copier import S3Copier
from geosync.errors import SecretUnreadable
from geosync.messages.queues import Queue
from geosync.oci.deadline import Deadline
from geosync.pair.bandwidth import Bandwidth
from geosync.pair.registries import Registries
from geosync.pair.settings import REFERENCES, Bounds
from geosync.settings import Role
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.syncing.reporting import Reporter
from geosync.threads import SYSTEM_THREADS, Threads

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger


class OpenedRegistries(Protocol):
    """The site's two registries, made when they are asked for."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of both registries, known before they are opened."""
        ...

    @property
    def unread(self) -> SecretUnreadable | None:
        """The failure of the last look at the secrets, while those of the look before are used."""
        ...

    def get(self) -> Registries:
        """Return the registries. Raises ConfigurationError and SecretUnreadable."""
        ...

    def reread(self) -> None:
        """Have the next `get` ask whether a secret was changed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """One site, as functions/sync works for it: its sync registry, its registries, and the time that is left."""

    role: Role
    sync_registry: SyncRegistry
    registries: OpenedRegistries
    deadline: Deadline
    reporter: Reporter
    logger: Logger
    s3: S3Copier | None = None
    """Has S3 copy layers, where the site was told both buckets."""
    clock: Clock = SYSTEM_CLOCK
    threads: Threads = SYSTEM_THREADS
    bandwidth: Bandwidth | None = None
    """The bound on bytes per second of the work queue's invocations; None: no bound."""
    work_queue: Queue | None = None
    """The queue by which a holder asks for help; None: it asks nobody."""
    announcer: Announcer | None = None
    """Announces arrivals and failures; None: they are not announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotBounds:
    """The slots of each queue that one namespace may have at a time; None: as many as there are."""

    live: int | None = None
    work: int | None = None

    @classmethod
    def of_share(cls, percent: float, *, live: int, work: int) -> SlotBounds:
        """Take a share of the slots that the queues have, rounded down, and one at least; all of them for 100 %."""
        if percent >= 100:
            return cls()
        return cls(live=max(int(live * percent / 100), 1), work=max(int(work * percent / 100), 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """The bounds and the manner of a site's work.

    `removals`: whether tags are removed that the primary no longer has. `removes_outside`: whether tags are removed
    that left the selection. `parallelism`: references of one repository that are worked on at a time. `verification`:
    what it may cost. `slots`: what one namespace may have of the site's invocations. `window`: when references that
    only a comparison found may be copied. `shared_copy_bytes`: a holder asks for help if so many bytes of one image are
    missing; 0: never.
    """

    removals: bool = True
    removes_outside: bool = False
    parallelism: int = REFERENCES
    verification: Bounds = field(default_factory=Bounds)
    slots: SlotBounds = field(default_factory=SlotBounds)
    window: BackfillWindow = ANY_TIME
    shared_copy_bytes: int = 0
