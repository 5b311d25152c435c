"""Seeds of worlds that `make simulate` does not run, with the library whole or without one of its rules."""

from __future__ import annotations

import argparse
import faulthandler
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any, Protocol, TypeVar

from tests.simulation.command import HANGS_S, load_once, pin

PROGRESS = 500
"""Seeds after which a line says how far it is."""


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
    crashes: Callable[[_End], int] = lambda _: 0,
) -> list[_End]:
    """Run the seeds that the command line names, each for so many minutes; returns how they ended.

    With `--break`, the library lacks a rule of `breaks`, and the first seed in which something is false is the last.
    With `--crashes`, seeds are run until there were so many, as `crashes` counts them.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--crashes", type=int, help="run seeds until so many invocations were killed")
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--break", choices=sorted(breaks), dest="broken")
    arguments = parser.parse_args()
    load_once()
    pin()
    ended: list[_End] = []
    for seed in count(arguments.first):
        is_enough = (
            len(ended) >= arguments.seeds
            if arguments.crashes is None
            else sum(map(crashes, ended)) >= arguments.crashes
        )
        if is_enough:
            break
        faulthandler.dump_traceback_later(HANGS_S, exit=True)
        with breaks[arguments.broken]() if arguments.broken else nullcontext():
            ended.append(run(seed, arguments.minutes))
        if (violation := ended[-1].violation) is not None:
            print(f"seed {seed}: {violation}", flush=True)
            if arguments.broken:
                break
        if len(ended) % PROGRESS == 0:
            print(f"… {len(ended)} seeds, {sum(map(crashes, ended))} crashes", flush=True)
    faulthandler.cancel_dump_traceback_later()
    return ended
