"""The command `geosync` from its first moment on: Ctrl-C is no trace while its modules are read, or it completes."""

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
        raise SystemExit(1) from None  # as click ends one that is interrupted later
