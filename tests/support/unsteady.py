"""A pytest plugin that disturbs the timing of threads by a number, so that no verdict leans on who comes first.

pytest -p tests.support.unsteady tests/unit                          the number is printed
pytest -p tests.support.unsteady --timing 4711 tests/unit            those pauses again
pytest -p tests.support.unsteady --again 100 tests/unit/copying      each test a hundred times, each time otherwise

Each test gets how often threads take turns, how often and how long they pause, which of them are slow, and how often
garbage is collected. A thread pauses where it may hand over to another: as it starts one or begins, around locks,
conditions, events, sleeps and a pool's tasks, and where it connects, accepts or receives. The choices of a thread come
from the number, the test and the thread's place among those that the test started: what the machine does beside them is
the one thing that no number repeats.
"""

from __future__ import annotations

import copy
import gc
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, thread
from itertools import count
from typing import Any

import pytest
from tests.support.numbers import RunNumber

_run_number = RunNumber("timing")
_SWITCHES_S = (1e-6, 5e-5, 5e-3, 0.2)
_CHANCES = (0.0, 0.02, 0.1, 0.4)
_LONGEST_S = (0.001, 0.005, 0.02)
_COLLECTED_EVERY = (0, 700, 700, 50)
_TEST_S = 1.0  # what the pauses of one test may take together
_NUMBER = "_number_in_test"
_SLOW_CALLS = 0.002  # of a slow thread's calls, those that pause

_sleep = time.sleep
_allocate_lock = threading.Lock


class _Timing:
    """How one test is disturbed; outside of tests nothing is."""

    def __init__(self, seed: str | None) -> None:
        self._seed = seed
        chosen = random.Random(seed)  # noqa: S311 - the same choices for the same number
        self.switch_s = chosen.choice(_SWITCHES_S)
        self.collected_every = chosen.choice(_COLLECTED_EVERY)
        self.chance = chosen.choice(_CHANCES) if seed is not None else 0.0
        self.longest_s = chosen.choice(_LONGEST_S)
        self.slow_threads = chosen.choice((0.0, 0.0, 0.3))
        self.left_s = _TEST_S
        self._numbers = count()
        self._local = threading.local()

    @property
    def random(self) -> random.Random:
        """The chance of this thread."""
        chance: random.Random | None = getattr(self._local, "random", None)
        if chance is None:
            chance = self._local.random = random.Random(f"{self._seed} of before")  # noqa: S311
        return chance

    def pause(self, times: float = 1.0) -> None:
        """Pause this thread, or not; up to `times` as long as usual."""
        if self.chance and self.left_s > 0 and self.random.random() < self.chance:
            seconds = self.random.uniform(0.0, self.longest_s * times)
            self.left_s -= seconds
            _sleep(seconds)

    def number(self) -> int:
        """The place of a thread among those that the test started."""
        return next(self._numbers)

    def begin(self, number: int) -> None:
        """Begin a thread late, or make it slow in all that it does."""
        self._local.random = random.Random(f"{self._seed} {number}")  # noqa: S311
        self.pause(4)
        if self.random.random() < self.slow_threads and sys.getprofile() is None:
            sys.setprofile(self._dawdle)

    def _dawdle(self, *_: object) -> None:
        if self.left_s > 0 and self.random.random() < _SLOW_CALLS:
            self.left_s -= self.longest_s
            _sleep(self.longest_s)


_now = _Timing(None)


class _Lock:
    """`threading.Lock` with pauses around it."""

    __slots__ = ("__weakref__", "_at_fork_reinit", "_lock", "locked")

    def __init__(self) -> None:
        self._lock = _allocate_lock()
        self.locked = self._lock.locked
        self._at_fork_reinit = self._lock._at_fork_reinit  # type: ignore[attr-defined]

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        _now.pause()
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        self._lock.release()
        _now.pause()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def _paused(owner: Any, name: str, *, before: float = 0.0, after: float = 0.0) -> None:
    """Let a method pause before and after, up to so many times as long as usual."""
    original: Callable[..., Any] = getattr(owner, name)

    def paused(*args: Any, **kwargs: Any) -> Any:
        if before:
            _now.pause(before)
        answer = original(*args, **kwargs)
        if after:
            _now.pause(after)
        return answer

    setattr(owner, name, paused)


def _install() -> None:
    start, run = threading.Thread.start, threading.Thread.run

    def started(self: threading.Thread) -> None:
        setattr(self, _NUMBER, _now.number())
        start(self)
        _now.pause(4)

    def begun(self: threading.Thread) -> None:
        _now.begin(getattr(self, _NUMBER, 0))
        run(self)

    setattr(threading, "Lock", _Lock)  # noqa: B010 - mypy takes no other class for it
    setattr(threading.Thread, "start", started)  # noqa: B010
    setattr(threading.Thread, "run", begun)  # noqa: B010
    for owner in (threading.Condition, threading.Event):
        _paused(owner, "wait", after=1)
    _paused(threading.Condition, "notify", before=1)
    _paused(threading.Event, "set", before=1, after=1)
    _paused(thread._WorkItem, "run", before=2)
    _paused(Future, "set_result", before=1, after=1)
    _paused(time, "sleep", after=1)
    for name in ("connect", "accept", "recv", "recv_into"):
        _paused(socket.socket, name, before=1)


_install()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--timing", type=int, metavar="NUMBER", help="disturb the threads by this number")
    parser.addoption("--again", type=int, metavar="TIMES", default=1, help="run each test so many times")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    _run_number.choose(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    _run_number.tell(node)


def pytest_report_header(config: pytest.Config) -> str:
    return f"timing: --timing {_run_number.of(config)} --again {config.option.again}"


@pytest.hookimpl(tryfirst=True)  # `shuffled` mixes them afterwards where it is loaded as well
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    first = list(items)
    for _ in range(1, config.option.again):
        for item in first:
            again = copy.copy(item)
            if isinstance(again, pytest.Function):
                again._initrequest()
            items.append(again)


_times: dict[str, Iterator[int]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    global _now  # noqa: PLW0603 - the methods above are everybody's
    time_of_test = next(_times.setdefault(item.nodeid, count()))
    interval_s, threshold, undisturbed = sys.getswitchinterval(), gc.get_threshold(), _now
    timing = _Timing(f"{_run_number.of(item.config)} {item.nodeid} {time_of_test}")
    sys.setswitchinterval(timing.switch_s)
    gc.set_threshold(timing.collected_every, *threshold[1:])
    _now = timing
    try:
        return (yield)
    finally:
        _now = undisturbed
        sys.setswitchinterval(interval_s)
        gc.set_threshold(*threshold)
