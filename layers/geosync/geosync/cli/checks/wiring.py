"""The parts that hold a site together in AWS: the stack, the subscription, the event sources, the schedule."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from geosync.cli.checks import regions
from geosync.cli.checks.findings import CheckFinding, Name, ok, problem, unknown
from geosync.cli.site import StackSite
from geosync.errors import ConfigurationError
from geosync.minute.subscription import region_of

MOST_OF_AN_ERROR = 300
"""Characters of the error of a function that fails."""


def look_at_the_stack(site: StackSite) -> Iterator[CheckFinding]:
    """Look whether the last deployment came to its end."""
    if site.state in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}:
        yield ok("stack", f"{site.stack} ({site.region}) is {site.state}")
    else:
        yield problem("stack", f"{site.stack} is {site.state}", "see the stack's events, and deploy again")


def look_at_the_topic(site: StackSite) -> Iterator[CheckFinding]:
    """At the primary: look whether any secondary follows it."""
    queues = [one["Endpoint"] for one in _subscriptions(site, site.outputs["TopicArn"]) if one["Protocol"] == "sqs"]
    if queues:
        names = ", ".join(queue.rpartition(":")[2] for queue in queues)
        yield ok("replication_enabled", f"{len(queues)} queues follow the topic: {names}")
    else:
        yield problem(
            "replication_enabled",
            "no secondary follows this site's topic",
            f"deploy a site with SiteRole=secondary and PrimaryTopicArn={site.outputs['TopicArn']}",
        )


def look_at_the_reports(site: StackSite) -> Iterator[CheckFinding]:
    """At the primary: look whether the sites that it expects can reach its admin API at all."""
    expected = [one.name for one in site.sync_registry.sites.all()]
    if not expected:
        yield ok("reports_arrive", "this site expects no reports")
    elif site.takes_reports:
        yield ok("reports_arrive", f"{', '.join(expected)} can report to {site.outputs['AdminUrl']}")
    else:
        yield problem(
            "reports_arrive",
            f"{', '.join(expected)} cannot report: the admin API of this site is private (AdminVpcEndpointIds)",
            f"deploy it with an empty AdminVpcEndpointIds, or: geosync sites remove {expected[0]}",
        )


def look_at_the_subscription(site: StackSite) -> Iterator[CheckFinding]:
    """At a secondary: look whether its queue follows the primary's topic, raw."""
    topic = site.parameters.get("PrimaryTopicArn", "")
    if not topic:
        yield problem("replication_enabled", "PrimaryTopicArn is empty", "deploy with the primary's output TopicArn")
        return
    yield ok("replication_enabled", f"this site follows {topic}")
    queue = _queue_arn(site)
    mine = [one for one in _subscriptions(site, topic) if one["Endpoint"] == queue]
    fix = (
        f"reconcile makes it within a minute: see the log of {site.outputs['ReconcileFunction']} (subscription_failed)"
    )
    if not mine:
        yield problem("subscription", "the events queue does not follow the primary's topic", fix)
        return
    attributes = (
        site.client("sns", region_of(topic))
        .get_subscription_attributes(SubscriptionArn=mine[0]["SubscriptionArn"])
        .get("Attributes", {})
    )
    if attributes.get("RawMessageDelivery") != "true":
        yield problem("subscription", "RawMessageDelivery is off: no message can be read", f"unsubscribe; {fix}")
        return
    found = regions.obstacle(site, topic, queue, site.sync_registry.heartbeat.read())
    yield found or ok("subscription", "the events queue follows the primary's topic")


def look_at_the_event_sources(site: StackSite) -> Iterator[CheckFinding]:
    """Check that functions/log_cursor takes events, and functions/sync its wakes."""
    sources: tuple[tuple[Name, str, str], ...] = (
        ("events_are_taken", "LogCursorFunction", "EventsQueueUrl"),
        ("live_is_taken", "SyncFunction", "LiveQueueUrl"),
        ("work_is_taken", "SyncFunction", "WorkQueueUrl"),
    )
    states = {function: _event_sources(site, function) for function in {function for _, function, _ in sources}}
    for name, function, output in sources:
        state = states[function].get(_queue_arn(site, output))
        if state == "Enabled":
            yield ok(name, f"{site.outputs[function]} takes messages from {output.removesuffix('Url')}")
        else:
            fix = "enable the function's event source (Lambda, the function, Triggers), or deploy again"
            yield problem(name, f"the event source of {output.removesuffix('Url')} is {state or 'missing'}", fix)


