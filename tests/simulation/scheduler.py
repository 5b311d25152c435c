"""One clock and one baton: real threads, of which exactly one runs at a time, in an order that the seed decides.

A task is a thread that waits for the baton. Whoever waits (for time, for another task) gives the baton to the task that
is due next; what is due at the same moment goes by lot. Time jumps to that task's moment. Nothing here reads a real
clock. Threads are kept from one task to the next, and from one world to the next, as to start one costs more than ten
switches.
"""

from __future__ import annotations

import heapq
import math
import os
import threading
from collections.abc import Callable
from random import Random
from typing import Any, Protocol


class Killed(BaseException):
    """Raised in every thread of a killed invocation. No code of ours catches it; its calls have no effect."""


class Stuck(AssertionError):
    """No task can go on, or one goes on for ever."""


class Place(Protocol):
    """What a task belongs to: an invocation at a site, a client, the world itself."""

    is_dead: bool
    """It was killed."""

    @property
    def skew_ms(self) -> int:
        """Its wall clock is so far ahead of the world's."""
        ...


class Task:
    """One thread of the simulation."""

    __slots__ = ("baton", "error", "is_done", "is_woken", "name", "place", "ticket", "waiters")

    def __init__(self, name: str, place: Place, baton: threading.Lock) -> None:
        self.name = name
        self.place = place
        self.baton = baton
        self.ticket = 0  # of its one entry in the heap that counts
        self.is_woken = False
        self.is_done = False
        self.error: BaseException | None = None
        self.waiters: list[Task] = []


