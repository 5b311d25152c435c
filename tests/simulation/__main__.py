"""`python -m tests.simulation`: the command, with a fixed hash seed and this checkout's library."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the command; begin anew first where sets have another order each time: a seed must replay to the byte."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        path = f"{ROOT / 'layers/geosync'}:{ROOT}"
        environ = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path}
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], environ)  # noqa: S606
    from tests.simulation.command import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
