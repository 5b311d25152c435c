import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from local.inventory import Inventory, Process, write_private
from local.processes import command_line, is_alive


@dataclass(frozen=True)
class Server:
    pid: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None


Start = Callable[[Path], Server]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(folder: Path) -> Server:
        command = [sys.executable, "-c", "import time; time.sleep(60)", str(folder)]
        running.append(subprocess.Popen(command))
        # A program that is just being loaded has no command line yet.
        while str(folder) not in command_line(running[-1].pid):
            time.sleep(0.01)
        return Server(running[-1].pid, folder)

    yield begin
    for process in running:
        process.kill()
        process.wait()


def test_noted_processes_are_read_in_the_order_of_their_start(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "processes.json")
    assert inventory.read() == []
    for name in ("emulator", "s3", "emulator"):
        inventory.note(name, Server(1, tmp_path / name))
    assert [process.name for process in inventory.read()] == ["s3", "emulator"]


def test_everything_noted_is_ended_the_newest_first(tmp_path: Path, start: Start) -> None:
    inventory = Inventory(tmp_path / "processes.json")
    servers = [inventory.note(name, start(tmp_path / name)) for name in ("one", "two")]
    assert all(process.is_running for process in inventory.read())
    assert inventory.stop_all() == ["two", "one"]
    assert not any(is_alive(server.pid) for server in servers)
    assert inventory.stop_all() == []


def test_a_process_that_got_the_id_of_ours_is_left_alone(tmp_path: Path, start: Start) -> None:
    inventory = Inventory(tmp_path / "processes.json")
    somebody = start(tmp_path / "somebody")
    inventory.note("s3", Server(somebody.pid, tmp_path / "ours"))
    (noted,) = inventory.read()
    assert not noted.is_running
    assert inventory.stop_all() == []
    assert is_alive(somebody.pid)


def test_a_process_that_has_ended_is_not_running(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path)
    noted = Process(name="s3", pid=server.pid, folder=str(tmp_path))
    assert noted.is_running
    subprocess.run(["kill", str(server.pid)], check=True)
    while is_alive(server.pid):
        time.sleep(0.01)
    assert not noted.is_running


def test_a_private_file_is_replaced_whole_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "stack.json"
    write_private(file, {"password": "first"})
    write_private(file, {"password": "second"})
    assert json.loads(file.read_text()) == {"password": "second"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
