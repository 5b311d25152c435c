"""A secondary in this process: real registries, the sync registry in memory, messages handed in one or many at once."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

import requests
from tests.support.images import Made
from tests.support.proxy import CountingProxy

from geosync.comparing import doubt
from geosync.copying.s3.copier import S3Copier
from geosync.intake.intake import Intake
from geosync.intake.marking import IntakeContext
from geosync.intake.refusals import Refusals
from geosync.messages.geo_event import EventName, GeoEvent
from geosync.messages.queues import Queue as SqsQueue
from geosync.messages.work import WorkMessage
from geosync.oci.credentials import Anonymous, Credentials
from geosync.oci.deadline import Deadline
from geosync.oci.options import ClientOptions
from geosync.pair.capabilities import Capabilities
from geosync.pair.deletes import TagRemover
from geosync.pair.known_capabilities import KnownCapabilities
from geosync.pair.registries import Registries
from geosync.recovery.point import COUNTS_SETTLE_MS
from geosync.registries.registry import Registry
from geosync.registries.secrets import VendorAccess
from geosync.sync_registry.items import PARKED_DUE_MS, Owed, Row
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.timing import Timing, ms
from geosync.syncing.reporting import Reporter
from geosync.working.worker import Worker
from geosync.working.workplace import WorkOptions, Workplace

Access = Credentials | VendorAccess


def quick(settle: float, suspect: float, *, deletion_delay: float = 0.0) -> Timing:
    """Short times, in seconds, but the template's lease, which no busy machine loses, and its renewal."""
    times = Timing(settle_s=settle, suspect_s=suspect, deletion_delay_s=deletion_delay)
    return replace(times, polls_s=tuple(seconds / 10 for seconds in times.polls_s))


PATIENCE_S = 300.0
"""Ends a wait for what never comes. What comes on a busy machine comes sooner, so that it decides nothing."""
TIMING = quick(settle=2.0, suspect=2.0)
LIMITS = Limits(window_s=1.0)
FIRST_TIME = 10**12
"""What is not less than this, in milliseconds, is a time, and no count."""
_ids = itertools.count(1)


