"""Threads for a copy: short tasks first, the large ones few at a time.

A task must never wait for another task: what has to come after something is submitted when that something ends. So any
number of threads, even one, gets through any graph, and there is no pool inside a pool to run dry.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from geosync.threads import SYSTEM_THREADS, Threads

Task = Callable[[], None]

HEAVY = 16 * 1024 * 1024
"""Bytes from which a task counts as heavy. A few large layers fill the line; more of them at once only finish later,
and when the invocation ends a finished layer is kept while a half one is lost."""


class Workers:
    """Up to `most` threads, started when there is something for them to do; at most `most_heavy` are on heavy tasks.

    Tasks must not raise: whoever submits them carries their errors to where they belong.
    """

    def __init__(self, *, most: int, most_heavy: int, threads: Threads = SYSTEM_THREADS) -> None:
        self._limit = most
        self._heavy_limit = most_heavy
        self._start = threads.start
        self._condition = threads.condition()
        self._order = itertools.count()
        self._light: list[tuple[int, int, Task]] = []
        self._heavy: list[tuple[int, int, Task]] = []
        self._heavy_running = 0
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, task: Task, *, size: int) -> None:
        """Run `task` soon; `size` (bytes it will move) decides its turn: smaller first, then first come first served.

        After `close` a task is dropped.
        """
        with self._condition:
            if self._closed:
                return
            heap = self._heavy if size >= HEAVY else self._light
            heapq.heappush(heap, (size, next(self._order), task))
            if self._idle >= self._runnable():
                self._condition.notify()
            elif len(self._threads) < self._limit:
                self._threads.append(self._start(self._work, name=f"copy-{len(self._threads)}"))

    def close(self) -> None:
        """Drop what has not started, wait for what has; afterwards no thread of this object is alive."""
        with self._condition:
            self._closed = True
            self._light.clear()
            self._heavy.clear()
            self._condition.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _runnable(self) -> int:
        return len(self._light) + min(len(self._heavy), self._heavy_limit - self._heavy_running)

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            task, heavy = taken
            task()
            if heavy:
                with self._condition:
                    self._heavy_running -= 1
                    self._condition.notify()

    def _take(self) -> tuple[Task, bool] | None:
        with self._condition:
            while not self._closed:
                if self._light:
                    return heapq.heappop(self._light)[2], False
                if self._heavy and self._heavy_running < self._heavy_limit:
                    self._heavy_running += 1
                    return heapq.heappop(self._heavy)[2], True
                self._idle += 1
                self._condition.wait()
                self._idle -= 1
            return None
