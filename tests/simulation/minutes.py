"""EventBridge: it starts a site's minute at least once, and may be late. In calm weather once, and on time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.simulation.calls import Caller
from tests.simulation.scheduler import Scheduler

MINUTE_S = 60.0
LATE_S = 60.0
"""What waits for longer is dropped (MaximumEventAgeInSeconds)."""


@dataclass(slots=True)
class Minutes:
    """The schedule of one site's minute. `twice` and `late`: the shares of its minutes that are started so."""

    start: Callable[[], None]
    scheduler: Scheduler
    place: Caller
    lots: Random
    """Apart from what else happens, which stays the same in calm weather."""
    twice: float = 0.0
    late: float = 0.0

    def run(self) -> None:
        """Start the minute for as long as the world goes on."""
        while True:
            self._start(is_late=self.lots.random() < self.late)
            if self.lots.random() < self.twice:
                self._start(is_late=self.lots.random() < 0.5)
            self.scheduler.sleep(MINUTE_S)

    def calm(self) -> None:
        """Start each minute once, and on time, from now on."""
        self.twice = self.late = 0.0

    def _start(self, *, is_late: bool) -> None:
        if is_late:
            delay_s = self.lots.random() * LATE_S
            self.scheduler.spawn(self.start, "late minute", self.place, delay_s=delay_s)
        else:
            self.start()
