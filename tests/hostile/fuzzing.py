"""Runs a property over many hostile inputs: the same ones each time, and fresh ones that can be had again.

A property says what no input may do. `attack` holds what is common to all of them: no exception but Geosync's own, a
bound on the lines of Python that run, a bound on the bytes that are held, and an error that can be shown to anybody.
"""

from __future__ import annotations

import os
import secrets
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy
from tests.support.garbage import uncollected

from geosync.errors import GeosyncError

SEEDS = ("fixed", "fresh")
FIXED = 20_261_129
FRESH = int(os.environ.get("FUZZ_SEED") or secrets.randbits(32))
"""Another one in each process: FUZZ_SEED=<the number that a failure names> has its inputs again."""
TIMES = float(os.environ.get("FUZZ_TIMES", "1"))
"""So many times the usual number of inputs: FUZZ_TIMES=100 for a night."""
SECRET = "hunter2-the-secret-of-a-registry"
"""Put wherever a secret may be: a password, a token, a presigned URL."""
LONGEST_ERROR = 3000
"""Characters of an error: names of 255, eight codes of 64, words of 200, and the advice."""
_ALL = list(HealthCheck)
#: To make an input smaller takes minutes: only for whoever asks for the same inputs again.
_PHASES = (Phase.generate, Phase.shrink) if "FUZZ_SEED" in os.environ else (Phase.generate,)

Example = TypeVar("Example")


def fuzz(
    strategy: SearchStrategy[Example],
    check: Callable[[Example], object],
    seeds: str,
    *,
    examples: int,
    kept: Iterable[Example] = (),
) -> None:
    """Have `check` hold for each of the `kept` inputs, and for so many of `strategy`."""
    for one in kept:
        check(one)
    number = FIXED if seeds == "fixed" else FRESH

    @seed(number)
    @settings(
        max_examples=max(int(examples * TIMES), 1),
        database=None,
        derandomize=False,
        deadline=None,
        phases=_PHASES,
        suppress_health_check=_ALL,
    )
    @given(strategy)
    def run(example: Example) -> None:
        check(example)

    try:
        run()
    except BaseException as error:
        error.add_note(f"the same inputs again: FUZZ_SEED={number} (the parameter is {seeds})")
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What an input of so many bytes may cost: lines of Python, and bytes held at one time."""

    steps: int = 6_000
    steps_per_byte: float = 12.0
    held: int = 512 * 1024
    held_per_byte: float = 60.0


USUAL = Bounds()


def attack(
    run: Callable[[], object],
    size: int,
    *,
    bounds: Bounds = USUAL,
    errors: tuple[type[Exception], ...] = (GeosyncError,),
) -> object:
    """Run what reads an input of `size` bytes; return its result, or the error of `errors` that it raises.

    Fails for any other exception, for more steps or bytes than the bounds allow, and for an error that is not to be
    shown: one that holds a secret or a control character, or is longer than any row keeps.
    """
    found: object
    cost = _Cost()
    with uncollected(), cost:
        try:
            found = run()
        except errors as error:
            found = error
    assert cost.steps <= bounds.steps + bounds.steps_per_byte * size, f"{cost.steps} steps for {size} bytes"
    assert cost.held <= bounds.held + bounds.held_per_byte * size, f"{cost.held} bytes held for {size} bytes"
    if isinstance(found, Exception):
        check_text(str(found))
        check_text(repr(found))
    return found


def check_text(text: str) -> None:
    """Fail for a text that may not reach a log, a row or a terminal as it is."""
    assert text.isprintable(), f"control characters in {text!r}"
    assert SECRET not in text, text
    assert len(text) <= LONGEST_ERROR, f"{len(text)} characters: {text[:200]}"


class _Cost:
    """Counts the lines that this thread executes and the bytes that it holds, as a context manager."""

    def __init__(self) -> None:
        self.steps = self.held = 0

    def __enter__(self) -> None:
        tracemalloc.start()
        self._before = sys.gettrace()
        sys.settrace(self._trace)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)
        self.held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    def _trace(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        self.steps += event == "line"
        return self._trace
