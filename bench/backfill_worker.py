"""The process that bench.backfill and bench.tags measure: a secondary's receiver, without AWS.

Its table is in the process that began it, behind a pipe: a call there is one message and one answer.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from bench.peak import resident_peak
from geosync.intake.intake import Intake
from geosync.intake.marking import IntakeContext
from geosync.intake.refusals import Refusals
from geosync.messages.queues import Queue
from geosync.messages.work import CatalogueMessage, WorkMessage
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.pair.capabilities import Capabilities
from geosync.pair.deletes import TagRemover
from geosync.pair.registries import Registries
from geosync.registries.registry import Registry
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import ConditionFailed, TransactionFailed
from geosync.sync_registry.table.memory import MemoryStore
from geosync.syncing.reporting import Reporter
from geosync.working.worker import Worker
from geosync.working.workplace import WorkOptions, Workplace

WORKERS = 2
"""Wakes that are worked on at once, as WorkConcurrency has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What one backfill took: seconds, the process's own seconds of CPU, bytes over the idle process at most."""

    seconds: float
    cpu_s: float
    extra: int


class Secondary:
    """A secondary between two registries, with a process of its own; a context manager."""

    def __init__(self, primary: str, secondary: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_work, args=(primary, secondary, there), daemon=True)
        self._process.start()
        # Ours of its end goes, so that a process that ends is an EOFError here and not a wait without end.
        there.close()
        self._store = MemoryStore()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._here.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def backfill(self) -> Took:
        """Compare with the primary, and copy until nothing is due. Raises EOFError when the process failed."""
        self._here.send(None)
        while True:
            name, given, named = self._here.recv()
            if name == "done":
                return Took(**named)
            self._here.send(_answer(self._store, name, given, named))


def _answer(store: MemoryStore, name: str, given: Any, named: Any) -> tuple[str, Any]:
    try:
        answer = getattr(store, name)(*given, **named)
    except ConditionFailed as failed:
        return "condition", (failed.key, failed.item)
    except TransactionFailed as failed:
        return "transaction", (failed.failed,)
    return "answer", list(answer) if isinstance(answer, Iterator) else answer


class _FarStore:
    """The store's contract, carried out in the process at the other end of the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            given = tuple(list(one) if isinstance(one, Iterator) else one for one in given)
            with self._lock:
                self._pipe.send((name, given, named))
                kind, answer = self._pipe.recv()
            if kind == "condition":
                raise ConditionFailed(*answer)
            if kind == "transaction":
                raise TransactionFailed(*answer)
            return answer if name != "due_keys" else iter(answer)

        return call


class _Opened:
    """Registries that are there."""

    unread = None

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self.names = (registries.primary.name, registries.secondary.name)

    def get(self) -> Registries:
        """Return them."""
        return self._registries

    def reread(self) -> None:
        """There is no secret to read."""


class _Silent:
    """Takes what a function logs and measures."""

    def put(self, values: Any, unit: str = "Count") -> None:
        """Drop it."""

    def send_message(self, **message: Any) -> None:
        """A bench in which something goes to the DLQ measures nothing."""
        raise AssertionError(message)


def _work(primary: str, secondary: str, pipe: Connection) -> None:
    store: Any = _FarStore(pipe)
    deadline, registry = Deadline(), SyncRegistry(store)
    silent: Any = _Silent()
    logger: Any = logging.getLogger("bench")
    reader = Registry(primary, Anonymous(), deadline=deadline)
    writer = Registry(secondary, Anonymous(), deadline=deadline, writes=True)
    registries = Registries(
        primary=reader, secondary=writer, remover=TagRemover(), capabilities=lambda _: Capabilities()
    )
    place = Workplace(
        role="secondary",
        sync_registry=registry,
        registries=_Opened(registries),
        deadline=deadline,
        reporter=Reporter(logger=logger, metrics=silent, sqs=silent, dlq_url="dlq"),
        logger=logger,
    )
    context = IntakeContext(
        role="secondary",
        sync_registry=registry,
        selection=registries.selection,
        registry_names=(reader.name, writer.name),
    )
    refusals = Refusals("secondary", registry, Queue(silent, "dlq"), logger=logger, metrics=silent)
    worker = Worker(place, WorkOptions(), Intake(context, refusals, logger=logger, metrics=silent), refusals)
    reader.ping()
    writer.ping()
    with suppress(EOFError):
        while True:
            pipe.recv()
            pipe.send(("done", (), asdict(_backfill(worker, registry))))


def _backfill(worker: Worker, registry: SyncRegistry) -> Took:
    Path("/proc/self/clear_refs").write_text("5")
    idle, started, cpu_before_s = resident_peak(), time.perf_counter(), time.process_time()
    worker.receive(CatalogueMessage().to_json())
    with ThreadPoolExecutor(WORKERS) as invocations:
        while due := registry.due_repositories(limit=100):
            wakes = [WorkMessage(repository=name, reason="sweep").to_json() for name in due]
            for _ in invocations.map(worker.receive, wakes):
                pass
    return Took(
        seconds=time.perf_counter() - started,
        cpu_s=time.process_time() - cpu_before_s,
        extra=resident_peak() - idle,
    )
