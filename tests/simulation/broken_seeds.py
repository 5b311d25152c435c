"""Seeds of worlds that `make simulate` does not run, with the library whole or without one of its rules."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar

from tests.simulation.functions import load_all


class SeedEnd(Protocol):
    """The end of a seed: what was false in it, None: nothing."""

    @property
    def violation(self) -> str | None: ...


_End = TypeVar("_End", bound=SeedEnd)


def run_seeds(
    run: Callable[[int, float], _End],
    breaks: Mapping[str, Callable[[], AbstractContextManager[Any]]],
    *,
    minutes: float,
    about: str | None,
) -> list[_End]:
    """Run the seeds that the command line names, each for so many minutes; returns how they ended.

    With `--break`, the library lacks a rule of `breaks`, and the first seed in which something is false is the last.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--break", choices=sorted(breaks), dest="broken")
    arguments = parser.parse_args()
    load_all()
    ended: list[_End] = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        with breaks[arguments.broken]() if arguments.broken else nullcontext():
            ended.append(run(seed, arguments.minutes))
        if (violation := ended[-1].violation) is not None:
            print(f"seed {seed}: {violation}", flush=True)
            if arguments.broken:
                break
    return ended
