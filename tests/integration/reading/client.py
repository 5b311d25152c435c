"""A client who pulls at a secondary: the library behind functions/pull, before a real registry."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.integration.secondary import Secondary

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.messages.queues import Queue
from geosync.oci.deadline import Deadline
from geosync.reading.line import Line
from geosync.reading.own_registry import OwnRegistry
from geosync.reading.promise import Promise
from geosync.reading.pulls import Puller
from geosync.reading.site import ReadingSite
from geosync.reading.waiting import Whereabouts
from geosync.sync_registry.site import catalogue, recovery
from geosync.sync_registry.table.changes import Update
from geosync.threads import SYSTEM_THREADS

MAX_STALENESS_MS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """The answer of a pull."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of the answer's first error, in the specification's form."""
        return str(json.loads(self.body)["errors"][0]["code"])


class _Metrics:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def put(self, values: Mapping[str, float], _unit: str = "Count") -> None:
        self.counts.update({name: int(value) for name, value in values.items() if value})


class _LiveQueue:
    """Hands each wake to the secondary's worker at once, in a thread of its own; `paused` keeps them."""

    def __init__(self, secondary: Secondary) -> None:
        self._secondary = secondary
        self._threads: list[threading.Thread] = []
        self.sent: list[str] = []
        self.works = True

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803 - SQS's
        for entry in Entries:
            self.sent.append(entry["MessageBody"])
            if self.works:
                thread = threading.Thread(target=self._secondary.worker.receive, args=(entry["MessageBody"],))
                thread.start()
                self._threads.append(thread)
        return {}

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


class Client:
    """Pulls at `secondary`, whose registry is at `url` (None: the one that the secondary writes to).

    Its waits pass on `clock`.
    """

    def __init__(
        self, secondary: Secondary, *, url: str | None = None, clock: Clock = SYSTEM_CLOCK, **promise: Any
    ) -> None:
        self.secondary = secondary
        self.sync_registry = secondary.sync_registry
        self.metrics = _Metrics()
        self.live = _LiveQueue(secondary)
        self.deadline = Deadline(clock)
        about: dict[str, Any] = {"role": "secondary", "max_staleness_ms": MAX_STALENESS_MS, **promise}
        sqs: Any = self.live
        logger: Any = logging.getLogger("client")
        metrics: Any = self.metrics
        self.own = OwnRegistry(url or secondary.secondary_proxy.url, self.deadline)
        names = (secondary.registries.primary.name, secondary.registries.secondary.name)
        site = ReadingSite(
            promise=Promise(**about),
            registry=self.own,
            whereabouts=Whereabouts(
                sync_registry=self.sync_registry,
                primary=None,
                selection=None,
                registry_names=names,
                deadline=self.deadline,
            ),
            line=Line(self.sync_registry, Queue(sqs, "live"), Queue(sqs, "work"), logger),
            threads=SYSTEM_THREADS,
        )
        self._puller = Puller(site, logger=logger, metrics=metrics)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.join()
        self.own.close()

    def account(self, ago_s: float = 100) -> None:
        """Record that everything pushed until `ago_s` seconds ago is marked, and a comparison complete."""
        at = time.time_ns() // 1_000_000 - round(ago_s * 1000)
        walk = {"started_at": at, "finished_at": at, "touched_at": at, "proved_at": at, "settled_at": at}
        store = self.secondary.store
        store.write(Update(key=catalogue.KEY, set=walk))
        store.write(Update(key=recovery.RECOVERY, set={"sent_at": at, "point": at}))

    def pull(
        self,
        path: str,
        *,
        method: str = "GET",
        authorization: str | None = None,
        seconds: float = 29.0,
        query: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Got:
        """Send a request, in an invocation of `seconds`."""
        self.deadline.set(seconds)
        given = headers | ({"Authorization": authorization} if authorization is not None else {})
        event = {"httpMethod": method, "path": path, "headers": given, "queryStringParameters": query}
        answer = self._puller.answer(event)
        assert answer["isBase64Encoded"] is False
        return Got(status=answer["statusCode"], headers=answer["headers"], body=answer["body"].encode())
