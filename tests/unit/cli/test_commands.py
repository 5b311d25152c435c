"""The list of commands: what `geosync --help` says without reading one of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click

from geosync.cli.commands import CommandsOnDemand
from geosync.cli.main import main

MODULES_OF_THE_HELP = """
import contextlib, io, json, sys
from geosync.cli.entry import main
before = set(sys.modules)
sys.argv = ["geosync", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
    main()
assert "status" in shown.getvalue()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_the_help_reads_no_command_and_nothing_of_aws() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = [sys.executable, "-c", MODULES_OF_THE_HELP]
    shown = subprocess.run(program, capture_output=True, text=True, check=True, env=environment)
    read = json.loads(shown.stdout)
    assert {name for name in read if name.startswith("geosync")} == {"geosync.cli.main", "geosync.cli.commands"}
    assert not {"boto3", "botocore", "requests", "rich", "cryptography", "urllib3"} & set(read)
    assert len(read) < 120, read  # some 80 of them are click's; with boto3 there were 900


def test_the_list_is_what_each_command_says_of_itself() -> None:
    context = click.Context(main, info_name="geosync")
    ours, clicks = context.make_formatter(), context.make_formatter()
    main.format_commands(context, ours)
    click.Group.format_commands(main, context, clicks)  # reads them all
    assert ours.getvalue() == clicks.getvalue()


def test_each_command_has_the_name_that_it_is_found_by() -> None:
    for name, command in CommandsOnDemand().items():
        assert command.name == name
