"""The CPU of a cold start: a fresh interpreter that loads a function's module, with byte code as the layers have it.

    python -m bench.cold [--quick] [--write bench/README.md]

What is counted is the process's own CPU, from its start until the module is loaded.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import readme

ROOT = Path(__file__).resolve().parent.parent
MOST_MS = {"notifications": 190, "sync": 310, "admin": 470}
"""Milliseconds of CPU for each function."""
HEADINGS = ("function", "least", "median", "at most", "runs")
LOAD = "import app, time; print(time.process_time() * 1000)"


def measure(function: str, byte_code: str) -> float:
    """Load a function once; returns the milliseconds of CPU. Byte code is read from, and written to, `byte_code`."""
    path = os.pathsep.join(map(str, (ROOT / "layers" / "geosync", ROOT / "functions" / function)))
    environment = {"PYTHONPATH": path, "PYTHONPYCACHEPREFIX": byte_code, "AWS_DEFAULT_REGION": "eu-west-1"}
    command = [sys.executable, "-c", LOAD]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when even the least is too much: other work only adds."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few runs: a look, no measurement")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    rows, missed = [], []
    with tempfile.TemporaryDirectory(prefix="geosync-bench-") as byte_code:
        for function, most_ms in MOST_MS.items():
            measure(function, byte_code)  # this one compiles
            taken_ms = [measure(function, byte_code) for _ in range(5 if arguments.quick else 15)]
            least_ms, median_ms = min(taken_ms), statistics.median(taken_ms)
            rows.append((function, f"{least_ms:.0f} ms", f"{median_ms:.0f} ms", f"{most_ms} ms", str(len(taken_ms))))
            if least_ms > most_ms:
                missed.append(f"{function}: {least_ms:.0f} ms of CPU, and at most {most_ms} ms is asked for")
    lines = readme.table(HEADINGS, rows)
    print("\n".join([*lines, *missed]))
    if arguments.write is not None:
        readme.replace(arguments.write, "cold", [f"{readme.machine()}:", "", *lines])
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
