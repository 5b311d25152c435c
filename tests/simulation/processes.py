"""The simulation in a process of its own: it replaces parts of the library, and needs sets in one order."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRON = {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT / 'layers/geosync'}:{ROOT}", "PATH": ""}


@dataclass(frozen=True, slots=True)
class Ended:
    """A run's end. `is_clean`: nothing false was found."""

    is_clean: bool
    output: str


def simulate(*arguments: str) -> Ended:
    """Run `make simulate` with arguments, in one process: a fork of one that has loaded everything."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    print(json.dumps(["--jobs", "1", *arguments]), file=server.stdin, flush=True)
    answer = json.loads(server.stdout.readline())
    return Ended(answer["code"] == 0, answer["output"])


def simulate_apart(*arguments: str) -> Ended:
    """Run it in a process of its own, which is no fork."""
    done = run_module("tests.simulation", "--jobs", "1", *arguments)
    return Ended(done.returncode == 0, done.stdout + done.stderr)


def run_module(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module in a process of its own."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env=ENVIRON, capture_output=True, text=True, check=False)


@cache
def _server() -> subprocess.Popen[str]:
    """The process that the runs are forks of; it ends with this one."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.simulation.server"],
        cwd=ROOT,
        env=ENVIRON,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    return server
