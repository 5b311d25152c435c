"""What check says of the regions of a topic and of a queue."""

from __future__ import annotations

from typing import cast

import boto3
import pytest

from geosync.cli.checks.findings import CheckFinding
from geosync.cli.checks.regions import obstacle
from geosync.cli.site import AwsAccess, StackSite
from geosync.sync_registry.site.heartbeat import LastHeartbeat

TOPIC = "arn:aws:sns:{}:123456789012:geosync-dublin"


def found(region: str, topic: str, *, named: str = "", heard_from: str | None = None) -> CheckFinding | None:
    site = StackSite(
        access=AwsAccess(session=cast(boto3.Session, None)),
        stack="geosync-oregon",
        region=region,
        state="CREATE_COMPLETE",
        parameters={"SiteName": "oregon", "OptInRegions": named},
        outputs={},
    )
    beat = None if heard_from is None else LastHeartbeat(site=heard_from, sent_at=1, arrived_at=2)
    return obstacle(site, topic, f"arn:aws:sqs:{region}:123456789012:events", beat)


@pytest.mark.parametrize(
    ("region", "of_the_topic", "named"),
    [
        ("us-west-2", "eu-west-1", ""),
        ("eu-south-1", "eu-west-1", ""),
        ("eu-south-1", "eu-south-1", ""),
        ("us-west-2", "eu-south-1", "ap-east-1,eu-south-1"),
        # Under the name of the queue's region, which the queue always lets in.
        ("eu-central-2", "eu-south-1", ""),
        # A region that AWS's page does not name, and no other one.
        ("ca-west-1", "ca-west-1", ""),
    ],
)
def test_a_pair_whose_names_the_queue_lets_in_is_no_problem(region: str, of_the_topic: str, named: str) -> None:
    assert found(region, TOPIC.format(of_the_topic), named=named) is None


def test_an_opt_in_region_that_is_not_named_is_a_problem_with_the_way_out() -> None:
    finding = found("us-west-2", TOPIC.format("eu-south-1"), named="ap-east-1")
    assert finding is not None
    assert (finding.name, finding.result) == ("subscription", "problem")
    assert "OptInRegions=eu-south-1" in (finding.fix or "")


def test_a_topic_of_another_partition_is_a_problem() -> None:
    finding = found("us-west-2", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:geosync-dublin")
    assert finding is not None
    assert "another partition" in finding.text


@pytest.mark.parametrize(("region", "of_the_topic"), [("ca-west-1", "eu-west-1"), ("eu-west-1", "ca-west-1")])
def test_a_pair_that_aws_does_not_name_is_a_problem_until_something_comes_that_way(
    region: str, of_the_topic: str
) -> None:
    for heard_from in (None, "cork"):
        finding = found(region, TOPIC.format(of_the_topic), named=of_the_topic, heard_from=heard_from)
        assert finding is not None
        assert (
            finding.text
            == f"SNS is not known to deliver from {of_the_topic} to {region}, and nothing has come that way"
        )
        assert "ca-west-1" in (finding.fix or "")
    assert found(region, TOPIC.format(of_the_topic), named=of_the_topic, heard_from="dublin") is None
