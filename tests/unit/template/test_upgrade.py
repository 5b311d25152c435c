"""An update from the previous release's template replaces nothing that holds something; a page says what changes."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from local.short_forms import load
from release.keep import KEPT
from tests.support.upgrade import previous
from tests.unit.template.parts import ROOT, TEMPLATE, walk

FORMER = load(KEPT / "template.yaml")
PAGE = (ROOT / "docs" / "upgrades.md").read_text()
NAMED = set(re.findall(r"`([^`\n]+)`", PAGE))
STATEFUL = {
    "AWS::DynamoDB::Table": ("TableName", "KeySchema", "LocalSecondaryIndexes"),
    "AWS::SQS::Queue": ("QueueName", "FifoQueue"),
    "AWS::SNS::Topic": ("TopicName", "FifoTopic"),
    "AWS::SecretsManager::Secret": ("Name",),
    "AWS::Logs::LogGroup": ("LogGroupName",),
}
"""What holds something, and the properties of which another value makes CloudFormation replace it."""
OUTPUTS_THAT_OTHERS_USE = {"TopicArn", "AdminUrl", "NotificationsUrl"}


def of_type(template: dict[str, Any], *kinds: str) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in template["Resources"].items() if one["Type"] in kinds}


def statements(template: dict[str, Any]) -> dict[str, Any]:
    """The actions of every statement of a policy, by its Sid."""
    found: dict[str, set[str]] = {}
    for _, node in walk(template["Resources"]):
        if isinstance(node, dict) and "Sid" in node:
            actions = node.get("Action", [])
            found.setdefault(str(node["Sid"]), set()).update(
                map(str, actions if isinstance(actions, list) else [actions])
            )
    return found


def changed(former: dict[str, Any], today: dict[str, Any]) -> list[str]:
    """The names that came and went."""
    return sorted(former.keys() ^ today.keys())


def takes_more(former: dict[str, Any], today: dict[str, Any]) -> bool:
    """Whether a parameter may have values that it could not have; of two patterns nobody can tell, so it may."""
    lower = any(today.get(rule, -math.inf) < former.get(rule, -math.inf) for rule in ("MinValue", "MinLength"))
    higher = any(today.get(rule, math.inf) > former.get(rule, math.inf) for rule in ("MaxValue", "MaxLength"))
    more = "AllowedValues" in former and not set(former["AllowedValues"]) >= set(today.get("AllowedValues", [None]))
    return lower or higher or more or former.get("AllowedPattern") not in (None, today.get("AllowedPattern"))


def test_every_parameter_that_came_or_went_or_has_another_default_is_on_the_page() -> None:
    former, today = FORMER["Parameters"], TEMPLATE["Parameters"]
    other = [name for name in former.keys() & today.keys() if former[name].get("Default") != today[name].get("Default")]
    assert [name for name in (*changed(former, today), *other) if name not in NAMED] == []


def test_every_value_that_a_parameter_may_have_no_more_is_on_the_page() -> None:
    rules = ("AllowedValues", "AllowedPattern", "MinValue", "MaxValue", "MinLength", "MaxLength", "Type")
    former, today = FORMER["Parameters"], TEMPLATE["Parameters"]
    other = [
        name
        for name in former.keys() & today.keys()
        if any(former[name].get(rule) != today[name].get(rule) for rule in rules)
    ]
    assert [name for name in other if name not in NAMED] == []


def test_every_value_that_the_former_template_refuses_is_in_the_way_back() -> None:
    """CloudFormation checks the values that a stack keeps against the template that it goes back to."""
    former, today = FORMER["Parameters"], TEMPLATE["Parameters"]
    wider = [name for name in former.keys() & today.keys() if takes_more(former[name], today[name])]
    way_back = PAGE.split("### The way back\n", 1)[1].split("\n### ", 1)[0]
    assert [name for name in wider if f"`{name}`" not in way_back] == []


@pytest.mark.parametrize(
    ("former", "today", "more"),
    [
        ({"MinValue": 5}, {"MinValue": 0}, True),
        ({"MinValue": 5}, {}, True),
        ({"MinValue": 0}, {"MinValue": 5}, False),
        ({}, {"MaxLength": 5}, False),
        ({"MaxValue": 9}, {"MaxValue": 10}, True),
        ({"AllowedValues": ["on"]}, {"AllowedValues": ["on", "off"]}, True),
        ({"AllowedValues": ["on", "off"]}, {"AllowedValues": ["on"]}, False),
        ({"AllowedPattern": "a"}, {"AllowedPattern": "b"}, True),
    ],
)
def test_bounds_that_grew_are_seen(former: dict[str, Any], today: dict[str, Any], more: bool) -> None:
    assert takes_more(former, today) is more


def test_a_new_parameter_has_a_default_as_an_update_gives_it_no_value() -> None:
    new = TEMPLATE["Parameters"].keys() - FORMER["Parameters"].keys()
    assert [name for name in new if "Default" not in TEMPLATE["Parameters"][name]] == []


@pytest.mark.parametrize("kind", ["AWS::CloudWatch::Alarm", "AWS::SQS::Queue", "AWS::Serverless::Function"])
def test_every_alarm_queue_and_function_that_came_or_went_is_on_the_page(kind: str) -> None:
    assert [name for name in changed(of_type(FORMER, kind), of_type(TEMPLATE, kind)) if name not in NAMED] == []


def test_every_output_that_came_or_went_is_on_the_page() -> None:
    assert [name for name in changed(FORMER["Outputs"], TEMPLATE["Outputs"]) if name not in NAMED] == []
    assert TEMPLATE["Outputs"].keys() >= OUTPUTS_THAT_OTHERS_USE


def test_every_permission_that_came_or_went_is_on_the_page() -> None:
    former, today = statements(FORMER), statements(TEMPLATE)
    assert len(today) > 50
    other = [sid for sid in former.keys() & today.keys() if former[sid] != today[sid]]
    assert [sid for sid in (*changed(former, today), *other) if sid not in NAMED] == []


def test_the_page_names_the_commit_that_is_kept() -> None:
    assert f"({previous.about()['commit'][:8]}," in PAGE


@pytest.mark.parametrize("kind", STATEFUL)
def test_an_update_replaces_nothing_that_holds_something(kind: str) -> None:
    former, today = of_type(FORMER, kind), of_type(TEMPLATE, kind)
    assert former.keys() <= today.keys()
    for name, one in former.items():
        for key in STATEFUL[kind]:
            assert one.get("Properties", {}).get(key) == today[name].get("Properties", {}).get(key), f"{name}: {key}"


def test_an_update_changes_one_index_of_a_table_at_most() -> None:
    """DynamoDB makes or deletes one global index at a time, so CloudFormation refuses two in an update of a stack."""
    today = of_type(TEMPLATE, "AWS::DynamoDB::Table")
    for name, one in of_type(FORMER, "AWS::DynamoDB::Table").items():
        indexes = [
            {index["IndexName"]: index for index in table["Properties"].get("GlobalSecondaryIndexes", [])}
            for table in (one, today[name])
        ]
        assert len(changed(*indexes)) <= 1, name
        assert [
            index for index in indexes[0].keys() & indexes[1].keys() if indexes[0][index] != indexes[1][index]
        ] == []
