"""The simulation in a process of its own: it replaces parts of the library, and needs sets in one order."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """A run's end. `is_clean`: nothing false was found."""

    is_clean: bool
    output: str


def environ() -> dict[str, str]:
    """The environment of a process with a world in it."""
    return {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT / 'layers/geosync'}:{ROOT}", "PATH": ""}


def simulate(*arguments: str) -> Ended:
    """Run `make simulate` with arguments, in one process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--jobs", "1", *arguments],
        cwd=ROOT,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode == 0, done.stdout + done.stderr)
