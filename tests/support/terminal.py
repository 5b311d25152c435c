"""A program on a terminal of its own: what it shows there, as a person sees it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from unittest.mock import patch

from tests.support.patience import PATIENCE_S

COLUMNS, LINES = 80, 24
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>78])")
"""What moves the cursor or changes the colour."""


def without_escapes(shown: str) -> str:
    """The text without its escape sequences."""
    return ESCAPE.sub("", shown)


def in_its_own_process(command: Sequence[str], streams: Sequence[int], environment: Mapping[str, str]) -> int:
    """Run a command with these standard streams; its exit code. Killed, it fails the caller after 5 minutes."""
    place = dict(zip(("stdin", "stdout", "stderr"), streams, strict=True))
    ended = subprocess.run(command, **place, env=environment, start_new_session=True, timeout=300, check=False)  # type: ignore[call-overload]
    code: int = ended.returncode
    return code


def on_a_terminal(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    typed: str = "",
    run: Callable[[Sequence[str], Sequence[int], Mapping[str, str]], int] = in_its_own_process,
) -> tuple[int, str]:
    """Run a command on a pseudo-terminal of 80 columns; its exit code, and everything it wrote, escapes and all.

    `typed` is what somebody types there. `run` runs it with three standard streams and an environment.
    """
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    known = {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}

    def run_there() -> int:
        try:
            return run(command, (its, its, its), {**known, "TERM": "xterm-256color"})
        finally:
            os.close(its)

    shown = b""
    try:
        os.write(mine, typed.encode())
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(run_there)
            with suppress(OSError):  # EIO: the other end is closed, as the command has ended
                while True:
                    shown += os.read(mine, 65536)
            return running.result(), shown.decode().replace("\r\n", "\n")
    finally:
        os.close(mine)


@contextmanager
def stdout_on_a_terminal(*, kind: str = "xterm-256color") -> Iterator[list[str]]:
    """Have what this process writes to standard output go to a terminal; all that was shown there, at the end."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    shown = bytearray()

    def read() -> None:
        with suppress(OSError):  # EIO: the other end is closed
            while some := os.read(mine, 65536):
                shown.extend(some)

    reader = threading.Thread(target=read)
    reader.start()
    said: list[str] = []
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    try:
        with (
            os.fdopen(its, "w") as terminal,
            patch.object(sys, "stdout", terminal),
            patch.dict(os.environ, {**environment, "TERM": kind}, clear=True),
        ):
            yield said
    finally:
        reader.join(timeout=PATIENCE_S)
        os.close(mine)
        said.append(shown.decode().replace("\r\n", "\n"))
