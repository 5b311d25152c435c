"""What check says of calls that AWS throttled: those of the site, by CloudWatch, and its own."""

from __future__ import annotations

from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.support.findings import problem
from tests.unit.template.parts import of_type

from geosync.aws.errors import THROTTLED
from geosync.cli.checks import throttles
from geosync.cli.checks.findings import looks
from geosync.cli.site import AwsAccess, StackSite

OUTPUTS = {
    "SyncRegistryTable": "geosync-oregon-sync",
    "EventsTable": "geosync-oregon-events",
    "SyncFunction": "geosync-oregon-sync-function",
    "TopicArn": "arn:aws:sns:us-west-2:1:geosync-oregon",
}


class CloudWatch:
    """CloudWatch with these sums, by metric and the last dimension's value; nothing else was counted."""

    def __init__(self, sums: dict[tuple[str, str], float]) -> None:
        self._sums = sums

    def client(self, service: str, **_: object) -> Any:
        assert service == "cloudwatch"
        return self

    def get_metric_data(self, **given: Any) -> dict[str, Any]:
        results = []
        for query in given["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            key = metric["MetricName"], metric["Dimensions"][-1]["Value"]
            results.append({"Id": query["Id"], "Values": [self._sums[key]] if key in self._sums else []})
        return {"MetricDataResults": results}


def site_with(sums: dict[tuple[str, str], float]) -> StackSite:
    return StackSite(
        access=AwsAccess(session=cast(boto3.Session, CloudWatch(sums))),
        stack="geosync-oregon",
        region="us-west-2",
        state="CREATE_COMPLETE",
        parameters={"SiteName": "oregon", "SiteRole": "secondary"},
        outputs=OUTPUTS,
    )


def test_what_aws_refused_is_named_with_its_number() -> None:
    sums = {
        ("Throttles", "geosync-oregon-sync-function"): 12.0,
        ("WriteThrottleEvents", "geosync-oregon-sync"): 7.0,
        ("WriteThrottleEvents", "due"): 3.0,
        ("ReadThrottleEvents", "due"): 2.0,
        ("WriteThrottleEvents", "recent"): 5.0,
        ("ReadThrottleEvents", "recent"): 4.0,
        ("ReadThrottleEvents", "geosync-oregon-sync"): 0.0,
        ("ThrottledRequests", "BatchGetItem"): 6.0,
    }
    found = problem(throttles.look(site_with(sums)), "throttled")
    assert "12 invocations of geosync-oregon-sync-function" in found.text
    assert "7 writes of geosync-oregon-sync," in found.text
    assert "3 writes of geosync-oregon-sync by its index due" in found.text
    assert "2 reads of geosync-oregon-sync by its index due" in found.text
    assert "5 writes of geosync-oregon-events by its index recent" in found.text
    assert "4 reads of geosync-oregon-events by its index recent" in found.text
    assert "reads of geosync-oregon-sync," not in found.text
    assert "6 DynamoDB BatchGetItem of geosync-oregon-sync" in found.text


def test_each_global_index_of_the_template_s_tables_is_asked_about() -> None:
    indexes = {
        name: [index["IndexName"] for index in table["GlobalSecondaryIndexes"]]
        for name, table in of_type("AWS::DynamoDB::Table").items()
    }
    assert indexes == {name: [index] for name, index in throttles.INDEXES.items()}


def test_nothing_counted_is_well() -> None:
    (found,) = throttles.look(site_with({}))
    assert found.result == "ok"


@pytest.mark.parametrize("code", sorted(THROTTLED))
def test_a_look_that_is_throttled_itself_asks_for_no_permission(code: str) -> None:
    def look() -> Any:
        raise ClientError({"Error": {"Code": code, "Message": "Rate exceeded"}}, "DescribeStacks")

    (found,) = looks([("stack", look)])
    assert (found.result, "permission" in (found.fix or "")) == ("unknown", False)
