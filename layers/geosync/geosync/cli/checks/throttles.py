"""The calls that AWS refused a site in the last hour because there were too many, as CloudWatch has counted them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from geosync.aws.errors import OF_DYNAMODB
from geosync.cli.checks.findings import CheckFinding, ok, problem
from geosync.cli.site import StackSite
from geosync.messages import event_log
from geosync.sync_registry.owed_index import DUE_INDEX

HOUR_S = 3_600
INDEXES = {"SyncRegistryTable": DUE_INDEX, "EventsTable": event_log.INDEX}
"""The tables by their outputs, each with its global index: CloudWatch counts what that refuses apart."""


@dataclass(frozen=True, slots=True)
class _Metric:
    """A metric of AWS's own that counts refusals, and what it counts, in words."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    what: str


def look(site: StackSite) -> Iterator[CheckFinding]:
    """Read what AWS counts by itself: throttled invocations, and reads, writes and operations of both tables.

    A metric without a value was never counted: AWS puts these only when there is something to count.
    """
    metrics = [*_of_functions(site), *_of_tables(site)]
    until = datetime.fromtimestamp(site.clock.now_ms() / 1000, UTC)
    answer = site.client("cloudwatch").get_metric_data(
        MetricDataQueries=[_query(number, metric) for number, metric in enumerate(metrics)],
        StartTime=until - timedelta(seconds=HOUR_S),
        EndTime=until,
    )
    sums = {one["Id"]: int(sum(one["Values"])) for one in answer["MetricDataResults"]}
    refused = {metric.what: sums.get(f"m{number}", 0) for number, metric in enumerate(metrics)}
    parts = ", ".join(f"{number} {what}" for what, number in refused.items() if number)
    if parts:
        text = (
            f"AWS refused in the last hour, as there were too many: {parts}. Nothing is lost by it; all of it is late"
        )
        yield problem("throttled", text, "see docs/scale.md for the quota that is met, and what to set")
    else:
        yield ok("throttled", "CloudWatch has counted no refused invocation, read, write or operation in the last hour")


def _of_functions(site: StackSite) -> Iterator[_Metric]:
    for output, name in site.outputs.items():
        if output.endswith("Function"):
            yield _Metric("AWS/Lambda", "Throttles", {"FunctionName": name}, f"invocations of {name}")


def _of_tables(site: StackSite) -> Iterator[_Metric]:
    for output, index in INDEXES.items():
        table = site.outputs.get(output)
        if table is None:
            continue
        of_table = {"TableName": table}
        of_index = of_table | {"GlobalSecondaryIndexName": index}
        for kind in ("Read", "Write"):
            name, what = f"{kind}ThrottleEvents", f"{kind.lower()}s of {table}"
            yield _Metric("AWS/DynamoDB", name, of_table, what)
            yield _Metric("AWS/DynamoDB", name, of_index, f"{what} by its index {index}")
        for operation in OF_DYNAMODB:
            asked = of_table | {"Operation": operation}
            yield _Metric("AWS/DynamoDB", "ThrottledRequests", asked, f"DynamoDB {operation} of {table}")


def _query(number: int, metric: _Metric) -> Any:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions.items()]
    return {
        "Id": f"m{number}",
        "MetricStat": {
            "Metric": {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions},
            "Period": HOUR_S,
            "Stat": "Sum",
        },
    }
