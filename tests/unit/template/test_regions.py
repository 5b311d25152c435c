"""As whom SNS may send to the events queue: what CloudFormation makes of the template in each region."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from tests.unit.template.parts import RESOURCES, TEMPLATE

from geosync.cli.checks.regions import ENABLED_BY_DEFAULT

DEFAULT = "sns.amazonaws.com"


class Stack:
    """A stack in a region, with others in opt-in regions, as far as its conditions and its texts go."""

    def __init__(self, region: str, others: str = "") -> None:
        self.values = {"AWS::Region": region, "OptInRegions": others.split(",")}

    def is_so(self, condition: str) -> bool:
        """Whether a condition of the template holds."""
        return bool(self.value(TEMPLATE["Conditions"][condition]))

    def value(self, node: Any) -> Any:
        """What CloudFormation makes of a node."""
        if isinstance(node, list):
            return [self.value(one) for one in node]
        if not isinstance(node, dict):
            return node
        ((function, given),) = node.items()
        if function == "Fn::If":
            return self.value(given[1] if self.is_so(given[0]) else given[2])
        of: dict[str, Any] = {
            "Ref": lambda: self.values[given],
            "Condition": lambda: self.is_so(given),
            "Fn::Equals": lambda: self.value(given[0]) == self.value(given[1]),
            "Fn::Or": lambda: any(map(self.value, given)),
            "Fn::Not": lambda: not self.value(given[0]),
            "Fn::Select": lambda: self.value(given[1])[given[0]],
            "Fn::Split": lambda: self.value(given[1]).split(given[0]),
            "Fn::Join": lambda: given[0].join(self.value(given[1])),
            "Fn::Sub": lambda: self.with_values(given),
        }
        return of[function]()

    def with_values(self, given: Any) -> str:
        """What becomes of a text with names in it."""
        text, names = given if isinstance(given, list) else (given, {})
        for name, value in {**self.values, **names}.items():
            text = text.replace(f"${{{name}}}", str(self.value(value)))
        return str(text)


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
    assert {"me-south-1", "il-central-1", "eu-moon-1"}.isdisjoint(default)
