"""The stack of docs/operations/drills.yaml and the pipelines of drills.md: a drill, by a role that changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from local.intrinsics import SAMPLES, Resolver
from tests.support import drill_role
from tests.unit.template.parts import ROOT, TEMPLATE, as_list

PAGE = (ROOT / "docs" / "operations" / "drills.md").read_text()
GITHUB, GITLAB = (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
RESOURCES = drill_role.TEMPLATE["Resources"]
POLICY = drill_role.policy(stack="geosync-oregon", region="us-west-2", account="111122223333", secrets=["arn"])
SECRET = "arn:aws:secretsmanager:us-west-2:111122223333:secret:canary-AbCdEf"
GIVEN = {
    **{"SITE_STACK": "geosync-oregon", "AWS_REGION": "us-west-2", "REPOSITORY": "geosync-drill", "PUSH_SECRET": SECRET},
    **{"SECRET": SECRET, "DRILL_SECRET": SECRET, "AWS_TOKEN": "a token", "WHEEL": "s3://b/k", "GEOSYNC_WHEEL": "w.whl"},
}
"""The variables of the project and of both pipelines."""
DRILL = ["geosync", "--stack", "geosync-oregon", "--region", "us-west-2", "drill"]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Run shell commands with programs that do nothing; return the words of each call."""
    programs, said = tmp_path / "bin", tmp_path / "said"
    programs.mkdir()
    for name in ("aws", "geosync", "pip", "pipx", "python"):
        (programs / name).write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@" "" >> "{said}"\n')
        (programs / name).chmod(0o755)
    (tmp_path / "geosync-0.1.0-py3-none-any.whl").touch()

    def run(*commands: str, **more: str) -> list[list[str]]:
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", **GIVEN, **more}
        said.unlink(missing_ok=True)
        for command in commands:
            subprocess.run(["sh", "-ec", command], check=True, cwd=tmp_path, env=environment, timeout=60)
        return [call.splitlines() for call in said.read_text().split("\n\n") if call]

    return run


def test_the_project_installs_the_wheel_and_carries_out_a_drill(run: Any) -> None:
    phases = drill_role.build_phases()
    assert list(phases) == ["install", "build"]
    canary = ["--repository", "geosync-drill"]
    assert run(*phases["install"], *phases["build"]) == [
        ["aws", "s3", "cp", "--no-progress", "s3://b/k", "."],
        ["python", "-m", "pip", "install", "--quiet", "./geosync-0.1.0-py3-none-any.whl"],
        [*DRILL, *canary, "--push-secret", SECRET],
    ]
    assert run(*phases["build"], PUSH_SECRET="") == [[*DRILL, *canary]]


def test_the_project_gives_its_commands_the_variables_that_they_use() -> None:
    given = {one["Name"] for one in RESOURCES["Drill"]["Properties"]["Environment"]["EnvironmentVariables"]}
    commands = " ".join(one for phase in drill_role.build_phases().values() for one in phase)
    # AWS_REGION is CodeBuild's own.
    assert set(re.findall(r"\$\{?(\w+)", commands)) == given | {"AWS_REGION"}


def test_the_pipelines_carry_out_the_same_drill_and_keep_its_report(run: Any, tmp_path: Path) -> None:
    (github,) = GITHUB["jobs"].values()
    (gitlab,) = GITLAB.values()
    drill = [*DRILL, "--push-secret", SECRET, "--report", "drill.html"]
    of_github = [step["run"] for step in github["steps"] if "run" in step]
    assert run(*of_github, WHEEL="w.whl") == [["pipx", "install", "w.whl"], drill]
    token = tmp_path / "token"
    assert run(*gitlab["script"], AWS_WEB_IDENTITY_TOKEN_FILE=str(token)) == [
        ["pip", "install", "--quiet", "w.whl"],
        drill,
    ]
    assert token.read_text() == "a token"
    assert gitlab["artifacts"]["paths"] == [github["steps"][-1]["with"]["path"]] == ["drill.html"]


