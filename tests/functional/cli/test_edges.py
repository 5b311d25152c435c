"""Behaviour of every command: help on a narrow terminal, missing configuration, output that nobody reads."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import click
import pytest
from click.testing import CliRunner
from tests.functional.cli.conftest import REGION, Site
from tests.support.terminal import COLUMNS, stdout_on_a_terminal

from geosync.cli import entry
from geosync.cli.choosing import contexts
from geosync.cli.main import main
from geosync.sync_registry.items import Reference


def groups(command: click.Command, *name: str) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        yield name
        for word, child in command.commands.items():
            yield from groups(child, *name, word)


@pytest.mark.parametrize("name", list(groups(main)), ids=" ".join)
def test_help_says_of_every_command_what_it_does_in_a_line_of_80_columns(name: tuple[str, ...]) -> None:
    lines = CliRunner().invoke(main, [*name, "--help"], terminal_width=COLUMNS).output.splitlines()
    commands = lines[lines.index("Commands:") + 1 :]
    assert commands
    assert [line for line in commands if line.endswith("...") or len(line) > COLUMNS] == []


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        ([], {}, "which region? --region REGION"),
        (["--region", REGION], {}, "there are no credentials for AWS: --profile PROFILE"),
        (["--region", REGION, "--profile", "nope"], {}, "The config profile (nope) could not be found"),
    ],
)
def test_what_is_not_configured_is_said_with_the_way_out(
    options: list[str], environment: dict[str, str], said: str, tmp_path: Path
) -> None:
    known = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    with patch.dict(os.environ, known | environment, clear=True):
        answer = CliRunner().invoke(main, ["--stack", "geosync-test", *options, "status"])
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in answer.stderr


def code(*arguments: str) -> int:
    """Run a command with the standard output as it is; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["--stack", "geosync-test", "--region", REGION, *arguments])
    return int(str(ended.value.code))


@pytest.fixture
def more_than_one(secondary: Site) -> Site:
    for name in ("group/a", "group/b"):
        secondary.sync_registry.mark(name, Reference.tag("v1"))
        assert secondary.sync_registry.acquire(name) is not None
    return secondary


def test_a_locale_without_the_character_gets_another_one(
    more_than_one: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = io.BytesIO()
    with patch.object(sys, "stdout", io.TextIOWrapper(taken, encoding="latin-1", write_through=True)):
        assert code("repositories", "--limit", "1") == 0
        assert taken.getvalue().splitlines()[-1] == b"? and more (--limit)"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", [["repositories"], ["repositories", "--json"]], ids=["table", "document"])
def test_a_reader_that_is_gone_ends_it_in_silence(
    more_than_one: Site, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    os.close(read)
    with suppress(BrokenPipeError), os.fdopen(write, "w") as stdout, patch.object(sys, "stdout", stdout):
        assert code(*command) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("command", [["repositories"], ["repositories", "--json"]], ids=["table", "document"])
def test_a_full_disk_is_one_line(
    more_than_one: Site,
    command: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(full, write_through=True))
        assert code(*command) == 2
    assert capsys.readouterr().err == "Error: [Errno 28] No space left on device\n"


def test_with_its_output_closed_there_is_the_exit_code_still(more_than_one: Site) -> None:
    with patch.object(sys, "stdout", None):
        assert code("show", "group/a") == 1
        assert code("show", "group/a", "--json") == 1


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_a_terminal_that_is_to_have_no_colours_gets_none(more_than_one: Site, variable: dict[str, str]) -> None:
    with stdout_on_a_terminal() as shown, patch.dict(os.environ, variable):
        assert code("status") == 1
    assert "owed" in shown[0]
    assert "\x1b[3" not in shown[0]  # SGR 30 to 37: colours


def test_ctrl_c_while_the_modules_are_read_is_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    reading = ModuleType("geosync.cli.main")
    reading.__dict__["__getattr__"] = interrupted
    with patch.dict(sys.modules, {"geosync.cli.main": reading}), pytest.raises(SystemExit) as ended:
        entry.main()
    assert (ended.value.code, capsys.readouterr().err) == (1, "Aborted!\n")


def test_ctrl_c_in_a_completion_writes_nothing_into_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"_GEOSYNC_COMPLETE": "bash_complete", "COMP_WORDS": "geosync --context o", "COMP_CWORD": "2"}
    interrupted = patch.object(contexts, "read", side_effect=KeyboardInterrupt)
    program = patch.object(sys, "argv", ["geosync"])
    with patch.dict(os.environ, asked), program, interrupted, pytest.raises(SystemExit) as ended:
        entry.main()
    assert (ended.value.code, *capsys.readouterr()) == (1, "", "")


def test_the_entry_point_runs_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(sys, "argv", ["geosync", "--help"]), pytest.raises(SystemExit) as ended:
        entry.main()
    assert (ended.value.code, "See and steer a Geo site." in capsys.readouterr().out) == (0, True)
