"""Runs the command many times from one process that has loaded everything: each run is a fork of it.

Loading takes as long as several seeds. A request is a line with the arguments, as JSON; so is the answer, with the exit
code and all that was printed. It ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence

from tests.simulation import command


def main() -> None:
    """Answer until there is no more input."""
    command.load_once()
    for line in sys.stdin:
        code, output = _run(json.loads(line))
        print(json.dumps({"code": code, "output": output}), flush=True)


def _run(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the command in a fork: its exit code, and what it printed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        for stream in (1, 2):
            os.dup2(writing, stream)
        _end(arguments)
    os.close(writing)
    with os.fdopen(reading) as printed:
        output = printed.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), output


def _end(arguments: Sequence[str]) -> None:
    """Run the command, and end this process as it ends."""
    code = 1
    try:
        sys.argv = ["tests.simulation", *arguments]
        command.pin()
        code = command.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - whoever asked reads it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
