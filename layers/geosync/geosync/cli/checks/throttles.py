"""The calls that AWS refused a site in the last hour because there were too many.

CloudWatch counts what Lambda and DynamoDB refuse. What SQS, SNS, Secrets Manager, EventBridge and Amazon ECR refuse it
does not: the function that met it says so in its log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from geosync.aws.errors import OF_DYNAMODB, THROTTLES, call_named_in
from geosync.cli.checks.findings import CheckFinding, ok, problem, unknown
from geosync.cli.checks.function_log import search
from geosync.cli.site import StackSite
from geosync.messages import event_log
from geosync.sync_registry.owed_index import DUE_INDEX

HOUR_S = 3_600
WHAT_TO_SET = "see docs/scale.md for the quota that is met, and what to set"
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
        yield problem("throttled", text, WHAT_TO_SET)
    else:
        yield ok("throttled", "CloudWatch has counted no refused invocation, read, write or operation in the last hour")


def look_in_the_logs(site: StackSite) -> Iterator[CheckFinding]:
    """Look in the functions' logs for calls that AWS throttled to the end of the function's own retries."""
    told, cut = Counter[str](), list[str]()
    for output in [name for name in site.outputs if name.endswith("Function")]:
        found = search(site, output, THROTTLES.strip(), HOUR_S // 60)
        for line in found.lines:
            told.update({f"{call} in {site.outputs[output]}" for call in _calls_told_of(line)})
        if not found.is_whole:
            cut.append(site.outputs[output])
    yield _throttled(told, cut)


def _throttled(told: Counter[str], cut: Sequence[str]) -> CheckFinding:
    """The finding by how many lines tell of each throttled call; the logs `cut` were not read whole."""
    more = f"; more was logged than a check reads: {', '.join(cut)}" if cut else ""
    if told:
        parts = ", ".join(f"{number} {what}" for what, number in told.most_common())
        text = f"lines of the functions' logs tell of it in the last hour: {parts}{more}"
        return problem("calls_throttled", f"{text}. Nothing is lost by it; all of it is late", WHAT_TO_SET)
    if cut:
        logs = "geosync logs --function NAME shows it"
        return unknown("calls_throttled", f"no function tells of it in what was read{more}", logs)
    return ok("calls_throttled", "no function has logged a call that AWS throttled in the last hour")


def _calls_told_of(line: Mapping[str, object]) -> Iterator[str]:
    for text in line.values():
        if isinstance(text, str) and (call := call_named_in(text)) is not None:
            yield call


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
