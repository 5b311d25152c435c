"""Arrivals: off by default, and then there is nothing of it; who may tell whom where it is on."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.template.parts import FUNCTIONS, PARAMETERS, RESOURCES, TEMPLATE, statements

from geosync.sync_registry.site.outbox import OUTBOX

TOPIC = {"Ref": "ArrivalsTopic"}
TELLING = {"SyncFunction", "ReconcileFunction"}


def test_arrivals_are_off_by_default_and_without_a_topic() -> None:
    assert PARAMETERS["Arrivals"]["Default"] == "off"
    assert TEMPLATE["Conditions"]["TellsArrivals"] == {"Fn::Equals": [{"Ref": "Arrivals"}, "on"]}
    made = {name: one.get("Condition") for name, one in RESOURCES.items() if name.startswith("Arrivals")}
    assert made == {"ArrivalsTopic": "TellsArrivals", "ArrivalsTopicPolicy": "TellsArrivals"}
    assert TEMPLATE["Outputs"]["ArrivalsTopicArn"]["Condition"] == "TellsArrivals"


def test_two_functions_know_the_topic_where_it_is_on() -> None:
    variables = {name: one["Environment"]["Variables"] for name, one in FUNCTIONS.items()}
    known = {name: given["ARRIVALS_TOPIC_ARN"] for name, given in variables.items() if "ARRIVALS_TOPIC_ARN" in given}
    assert known == {name: {"Fn::If": ["TellsArrivals", TOPIC, ""]} for name in TELLING}


def conditional(role: str) -> dict[str, Any]:
    """The statements that a role has under a condition, by their names."""
    given = RESOURCES[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    return {one["Fn::If"][1]["Sid"]: one["Fn::If"] for one in given if "Fn::If" in one}


@pytest.mark.parametrize("role", ["SyncRole", "ReconcileRole"])
def test_announcing_functions_may_put_geosyncs_events_and_publish_to_this_topic_alone(role: str) -> None:
    found = conditional(role)
    condition, put, otherwise = found["PutArrivalsOnTheBus"]
    assert (condition, otherwise) == ("TellsArrivals", {"Ref": "AWS::NoValue"})
    assert put["Action"] == "events:PutEvents"
    assert put["Resource"]["Fn::Sub"].endswith(":event-bus/default")
    assert put["Condition"] == {"StringEqualsIfExists": {"events:source": "geosync"}}
    condition, publish, _ = found["PublishArrivals"]
    assert (condition, publish["Action"], publish["Resource"]) == ("TellsArrivals", "sns:Publish", TOPIC)
    condition, forget, _ = found["ForgetWhatWasTold"]
    assert (condition, forget["Action"]) == ("TellsArrivals", "dynamodb:BatchWriteItem")
    assert forget["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{OUTBOX}*"]}}
    condition, key, _ = found["UseTheKeyForArrivals"]
    assert (condition, set(key["Action"])) == ("TellsArrivalsWithAKey", {"kms:Decrypt", "kms:GenerateDataKey"})


def test_no_other_function_may_publish_arrivals() -> None:
    roles = {name: one["Role"]["Fn::GetAtt"][0] for name, one in FUNCTIONS.items()}
    telling = {
        name
        for name, role in roles.items()
        if any(one["Sid"] in {"PutArrivalsOnTheBus", "PublishArrivals"} for one in statements(role))
    }
    assert telling == TELLING
