"""What check says of API Gateway's, SNS's and DynamoDB's quotas, by the account and by a site's parameters."""

from __future__ import annotations

from typing import Any, cast

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from tests.support.findings import problem
from tests.unit.template.parts import FUNCTIONS, PARAMETERS, ROOT, of_type

from geosync.cli.checks import quotas
from geosync.cli.checks.findings import CheckFinding, looks
from geosync.cli.site import AwsAccess, StackSite

RATE = {"throttleSettings": {"rateLimit": 10_000.0, "burstLimit": 5_000}}
SERVICE_QUOTAS: Any = botocore.session.get_session().create_client("service-quotas", region_name="eu-south-1")
"""For its errors alone: nothing is asked of it."""
DEFAULT, APPLIED = "GetAWSDefaultServiceQuota", "GetServiceQuota"
UNITS = {"TableMaxReadCapacityUnits": 40_000, "TableMaxWriteCapacityUnits": 40_000}


class Account:
    """An account with these answers; None: the caller may not ask."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers

    def client(self, service: str, **_: object) -> Any:
        return self

    def get_account(self) -> dict[str, Any]:
        return self._answer("GetAccount")

    def describe_limits(self) -> dict[str, Any]:
        return self._answer("DescribeLimits")

    exceptions = SERVICE_QUOTAS.exceptions

    def get_service_quota(self, **asked: str) -> dict[str, Any]:
        assert asked == {"ServiceCode": "sns", "QuotaCode": "L-F8E2BA85"}
        if APPLIED not in self._answers:
            raise self.exceptions.NoSuchResourceException({"Error": {"Code": "NoSuchResourceException"}}, APPLIED)
        return {"Quota": self._answer(APPLIED)}

    def get_aws_default_service_quota(self, **asked: str) -> dict[str, Any]:
        assert asked == {"ServiceCode": "sns", "QuotaCode": "L-F8E2BA85"}
        return {"Quota": self._answer(DEFAULT)}

    def _answer(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] | None = self._answers[name]
        if answer is None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, name)
        return answer


def site_with(answers: dict[str, Any], **parameters: str) -> StackSite:
    """A primary in an account with these answers, with the template's defaults."""
    defaults = {name: str(one.get("Default", "")) for name, one in PARAMETERS.items()}
    return StackSite(
        access=AwsAccess(session=cast(boto3.Session, Account(answers))),
        stack="geosync-dublin",
        region="eu-south-1",
        state="CREATE_COMPLETE",
        parameters={**defaults, "SiteName": "dublin", "SiteRole": "primary", **parameters},
        outputs={},
    )


def found(answers: dict[str, Any], **parameters: str) -> CheckFinding:
    """What the look says that asks for the answer."""
    site = site_with(answers, **parameters)
    if "GetAccount" in answers:
        (finding,) = looks([("api_rate", lambda: quotas.look_at_the_api(site))])
    elif APPLIED in answers or DEFAULT in answers:
        (finding,) = looks([("topic_rate", lambda: quotas.look_at_the_topic(site))])
    else:
        (finding,) = looks([("table_units", lambda: quotas.look_at_the_tables(site))])
    return finding


def test_the_defaults_fit_into_an_ordinary_account_and_into_the_smallest_region() -> None:
    assert found({"GetAccount": RATE}).result == "ok"
    assert found({"GetAccount": {"throttleSettings": {"rateLimit": 2_500.0, "burstLimit": 1_250}}}).result == "ok"
    assert found({"DescribeLimits": UNITS}).result == "ok"


def test_a_rate_beyond_the_account_s_is_a_problem_with_a_way_out() -> None:
    fault = problem([found({"GetAccount": RATE}, NotificationRate="9950")], "api_rate")
    assert "= 10001 requests a second" in fault.text
    assert "NotificationRate" in (fault.fix or "")
    assert found({"GetAccount": RATE}, NotificationRate="9949").result == "ok"
    assert found({"GetAccount": RATE}, NotificationRate="9949", Reads="on").result == "problem"


def test_a_burst_beyond_the_account_s_is_a_problem_with_a_way_out() -> None:
    small = {"throttleSettings": {"rateLimit": 2_500.0, "burstLimit": 1_250}}
    fault = problem([found({"GetAccount": small}, NotificationBurst="1251")], "api_rate")
    assert "NotificationBurst=1250" in (fault.fix or "")
    assert found({"GetAccount": small}, NotificationBurst="1250").result == "ok"


