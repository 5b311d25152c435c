"""The memory that one copy takes over what the process has when it is idle and warm.

    python -m bench.peak SOURCE_URL DESTINATION_URL WARM_REPOSITORY REPOSITORY TAG

Copies REPOSITORY:TAG after it has copied WARM_REPOSITORY:TAG, and prints {"idle", "peak", "extra", "seconds"} as JSON,
in bytes and seconds. For Linux: the high-water mark of the resident set is reset between the two.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from bench.ours import copy_tag, reader, writer

ROOT = Path(__file__).resolve().parent.parent


def measure(source: str, destination: str, warm: str, repository: str, tag: str) -> dict[str, float]:
    """Copy in a process of its own; returns what it printed."""
    command = [sys.executable, "-m", "bench.peak", source, destination, warm, repository, tag]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    """Measure one copy in this process."""
    source_url, destination_url, warm, repository, tag = sys.argv[1:]
    source, destination = reader(source_url), writer(destination_url)
    copy_tag(source, destination, warm, tag)
    Path("/proc/self/clear_refs").write_text("5")
    idle = resident_peak()
    started = time.perf_counter()
    copy_tag(source, destination, repository, tag)
    seconds = time.perf_counter() - started
    peak = resident_peak()
    print(json.dumps({"idle": idle, "peak": peak, "extra": peak - idle, "seconds": seconds}))


def resident_peak() -> int:
    """The high-water mark of this process's resident set, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
