"""The pace at which a wait looks at a site again: soon enough, and not at the same moment as all others."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

SHORTEST_S, LONGEST_S = 0.6, 1.0
"""From the start of one look to that of the next. With a look of up to 0.8 s a wait ends 2 s after the image was seen.

It is drawn anew each time: pipelines that began together do not ask together. A longer pause in a long wait would make
that wait end later, and spare little: ten minutes are some 750 looks of two reads each.
"""
LEAST_PAUSE_S = 0.25
"""After a look that took longer than the time between two."""
MOST_S = 12.0
"""Between two looks that fail, one after the other. The admin API refuses what is over its rate (50 requests a second),
which 40 pipelines reach together: each then asks half as often, and again."""


@dataclass(slots=True)
class LookPace:
    """The moment of the next look at one site: `due_s`, in seconds of the monotonic clock. 0: at once."""

    between: Callable[[float, float], float] = random.uniform
    due_s: float = 0.0
    _failures: int = 0

    def looked(self, began_s: float, *, ended_s: float, has_failed: bool) -> None:
        """Choose the next moment after a look; after a failed one the time doubles, up to MOST_S."""
        self._failures = min(self._failures + 1, 10) if has_failed else 0
        longest_s = min(LONGEST_S * 2**self._failures, MOST_S)
        between_s = self.between(longest_s * SHORTEST_S / LONGEST_S, longest_s)
        self.due_s = max(began_s + between_s, ended_s + LEAST_PAUSE_S)
