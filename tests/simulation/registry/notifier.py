"""A registry's notifications: one after the other, again until they are taken, kept in memory only."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

from tests.simulation.clock import EPOCH_MS
from tests.simulation.registry.server import Server
from tests.simulation.scheduler import Scheduler

BACKOFF_S = 1.0
Post = Callable[[str], bool]
"""Posts a body to the site's endpoint; False: it was not answered with 200."""


class Notifier:
    """Posts what happens at one registry. `loses`: the share of notifications that it never posts."""

    def __init__(self, server: Server, scheduler: Scheduler, random: Random) -> None:
        self.post: Post = lambda _: True
        self.loses = 0.0
        self.twice = 0.0
        self.lost: list[dict[str, Any]] = []
        self._server = server
        self._scheduler = scheduler
        self._random = random
        self._numbers = count(1)
        self._waiting: deque[dict[str, Any]] = deque()
        server.on_event = self.notify
        self._task = scheduler.spawn(self._run, "notifier", server.place)

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """The events that are not posted yet."""
        return list(self._waiting)

    def notify(self, action: str, repository: str, tag: str | None, digest: str | None, media_type: str | None) -> None:
        """Queue one event."""
        now_ms = EPOCH_MS + int(self._scheduler.now_s * 1000) + self._server.place.skew_ms
        target = {"repository": repository, "tag": tag, "digest": digest, "mediaType": media_type}
        event = {
            "id": f"{self._server.host}-{next(self._numbers)}",
            "timestamp": datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(),
            "action": action,
            "target": {name: value for name, value in target.items() if value is not None},
            "request": {"id": f"request-{now_ms}"},
        }
        if self._random.random() < self.loses:
            self.lost.append(event)
            return
        self._waiting.append(event)
        self._scheduler.wake(self._task)

    def restart(self) -> None:
        """Lose the undelivered events, which are in memory only."""
        self.lost += self._waiting
        self._waiting.clear()

    def _run(self) -> None:
        while True:
            if not self._waiting:
                self._scheduler.park()
                continue
            event = self._waiting[0]
            taken = not self._server.is_down and self.post(json.dumps({"events": [event]}))
            if not taken:
                self._scheduler.sleep(BACKOFF_S)
                continue
            if self._random.random() < self.twice:
                self.post(json.dumps({"events": [event]}))
            if self._waiting and self._waiting[0] is event:
                self._waiting.popleft()
