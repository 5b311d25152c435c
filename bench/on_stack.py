"""The options of the measurements on the local stack, which `make up` has begun."""

from __future__ import annotations

import argparse
from pathlib import Path

from local.stack import STATE


def options(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Return the options of `python -m bench.NAME`, which its docstring describes: the stack's folder, and the file."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=(doc or "").partition("\n")[0])
    parser.add_argument("--state", type=Path, default=STATE, help="the folder of the stack's files (default: .local)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    return parser
