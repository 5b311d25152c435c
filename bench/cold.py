"""The CPU of a cold start: a fresh interpreter that loads a function's module, or shows the help of the command.

    python -m bench.cold [--quick] [--write bench/README.md]

What is counted is the process's own CPU, from its start until the module is loaded, or the help is shown, with byte
code as the layers and an installed command have it.
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
HELP, MOST_HELP_MS = "geosync --help", 300
HEADINGS = ("what", "least", "median", "at most", "runs")
LOAD = "import app"
SHOW = "import sys; sys.argv[1:] = ['--help']; from geosync.cli.entry import main; main()"
COUNT = "import atexit, sys, time; atexit.register(lambda: sys.stderr.write(f'{time.process_time() * 1000}'))"


def measure(what: str, byte_code: str) -> float:
    """Load a function, or show the help, once; the milliseconds of CPU. Byte code is read and written in a folder."""
    path = os.pathsep.join(map(str, (ROOT / "layers" / "geosync", ROOT / "functions" / what)))
    environment = {"PYTHONPATH": path, "PYTHONPYCACHEPREFIX": byte_code, "AWS_DEFAULT_REGION": "eu-west-1"}
    command = [sys.executable, "-c", f"{COUNT}; {SHOW if what == HELP else LOAD}"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stderr)


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and write the table if asked to; 1 when even the least is too much: other work only adds."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few runs: a look, no measurement")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    arguments = parser.parse_args(given)
    rows, missed = [], []
    with tempfile.TemporaryDirectory(prefix="geosync-bench-") as byte_code:
        for what, most_ms in {**MOST_MS, HELP: MOST_HELP_MS}.items():
            measure(what, byte_code)  # this one compiles
            taken_ms = [measure(what, byte_code) for _ in range(5 if arguments.quick else 15)]
            least_ms, median_ms = min(taken_ms), statistics.median(taken_ms)
            rows.append((what, f"{least_ms:.0f} ms", f"{median_ms:.0f} ms", f"{most_ms} ms", str(len(taken_ms))))
            if least_ms > most_ms:
                missed.append(f"{what}: {least_ms:.0f} ms of CPU, and at most {most_ms} ms is asked for")
    readme.tell("cold", readme.table(HEADINGS, rows), missed, path=arguments.write)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
