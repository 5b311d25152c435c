"""All measurements: `python -m bench`, which is what `make bench` runs on the stack of `make up`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from local.stack import STATE

from bench import (
    arrivals,
    backfill,
    buckets,
    cold,
    copy,
    dashboard,
    deployed,
    drill,
    endpoint,
    lines,
    memory,
    overtaken,
    pulls,
    shared,
    status,
    tags,
    usual_memory,
)


def main() -> int:
    """Run all measurements and keep their tables; 1 when a target is missed or a push was not synced."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="All measurements")
    parser.add_argument("--state", type=Path, default=STATE, help="the folder of the stack's files (default: .local)")
    parser.add_argument(
        "--quick", action="store_true", help="few pairs and pushes, no table kept: a look, no measurement"
    )
    options = parser.parse_args()
    # As an interrupt: registries are ended and folders removed on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    kept = [] if options.quick else ["--write", str(Path(__file__).with_name("README.md"))]
    # Each prints what it has, also when the other has missed something.
    missed = [
        deployed.main(["--state", str(options.state), "--pushes", "5" if options.quick else "50", *kept]),
        overtaken.main(
            ["--state", str(options.state), *(["--pushes", "20", "--seconds", "2"] if options.quick else kept)]
        ),
        pulls.main(["--state", str(options.state), *(["--pulls", "20", "--pushes", "5"] if options.quick else kept)]),
        arrivals.main(["--state", str(options.state), *(["--pushes", "10"] if options.quick else kept)]),
        drill.main(["--state", str(options.state), *(["--pushes", "3"] if options.quick else kept)]),
        dashboard.main(["--state", str(options.state), *(["--runs", "3"] if options.quick else kept)]),
        copy.main(["--quick"] if options.quick else kept),
        tags.main(["--quick"] if options.quick else kept),
        shared.main(["--quick"] if options.quick else kept),
        lines.main(["--quick"] if options.quick else kept),
        buckets.main(["--quick"] if options.quick else kept),
        memory.main(["--quick"] if options.quick else kept),
        usual_memory.main(["--quick"] if options.quick else kept),
        backfill.main(["--quick"] if options.quick else kept),
        status.main(["--quick"] if options.quick else kept),
        endpoint.main(["--quick"] if options.quick else kept),
        cold.main(["--quick"] if options.quick else kept),
    ]
    return max(missed)


if __name__ == "__main__":
    sys.exit(main())
