"""The command `geosync` in a process of its own, without the half second in which each reads its modules.

A server has read them, and forks for each command: with the caller's standard streams, environment and arguments. So a
command is a process as ever, with pipes or a terminal and an exit code, and only its imports are shared.

    python -m tests.support.preloaded SOCKET
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
SERVICES = [
    "apigateway",
    "cloudformation",
    "dynamodb",
    "events",
    "lambda",
    "logs",
    "secretsmanager",
    "sns",
    "sqs",
    "sts",
]
"""Those that a command asks."""
_LENGTH = 4


class Preloaded:
    """Runs commands by the server that listens at `address`."""

    def __init__(self, address: Path) -> None:
        self._address = str(address)

    def __call__(
        self, arguments: Sequence[str], streams: Sequence[int], environment: Mapping[str, str] | None = None
    ) -> int:
        """Run `geosync` with these arguments and file descriptors of standard input, output and error; its exit code.

        `environment`: None is this process's.
        """
        asked = json.dumps([list(arguments), dict(os.environ if environment is None else environment)]).encode()
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self._address)
            fds = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))
            line.sendmsg([len(asked).to_bytes(_LENGTH, "big")], [fds])
            line.sendall(asked)
            answer = line.recv(_LENGTH)
        if not answer:
            raise RuntimeError("the server of the preloaded command is gone")
        return int.from_bytes(answer, "big")


@contextmanager
def preloaded() -> Iterator[Preloaded]:
    """Start a server, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder) / "geosync"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "tests.support.preloaded", str(address)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield Preloaded(address)
            server.terminate()


# ── the server ──


def serve(address: str) -> NoReturn:
    """Fork for each caller."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for a command
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    _read_modules()
    print("ready", flush=True)  # noqa: T201 - to whoever started it
    while True:
        called, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in called:
            sys.exit()  # whoever started it is gone
        line, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(line)
        line.close()


def _read_modules() -> None:
    """Read what any command reads, as far as it follows from files alone."""
    import boto3
    from tests.support import aws_data

    from geosync.cli.main import main

    aws_data.share()
    assert all(command.name for command in main.commands.values())
    session: Any = boto3.Session("none", "none", region_name="eu-west-1")
    for service in SERVICES:
        session.client(service)  # reads the description of the service


def _answer(line: socket.socket) -> NoReturn:
    """Run the command in a child, and send its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, ancillary, _, _ = line.recvmsg(_LENGTH, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    streams = array.array("i")
    streams.frombytes(ancillary[0][2])
    asked = bytearray()
    while len(asked) < int.from_bytes(head, "big"):
        asked += line.recv(65536)
    arguments, environment = json.loads(asked)
    child = os.fork()
    if child == 0:
        line.close()
        _run(arguments, environment, streams)
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    line.sendall((code if code >= 0 else 128 - code).to_bytes(_LENGTH, "big"))
    os._exit(0)


def _run(arguments: list[str], environment: dict[str, str], streams: Any) -> NoReturn:
    """Become the command."""
    os.setsid()
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (open(place, mode) for place, mode in enumerate("rww"))  # noqa: PTH123, SIM115
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["geosync", *arguments]
    # By it click knows how the program was started, and it was not `python -m`.
    sys.modules["__main__"].__spec__ = None
    sys.modules["__main__"].__package__ = None
    from geosync.cli.entry import main

    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - a fault is shown as Python shows it
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
