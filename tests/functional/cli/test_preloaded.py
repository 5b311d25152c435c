"""The preloaded command behaves as the installed one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from tests.support.preloaded import Preloaded, preloaded
from tests.support.terminal import on_a_terminal

PROGRAM = [sys.executable, "-c", "import sys; sys.argv[0] = 'geosync'; from geosync.cli.entry import main; main()"]


@pytest.fixture(scope="module")
def run() -> Iterator[Preloaded]:
    with preloaded() as running:
        yield running


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["status"], ["nothing"], ["--local", "x", "--local-state", "/nowhere", "status"]],
)
def test_a_preloaded_command_has_the_output_and_exit_code_of_the_installed_one(
    run: Preloaded, arguments: list[str]
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    installed = subprocess.run([*PROGRAM, *arguments], capture_output=True, check=False, env=environment)
    with TemporaryFile() as none, TemporaryFile() as output, TemporaryFile() as error:
        code = run(arguments, [one.fileno() for one in (none, output, error)], environment)
        said = []
        for file in (output, error):
            file.seek(0)
            said.append(file.read())
    assert (code, *said) == (installed.returncode, installed.stdout, installed.stderr)


def test_it_is_on_a_terminal_when_the_caller_gives_one(run: Preloaded, tmp_path: Path) -> None:
    code, shown = on_a_terminal(["--local", "x", "--local-state", str(tmp_path), "status"], environment={}, run=run)
    assert code == 2
    assert "make up starts the local stack" in shown


def test_it_has_the_environment_that_the_caller_gives(run: Preloaded) -> None:
    with TemporaryFile() as file:
        code = run(["status"], [file.fileno()] * 3, {"GEOSYNC_STACK": "", "AWS_CONFIG_FILE": "/dev/null"})
        file.seek(0)
        assert (code, b"which " in file.read()) == (2, True)
