"""The emulator's workers are forked: a process, an environment and streams of their own, and modules in common."""

from __future__ import annotations

import os
import queue
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from local import emulator_process
from local.emulator import ROOT
from local.emulator_process import ForkedWorker, log_of

SHARED = """
import os
with open(os.environ["READ"], "a") as log:
    log.write("shared\\n")
"""
OWN = "import missing, shared\n"
PROGRAM = """
import os, sys
sys.path[:0] = [os.environ["_LAMBDA_LAYERS_DIRS"] + "/python", os.getcwd()]
import shared
def answer(text):
    sys.stdout.write(text)
    sys.stdout.flush()
answer("ready\\n")
for line in sys.stdin:
    if line != "nothing\\n":
        print("seen", line, end="", file=sys.stderr)
    answer(f"{os.getpid()} {os.environ['NAME']} {line}")
raise SystemExit(3)
"""


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A layer with a module that writes down that it is read."""
    templates: dict[Any, Any] = {}
    monkeypatch.setattr(emulator_process, "_templates", templates)
    monkeypatch.setenv("READ", str(tmp_path / "read"))
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "layer" / "python" / "shared.py").write_text(SHARED)
    yield tmp_path / "layer"
    for way, process in templates.values():
        way.close()
        process.wait(timeout=60)


Worker = Callable[[str], ForkedWorker]


@pytest.fixture
def worker(layer: Path) -> Iterator[Worker]:
    """Have workers of a function with that layer, by name; they end with the test."""
    made: list[ForkedWorker] = []

    def start(name: str) -> ForkedWorker:
        code = layer.parent / name / "code"
        code.mkdir(parents=True)
        (code / "app.py").write_text(OWN)
        (code / "broken.py").write_text("def\n")
        program = layer.parent / name / "_worker.py"
        program.write_text(PROGRAM)
        environment = {"_LAMBDA_LAYERS_DIRS": str(layer), "NAME": name, "READ": os.environ["READ"]}
        made.append(ForkedWorker([sys.executable, str(program)], cwd=str(code), env=environment))
        assert made[-1].stdout.readline() == "ready\n"
        return made[-1]

    yield start
    for one in made:
        one.kill()
        for stream in (one.stdin, one.stdout, one.stderr, one._life):
            stream.close()


def ask(one: ForkedWorker, line: str) -> str:
    one.stdin.write(f"{line}\n")
    one.stdin.flush()
    return one.stdout.readline().strip()


def test_workers_of_the_same_layers_have_read_a_module_once_and_share_nothing_else(layer: Path, worker: Worker) -> None:
    first, second = worker("first"), worker("second")
    assert ask(first, "one") == f"{first.pid} first one"
    assert ask(second, "two") == f"{second.pid} second two"
    assert (first.stderr.readline(), second.stderr.readline()) == ("seen one\n", "seen two\n")
    assert Path(os.environ["READ"]).read_text() == "shared\n"
    assert first.pid != second.pid
    assert Path(f"/proc/{first.pid}/cwd").resolve() == layer.parent / "first" / "code"


SESSIONS = """
import boto3, botocore.session
from local import worker_template
if {shared}:
    worker_template._read_descriptions()
    worker_template._read_descriptions()
one, other = (boto3.Session(region_name="eu-west-1")._session.get_component("data_loader") for _ in range(2))
print(one is other, botocore.session.create_loader("/elsewhere") is one)
print(boto3.client("sqs", region_name="eu-west-1").meta.endpoint_url)
"""


def test_sessions_of_a_worker_share_what_was_read_of_the_services_and_find_the_same() -> None:
    alone, shared = (
        subprocess.run(
            [sys.executable, "-c", SESSIONS.format(shared=shared)],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout.splitlines()
        for shared in (False, True)
    )
    assert (alone[0], shared[0]) == ("False False", "True False")
    assert alone[1] == shared[1]


def test_a_worker_ends_when_nobody_asks_any_more_or_when_it_is_told_to(worker: Worker) -> None:
    by_itself, told, killed = (worker(name) for name in ("by-itself", "told", "killed"))
    assert [one.poll() for one in (by_itself, told, killed)] == [None] * 3
    with pytest.raises(subprocess.TimeoutExpired):
        told.wait(timeout=0.01)
    by_itself.stdin.close()
    told.terminate()
    killed.kill()
    assert [one.wait(timeout=60) for one in (by_itself, told, killed)] == [emulator_process.ENDED] * 3
    told.kill()  # which is nothing any more
    assert told.stdout.read() == ""


def test_a_worker_is_known_alive_or_gone_by_any_descriptor(worker: Worker) -> None:
    """The emulator has over a thousand open at times, which `select.select` does not take."""
    one, high = worker("late"), 1500
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with one._life as life:
        one._life = socket.socket(fileno=os.dup2(life.fileno(), high))
    assert one.poll() is None
    one.kill()
    assert one.wait(timeout=60) == emulator_process.ENDED


def emulators(one: ForkedWorker) -> Any:
    """A worker as the emulator keeps it: a thread of its own puts what is on standard error into a queue."""
    held = SimpleNamespace(_proc=one, _stderr_queue=queue.Queue())

    def read() -> None:
        for line in one.stderr:
            held._stderr_queue.put(line.rstrip("\n"))

    threading.Thread(target=read, daemon=True).start()
    return held


def test_the_log_of_an_invocation_is_what_was_written_before_its_answer(worker: Worker) -> None:
    one = worker("talks")
    held = emulators(one)
    logs = []
    for line in ("one", "nothing", "nothing", "two"):
        ask(one, line)
        logs.append(log_of(held))
    assert logs == ["seen one", "", "", "seen two"]
    ask(one, "one")
    ask(one, "two")  # an answer that nobody has read the log of: the next one's is not it
    assert [log_of(held), log_of(held)] == ["seen one", "seen two"]


def test_the_log_of_a_worker_that_is_gone_ends_without_a_mark(worker: Worker) -> None:
    one = worker("goes")
    held = emulators(one)
    ask(one, "one")
    assert log_of(held) == "seen one"
    one.kill()
    assert log_of(held) == ""
    held._proc = None
    held._stderr_queue.put("the last words")
    assert log_of(held) == "the last words"