def test_more_notifications_than_the_account_s_topics_take_are_a_problem_with_a_way_out() -> None:
    smallest = {"Value": 300.0}  # of the smallest regions, by AWS's page of SNS's quotas
    assert found({DEFAULT: smallest}).result == "ok"
    fault = problem([found({DEFAULT: smallest}, NotificationRate="301")], "topic_rate")
    assert "take 300 messages a second" in fault.text
    assert "NotificationRate" in (fault.fix or "")
    # What the account asked for counts, and not the default.
    assert found({APPLIED: {"Value": 900.0}, DEFAULT: smallest}, NotificationRate="900").result == "ok"


def test_the_functions_never_have_as_many_messages_in_hand_as_a_queue_gives() -> None:
    most = {name: PARAMETERS[f"{name}Concurrency"]["MaxValue"] for name in ("Events", "Live", "Work")}
    taken = {
        name: most[name] * FUNCTIONS[function]["Events"][event]["Properties"]["BatchSize"]
        for name, function, event in (
            ("Events", "LogCursorFunction", "GeoEvents"),
            ("Live", "SyncFunction", "Live"),
            ("Work", "SyncFunction", "Work"),
        )
    }
    assert max(taken.values()) == 10_000
    assert max(taken.values()) < 120_000  # Amazon SQS standard queue quotas: messages in flight


@pytest.mark.parametrize("kind", ["Read", "Write"])
def test_more_marks_than_a_table_takes_are_a_problem_with_a_way_out(kind: str) -> None:
    few = {**UNITS, f"TableMax{kind}CapacityUnits": 500}
    fault = problem([found({"DescribeLimits": few})], "table_units")
    assert f"{kind.lower()} throughput" in (fault.fix or "")
    assert "EventsConcurrency" in (fault.fix or "")
    many = problem([found({"DescribeLimits": UNITS}, EventsConcurrency="1000")], "table_units")
    assert "40000 for 150338 writes" in many.text


def test_more_notifications_than_the_event_log_s_newest_hour_takes_are_a_problem_with_a_way_out() -> None:
    def look(**parameters: str) -> CheckFinding:
        (finding,) = quotas.look_at_the_event_log(site_with({}, **parameters))
        return finding

    assert look().result == look(NotificationRate="1000").result == "ok"
    fault = problem([look(NotificationRate="3001")], "event_log")
    assert "EventLogShards=4" in (fault.fix or "")
    assert look(NotificationRate="3001", EventLogShards="4").result == "ok"


def test_a_quota_of_sns_that_the_caller_may_not_ask_for_is_not_known() -> None:
    for answers, refused in (({APPLIED: None}, APPLIED), ({DEFAULT: None}, DEFAULT)):
        finding = found(answers)
        assert finding.result == "unknown"
        assert refused in (finding.fix or "")


@pytest.mark.parametrize("asked", ["GetAccount", "DescribeLimits"])
def test_a_quota_that_is_denied_or_missing_is_not_known(asked: str) -> None:
    refused = found({asked: None})
    assert refused.result == "unknown"
    assert asked in (refused.fix or "")
    silent = found({asked: {}})
    assert silent.result == "unknown"
    assert "Service Quotas" in (silent.fix or "")


def test_the_rates_beside_the_parameters_are_the_template_s() -> None:
    apis = {name: api["MethodSettings"] for name, api in of_type("AWS::Serverless::Api").items()}
    rates = [apis["NotificationsApi"][1], apis["AdminApi"][0], apis["PullApi"][0]]
    assert [one["ThrottlingRateLimit"] for one in rates] == [
        quotas.HEARTBEAT_RATE,
        quotas.ADMIN_RATE,
        quotas.PULL_RATE,
    ]


def test_the_items_of_a_push_are_those_that_are_counted() -> None:
    counted = (ROOT / "docs" / "costs.md").read_text().splitlines()
    for what, reads, writes in (
        ("intake of a push", quotas.MARK_READS, quotas.MARK_WRITES),
        ("sync of a push", quotas.SYNC_READS, quotas.SYNC_WRITES),
    ):
        (row,) = [line for line in counted if line.startswith(f"| {what} |")]
        assert row.endswith(f"; {reads} items read, {writes} items written |")
