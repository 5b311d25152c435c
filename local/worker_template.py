"""The process that a function's workers are forked from: it has read the modules of the function's layers.

A worker that reads them for itself takes half a second of processor time, some hundred times in a run of the
end-to-end tests. Only modules are shared, and what botocore's own files say of the services that all functions use. The
function's own code is read by each worker, in its own environment.

Started by `emulator_process.py`, with a socket as standard input. Each message on it asks for one worker.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

MESSAGE_BYTES = 1 << 17
"""More than an environment of Lambda, which has 4 KB, and the emulator's own variables."""
SERVICES = ("dynamodb", "secretsmanager", "sns", "sqs")
"""Those whose descriptions are read for all workers: a tenth of a second for each that would read them for itself."""
DESCRIPTORS = 4
"""Standard input, output and error of the worker, and what is open for as long as it lives."""
_shared_loaders: list[Any] = []


class Answers:
    """A worker's standard output. Each answer after the first, which says that it is ready, is preceded by a mark.

    The mark is written to standard error: what the worker logged until then is read before it.
    """

    def __init__(self, end_of_log: str) -> None:
        self._stream = open(1, "w")  # noqa: SIM115
        self._mark = f"{end_of_log}\n"
        self._is_ready = False

    def write(self, text: str) -> int:
        """Write an answer."""
        if self._is_ready:
            sys.stderr.write(self._mark)
        self._is_ready = True
        return self._stream.write(text)

    def flush(self) -> None:
        """Have it read."""
        self._stream.flush()


def main() -> None:
    """Fork for each message, until the asking process is gone."""
    signal.signal(
        signal.SIGCHLD, signal.SIG_IGN
    )  # nothing waits for a worker; the asking process sees its socket close
    with socket.socket(fileno=sys.stdin.fileno()) as asked:
        while True:
            message, descriptors, _, _ = socket.recv_fds(asked, MESSAGE_BYTES, DESCRIPTORS)
            if not message:
                return
            worker = json.loads(message)
            _read_modules(worker)
            if os.fork() == 0:
                asked.detach()
                _become(worker, descriptors)
            for one in descriptors:
                os.close(one)


def _read_modules(worker: dict[str, Any]) -> None:
    """Read what the code names at its top, as far as the layers have it. What is missing is the worker's to say."""
    own = sys.path[:]
    sys.path[:0] = [f"{layer}/python" for layer in worker["layers"]]
    try:
        for module in _named(Path(worker["cwd"])):
            with suppress(ImportError):
                import_module(module)
        _read_descriptions()
    finally:
        sys.path[:] = own
    gc.collect()
    gc.freeze()  # so that a collection in a worker does not copy what all of them share


def _read_descriptions() -> None:
    """Have all sessions of boto3 share one loader, which has read the descriptions; once, and where boto3 is read."""
    boto3: Any = sys.modules.get("boto3")
    session: Any = sys.modules.get("botocore.session")
    if boto3 is None or session is None or _shared_loaders:
        return
    make = session.create_loader
    _shared_loaders.append(make())
    session.create_loader = lambda path=None: _shared_loaders[0] if path is None else make(path)
    one = boto3.Session("none", "none", region_name="eu-west-1")
    for service in SERVICES:
        one.client(service)


def _named(code: Path) -> Iterator[str]:
    """Yield the modules that the files of a function's code import first of all."""
    statements: list[ast.stmt] = []
    for file in code.glob("*.py"):
        with suppress(SyntaxError):
            statements += ast.parse(file.read_bytes()).body
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (one.name for one in statement.names)
        if isinstance(statement, ast.ImportFrom) and statement.module is not None:
            yield statement.module
            yield from (f"{statement.module}.{one.name}" for one in statement.names)


def _become(worker: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Run the emulator's program for a worker, as a process that was started anew would."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, life = descriptors
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    sys.stdin, answers = open(0), Answers(worker["end_of_log"])  # noqa: SIM115
    sys.stdout = cast("TextIO", answers)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    os.chdir(worker["cwd"])
    os.environ.clear()
    os.environ.update(worker["environment"])
    os.write(life, str(os.getpid()).encode())
    program = worker["program"]
    sys.argv = [program]
    sys.path.insert(0, str(Path(program).parent))
    code = 0
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - a fault is shown as Python shows it
        sys.excepthook(*sys.exc_info())
        code = 1
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
