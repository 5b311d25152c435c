"""Lambda: the real handlers of functions/, in execution environments that are kept. An invocation can be killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from types import CodeType, SimpleNamespace
from typing import Any

from tests.simulation.calls import Caller
from tests.simulation.scheduler import Scheduler, Stuck
from tests.simulation.threads import SimulatedThreads

FUNCTIONS = Path(__file__).parents[2] / "functions"
COLD = 0.1
"""The share of invocations that begin in a new execution environment though one is idle."""
COLD_OF_API = 0.02
"""The same of the API, whose routes take as long to build as ten answers, and which keeps little in its environment."""
TIMEOUTS_S = {"notifications": 10.0, "log_cursor": 120.0, "sync": 900.0, "reconcile": 60.0, "admin": 29.0, "pull": 29.0}


@dataclass(frozen=True, slots=True)
class Ended:
    """An invocation's end: its answer or its crash (an error, a kill, a time-out)."""

    answer: Any = None
    crashed: str | None = None


@dataclass(slots=True)
class Context:
    """The Lambda context."""

    aws_request_id: str
    left_ms: Callable[[], int]
    function_name: str = "function"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:000000000000:function:function"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is killed."""
        return self.left_ms()


@dataclass(slots=True)
class Function:
    """One function of one site. `kills`: the share of its invocations that are killed at one of their calls."""

    name: str
    site: str
    scheduler: Scheduler
    random: Random
    environ: Callable[[], Mapping[str, str]]
    parts: Callable[[], Mapping[str, Any]]
    """What stands in place of boto3, requests and the logger in a new execution environment."""
    offset_ms: Callable[[], int]
    on_crash: Callable[[str, Exception], None]
    """Told of each error that a handler let through."""
    on_ended: Callable[[Caller, Any, Ended], None] = lambda *_: None
    """Told of each invocation that ended, with its event."""
    kills: float = 0.0
    most_calls: int = 60
    throttled: float = 0.0
    """The share of its invocations that Lambda refuses, as the account has too many."""
    running: int = 0
    invoked: int = 0
    _idle: list[dict[str, Any]] = field(default_factory=list)
    _version: int = 0
    _running_of: Counter[int] = field(default_factory=Counter)

    @property
    def is_new(self) -> bool:
        """Tell whether every invocation from before the last update has ended."""
        return self.running == self._running_of[self._version]

    def forget(self) -> None:
        """Have every later invocation begin anew: the function was updated."""
        self._idle.clear()
        self._version += 1

    def invoke(self, event: Any, on_end: Callable[[Ended], None]) -> None:
        """Begin an invocation; `on_end` is called when it is over."""
        random, scheduler = self.random, self.scheduler
        if self.throttled and random.random() < self.throttled:
            scheduler.spawn(lambda: on_end(Ended(crashed="throttled")), "lambda", _LAMBDA)
            return
        self.invoked += 1
        self.running += 1
        place = Caller(f"{self.name}@{self.site}/{self.invoked}", self.offset_ms, began_s=scheduler.now_s)
        if random.random() < self.kills:
            place.kill_in = 1 + int(random.random() ** 2 * self.most_calls)
        cold = COLD_OF_API if self.name == "admin" else COLD
        module = self._idle.pop() if self._idle and random.random() >= cold else self._load()
        version, timeout_s = self._version, TIMEOUTS_S[self.name]
        self._running_of[version] += 1
        until_s = scheduler.now_s + timeout_s
        context = Context(place.name, lambda: int((until_s - scheduler.now_s) * 1000))
        over = SimulatedThreads().event()
        ended: list[Ended] = []

        def run() -> None:
            try:
                answer = module["handler"](event, context)
            except Exception as error:  # noqa: BLE001 - what Lambda does
                self.on_crash(f"{place.name} crashed", error)
                ended.append(Ended(crashed=f"{type(error).__name__}: {error}"))
            else:
                ended.append(Ended(answer))
                if left := [name for name in scheduler.alive_at(place) if name != "handler"]:
                    scheduler.fail(Stuck(f"{place.name} ended, and its threads go on: {left}"))
                if version == self._version:
                    self._idle.append(module)
            over.set()

        def watch() -> None:
            place.on_kill = over.set
            scheduler.spawn(run, "handler", place)
            if not over.wait(timeout_s):
                scheduler.kill(place)
            self.running -= 1
            self._running_of[version] -= 1
            end = ended[0] if ended else Ended(crashed="killed")
            self.on_ended(place, event, end)
            on_end(end)

        scheduler.spawn(watch, "lambda", _LAMBDA)

    def call(self, event: Any, timeout_s: float, on_end: Callable[[Ended], None]) -> Ended | None:
        """Invoke, and wait for the end; None: the caller gave up first. `on_end` is told either way."""
        over, ended = SimulatedThreads().event(), list[Ended]()

        def end(one: Ended) -> None:
            on_end(one)
            ended.append(one)
            over.set()

        self.invoke(event, end)
        over.wait(timeout_s)
        return ended[0] if ended else None

    def _load(self) -> dict[str, Any]:
        # While it is loaded, too: it makes its logger then.
        module = _loaded(self.name)
        module.update(self.parts())
        module["os"] = SimpleNamespace(environ=dict(self.environ()))
        return module


_LAMBDA = Caller("lambda")


def load_all() -> None:
    """Load what the functions import, before a world is run."""
    for name in TIMEOUTS_S:
        _loaded(name)


def _loaded(name: str) -> dict[str, Any]:
    module: dict[str, Any] = {"__name__": f"functions.{name}.app", "__file__": str(_path(name))}
    exec(_code(name), module)  # noqa: S102 - the function's own code
    return module


def _path(name: str) -> Path:
    return FUNCTIONS / name / "app.py"


@cache
def _code(name: str) -> CodeType:
    return compile(_path(name).read_text(), str(_path(name)), "exec")
