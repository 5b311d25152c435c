"""`python -m tests.simulation SEEDS [--from N] [--jobs J]`: run seeds; `--seed N`: replay one, and print its story."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import suppress

from tests.simulation.run import run


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": "layers/geosync:."})  # noqa: S606
    if arguments.seed is not None:
        outcome = run(arguments.seed, keep_story=True)
        print("\n".join(outcome.story))
        print(outcome.violation or "no violation", outcome.fingerprint)
        return
    with suppress(OSError, AttributeError):
        os.sched_setaffinity(0, {arguments.first % (os.cpu_count() or 1)})
    began = time.process_time()
    failed = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        outcome = run(seed)
        if outcome.violation:
            failed += 1
            print(f"seed {seed}: {outcome.violation[:600]}", flush=True)
    print(f"{arguments.seeds} seeds, {failed} failed, {(time.process_time() - began) / arguments.seeds:.3f} s each")


if __name__ == "__main__":
    main()