def _event_sources(site: StackSite, function: str) -> dict[str, str]:
    """The event sources of a function: the state of each by its queue's ARN."""
    pages = (
        site.client("lambda").get_paginator("list_event_source_mappings").paginate(FunctionName=site.outputs[function])
    )
    return {one["EventSourceArn"]: one["State"] for page in pages for one in page["EventSourceMappings"]}


def look_at_the_schedule(site: StackSite) -> Iterator[CheckFinding]:
    """Check that functions/reconcile is started every minute."""
    pages = site.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=site.stack)
    rules = [
        one["PhysicalResourceId"]
        for page in pages
        for one in page["StackResourceSummaries"]
        if one["ResourceType"] == "AWS::Events::Rule"
    ]
    if not rules:
        yield problem("schedule", "the stack has no schedule", "deploy again")
    events = site.client("events")
    for rule in rules:
        # The physical id of a rule on a bus of one's own has the bus before it.
        found = events.describe_rule(Name=rule.rpartition("|")[2])
        if found.get("State") == "ENABLED":
            yield ok("schedule", f"{site.outputs['ReconcileFunction']} runs: {found.get('ScheduleExpression')}")
        else:
            yield problem("schedule", f"the rule {found['Name']} is {found.get('State')}", "enable it in EventBridge")


def look_at_reconcile(site: StackSite) -> Iterator[CheckFinding]:
    """Run functions/reconcile once more than its schedule does, and look at the end of each of its tasks."""
    answer = _invoke(site, "reconcile", "ReconcileFunction", {})
    if isinstance(answer, CheckFinding):
        yield answer
        return
    failed = [f"{task} ({ended})" for task, ended in answer.items() if ended != "done"]
    if failed:
        fix = f"see the reason in the log of {site.outputs['ReconcileFunction']}"
        yield problem("reconcile", f"not done: {', '.join(failed)}", fix)
    else:
        yield ok("reconcile", f"done: {', '.join(answer)}")


def look_at_sync(site: StackSite) -> Iterator[CheckFinding]:
    """Start functions/sync without a message: it must load, with its packages and its settings."""
    yield _starts(site, "sync", "SyncFunction")


def look_at_log_cursor(site: StackSite) -> Iterator[CheckFinding]:
    """Start functions/log_cursor without a message: it must load, with its packages and its settings."""
    yield _starts(site, "log_cursor", "LogCursorFunction")


def _starts(site: StackSite, name: Name, output: str) -> CheckFinding:
    answer = _invoke(site, name, output, {"Records": []})
    return answer if isinstance(answer, CheckFinding) else ok(name, f"{site.outputs[output]} starts")


def look_at_s3_copies(site: StackSite, repository: str | None) -> Iterator[CheckFinding]:
    """Have functions/sync prove, with its own role, that S3 copies layers; nothing where no bucket is named."""
    if not site.parameters.get("LocalRegistryBucket"):
        return
    event = {"probe": "s3", "repository": repository}
    answer = _invoke(site, "s3_copies", "SyncFunction", event)
    if isinstance(answer, CheckFinding):
        yield answer
    elif answer.get("result") == "ok":
        yield ok("s3_copies", str(answer.get("text")))
    elif answer.get("result") == "problem":
        fix = "docs/bucket-to-bucket.md has the policies and what the registry must be; layers are streamed until then"
        yield problem("s3_copies", str(answer.get("text")), fix)
    else:
        yield unknown("s3_copies", str(answer.get("text")), "name a repository that has an image with --repository")


def _invoke(site: StackSite, name: Name, output: str, event: Mapping[str, Any]) -> dict[str, Any] | CheckFinding:
    """Invoke a function; its answer, or what is wrong with it."""
    function = site.outputs[output]
    answer = site.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    text = answer["Payload"].read().decode(errors="replace")
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict) and not answer.get("FunctionError"):
        return document
    error = document.get("errorMessage", text) if isinstance(document, dict) else text
    return problem(
        name,
        f"{function} fails: {str(error)[:MOST_OF_AN_ERROR]}",
        "after an ImportModuleError build the layers for the stack's Architecture and Runtime and deploy again",
    )


def _subscriptions(site: StackSite, topic: str) -> list[dict[str, str]]:
    client = site.client("sns", region_of(topic))
    try:
        pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        return [one for page in pages for one in page["Subscriptions"]]
    except client.exceptions.NotFoundException:
        raise ConfigurationError(
            f"there is no topic {topic}: PrimaryTopicArn is the primary's output TopicArn"
        ) from None


def _queue_arn(site: StackSite, output: str = "EventsQueueUrl") -> str:
    answer = site.client("sqs").get_queue_attributes(QueueUrl=site.outputs[output], AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])
