"""Counts the rounds of an operation: how many of its requests to DynamoDB wait for the answer of another.

Each request takes a second of a simulated clock, and threads take turns under its scheduler. So requests that are under
way at one time take one second together, whatever the machine does meanwhile, and the seconds are the rounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from tests.simulation.scheduler import Scheduler
from tests.simulation.threads import SimulatedThreads

ROUND_S = 1.0


@dataclass(frozen=True, slots=True)
class Counted:
    """The rounds of an operation, and its requests by their kind."""

    rounds: int
    requests: Counter[str]


@dataclass(slots=True)
class _Here:
    is_dead: bool = False
    skew_ms: int = 0


class Rounds:
    """Counts one operation with a client. The threads of what is counted have to be `threads`."""

    def __init__(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._scheduler = Scheduler(Random(1))  # noqa: S311 - the order of threads
        monkeypatch.setattr(SimulatedThreads, "scheduler", self._scheduler, raising=False)
        self.threads = SimulatedThreads()
        self._requests: Counter[str] | None = None
        client.meta.events.register("before-call.dynamodb.*", self._request)

    def of(self, run: Callable[[], object]) -> Counted:
        """Run the operation; return what it took."""
        self._requests = Counter()

        def main() -> None:
            run()

        self._scheduler.run(main, _Here())
        return Counted(round(self._scheduler.now_s / ROUND_S), self._requests)

    def _request(self, model: Any, **_: Any) -> None:
        if self._requests is not None:
            self._requests[model.name] += 1
            self._scheduler.sleep(ROUND_S)
