"""`geosync init`: what it asks, writes and prints, from nothing to sites that are deployed, and leaves nowhere."""

from __future__ import annotations

import contextlib
import json
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from botocore.exceptions import NoCredentialsError
from click.testing import CliRunner
from tests.functional.cli.init.parts import (
    ADMIN,
    PASSWORD,
    TOKEN,
    URL,
    Deploy,
    Init,
    overrides,
    put_secrets,
    topic,
)
from tests.support.terminal import stdout_on_a_terminal, without_escapes

from geosync.cli.choosing import contexts
from geosync.cli.choosing.contexts import Contexts, SiteContext
from geosync.cli.init import command
from geosync.cli.main import main
from geosync.cli.site import AwsAccess, StackSite
from geosync.operating import sites
from geosync.registries.secrets import RegistrySecret
from geosync.sync_registry.site.sites import KnownSite

Checks = Callable[..., list[str]]


class _OwnAccess:
    """Takes a profile that this machine does not have."""

    @classmethod
    def of(cls, *, profile: str | None) -> AwsAccess:
        assert profile == "ours"
        return AwsAccess(session=boto3.Session())


def test_from_nothing_the_files_are_written_and_the_commands_that_can_run_are_printed(
    init: Init, answers: str, tmp_path: Path
) -> None:
    told = init("--answers", answers)
    assert told.exit_code == 1, told.output
    assert "1. next: deploy dublin" in told.output
    assert "sam deploy --config-env dublin" in told.output
    assert "sam deploy --config-env oregon" not in told.output, "it needs what is not known yet"
    for which in ("primary", "local"):
        file = tmp_path / f"oregon-{which}-registry.json"
        assert f"--name geosync/oregon/{which}-registry --secret-string file://{file.name}" in told.output
        assert f"&& rm {file.name}" in told.output
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert RegistrySecret.parse(file.read_text())
    assert overrides(tmp_path, "dublin") == {
        "SiteName": "dublin",
        "SiteRole": "primary",
        "LocalRegistryUrl": "https://registry.dublin.example.com",
        "LocalRegistryVendor": "auto",
        "NotificationSource": "distribution",
    }
    assert overrides(tmp_path, "oregon")["PrimaryRegistryUrl"] == "https://registry.dublin.example.com"
    kept = (tmp_path / "geosync-init.json").read_text() + (tmp_path / "samconfig.toml").read_text()
    assert PASSWORD not in kept + told.output


