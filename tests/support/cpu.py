"""Processor time of work that no counter sees; a test compares one measurement with another."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.garbage import uncollected


def cpu_s(run: Callable[[], object]) -> float:
    """Processor seconds that this thread spends on `run`: the least of three runs, as disturbances only add."""
    took: list[float] = []
    with uncollected():
        for _ in range(3):
            started = time.thread_time()
            run()
            took.append(time.thread_time() - started)
    return min(took)
