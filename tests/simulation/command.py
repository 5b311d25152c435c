"""`make simulate`: runs seeds, several side by side, or replays one of them and prints its story."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from multiprocessing.util import Finalize

from tests.simulation.breaking import RULES, broken
from tests.simulation.functions import load_all
from tests.simulation.run import Focus, Outcome, run
from tests.simulation.shrink import kind_of, shrink
from tests.simulation.story import JUDGED_STEPS

HANGS_S = 1800
"""A seed that takes so long waits for a lock that gives no baton away: the process says where, and ends."""
CHUNK = 20
"""Seeds that a process takes at a time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the arguments ask for."""

    seeds: tuple[int, ...]
    jobs: int
    broken: str | None
    stop: bool
    finds: str
    """A regular expression: the first violation of which a run that stops ends with."""
    focus: Focus


def main() -> int:
    """Run what the arguments ask for. Exit code 1: a violation was found."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="so many seeds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="beginning with this one")
    parser.add_argument("--seed", type=int, action="append", help="this seed; if it is the only one, tell its story")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side")
    parser.add_argument("--break", choices=sorted(RULES), dest="broken", help="without this rule of Geosync's")
    parser.add_argument("--minutes", type=float, help="so long before the rest, instead of as long as the seed says")
    parser.add_argument("--without", action="append", default=[], help="a deed that does not happen (deeds/)")
    parser.add_argument("--often", action="append", default=[], help="a deed that happens more often")
    parser.add_argument("--judge-every", type=int, default=JUDGED_STEPS, help="judge one step in so many; 1: each")
    parser.add_argument("--shrink", action="store_true", help="with one --seed: find a smaller story that fails, too")
    parser.add_argument("--stop", action="store_true", help="end with the first violation (of a broken rule)")
    arguments = parser.parse_args()
    rule = RULES.get(arguments.broken)
    often = (*(rule.often if rule is not None else ()), *arguments.often)
    focus = Focus(arguments.minutes, often, tuple(arguments.without), arguments.judge_every)
    if arguments.seed is not None and len(arguments.seed) == 1:
        return (_shrink if arguments.shrink else _tell)(arguments.seed[0], arguments.broken, focus)
    seeds = arguments.seed or range(arguments.first, arguments.first + arguments.seeds)
    return _run(
        Wanted(tuple(seeds), arguments.jobs, arguments.broken, arguments.stop, rule.finds if rule else "", focus)
    )


def _tell(seed: int, rule: str | None, focus: Focus) -> int:
    with broken(rule):
        outcome = run(seed, keep_story=True, focus=focus)
    print("\n".join(outcome.story))
    print(f"seed {seed}: {outcome.violation or 'nothing false'} (fingerprint {outcome.fingerprint})")
    return int(outcome.violation is not None)


def _shrink(seed: int, rule: str | None, focus: Focus) -> int:
    """Print the arguments of each smaller story as it is found."""
    with broken(rule):
        first = run(seed, focus=focus).violation
        if first is None:
            print(f"seed {seed}: nothing false")
            return 0

        def fails(smaller: Focus) -> bool:
            found = run(seed, focus=smaller).violation
            if found is None or kind_of(found) != kind_of(first):
                return False
            without = "".join(f" --without {name}" for name in smaller.without)
            print(f"--seed {seed} --minutes {smaller.minutes}{without}: {found[:300]}", flush=True)
            return True

        shrink(seed, focus, fails)
    return 1


def _run(wanted: Wanted) -> int:
    began = time.monotonic()
    done = failed = 0
    simulated_s = cpu_s = 0.0
    for outcome in _outcomes(wanted):
        done += 1
        simulated_s += outcome.simulated_s
        cpu_s += outcome.cpu_s
        if outcome.violation is not None:
            failed += 1
            print(f"seed {outcome.seed}: {outcome.violation[:1000]}", flush=True)
            if wanted.stop and re.search(wanted.finds, outcome.violation):
                break
        if done % 1000 == 0:
            print(f"… {done} of {len(wanted.seeds)} seeds, {failed} failed", flush=True)
    hours = simulated_s / 3600
    print(
        f"{done} seeds, {failed} failed; {hours:.1f} hours of three sites in {time.monotonic() - began:.0f} s, "
        f"{1000 * cpu_s / max(done, 1):.0f} ms of CPU a seed"
    )
    return int(failed > 0)


def _outcomes(wanted: Wanted) -> Iterator[Outcome]:
    chunks = [(wanted.seeds[at : at + CHUNK], wanted.broken, wanted.focus) for at in range(0, len(wanted.seeds), CHUNK)]
    if wanted.jobs == 1:
        for chunk in chunks:
            yield from _run_each(*chunk)
        return
    context = get_context("spawn")
    cores: SimpleQueue[int] = context.SimpleQueue()
    for number in range(wanted.jobs):
        cores.put(number)
    with context.Pool(wanted.jobs, pin_apart, (cores,), maxtasksperchild=50) as pool:
        for outcomes in pool.imap_unordered(_run_chunk, chunks):
            yield from outcomes


def pin(number: int | None = None) -> None:
    """Keep the process on one core: its threads run one at a time, and the baton is passed faster there.

    Without a number its own id says on which one.
    """
    with suppress(AttributeError, OSError):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[(os.getpid() if number is None else number) % len(cores)]})


def pin_apart(free: SimpleQueue[int]) -> None:
    """Pin a process of a pool where none of the others is, until it ends: two on one core take twice as long."""
    number = free.get()
    Finalize(None, free.put, (number,), exitpriority=0)
    pin(number)


@cache
def load_once() -> None:
    """Load what every world shares, and have the garbage collector pass over it: it took a tenth of a seed's time.

    A world leaves little behind that only the collector frees, so that it need not look often.
    """
    load_all()
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 100)


def _run_chunk(chunk: tuple[tuple[int, ...], str | None, Focus]) -> list[Outcome]:
    return list(_run_each(*chunk))


def _run_each(seeds: tuple[int, ...], rule: str | None, focus: Focus) -> Iterator[Outcome]:
    load_once()
    with broken(rule):
        for seed in seeds:
            faulthandler.dump_traceback_later(HANGS_S, exit=True)
            yield run(seed, focus=focus)
        faulthandler.cancel_dump_traceback_later()
