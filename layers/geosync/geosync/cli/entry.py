"""The entry point of `geosync`. Ctrl-C leaves no traceback, also while modules are imported or a shell completes."""

from __future__ import annotations

import os
import sys

COMPLETING = "_GEOSYNC_COMPLETE"
"""The variable with which a shell asks what may follow."""


def main() -> None:
    """Run the command line."""
    try:
        from geosync.cli.main import main as commands  # noqa: PLC0415 - Ctrl-C while it is read is caught

        commands()
    except KeyboardInterrupt:
        if COMPLETING not in os.environ:  # nothing is written into somebody's command line
            sys.stderr.write("Aborted!\n")
        raise SystemExit(1) from None  # as click exits on a later Ctrl-C
