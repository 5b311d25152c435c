"""Processor time of a piece of work, for what no counter sees: one measurement is compared with another of the test."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def cpu_s(run: Callable[[], object]) -> float:
    """Processor seconds that this thread spends on `run`: the least of three, as anything else only adds to it.

    The garbage collector looks through all that a long-lived process has: it is no part of it.
    """
    was_enabled, took = gc.isenabled(), list[float]()
    gc.disable()
    try:
        for _ in range(3):
            started = time.thread_time()
            run()
            took.append(time.thread_time() - started)
    finally:
        if was_enabled:
            gc.enable()
    return min(took)
