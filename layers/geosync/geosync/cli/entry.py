"""The command `geosync` from its first moment on: Ctrl-C while its modules are still read is no trace either."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from geosync.cli.main import main as commands  # noqa: PLC0415 - Ctrl-C while it is read is caught
    except KeyboardInterrupt:
        sys.stderr.write("Aborted!\n")
        raise SystemExit(1) from None  # as click ends one that is interrupted later
    commands()
