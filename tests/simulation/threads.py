"""Geosync's threads, pools, locks, events and conditions as the scheduler runs them, with the standard interfaces."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, cast

from tests.simulation.scheduler import Killed, Place, Scheduler, Stuck, Task

from geosync.threads import Threads

REAL_LOCK = threading.Lock
YIELDS = 1 / 8
"""The share of free locks at which whoever takes one lets others go first."""


class SimulatedThreads(Threads):
    """SYSTEM_THREADS in a simulated world."""

    __slots__ = ()

    scheduler: ClassVar[Scheduler]

    def start(self, run: Callable[[], None], *, name: str) -> threading.Thread:
        """Begin a task of the same invocation."""
        scheduler = self.scheduler
        task = scheduler.spawn(run, name, scheduler.check().place)
        return cast(threading.Thread, _Thread(scheduler, task))

    def pool(self, limit: int, *, name: str) -> Executor:
        """A pool whose tasks belong to the invocation that submits them."""
        return _Pool(self.scheduler, limit, name)

    def lock(self) -> threading.Lock:
        """A lock whose waiters pass the baton on."""
        return cast(threading.Lock, _Lock(self.scheduler))

    def event(self) -> threading.Event:
        """An event whose waiters pass the baton on."""
        return cast(threading.Event, _Event(self.scheduler))

    def condition(self) -> threading.Condition:
        """A condition whose waiters pass the baton on."""
        return cast(threading.Condition, _Condition(self.scheduler))


def short_lock() -> threading.Lock:
    """Make a lock, as `threading.Lock` does: for Geosync's modules one that notes that it is held."""
    maker = str(sys._getframe(1).f_globals.get("__name__"))
    if not maker.startswith("geosync."):
        return REAL_LOCK()
    return cast(threading.Lock, _ShortLock(SimulatedThreads.scheduler, maker))


class _ShortLock:
    """A lock of a few lines: who waits while it is held ends the world, as the next one would block for good.

    So nobody else can want it meanwhile.
    """

    __slots__ = ("_is_held", "_maker", "_scheduler")

    def __init__(self, scheduler: Scheduler, maker: str) -> None:
        self._scheduler = scheduler
        self._maker = maker
        self._is_held = False

    def __enter__(self) -> bool:
        if self._is_held:
            self._scheduler.fail(Stuck(f"who holds a lock of {self._maker} wants it again"))
        self._is_held = True
        self._scheduler.held.append(self._maker)
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_held = False
        self._scheduler.held.remove(self._maker)


class InOneThread(Threads):
    """Pools that run work where it is submitted, for the judges: their reads take no time and no thread waits."""

    __slots__ = ()

    def pool(self, limit: int, *, name: str) -> Executor:
        """A pool that runs work where it is submitted."""
        return _AtOnce()


class _AtOnce(Executor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return cast(Future[Any], _Done(fn(*args, **kwargs)))

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
        return iter([fn(*args) for args in zip(*iterables, strict=False)])


class _Done:
    """The result of work that ran where it was submitted; its error was raised there."""

    __slots__ = ("_result",)

    def __init__(self, result: Any) -> None:
        self._result = result

    def result(self, _: float | None = None) -> Any:
        return self._result


class _Thread:
    def __init__(self, scheduler: Scheduler, task: Task) -> None:
        self._scheduler = scheduler
        self._task = task

    def join(self) -> None:
        self._scheduler.join(self._task)


class _Lock:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._owner: Task | None = None
        self._waiting: deque[Task] = deque()

    def acquire(self) -> bool:
        scheduler = self._scheduler
        task = scheduler.check()
        if scheduler.random.random() < YIELDS:
            scheduler.sleep(0.0)
        while self._owner is not None:
            self._waiting.append(task)
            scheduler.park()
        self._owner = task
        return True

    def release(self) -> None:
        self._owner = None
        while self._waiting:
            task = self._waiting.popleft()
            if not task.is_done:
                self._scheduler.wake(task)
                return

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class _Condition(_Lock):
    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self._listening: deque[Task] = deque()

    def wait(self, timeout: float | None = None) -> bool:
        task = self._scheduler.check()
        self._listening.append(task)
        self.release()
        woken = self._scheduler.park(timeout)
        if not woken:
            self._listening.remove(task)
        self.acquire()
        return woken

    def notify(self, n: int = 1) -> None:
        for _ in range(min(n, len(self._listening))):
            self._scheduler.wake(self._listening.popleft())

    def notify_all(self) -> None:
        self.notify(len(self._listening))


class _Event:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False
        self._waiting: list[Task] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            self._scheduler.wake(task)

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        task = self._scheduler.check()
        if self._is_set:
            return True
        self._waiting.append(task)
        woken = self._scheduler.park(timeout)
        if not woken:
            self._waiting.remove(task)
        return self._is_set or woken


class _Future:
    """What the library uses of a Future. One thread runs at a time, so that it needs no lock of its own."""

    __slots__ = ("_callbacks", "_ended", "_error", "_is_cancelled", "_is_done", "_result")

    def __init__(self, scheduler: Scheduler) -> None:
        self._ended = _Event(scheduler)
        self._callbacks: list[Callable[[Any], object]] = []
        self._is_cancelled = self._is_done = False
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self, work: Callable[[], Any]) -> None:
        """Do the work, unless it was cancelled; what Killed ends has no end."""
        if self._is_cancelled:
            return
        try:
            self._result = work()
        except Killed:
            raise
        except BaseException as error:  # noqa: BLE001 - what an executor does
            self._error = error
        self._end()

    def _end(self) -> None:
        self._is_done = True
        self._ended.set()
        for callback in self._callbacks:
            callback(self)

    def cancel(self) -> bool:
        if not self._is_done:
            self._is_cancelled = True
            self._error = CancelledError()
            self._end()
        return self._is_cancelled

    def done(self) -> bool:
        return self._is_done

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        if self._is_done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def result(self, timeout: float | None = None) -> Any:
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._result

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if not self._ended.wait(timeout):
            raise TimeoutError
        return self._error


class _Pool(Executor):
    """Each piece of work is a task of whoever submits it; a pool that is kept has none between two invocations."""

    def __init__(self, scheduler: Scheduler, limit: int, name: str) -> None:
        self._scheduler = scheduler
        self._limit = limit
        self._name = name
        self._waiting: deque[Callable[[], None]] = deque()
        self._running: dict[Task, None] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it in a thread, once one is free."""
        place = self._scheduler.check().place
        future = _Future(self._scheduler)

        self._waiting.append(partial(future.run, partial(fn, *args, **kwargs)))
        if len(self._running) < self._limit:
            self._begin(place)
        return cast(Future[Any], future)

    def _begin(self, place: Place) -> None:
        def serve() -> None:
            try:
                while self._waiting:
                    self._waiting.popleft()()
            finally:
                self._running.pop(task, None)

        task = self._scheduler.spawn(serve, self._name, place)
        self._running[task] = None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what was submitted."""
        if cancel_futures:
            self._waiting.clear()
        while wait and self._running:
            self._scheduler.join(next(iter(self._running)))
