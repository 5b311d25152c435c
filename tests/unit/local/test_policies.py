"""The linter of the template's policies finds what it is there for, and each exception is needed."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from typing import Any

import pytest
from local import policies
from local.deploy import SAM
from local.emulator import ROOT
from local.intrinsics import Resolver
from tests.support import drill_role


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("transformed") / "template.json"
    program = [str(SAM.parent / "python"), "-m", "local.transformed", str(ROOT / "template.yaml"), str(out)]
    subprocess.run(program, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def document(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Sid": "One", "Effect": "Allow", **statement}]}


QUEUE, TABLE = "arn:aws:sqs:eu-west-1:111122223333:one", "arn:aws:dynamodb:eu-west-1:111122223333:table/one"


@pytest.mark.parametrize(
    ("statement", "issue"),
    [
        ({"Action": "ecr:ListImageReferrers", "Resource": "*"}, "UNKNOWN_ACTION"),
        ({"Action": "sqs:SendMessage", "Resource": TABLE}, "RESOURCE_MISMATCH"),
        ({"Action": "sqs:SendMessage", "Resource": "*"}, "RESOURCE_STAR"),
        (
            {"Action": "sqs:SendMessage", "Resource": QUEUE, "Condition": {"StringEquals": {"sqs:Sender": "x"}}},
            "UNKNOWN_CONDITION_FOR_ACTION",
        ),
    ],
)
def test_a_wrong_policy_statement_is_found(statement: dict[str, Any], issue: str) -> None:
    (found,) = policies.findings("SomeRole", document(**statement))
    assert found.startswith(f"SomeRole, One: {issue}")


def test_a_right_policy_statement_passes() -> None:
    assert list(policies.findings("SomeRole", document(Action="sqs:SendMessage", Resource=QUEUE))) == []


def test_the_policies_of_a_role_are_together_no_longer_than_iam_takes(template: dict[str, Any]) -> None:
    """10,240 characters inline without white space (IAM and STS quotas), with room for the names of a long stack."""
    sizes: Counter[str] = Counter()
    resolver = Resolver(template, met=True)
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            sizes[name] += sum(length(one["PolicyDocument"]) for one in resolver.value(properties.get("Policies", [])))
        if resource["Type"] == "AWS::IAM::Policy":
            for role in properties["Roles"]:
                sizes[role["Ref"]] += length(resolver.value(properties["PolicyDocument"]))
    assert set(sizes) >= {"SyncRole", "ReconcileRole"}
    assert max(sizes.values()) < 0.7 * 10_240, sizes


def length(document: dict[str, Any]) -> int:
    return len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))


def test_every_policy_of_every_role_is_read_and_each_exception_is_needed(
    template: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = [found for one in (template, drill_role.TEMPLATE) for found in policies.identity_policies(one, met=True)]
    resources = {**template["Resources"], **drill_role.TEMPLATE["Resources"]}
    roles = [name for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"]
    assert {place.partition("/")[0] for place, _ in read} >= {*roles, "EcrPolicy"} - {"ApiLoggingRole"}
    assert [text for place, policy in read for text in policies.findings(place, policy)] == []
    exceptions = set(policies.EXCEPTIONS)
    monkeypatch.setattr(policies, "EXCEPTIONS", {})
    found = [text for place, policy in read for text in policies.findings(place, policy)]
    assert {(text.split(": ")[1].split()[0], text.split(": ")[0].split(", ")[1]) for text in found} == exceptions


def test_a_condition_that_is_not_met_leaves_the_other_branch() -> None:
    template: dict[str, Any] = {"Parameters": {}, "Resources": {}}
    second = {"Fn::Select": [1, {"Fn::Split": [".", "p.q"]}]}
    node = {
        "a": {"Fn::If": ["C", "x", {"Ref": "AWS::NoValue"}]},
        "b": {"Fn::Sub": ["${AWS::Region}/${N}", {"N": second}]},
    }
    assert Resolver(template, met=True).value(node) == {"a": "x", "b": "eu-west-1/q"}
    assert Resolver(template, met=False).value(node) == {"b": "eu-west-1/q"}
