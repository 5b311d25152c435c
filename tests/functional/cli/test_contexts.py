"""The choice of the site: options before or behind the command, contexts, the environment, and their order."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.functional.cli.conftest import REGION, Site

from geosync.cli.main import main


@pytest.fixture(autouse=True)
def config(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GEOSYNC_STACK", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return own_folders / "config" / "geosync" / "config.json"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize(
    "line",
    [
        "--stack geosync-test --region eu-central-1 status",
        "status --stack geosync-test --region eu-central-1",
        "--region eu-central-1 status --stack geosync-test",
        "--stack another status --stack geosync-test --region eu-central-1",
        "dlq --stack geosync-test list --region eu-central-1",
    ],
)
def test_a_site_s_options_stand_before_or_behind_the_command_and_the_last_counts(secondary: Site, line: str) -> None:
    secondary.well()
    answer = run(*line.split())
    assert (answer.exit_code, answer.output != "") == (0, True), answer.output


def test_a_context_names_a_site_and_the_current_one_is_used_where_nothing_else_is_said(
    secondary: Site, config: Path
) -> None:
    secondary.well()
    assert "which site?" in run("status").output
    site = ("--stack", secondary.stack, "--region", REGION)
    assert run("context", "add", "here", *site, "--profile", "p").exit_code == 0
    assert run("context", "add", "away", "--stack", "no-such-stack", "--region", REGION).exit_code == 0
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    found = json.loads(run("context", "list", "-o", "json").output)
    assert [(one["name"], one["current"], one["profile"]) for one in found] == [
        ("away", False, None),
        ("here", True, "p"),
    ]
    assert run("context", "add", "here", *site).exit_code == 0
    assert run("status").exit_code == 0
    assert run("status", "--context", "here").exit_code == 0
    assert run("context", "use", "nowhere").exit_code == 2
    assert run("context", "remove", "here").exit_code == 0
    assert "which site?" in run("status").output
    assert json.loads(config.read_text()) == {
        "current": None,
        "contexts": {"away": {"stack": "no-such-stack", "region": REGION}},
    }


def test_the_command_line_goes_before_the_environment_and_that_before_the_current_context(
    secondary: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    secondary.well()
    run("context", "add", "wrong", "--stack", "no-such-stack", "--region", "eu-west-1")
    run("context", "add", "right", "--stack", secondary.stack, "--region", REGION)
    monkeypatch.setenv("GEOSYNC_CONTEXT", "right")
    assert run("status").exit_code == 0
    monkeypatch.setenv("GEOSYNC_CONTEXT", "wrong")
    assert run("status", "--context", "right").exit_code == 0
    assert run("status", "--stack", secondary.stack, "--region", REGION).exit_code == 0
    monkeypatch.setenv("GEOSYNC_STACK", secondary.stack)
    both = run("status", "--region", REGION)
    assert (both.exit_code, "--stack and --context exclude each other" in both.output) == (2, True)
    monkeypatch.delenv("GEOSYNC_CONTEXT")
    assert run("status", "--region", REGION).exit_code == 0


@pytest.mark.parametrize(
    "line",
    [
        "status --stack a --local b",
        "--stack a status --context b",
        "context add x",
        "context add x --stack a --local b",
        "context add ../x --stack a",
        "status --context nowhere",
    ],
)
def test_no_site_and_two_sites_are_refused(line: str) -> None:
    answer = run(*line.split())
    assert (answer.exit_code, "Error: " in answer.output) == (2, True)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"contexts": {"a": {"token": "x"}}}',
        '{"contexts": {"a": {"stack": 1}}}',
        '{"contexts": {"a": {"region": "eu-west-1"}}, "current": "a"}',
        '{"contexts": {"a": {"stack": "b", "local": "c"}}}',
        '{"contexts": {"a": {"stack": "b"}}, "current": []}',
    ],
)
def test_a_file_that_is_none_is_named_and_not_overwritten(config: Path, text: str) -> None:
    config.parent.mkdir(parents=True)
    config.write_text(text)
    for line in ("status", "context list", "context add x --stack a"):
        answer = run(*line.split())
        assert (answer.exit_code, str(config) in answer.output) == (2, True), answer.output
    assert config.read_text() == text


@pytest.mark.parametrize("option", ["--stack", "--local", "--context", "--region"])
def test_an_empty_value_is_refused_and_the_environment_s_site_is_not_taken(
    secondary: Site, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    secondary.well()
    monkeypatch.setenv("GEOSYNC_STACK", secondary.stack)
    monkeypatch.setenv("AWS_REGION", REGION)
    assert run("status").exit_code == 0
    answer = run("status", option, "")
    assert (answer.exit_code, f"Invalid value for '{option}': it is empty" in answer.output) == (2, True), answer.output