def trust(run_by: str) -> dict[str, Any]:
    """The statement by which the role is taken, for one value of RunBy."""
    node = RESOURCES["DrillRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    is_met = {"ByCodeBuild": run_by == "codebuild", "ByGitHub": run_by == "github"}
    while "Fn::If" in node:
        condition, met, otherwise = node["Fn::If"]
        node = met if is_met[condition] else otherwise
    found: dict[str, Any] = Resolver(drill_role.TEMPLATE, met=True).value(node)
    return found


def test_the_role_is_taken_by_codebuild_in_this_account_or_by_one_subject_of_one_provider() -> None:
    name = Resolver(drill_role.TEMPLATE, met=True).value(RESOURCES["Drill"]["Properties"]["Name"])
    project = f"arn:aws:codebuild:eu-west-1:111122223333:project/{name}"
    assert trust("codebuild")["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "111122223333", "aws:SourceArn": project}
    }
    for run_by, host in (("github", "token.actions.githubusercontent.com"), ("gitlab", "gitlab.com")):
        (operator, keys), *others = trust(run_by)["Condition"].items()
        assert (operator, others) == ("StringEquals", [])
        assert keys.keys() == {f"{host}:aud", f"{host}:sub"}
    (gitlab,) = GITLAB.values()
    assert gitlab["id_tokens"]["AWS_TOKEN"]["aud"] == trust("gitlab")["Condition"]["StringEquals"]["gitlab.com:aud"]
    subject = drill_role.TEMPLATE["Parameters"]["OidcSubject"]["AllowedPattern"]
    assert re.fullmatch(subject, "repo:acme/operations:ref:refs/heads/main")
    assert not re.fullmatch(subject, "repo:acme/*")


def statements() -> Iterator[tuple[str, list[str], list[str]]]:
    """Each statement of the role's policy: its name, actions and resources."""
    for one in POLICY["Statement"]:
        yield one["Sid"], as_list(one["Action"]), as_list(one["Resource"])


def test_the_role_changes_no_stack_and_reaches_nothing_of_another_site() -> None:
    reaching = set()
    for sid, actions, resources in statements():
        assert not [one for one in actions if "*" in one or one.startswith(("iam:", "sts:", "lambda:"))], sid
        if "*" in resources:
            reaching.add(sid)
        for service in ("dynamodb", "sqs"):
            for arn in resources:
                assert not arn.startswith(f"arn:aws:{service}:") or "geosync-oregon-" in arn, arn
    assert reaching == {"LookAtTheVpc"}
    changing = {one for _, actions, _ in statements() for one in actions if one.startswith("cloudformation:")}
    assert {one for one in changing if not one.startswith("cloudformation:Describe")} == {
        "cloudformation:CreateChangeSet",
        "cloudformation:DeleteChangeSet",
    }
    worked_out = drill_role.statement(POLICY, "WorkOutAnUpdate")
    assert worked_out["Condition"] == {"StringEquals": {"cloudformation:ChangeSetName": "geosync-drill"}}
    assert worked_out["Resource"] == "arn:aws:cloudformation:us-west-2:111122223333:stack/geosync-oregon/*"


def test_in_a_vpc_the_role_makes_and_removes_interfaces_in_its_subnets_alone() -> None:
    looks = as_list(drill_role.statement(POLICY, "LookAtTheVpc")["Action"])
    assert [one for one in looks if not one.startswith("ec2:Describe")] == []
    subnets, groups = (
        [f"arn:*:ec2:*:*:{kind}/{one}" for one in named]
        for kind, named in (("subnet", SAMPLES["SubnetIds"]), ("security-group", SAMPLES["SecurityGroupIds"]))
    )
    interface = "arn:aws:ec2:us-west-2:111122223333:network-interface/*"
    assert drill_role.statement(POLICY, "MakeAnInterface")["Resource"] == [interface, *subnets, *groups]
    for sid in ("RemoveTheInterface", "LetCodeBuildUseTheInterface"):
        found = drill_role.statement(POLICY, sid)
        assert (found["Resource"], found["Condition"]["ArnLike"]) == (interface, {"ec2:Subnet": subnets})


@pytest.mark.parametrize(
    ("name", "fits", "refused"),
    [
        ("WheelBucket", ["", "acme-releases", "acme.releases"], ["*", "acme-*", "acme/other", "A"]),
        (
            "WheelKey",
            ["geosync-0.1.0-py3-none-any.whl", "a/b/geosync-1-py3-none-any.whl"],
            ["*/geosync-1-py3-none-any.whl"],
        ),
        ("Schedule", ["cron(17 4 ? * MON *)", "cron(0 4 1,15 * ? *)", "rate(7 days)"], ["weekly", "", "cron(*) x"]),
        ("SubnetIds", ["", "subnet-0a1b"], ["*", "subnet-*"]),
        ("SecurityGroupIds", ["", "sg-0a1b"], ["*", "sg-?"]),
    ],
)
def test_a_parameter_names_one_thing(name: str, fits: list[str], refused: list[str]) -> None:
    pattern = drill_role.TEMPLATE["Parameters"][name]["AllowedPattern"]
    assert [one for one in [*fits, *refused] if re.fullmatch(pattern, one)] == fits


def test_the_key_opens_the_tables_the_secrets_and_the_wheel() -> None:
    through = drill_role.statement(POLICY, "UseTheKey")["Condition"]["StringEquals"]["kms:ViaService"]
    assert through == [f"{service}.us-west-2.amazonaws.com" for service in ("dynamodb", "secretsmanager", "s3")]
    # In China a service's name has another end.
    condition = drill_role.PATH.read_text().split("kms:ViaService:\n", 1)[1].split("!Ref AWS::NoValue", 1)[0]
    assert condition.count(".${AWS::Region}.${AWS::URLSuffix}\n") == len(through)


def test_the_tables_that_the_role_names_are_the_template_s() -> None:
    named = {
        found
        for _, _, resources in statements()
        for one in resources
        for found in re.findall(r":table/.*-(\w+)-\*$", one)
    }
    assert named == {"SyncRegistryTable", "EventsTable"}
    assert all("TableName" not in TEMPLATE["Resources"][one]["Properties"] for one in named)
    queues = [one["Properties"] for one in TEMPLATE["Resources"].values() if one["Type"] == "AWS::SQS::Queue"]
    assert [one for one in queues if "QueueName" in one] == []


def test_the_page_deploys_the_stack_with_parameters_that_it_has() -> None:
    block = PAGE.split("```sh needs-aws\n", 1)[1].split("```", 1)[0]
    given = set(re.findall(r"\b([A-Z]\w+)=", block))
    rows = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    parameters = drill_role.TEMPLATE["Parameters"].keys()
    assert given <= parameters
    assert parameters - given - rows == {"RunBy", "OidcProviderArn", "OidcSubject", "WheelKey"}
