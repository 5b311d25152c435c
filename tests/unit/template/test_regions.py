"""What CloudFormation makes of the template in each region: as whom SNS may send to the queue, and what APIs take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from local.intrinsics import Resolver
from tests.unit.template.parts import RESOURCES, TEMPLATE, of_type

from geosync.aws.regions import CROSSED_BY_SNS, ENABLED_BY_DEFAULT, partition_of

DEFAULT = "sns.amazonaws.com"


class Stack(Resolver):
    """A stack in a region, with others in opt-in regions; its conditions are what CloudFormation makes of them."""

    def __init__(self, region: str, others: str = "") -> None:
        super().__init__(TEMPLATE, met=True)
        self.values = {
            "AWS::Region": region,
            "AWS::Partition": partition_of(region),
            "OptInRegions": others.split(","),
        }

    def is_so(self, condition: str) -> bool:
        """Whether a condition of the template holds."""
        return bool(self.value(TEMPLATE["Conditions"][condition]))

    def value(self, node: Any) -> Any:
        return self.is_so(node["Condition"]) if isinstance(node, dict) and "Condition" in node else super().value(node)

    def _called(self, name: str, argument: Any) -> Any:
        if name == "Fn::If":
            return self.value(argument[1 if self.is_so(argument[0]) else 2])
        conditions: dict[str, Callable[[list[Any]], bool]] = {
            "Fn::Equals": lambda values: values[0] == values[1],
            "Fn::Or": any,
            "Fn::Not": lambda values: not values[0],
        }
        return conditions[name](self.value(argument)) if name in conditions else super()._called(name, argument)

    def _named(self, name: str) -> Any:
        return self.values[name] if name in self.values else super()._named(name)


def senders(region: str, others: str = "") -> list[str]:
    (statement, *_) = RESOURCES["EventsQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    named: list[str] = Stack(region, others).value(statement["Principal"]["Service"])
    return named


@pytest.mark.parametrize(
    ("region", "others", "also"),
    [
        ("us-west-2", "", []),
        ("us-west-2", "eu-south-1", ["eu-south-1"]),
        ("us-west-2", "eu-south-1,ap-east-1", ["eu-south-1", "ap-east-1"]),
        ("eu-central-2", "", ["eu-central-2"]),
        ("ap-east-1", "af-south-1", ["ap-east-1", "af-south-1"]),
        ("us-gov-west-1", "", []),
        ("cn-north-1", "", []),
        ("ap-northeast-3", "", ["ap-northeast-3"]),
    ],
)
def test_sns_may_send_under_the_names_that_it_has_in_opt_in_regions(region: str, others: str, also: list[str]) -> None:
    assert senders(region, others) == [DEFAULT, *(f"sns.{one}.amazonaws.com" for one in also)]


def test_a_region_of_today_or_of_tomorrow_is_an_opt_in_region_unless_it_is_one_of_twenty() -> None:
    sessions = botocore.session.get_session()
    known = {one for name in sessions.get_available_partitions() for one in sessions.get_available_regions("sns", name)}
    default = {region for region in {*known, "eu-moon-1"} if not Stack(region).is_so("StandsInAnOptInRegion")}
    assert default & known == ENABLED_BY_DEFAULT & known
    assert len(ENABLED_BY_DEFAULT) == 20
    assert known - default >= CROSSED_BY_SNS
    assert {"me-south-1", "il-central-1", "eu-moon-1"}.isdisjoint(default)


def test_partitions_are_those_of_botocore() -> None:
    sessions = botocore.session.get_session()
    for partition in ("aws", "aws-cn", "aws-us-gov"):
        regions = sessions.get_available_regions("sns", partition)
        assert {partition_of(region) for region in regions} == {partition}


@pytest.mark.parametrize(
    ("region", "policy"),
    [
        ("eu-west-1", "SecurityPolicy_TLS13_1_2_2021_06"),
        ("cn-north-1", "SecurityPolicy_TLS13_1_2_2021_06"),
        ("us-gov-west-1", None),
    ],
)
def test_an_api_has_no_policy_where_api_gateway_refuses_it(region: str, policy: str | None) -> None:
    for api in of_type("AWS::Serverless::Api").values():
        both = Stack(region).value({name: api[name] for name in ("SecurityPolicy", "EndpointAccessMode")})
        assert both == ({"SecurityPolicy": policy, "EndpointAccessMode": "BASIC"} if policy else {})
