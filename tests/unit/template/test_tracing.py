"""Tracing: off by default, and then nothing sends a trace or may; where it is on, everything on the way of a push."""

from __future__ import annotations

import json
import re

import pytest
from tests.unit.template.parts import FUNCTIONS, PARAMETERS, RESOURCES, ROOT, TEMPLATE, of_type, statements, walk

MODE = {"Fn::If": ["SendsTraces", "Active", "PassThrough"]}
ROLES = sorted(one["Role"]["Fn::GetAtt"][0] for one in FUNCTIONS.values())


def test_it_is_off_by_default() -> None:
    assert PARAMETERS["Tracing"]["Default"] == "off"
    assert TEMPLATE["Conditions"]["SendsTraces"] == {"Fn::Equals": [{"Ref": "Tracing"}, "on"]}


def test_functions_and_the_topic_trace_where_it_is_on_and_are_as_aws_makes_them_where_it_is_off() -> None:
    assert TEMPLATE["Globals"]["Function"]["Tracing"] == MODE
    assert of_type("AWS::SNS::Topic")["Topic"]["TracingConfig"] == MODE
    assert [name for name, one in FUNCTIONS.items() if "Tracing" in one] == []


def test_no_api_traces_as_its_traces_would_have_headers_and_paths() -> None:
    assert [path for path, _ in walk(TEMPLATE) if path and path[-1] in ("TracingEnabled", "DataTraceEnabled")] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_function_may_send_traces_only_where_it_is_on(role: str) -> None:
    given = RESOURCES[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (found,) = [one["Fn::If"] for one in given if "Fn::If" in one and one["Fn::If"][1].get("Sid") == "SendTraces"]
    assert (found[0], found[2]) == ("SendsTraces", {"Ref": "AWS::NoValue"})
    # What Lambda's documentation asks for, without what only an SDK in the function would use.
    assert found[1]["Action"] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    others = [one for one in statements(role) if one["Sid"] != "SendTraces" and "xray:" in str(one["Action"])]
    assert others == []


def test_sns_may_send_traces_of_this_topic_alone_and_only_where_it_is_on() -> None:
    (name,) = (name for name, one in RESOURCES.items() if one["Type"].startswith("AWS::XRay::"))
    assert RESOURCES[name]["Condition"] == "SendsTraces"
    document = json.loads(RESOURCES[name]["Properties"]["PolicyDocument"]["Fn::Sub"])
    (statement,) = document["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Action"] == ["xray:PutTraceSegments", "xray:GetSamplingRules", "xray:GetSamplingTargets"]
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "${AWS::AccountId}", "aws:SourceArn": "${Topic}"}
    }


def test_nothing_else_of_the_template_knows_of_it() -> None:
    """No variable, so that it takes nothing of a function's 4,096 bytes of environment."""
    places = [path for path, node in walk(TEMPLATE["Resources"]) if node == "SendsTraces"]
    assert len(places) == len(ROLES) + 2  # the topic and its policy
    assert not [path for path in places if "Environment" in path]


@pytest.mark.parametrize("name", ["layer", "admin"])
def test_no_layer_has_an_sdk_for_it(name: str) -> None:
    """A function would read its modules with each cold start, traced or not."""
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE)
    assert pinned
    assert [one for one in pinned if "xray" in one or "opentelemetry" in one] == []
