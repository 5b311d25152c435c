"""What a stack has started, on disk, so that another process can look at it and end it, also after a crash half-way."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from local.emulator import stop_emulator
from local.processes import command_line, is_alive, stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the stack. `folder` is on its command line: a process that got the same id later has it not."""

    name: str
    pid: int
    folder: str

    @property
    def is_running(self) -> bool:
        """Whether this very process runs."""
        return is_alive(self.pid) and self.folder in command_line(self.pid)


class Started(Protocol):
    """A server that was started: an emulator, a registry, a token service."""

    @property
    def pid(self) -> int:
        """Its process."""

    @property
    def folder(self) -> Path:
        """Its folder, which its command line names."""

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The child, in the process that has started it."""


_Started = TypeVar("_Started", bound=Started)


class Inventory:
    """The list of processes, in the order of their start. Thread-safe."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def read(self) -> list[Process]:
        """Return what was started, in that order; nothing when there is no file."""
        try:
            return [Process(**entry) for entry in json.loads(self._file.read_text())]
        except FileNotFoundError:
            return []

    def note(self, name: str, started: _Started) -> _Started:
        """Add a process, in the place of one of the same name, and return it.

        From here on it is known by its id alone: it outlives this process, or is ended by `stop_all`.
        """
        if started.process is not None:
            # Popen would warn of a child that nobody waited for.
            started.process.returncode = 0
        process = Process(name=name, pid=started.pid, folder=str(started.folder))
        with self._lock:
            kept = [known for known in self.read() if known.name != name]
            write_private(self._file, [asdict(one) for one in (*kept, process)])
        return started

    def stop_all(self) -> list[str]:
        """End everything, the newest first, and return the names of what was still running."""
        stopped = []
        for process in reversed(self.read()):
            ended = (
                stop_emulator(process.pid, Path(process.folder))
                if process.name == "emulator"
                else stop(process.pid, marker=process.folder)
            )
            if ended:
                stopped.append(process.name)
        return stopped


def write_private(file: Path, document: Any) -> None:
    """Write JSON that only this user can read, in one step: a reader sees the old text or the new one."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        json.dump(document, output, indent=2)
        output.write("\n")
    temporary.replace(file)