class Queue:
    """The part of SQS that a holder needs: the DLQ, as a list."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def send_message(self, **message: Any) -> None:
        self.messages.append(message)


class SilentMetrics:
    def put(self, values: Any, unit: str = "Count") -> None:
        pass


class AlwaysOpen:
    """Registries that can be used, whatever the settings and secrets."""

    unread = None

    def __init__(self, get: Callable[[], Registries]) -> None:
        self.get = get

    @property
    def names(self) -> tuple[str, ...]:
        """Both names."""
        registries = self.get()
        return registries.primary.name, registries.secondary.name

    def reread(self) -> None:
        """Do nothing: there is no secret to read."""


class HasUrl(Protocol):
    """A registry or a proxy before one."""

    @property
    def url(self) -> str: ...


class Secondary:
    """Follows the registry `primary` into the registry `secondary`, both seen through proxies that count.

    `probing`: what the secondary's registry does is asked, as in the function; else it is like Distribution.
    """

    def __init__(  # noqa: PLR0913 - all but two have defaults; each test changes one
        self,
        primary: HasUrl,
        secondary: HasUrl,
        *,
        vendors: tuple[type[Registry], type[Registry]] = (Registry, Registry),
        accesses: tuple[Access, Access] = (Anonymous(), Anonymous()),
        probing: bool = False,
        timing: Timing = TIMING,
        prefix: str = "",
        removals: bool = True,
        removes_outside: bool = False,
        store: MemoryStore | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.primary_proxy = CountingProxy(primary.url)
        self.secondary_proxy = CountingProxy(secondary.url)
        self.deadline = Deadline()
        self.passing = 0.5
        """Seconds that pass before each sweep of `sweep_until`. With 0 the time is the machine's: for what depends on
        other clocks than the table's, as on a proxy's or a queue's."""
        self.store = store or MemoryStore()
        self.sync_registry = SyncRegistry(self.store, timing=timing, limits=limits)
        self.dlq = Queue()
        reader = vendors[0](self.primary_proxy.url, accesses[0], deadline=self.deadline)
        writer = vendors[1](
            self.secondary_proxy.url,
            accesses[1],
            deadline=self.deadline,
            writes=True,
            options=ClientOptions(tag_write_s=timing.tag_write_timeout_s),
        )
        known = KnownCapabilities(self.sync_registry.capabilities)
        self.registries = Registries(
            primary=reader,
            secondary=writer,
            remover=TagRemover(),
            capabilities=known if probing else lambda _: Capabilities(),
            forget_capabilities=known.forget,
            prefix=prefix,
        )
        self.s3: S3Copier | None = None
        """Has S3 copy layers; set it before `open`."""
        self.options = WorkOptions(removals=removals, removes_outside=removes_outside)
        self.open()

    def open(self) -> None:
        """Make both functions anew, as a deployment with other settings does.

        They read `registries` and `options` then.
        """
        logger: Any = logging.getLogger("secondary")
        metrics: Any = SilentMetrics()
        sqs: Any = self.dlq
        registries = self.registries
        place = Workplace(
            role="secondary",
            sync_registry=self.sync_registry,
            registries=AlwaysOpen(lambda: self.registries),
            deadline=self.deadline,
            reporter=Reporter(logger=logger, metrics=metrics, sqs=sqs, dlq_url="dlq"),
            logger=logger,
            s3=self.s3,
        )
        context = IntakeContext(
            role="secondary",
            sync_registry=self.sync_registry,
            selection=registries.selection,
            registry_names=(registries.primary.name, registries.secondary.name),
        )
        refusals = Refusals("secondary", self.sync_registry, SqsQueue(sqs, "dlq"), logger=logger, metrics=metrics)
        self.intake = Intake(context, refusals, logger=logger, metrics=metrics)
        self.worker = Worker(place, self.options, self.intake, refusals)

    def close(self) -> None:
        self.registries.primary.close()
        self.registries.secondary.close()
        self.primary_proxy.close()
        self.secondary_proxy.close()

    def reset(self) -> None:
        self.primary_proxy.reset()
        self.secondary_proxy.reset()

    def requests(self) -> int:
        return self.primary_proxy.total() + self.secondary_proxy.total()

    def receive(self, *messages: GeoEvent | str) -> None:
        """Deliver the messages at once, each in a thread of its own, as Lambda invokes the functions."""
        self._hand_in([message if isinstance(message, str) else message.to_json() for message in messages])

    def receive_together(self, *events: GeoEvent) -> None:
        """Deliver events in one batch: all of them are marked before the first is worked off."""
        taken = self.intake.take([event.to_json() for event in events])
        assert not taken.again
        self._hand_in([WorkMessage(repository=repository, reason="event").to_json() for repository in taken.wakes])

    def _hand_in(self, bodies: Sequence[str]) -> None:
        with ThreadPoolExecutor(len(bodies)) as pool:
            for done in [pool.submit(self.worker.receive, body) for body in bodies]:
                done.result()

    def sweep(self) -> list[str]:
        """Wake what is due, as functions/reconcile does every minute. Returns the repositories."""
        due = self.sync_registry.due_repositories()
        for repository in due:
            self.worker.receive(WorkMessage(repository=repository, reason="sweep").to_json())
        return due

    def sweep_until(
        self, condition: Callable[[], bool], *, seconds: float = PATIENCE_S, passing: float | None = None
    ) -> float:
        """Sweep until `condition` holds; returns how long it took. Before each sweep `passing` seconds have passed."""
        passing = self.passing if passing is None else passing
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > seconds:
                items = {
                    key: item for key, item in self.store.table.items() if "owed#" in key.item or key.item == "row"
                }
                raise AssertionError(f"it never came to that: {items}")
            time.sleep(0.01 if passing else 0.05)
            self.have_passed(passing)
            self.sweep()
        return time.monotonic() - started

    def have_passed(self, seconds: float) -> None:
        """Make everything that is written down older by `seconds`, as if they had passed, so that no test waits for it.

        Leases and delays come to their end by it; nobody may be at work meanwhile.
        """
        for key, item in list(self.store.table.items()):
            self.store.table[key] = {
                name: value - ms(seconds) if isinstance(value, int) and FIRST_TIME < value < PARKED_DUE_MS else value
                for name, value in item.items()
            }

    def decide_about_deletes(self) -> None:
        """Do as functions/reconcile once the events queue was seen empty a minute after the last comparison."""
        self.have_passed(COUNTS_SETTLE_MS / 1000)
        doubt.decide(self.sync_registry, lambda: 0, primary=None)

    def row(self, repository: str) -> Row:
        row = self.sync_registry.row(repository)
        assert row is not None
        return row

    def owed(self, repository: str) -> Sequence[Owed]:
        return self.sync_registry.owed(repository)

    def digest(self, repository: str, tag: str) -> str | None:
        """What the secondary's registry has under the tag, asked beside the proxies' counts."""
        before = self.secondary_proxy.exchanges.copy()
        seen = self.registries.secondary.head_manifest(self.registries.at_secondary(repository), tag)
        self.secondary_proxy.exchanges[:] = before
        return seen.digest if seen is not None else None

    def put(self, repository: str, tag: str, made: Made) -> None:
        """Tag an image at the secondary, as somebody else may."""
        answer = requests.put(
            f"{self.secondary_proxy.url}/v2/{repository}/manifests/{tag}",
            data=made.content,
            headers={"Content-Type": made.media_type},
            timeout=60,
        )
        assert answer.status_code == 201


def pushed(made: Made, *, tag: str | None = None) -> GeoEvent:
    """The event of a push: by `tag`, else under the reference it was made with (a tag, or by digest)."""
    name = tag or made.reference
    return event("created", made.repository, tag=name if ":" not in name else None, digest=made.digest)


def event(event_name: EventName, repository: str, *, tag: str | None = None, digest: str | None = None) -> GeoEvent:
    """An event as functions/notifications publishes it, received now."""
    number = next(_ids)
    return GeoEvent(
        id=f"event-{number}",
        site="primary",
        event_name=event_name,
        repository=repository,
        tag=tag,
        digest=digest,
        media_type=None,
        occurred_at=None,
        received_at=time.time_ns() // 1_000_000,
        source="test",
        correlation_id=f"correlation-{number}",
    )
