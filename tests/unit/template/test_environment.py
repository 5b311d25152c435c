"""Lambda takes 4 KB of environment: each function's fits with half of the longest selection and an ordinary rest.

Not with everything at its longest: a URL or an ARN may have hundreds of characters (docs/decisions/0046)."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from tests.unit.template.parts import FUNCTIONS, PARAMETERS, RESOURCES, TEMPLATE

LIMIT_BYTES = 4096
"""Lambda measures the variables as a JSON object ("String measured: {…}")."""
STACK_NAME = 32
"""Characters of a stack's name; CloudFormation takes 128."""
SUFFIX = len("-") + 13
"""What CloudFormation puts after the logical id of a resource that it names."""
QUEUE_NAME = 80
REGION, DOMAIN = "ap-southeast-1", "amazonaws.com.cn"
ACCOUNT = "1" * 12
SECRET_SUFFIX = len("-AbCdEf")
SELECTION = ("IncludeRepositories", "ExcludeRepositories", "IncludeTags", "ExcludeTags")
ORDINARY = defaultdict(
    lambda: 40, SiteName=12, PrimaryTopicArn=64, LocalRegistrySecretArn=90, PrimaryRegistrySecretArn=90
)
"""Characters of what has no length of its own; a registry's URL of ECR has 54."""
PSEUDO = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws-us-gov", "AWS::URLSuffix": DOMAIN}


def longest(value: Any) -> str:
    """A text as long as a value of the template can be."""
    if isinstance(value, str | int):
        return str(value)
    ((kind, argument),) = value.items()
    return str(_LONGEST[kind](argument))


def _parameter(name: str) -> str:
    parameter = PARAMETERS[name]
    if parameter["Type"] == "Number":
        return str(parameter["MaxValue"])
    if "AllowedValues" in parameter:
        return str(max(parameter["AllowedValues"], key=len))
    return "x" * (int(parameter["MaxLength"]) // 2 if name in SELECTION else ORDINARY[name])


def _reference(name: str) -> str:
    if name in PSEUDO or name in PARAMETERS:
        return PSEUDO[name] if name in PSEUDO else _parameter(name)
    kind = RESOURCES[name]["Type"]
    named = "x" * (STACK_NAME + 1 + len(name) + SUFFIX)
    if kind == "AWS::SQS::Queue":
        return f"https://sqs.{REGION}.{DOMAIN}/{ACCOUNT}/{named[:QUEUE_NAME]}"
    if kind == "AWS::SNS::Topic":
        return longest({"Fn::Sub": f"arn:${{AWS::Partition}}:sns:{REGION}:{ACCOUNT}:geosync-${{SiteName}}"})
    return {"AWS::DynamoDB::Table": named, "AWS::Serverless::Api": "x" * 10}[kind]


def _attribute(path: list[str]) -> str:
    name, attribute = path
    kind = RESOURCES[name]["Type"]
    if kind == "AWS::SQS::Queue":
        return f"arn:aws-us-gov:sqs:{REGION}:{ACCOUNT}:" + "x" * QUEUE_NAME
    assert (kind, attribute) == ("AWS::SecretsManager::Secret", "Id")
    secret = "x" * (STACK_NAME + 1 + len(name) + SUFFIX + SECRET_SUFFIX)
    return f"arn:aws-us-gov:secretsmanager:{REGION}:{ACCOUNT}:secret:{secret}"


def _substituted(argument: Any) -> str:
    text, values = argument if isinstance(argument, list) else (argument, {})
    parts = str(text).split("${")
    found = parts[0]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        found += (longest(values[name]) if name in values else _reference(name.partition(".")[0])) + rest
    return found


_LONGEST: dict[str, Any] = {
    "Ref": _reference,
    "Fn::GetAtt": _attribute,
    "Fn::Sub": _substituted,
    "Fn::If": lambda choice: max(map(longest, choice[1:]), key=len),
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_environment_of_a_function_fits_with_half_of_the_longest_selection(name: str) -> None:
    variables = (
        TEMPLATE["Globals"]["Function"]["Environment"]["Variables"] | FUNCTIONS[name]["Environment"]["Variables"]
    )
    measured = json.dumps({key: longest(value) for key, value in variables.items()}, separators=(",", ":"))
    assert len(measured.encode()) <= LIMIT_BYTES