def test_each_step_that_was_done_is_seen_and_fills_in_what_the_next_one_needs(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    init("--answers", answers)
    dublin = deploy("dublin", "primary")
    put_secrets(tmp_path)
    told = init()
    assert told.exit_code == 1
    assert "1. done: geosync-dublin is deployed" in told.output
    assert "sam deploy --config-env oregon" in told.output
    parameters = overrides(tmp_path, "oregon")
    assert (parameters["PrimaryTopicArn"], parameters["PrimaryAdminUrl"]) == (topic("dublin"), ADMIN)
    assert parameters["PrimaryRegistrySecretArn"].startswith(
        "arn:aws:secretsmanager:us-west-2:123456789012:secret:geosync/oregon/primary-registry-"
    )
    notice = tmp_path / "dublin-notifications.txt"
    assert stat.S_IMODE(notice.stat().st_mode) == 0o600
    assert URL in notice.read_text()
    assert TOKEN in notice.read_text()
    assert TOKEN not in told.output

    oregon = deploy("oregon", "secondary")
    told = init()
    assert f"sites add oregon {oregon.outputs['AdminUrl']} --secondary geosync-oregon@us-west-2" in told.output
    assert (told.exit_code, told.output.count("by hand")) == (0, 2), "nothing that is copied waits for these"
    notice.unlink()
    sites.expect(dublin.sync_registry.sites, "dublin", KnownSite(name="oregon", url=ADMIN, added_at=1, report_key="0"))
    told = init()
    assert (told.exit_code, told.output.count(" done: "), len(told.output.splitlines())) == (0, 6, 6), told.output
    assert not notice.exists(), "it is written once: it has the token"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    """Have each check end so, and note its words."""
    monkeypatch.setattr(command, "steps", lambda *_: [])
    monkeypatch.setattr(command, "AwsAccess", _OwnAccess)

    def play(*ends: BaseException) -> list[str]:
        run, checked = main.main, []

        def check(args: list[str], **more: Any) -> Any:
            if "check" not in args:
                return run(args, **more)
            checked.append(" ".join(args))
            if args[-1] == "json":
                click.echo('{"ok": null}')
            raise ends[len(checked) - 1]

        monkeypatch.setattr(main, "main", check)
        return checked

    return play


def test_a_program_gets_the_steps_and_the_files_by_name(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    nothing = init("-o", "json")
    assert (nothing.exit_code, "--answers" in nothing.stderr, list(tmp_path.glob("*.toml"))) == (2, True, [])
    told = init("--answers", answers, "-o", "json")
    document = json.loads(told.stdout)
    steps = {one["name"]: one for one in document["steps"]}
    assert (told.exit_code, [one["number"] for one in document["steps"]]) == (1, [1, 2, 3, 4, 5, 6])
    assert list(steps) == [
        *("deploy/dublin", "notify/dublin", "secret/oregon/primary-registry", "secret/oregon/local-registry"),
        *("deploy/oregon", "expect/dublin/oregon"),
    ]
    assert (steps["deploy/dublin"]["state"], steps["deploy/dublin"]["command"]) == (
        "next",
        "sam deploy --config-env dublin",
    )
    assert (steps["deploy/oregon"]["state"], steps["deploy/oregon"]["command"]) == ("later", None)
    assert document["files"] == ["samconfig.toml", "geosync-init.json"]
    private = ["oregon-local-registry.json", "oregon-primary-registry.json"]
    assert (document["files_to_delete"], document["again"], document["checks"]) == (private, "geosync init", None)
    assert init("-o", "name").stdout.split() == list(steps)
    assert init("-o", "tsv").stdout.splitlines()[0] == "number\tname\tstate\ttext\tcommand"
    deploy("dublin", "primary")
    assert "dublin-notifications.txt" in json.loads(init("-o", "json").stdout)["files_to_delete"]


def test_what_is_shown_keeps_a_command_whole_and_folds_what_is_read(
    init: Init, answers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = init("--answers", answers).output
    assert not re.search(r"\S {2,}\S| +$", piped, re.MULTILINE), piped
    (command_line,) = (line for line in piped.splitlines() if "create-secret" in line and "oregon/local" in line)
    for columns in (80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        with stdout_on_a_terminal() as said, contextlib.suppress(SystemExit):
            main.main(["init", "--folder", str(Path(answers).parent), "--no-check"])
        shown = without_escapes(said[0]).splitlines()
        assert command_line in shown
        assert all(len(line) <= columns for line in shown if not line.startswith("   ") and line[:3] != "cd ")


@pytest.mark.parametrize(
    ("ends", "worst"),
    [
        ((SystemExit(0), SystemExit(0)), 0),
        ((SystemExit(2), SystemExit(1)), 1),
        ((SystemExit(0), SystemExit(2)), 2),
        ((click.UsageError("of the first"), SystemExit(0)), 2),
        ((click.ClickException("of the first"), SystemExit(1)), 1),
    ],
)
def test_sites_that_are_all_deployed_are_checked_with_each_other_whatever_becomes_of_one(
    deploy: Deploy, answers: str, tmp_path: Path, checks: Checks, ends: tuple[BaseException, ...], worst: int
) -> None:
    checked = checks(*ends)
    deploy("dublin", "primary")
    deploy("oregon", "secondary")
    told = CliRunner().invoke(main, ["--profile", "ours", "init", "--folder", str(tmp_path), "--answers", answers])
    assert told.exit_code == worst, told.output
    assert checked == [
        "--stack geosync-dublin --region eu-west-1 --profile ours check --secondary geosync-oregon@us-west-2",
        "--stack geosync-oregon --region us-west-2 --profile ours check --primary geosync-dublin@eu-west-1",
    ]
    assert all(f"\ngeosync {words}\n" in told.output for words in checked)
    assert ("of the first" in told.output) is isinstance(ends[0], click.ClickException)
    checked.clear()
    told = CliRunner().invoke(main, ["--profile", "ours", "init", "--folder", str(tmp_path), "-o", "json"])
    assert told.exit_code == worst
    assert [words.endswith(" -o json") for words in checked] == [True, True]
    made = json.loads(told.stdout)["checks"]
    assert [one["command"] for one in made] == [f"geosync {words.removesuffix(' -o json')}" for words in checked]
    assert [one["exit_code"] for one in made] == [getattr(end, "code", 2) for end in ends]
    assert [one["answer"] for one in made] == [{"ok": None}] * 2


def test_after_a_failover_each_site_is_checked_in_the_role_that_it_has(
    deploy: Deploy, answers: str, tmp_path: Path, checks: Checks
) -> None:
    checked = checks(SystemExit(0), SystemExit(0))
    deploy("dublin", "secondary")
    deploy("oregon", "primary")
    told = CliRunner().invoke(main, ["--profile", "ours", "init", "--folder", str(tmp_path), "--answers", answers])
    assert told.exit_code == 0, told.output
    assert checked == [
        "--stack geosync-dublin --region eu-west-1 --profile ours check --primary geosync-oregon@us-west-2",
        "--stack geosync-oregon --region us-west-2 --profile ours check --secondary geosync-dublin@eu-west-1",
    ]


def test_reports_are_expected_where_the_primary_is_now(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    init("--answers", answers)
    put_secrets(tmp_path)
    deploy("dublin", "secondary")
    oregon = deploy("oregon", "primary")
    told = init()
    assert "have oregon expect reports of dublin" in told.output
    assert f"geosync --stack geosync-oregon --region us-west-2 sites add dublin {ADMIN} --secondary" in told.output
    assert "sites add oregon" not in told.output
    sites.expect(oregon.sync_registry.sites, "oregon", KnownSite(name="dublin", url=ADMIN, added_at=1, report_key="0"))
    assert "sites add" not in init().output


def test_a_former_primary_that_is_gone_is_deployed_once_the_secrets_are_there_that_a_secondary_needs(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    init("--answers", answers)
    put_secrets(tmp_path)
    deploy("oregon", "primary")
    told = init().output
    assert "1. done: geosync-oregon is deployed" in told
    for which, other in (("primary", "oregon"), ("local", "dublin")):
        file = f"dublin-{which}-registry.json"
        assert f"write the credentials of dublin for https://registry.{other}.example.com into {file}" in told
        assert f"--region eu-west-1 --name geosync/dublin/{which}-registry --secret-string file://{file}" in told
    assert "deploy dublin (there is no stack" in told
    assert "sam deploy" not in told
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    for which in ("primary", "local"):
        client.create_secret(Name=f"geosync/dublin/{which}-registry", SecretString="{}")
    told = init().output
    assert "sam deploy --config-env dublin" in told
    assert "write the credentials" not in told
    found = overrides(tmp_path, "dublin")
    assert "geosync/dublin/primary-registry" in found["PrimaryRegistrySecretArn"]
    assert "geosync/dublin/local-registry" in found["LocalRegistrySecretArn"]


@pytest.mark.parametrize("state", ["CREATE_COMPLETE", "UPDATE_IN_PROGRESS"])
def test_a_former_primary_that_is_there_needs_no_secrets(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path, state: str
) -> None:
    init("--answers", answers)
    put_secrets(tmp_path)
    deploy("oregon", "primary")
    deploy("dublin", "secondary", state=state)
    assert "Secrets Manager" not in init().output


@pytest.mark.parametrize("is_deployed", [True, False])
def test_a_primary_with_a_private_admin_api_is_not_to_expect_reports(
    init: Init, deploy: Deploy, found: dict[str, StackSite], answers: str, is_deployed: bool
) -> None:
    dublin = deploy("dublin", "primary")
    found["geosync-dublin"] = replace(dublin, parameters={**dublin.parameters, "AdminVpcEndpointIds": "vpce-0a"})
    if is_deployed:
        deploy("oregon", "secondary")
    told = init("--answers", answers).output
    assert "expect reports" not in told
    assert "sites add" not in told


def test_where_nobody_follows_anybody_no_reports_are_to_be_expected(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    init("--answers", answers)
    put_secrets(tmp_path)
    deploy("dublin", "primary")
    deploy("oregon", "primary")
    assert (init().exit_code, "sites add" in init().output) == (0, False)


def test_other_credentials_for_a_secret_that_is_there_are_left_to_put(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    init("--answers", answers)
    put_secrets(tmp_path)
    deploy("dublin", "primary")
    deploy("oregon", "secondary")
    assert init().exit_code == 0
    told = init("--answers", answers)
    assert told.exit_code == 1
    for which in ("primary", "local"):
        assert (
            f"aws secretsmanager put-secret-value --region us-west-2 --secret-id geosync/oregon/{which}-registry "
            f"--secret-string file://oregon-{which}-registry.json --query ARN && rm oregon-{which}-registry.json"
        ) in told.output
        (tmp_path / f"oregon-{which}-registry.json").unlink()
    assert init().exit_code == 0


def test_the_printed_commands_are_for_the_folder_and_the_profile(
    deploy: Deploy, answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "AwsAccess", _OwnAccess)
    folder = tmp_path / "a package"
    folder.mkdir()
    words = ["--profile", "ours", "init", "--folder", str(folder), "--no-check"]

    def commands(*more: str) -> list[str]:
        lines = CliRunner().invoke(main, [*words, *more]).output.splitlines()
        assert lines[0] == f"cd '{folder}'"
        return [line.strip() for line in lines if line.startswith(("   ", "Then"))]

    told = commands("--answers", answers)
    assert told[0] == "sam deploy --config-env dublin --profile ours"
    assert [line.partition(" --query ARN ")[2] for line in told[1:3]] == [
        f"--profile ours && rm oregon-{which}-registry.json" for which in ("primary", "local")
    ]
    assert told[3].startswith("Then: geosync init --profile ours ")
    deploy("dublin", "primary")
    deploy("oregon", "secondary")
    (added,) = (line for line in commands() if "sites add" in line)
    assert added.endswith(" --secondary geosync-oregon@us-west-2 --profile ours")


@pytest.mark.parametrize(("more", "profile"), [((), "ours"), (("--profile", "others"), "others")])
def test_a_context_that_is_named_lends_its_profile(
    answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], profile: str
) -> None:
    asked: list[str | None] = []

    def access(*, profile: str | None) -> AwsAccess:
        asked.append(profile)
        return AwsAccess(session=boto3.Session())

    monkeypatch.setattr(AwsAccess, "of", access)
    known = SiteContext(stack="geosync-dublin", region="eu-west-1", profile="ours")
    contexts.write(Contexts().with_context("dublin", known))
    words = ["--context", "dublin", *more, "init", "--folder", str(tmp_path), "--no-check", "--answers", answers]
    told = CliRunner().invoke(main, words).output
    assert asked == [profile]
    assert f"sam deploy --config-env dublin --profile {profile}" in told


def test_the_current_context_says_nothing_of_where_a_new_site_goes(
    answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def access(*, profile: str | None) -> AwsAccess:
        asked.append(profile)
        return AwsAccess(session=boto3.Session())

    monkeypatch.setattr(AwsAccess, "of", access)
    known = SiteContext(stack="geosync-elsewhere", profile="others")
    contexts.write(Contexts().with_context("elsewhere", known))
    CliRunner().invoke(main, ["init", "--folder", str(tmp_path), "--no-check", "--answers", answers])
    assert asked == [None]


def test_a_stack_that_failed_is_not_done(init: Init, deploy: Deploy, answers: str) -> None:
    init("--answers", answers)
    deploy("dublin", "primary", state="ROLLBACK_COMPLETE")
    assert "deploy dublin (the stack geosync-dublin is ROLLBACK_COMPLETE)" in init().output
    deploy_again = init()
    assert "1. done:" not in deploy_again.output


def test_without_aws_the_files_are_written_and_nothing_is_said_to_be_done(
    init: Init, answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(command, "look", refuse)
    told = init("--answers", answers)
    assert (told.exit_code, "nothing is known to be done" in told.output) == (2, True)
    assert overrides(tmp_path, "dublin")["SiteRole"] == "primary"
