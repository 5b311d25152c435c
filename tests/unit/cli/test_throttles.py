"""What check says of calls that AWS throttled: those of the site, by CloudWatch, and its own."""

from __future__ import annotations

import json
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.support.findings import problem
from tests.unit.template.parts import of_type

from geosync.aws.errors import THROTTLED, reason
from geosync.cli.checks import function_log, throttles
from geosync.cli.checks.findings import looks
from geosync.cli.site import AwsAccess, StackSite
from geosync.clock import SYSTEM_CLOCK

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


class Logs:
    """CloudWatch Logs with these lines in a function's log, one in a page: a page may have none of those asked for."""

    def __init__(self, lines: dict[str, list[dict[str, Any]]]) -> None:
        self._lines = lines

    def client(self, service: str, **_: object) -> Any:
        assert service == "logs"
        return self

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:
        lines = self._lines.get(asked["logGroupName"].removeprefix("/aws/lambda/"), [])
        position = int(asked.get("nextToken", "0"))
        texts = [json.dumps(one["line"]) for one in lines[position : position + 1] if one["at"] >= asked["startTime"]]
        found = [{"message": text} for text in texts if asked["filterPattern"].strip('"') in text]
        return {"events": found, **({"nextToken": str(position + 1)} if position + 1 < len(lines) else {})}


def site_with(sums: dict[tuple[str, str], float]) -> StackSite:
    return site_of(CloudWatch(sums))


def site_of(session: Any) -> StackSite:
    return StackSite(
        access=AwsAccess(session=cast(boto3.Session, session)),
        stack="geosync-oregon",
        region="us-west-2",
        state="CREATE_COMPLETE",
        parameters={"SiteName": "oregon", "SiteRole": "secondary"},
        outputs=OUTPUTS,
    )


def test_throttled_calls_are_named_with_their_number() -> None:
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


def test_without_a_throttled_call_the_check_is_ok() -> None:
    (found,) = throttles.look(site_with({}))
    assert found.result == "ok"


# ── what the functions logged ──


def line(code: str, operation: str, *, ago_ms: int = 0) -> dict[str, Any]:
    error = ClientError({"Error": {"Code": code, "Message": "Rate exceeded"}}, operation)
    return {"at": SYSTEM_CLOCK.now_ms() - ago_ms, "line": {"message": "failed", "reason": f"1 of 2: {reason(error)}"}}


def test_throttling_by_sqs_sns_and_secrets_manager_is_named_with_the_function_that_logged_it() -> None:
    logs = {
        "geosync-oregon-sync-function": [
            line("RequestThrottled", "SendMessageBatch"),
            line("AccessDenied", "SendMessage"),
            line("RequestThrottled", "SendMessageBatch"),
            line("ThrottlingException", "GetSecretValue"),
            line("Throttled", "PublishBatch", ago_ms=3_700_000),
            {"at": SYSTEM_CLOCK.now_ms(), "line": {"reason": "AWS throttles ecr:BatchGetImage; it is tried again"}},
        ]
    }
    found = problem(throttles.look_in_the_logs(site_of(Logs(logs))), "calls_throttled")
    for said in ("2 SQS SendMessageBatch", "1 Secrets Manager GetSecretValue", "1 ecr:BatchGetImage"):
        assert f"{said} in geosync-oregon-sync-function" in found.text
    assert "SNS" not in found.text, "that was more than an hour ago"


def test_logs_without_a_throttled_call_are_ok() -> None:
    (found,) = throttles.look_in_the_logs(site_of(Logs({})))
    assert found.result == "ok"


def test_a_log_that_is_longer_than_a_check_reads_is_not_said_to_tell_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_log, "LOG_PAGES", 2)
    lines = [line("AccessDenied", "SendMessage")] * 3
    (found,) = throttles.look_in_the_logs(site_of(Logs({"geosync-oregon-sync-function": lines})))
    assert (found.result, "geosync-oregon-sync-function" in found.text) == ("unknown", True)
    met = [line("RequestThrottled", "SendMessage"), *lines]
    found = problem(throttles.look_in_the_logs(site_of(Logs({"geosync-oregon-sync-function": met}))), "calls_throttled")
    assert "more was logged than a check reads" in found.text


@pytest.mark.parametrize("code", sorted(THROTTLED))
def test_a_throttled_look_is_not_taken_for_a_missing_permission(code: str) -> None:
    def look() -> Any:
        raise ClientError({"Error": {"Code": code, "Message": "Rate exceeded"}}, "DescribeStacks")

    (found,) = looks([("stack", look)])
    assert (found.result, "permission" in (found.fix or "")) == ("unknown", False)