class Scheduler:
    """The world's time and its threads. `now_s` is in seconds since the world began."""

    def __init__(self, random: Random, *, most_steps: int = 3_000_000) -> None:
        self.random = random
        self.now_s = 0.0
        self.steps = 0
        self.failure: BaseException | None = None
        """The first error that ends the world: `run` raises it."""
        self.on_step: Callable[[], None] = _nothing
        """Told where a task waits, before the next one goes on; it takes no step itself."""
        self.held: list[str] = []
        """The real locks that are held now, each as the module that made it. Who holds one must not wait."""
        self._most_steps = most_steps
        self._heap: list[tuple[float, float, int, int, Task]] = []
        self._order = 0
        self._ended = threading.Lock()
        self._alive: dict[Task, None] = {}
        self._current: Task | None = None
        self._main: Task | None = None
        self._idle: list[_Worker] = []
        self._stopping = False

    @property
    def current(self) -> Task:
        """The task that has the baton."""
        assert self._current is not None
        return self._current

    # ------------------------------------------------------------------------------------------- from the outside

    def run(self, main: Callable[[], None], place: Place) -> None:
        """Run `main` as the first task, until it ends; then every other task is ended. Raises `failure`."""
        self._ended.acquire()
        self._main = self.spawn(main, "main", place)
        self._give_baton(self._next())
        self._ended.acquire()
        self._stopping = True
        while self._alive:
            self._give_baton(next(iter(self._alive)))
            self._ended.acquire()
        _KEPT.extend(self._idle)
        self.failure = self.failure or self._main.error
        if self.failure is not None:
            raise self.failure

    def fail(self, error: BaseException) -> None:
        """End the world with this error, or an earlier one. Returns to the caller, which ends soon."""
        self.failure = self.failure or error

    # ------------------------------------------------------------------------------------------------- for the tasks

    def spawn(self, run: Callable[[], Any], name: str, place: Place, *, delay_s: float = 0.0) -> Task:
        """Begin a task; it runs when the baton comes to it."""
        worker = self._idle.pop() if self._idle else _KEPT.pop() if _KEPT else _Worker()
        task = Task(name, place, worker.baton)
        self._alive[task] = None
        worker.take(self, task, run)
        self._push(task, self.now_s + delay_s)
        return task

    def sleep(self, seconds: float) -> None:
        """Wait so long, and let others run. Raises Killed."""
        task = self.check()
        self._push(task, self._in(seconds))
        self._switch(task)

    def park(self, timeout_s: float | None = None) -> bool:
        """Wait until this task is woken, at most `timeout_s`. False: it was not. Raises Killed."""
        task = self.check()
        task.is_woken = False
        task.ticket += 1
        if timeout_s is not None:
            self._push(task, self._in(max(timeout_s, 0.0)))
        self._switch(task)
        return task.is_woken

    def wake(self, task: Task) -> None:
        """Have a parked task go on."""
        if not task.is_woken:
            task.is_woken = True
            self._push(task, self.now_s)

    def join(self, task: Task) -> None:
        """Wait until a task has ended. Raises Killed."""
        me = self.check()
        while not task.is_done:
            task.waiters.append(me)
            self.park()

    def kill(self, place: Place) -> None:
        """End every task of a place: each sees Killed at its next step, which is now."""
        place.is_dead = True
        for task in self._alive:
            if task.place is place and task is not self._current:
                self._push(task, self.now_s)

    def alive_at(self, place: Place) -> list[str]:
        """The names of a place's tasks."""
        return [task.name for task in self._alive if task.place is place]

    def check(self) -> Task:
        """The current task; raises Killed where it is dead: it has no effect any more."""
        task = self._current
        assert task is not None
        if self._stopping or task.place.is_dead:
            raise Killed
        return task

    # ------------------------------------------------------------------------------------------------------- within

    def _in(self, seconds: float) -> float:
        """The moment in `seconds`, always later than now: otherwise a task that waits again and again never ends."""
        at_s = self.now_s + seconds
        return max(at_s, math.nextafter(self.now_s, math.inf)) if seconds > 0 else at_s

    def _push(self, task: Task, at_s: float) -> None:
        task.ticket += 1
        self._order += 1
        heapq.heappush(self._heap, (at_s, self.random.random(), self._order, task.ticket, task))

    def _next(self) -> Task:
        """Take the task that is due next; the first one, once the world is to end."""
        if self.steps > self._most_steps:
            self.fail(Stuck(f"no end after {self.steps} steps"))
        while self.failure is None:
            if not self._heap:
                self.fail(Stuck(f"nobody can go on: {', '.join(sorted(task.name for task in self._alive))}"))
                break
            at_s, _, _, ticket, task = heapq.heappop(self._heap)
            if ticket == task.ticket and not task.is_done:
                self.now_s = max(self.now_s, at_s)
                return task
        assert self._main is not None
        return self._main

    def _give_baton(self, task: Task) -> None:
        self.steps += 1
        self._current = task
        task.baton.release()

    def _switch(self, task: Task) -> None:
        if self.held:
            self.fail(Stuck(f"{task.name} waits and holds a lock of {', '.join(self.held)}"))
        self.on_step()
        following = self._next()
        if following is not task:
            self._give_baton(following)
            task.baton.acquire()
        else:
            self.steps += 1
        if self.failure is not None or self._stopping or task.place.is_dead:
            raise Killed

    def _finish(self, task: Task, worker: _Worker) -> None:
        """Note that the current task is over, and give the baton away."""
        task.is_done = True
        del self._alive[task]
        self._idle.append(worker)
        if task.error is not None and not isinstance(task.error, Killed):
            self.fail(task.error)
        if self._stopping or task is self._main:
            self._ended.release()
            return
        for waiter in task.waiters:
            self.wake(waiter)
        self._give_baton(self._next())


class _Worker:
    """One real thread, for one task after another. It sleeps until the baton comes, also while it has no task."""

    def __init__(self) -> None:
        self.baton = threading.Lock()
        self.baton.acquire()
        self._given: tuple[Scheduler, Task, Callable[[], Any]] | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def take(self, scheduler: Scheduler, task: Task, run: Callable[[], Any]) -> None:
        """Run a task, once the baton comes to it."""
        self._given = scheduler, task, run

    def _serve(self) -> None:
        while True:
            self.baton.acquire()
            assert self._given is not None
            scheduler, task, run = self._given
            self._given = None
            try:
                scheduler.check()
                run()
            except BaseException as error:  # noqa: BLE001 - the edge of a thread
                task.error = error
            del run
            scheduler._finish(task, self)
            del scheduler, task


def _nothing() -> None:
    """Do nothing."""


_KEPT: list[_Worker] = []
"""Threads of worlds that ended. A process that was forked has none of them."""
os.register_at_fork(after_in_child=_KEPT.clear)
