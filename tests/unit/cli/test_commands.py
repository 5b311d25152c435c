"""The list of commands: what `geosync --help` says without reading one of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click

from geosync.cli.commands import CommandsOnDemand
from geosync.cli.main import main

MODULES_READ = """
import contextlib, io, json, sys
from geosync.cli.entry import main
before = set(sys.modules)
sys.argv = ["geosync", *sys.argv[1:]]
shown = io.BytesIO()
with contextlib.redirect_stdout(io.TextIOWrapper(shown, write_through=True)), contextlib.suppress(SystemExit):
    main()
print(json.dumps([shown.getvalue().decode(), sorted(set(sys.modules) - before)]))
"""
HEAVY = {"boto3", "botocore", "requests", "cryptography", "urllib3"}


def run(*arguments: str, **environment: str) -> tuple[str, set[str]]:
    """Run the command in a process of its own: what it shows, and the modules that it reads for that."""
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    program = [sys.executable, "-c", MODULES_READ, *arguments]
    ended = subprocess.run(program, capture_output=True, text=True, check=True, env=surroundings)
    shown, read = json.loads(ended.stdout)
    return shown, set(read)


def test_the_help_reads_no_command_and_nothing_of_aws() -> None:
    shown, read = run("--help")
    assert "status" in shown
    ours = {"main", "commands", "choosing", "choosing.options"}
    assert {name for name in read if name.startswith("geosync")} == {f"geosync.cli.{name}" for name in ours}
    assert not (HEAVY | {"rich"}) & read
    assert len(read) < 120, read  # some 80 of them are click's; with boto3 there were 900


def test_completing_commands_and_contexts_reads_nothing_of_aws(tmp_path: Path) -> None:
    """A shell asks with each key."""
    for line, wanted in (("geosync sta", "status"), ("geosync --context o", "oregon")):
        config = tmp_path / "geosync" / "config.json"
        config.parent.mkdir(exist_ok=True)
        config.write_text('{"current": null, "contexts": {"oregon": {"stack": "geosync-oregon"}}}')
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        shown, read = run(_GEOSYNC_COMPLETE="bash_complete", XDG_CONFIG_HOME=str(tmp_path), **words)
        assert shown.split(",")[-1].strip() == wanted
        assert not (HEAVY | {"rich"}) & read, line


def test_the_list_is_what_each_command_says_of_itself() -> None:
    context = click.Context(main, info_name="geosync")
    ours, clicks = context.make_formatter(), context.make_formatter()
    main.format_commands(context, ours)
    click.Group.format_commands(main, context, clicks)  # reads them all
    assert ours.getvalue() == clicks.getvalue()


def test_each_command_has_the_name_that_it_is_found_by() -> None:
    for name, command in CommandsOnDemand().items():
        assert command.name == name
