"""Calls to S3 in threads of their own: side by side, and left alone when nobody can wait for them any longer.

S3 answers a copy when it is done, which may take minutes, and the SDK has no way to end a call that is under way. An
invocation ends when its time is over, whatever S3 does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from geosync.threads import SYSTEM_THREADS, Threads

POLL_S = 0.5
"""Seconds between two looks at whether anybody still waits."""

_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class _Running(Generic[_Answer]):
    """Calls under way: those to begin, and what came of the others by their number."""

    calls: Sequence[Callable[[], _Answer]]
    ended: threading.Event
    workers: int
    begun: int = 0
    answers: dict[int, _Answer] = field(default_factory=dict)
    error: Exception | None = None
    given_up: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> int | None:
        with self.lock:
            if self.given_up or self.error is not None or self.begun >= len(self.calls):
                self.workers -= 1
                if not self.workers:
                    self.ended.set()
                return None
            self.begun += 1
            return self.begun - 1

    def work(self) -> None:
        while (number := self.next()) is not None:
            try:
                answer = self.calls[number]()
            except Exception as error:  # noqa: BLE001 - a thread's edge: whoever waits raises it
                self.error = self.error or error
            else:
                self.answers[number] = answer


class S3Calls:
    """Runs calls. Thread-safe."""

    def __init__(self, threads: Threads = SYSTEM_THREADS) -> None:
        self._threads = threads

    def run(
        self, calls: Sequence[Callable[[], _Answer]], check: Callable[[], None], *, at_once: int = 1
    ) -> list[_Answer]:
        """Return the answers in the order of the calls, at most `at_once` of which run at a time.

        `check` is asked while they run. What it raises ends the wait, and no further call is begun. A call under way is
        left with its thread then, so a call must do no harm when it ends late. The first error ends it as well, after
        the calls under way.
        """
        workers = min(at_once, len(calls))
        running = _Running(calls, self._threads.event(), workers)
        for _ in range(workers):
            self._threads.start(running.work, name="s3")
        try:
            while not running.ended.wait(POLL_S):
                check()
        except BaseException:
            running.given_up = True
            raise
        if running.error is not None:
            raise running.error
        return [running.answers[number] for number in range(len(calls))]
