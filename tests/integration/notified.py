"""A real primary whose notifications are read here, as its site's endpoint reads them, or refused."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from local.registries import Notifications, RegistrySpec, RunningRegistry, start
from tests.integration.secondary import PATIENCE_S
from tests.support.images import ImageMaker
from tests.support.scripted import Reply, Request, ScriptedServer

from geosync.messages.geo_event import GeoEvent
from geosync.notifications.formats.distribution import parse
from geosync.notifications.judge import Received, judge
from geosync.notifications.request import Delivery


class NotifiedPrimary:
    """A registry in `folder` that posts what happens to it; a context manager.

    `events` holds what was taken; while `refusing`, nothing is, and the registry keeps it in its memory. `on_event` is
    called with each event that is taken, in the order in which they come.
    """

    def __init__(self, folder: Path, *, on_event: Callable[[GeoEvent], object] = lambda _: None) -> None:
        self.events: list[GeoEvent] = []
        self.refusing = False
        self._on_event = on_event
        self._folder = folder
        self._endpoint = ScriptedServer(self._take)
        self._path = "/events/1"
        self._spec = RegistrySpec(name="notified", notifications=self._notifications())
        self.registry: RunningRegistry = start(self._spec, folder)
        self._spec = replace(self._spec, port=self.registry.port)

    @property
    def url(self) -> str:
        """The registry's URL, the same after a restart."""
        return self.registry.url

    def maker(self, seed: int) -> ImageMaker:
        """Return what pushes images here."""
        return ImageMaker(self.url, seed=seed)

    def kill(self) -> None:
        """Kill the process, as a power cut does: its memory is lost."""
        kill(self.registry)

    def start_again(self) -> None:
        """Start the registry again on the same port and data. Notifications of the former process are refused then."""
        self._path = f"/events/{int(self._path.rpartition('/')[2]) + 1}"
        self._spec = replace(self._spec, notifications=self._notifications())
        self.registry = start(self._spec, self._folder)

    def wait_for(self, condition: Callable[[GeoEvent], bool], *, seconds: float = PATIENCE_S) -> GeoEvent:
        """Wait until an event came for which `condition` holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for event in list(self.events):
                if condition(event):
                    return event
            time.sleep(0.01)
        raise AssertionError("the registry did not tell of it")

    def __enter__(self) -> NotifiedPrimary:
        return self

    def __exit__(self, *_: object) -> None:
        self.registry.stop()
        self._endpoint.close()

    def _notifications(self) -> Notifications:
        return Notifications(url=f"{self._endpoint.url}{self._path}", backoff=0.1, timeout=5)

    def _take(self, request: Request) -> Reply:
        if self.refusing or request.path != self._path:
            return Reply(status=503)
        received = Received(
            site="primary",
            source="distribution",
            registry_url=self.registry.url,
            received_at=time.time_ns() // 1_000_000,
        )
        for outcome in judge(parse(Delivery({"body": request.body.decode()})), received):
            if isinstance(outcome, GeoEvent):
                self.events.append(outcome)
                self._on_event(outcome)
        return Reply(status=200)


def kill(registry: RunningRegistry) -> None:
    """End a registry's process at once, and wait until it is gone."""
    os.kill(registry.pid, signal.SIGKILL)
    if registry.process is not None:
        registry.process.wait(timeout=PATIENCE_S)
