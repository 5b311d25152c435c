"""The account's quotas of API Gateway, SNS and DynamoDB, beside what a stack's parameters ask for.

SQS has none that a parameter comes near: a standard queue has 120,000 messages in flight, its functions take 10,000 at
most. Lambda's quota is in `concurrency`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from geosync.cli.checks.findings import CheckFinding, ok, problem, unknown
from geosync.cli.site import StackSite

HEARTBEAT_RATE = 1
ADMIN_RATE = 50
PULL_RATE = 130
"""Requests a second that the template lets through to the heartbeats' way, the admin API and the pull API."""
MESSAGES_A_SECOND = "L-F8E2BA85"
"""Messages Published per Second, as Service Quotas numbers the quotas of SNS: of an account in a region."""
PARTITION_WRITES = 1_000
"""Items of up to 1 KB that DynamoDB writes to one partition in a second."""
MARKS_A_SECOND = 50
"""Pushes that one execution of functions/log_cursor marks in a second: ten in 0.2 s."""
MARK_READS, MARK_WRITES = 6, 3
SYNC_READS, SYNC_WRITES = 16, 13
"""Items of a push that are read and written, for its mark and its sync (docs/costs.md), each at most a unit."""


def look_at_the_api(site: StackSite) -> Iterator[CheckFinding]:
    """Compare the rates of the site's APIs with the one rate of all APIs of the account in this region."""
    throttle = site.client("apigateway").get_account().get("throttleSettings") or {}
    if "rateLimit" not in throttle:
        text = "API Gateway does not say how many requests a second the account may have"
        yield unknown("api_rate", text, "see Service Quotas, API Gateway, Throttle rate")
        return
    rates = {"NotificationRate": int(site.parameters.get("NotificationRate", "0")), "heartbeats": HEARTBEAT_RATE}
    rates["the admin API"] = ADMIN_RATE
    if site.parameters.get("Reads") == "on":
        rates["pulls"] = PULL_RATE
    wanted, quota, burst = sum(rates.values()), int(throttle["rateLimit"]), throttle.get("burstLimit")
    asked = int(site.parameters.get("NotificationBurst", "0"))
    parts = " + ".join(f"{name} {number}" for name, number in rates.items())
    text = f"{parts} = {wanted} requests a second; all APIs of the account have {quota} in this region"
    if wanted > quota:
        fix = "ask for a higher quota (Service Quotas, API Gateway, Throttle rate), or deploy with a smaller"
        yield problem("api_rate", f"{text}: they keep each other from being answered", f"{fix} NotificationRate")
    elif burst is not None and asked > burst:
        # AWS makes the burst from the rate, and takes no wish for it.
        text = f"NotificationBurst {asked}; all APIs of the account have {burst} at once in this region"
        fix = f"deploy with NotificationBurst={burst} or less, or ask for a higher rate, which the burst follows"
        yield problem("api_rate", text, f"{fix} (Service Quotas, API Gateway, Throttle rate)")
    else:
        yield ok("api_rate", text)


def look_at_the_topic(site: StackSite) -> Iterator[CheckFinding]:
    """Compare the rate of the notifications with the messages that all topics of the account take in this region."""
    client = site.client("service-quotas")
    asked = {"ServiceCode": "sns", "QuotaCode": MESSAGES_A_SECOND}
    try:
        quota = client.get_service_quota(**asked)["Quota"]
    except client.exceptions.NoSuchResourceException:  # nothing was ever asked for: AWS's default holds
        quota = client.get_aws_default_service_quota(**asked)["Quota"]
    rate, most = int(site.parameters.get("NotificationRate", "0")), int(quota["Value"])
    text = f"NotificationRate {rate}; all topics of the account take {most} messages a second in this region"
    if rate > most:
        fix = "ask for a higher quota (Service Quotas, SNS, Messages Published per Second), or deploy with a smaller"
        yield problem("topic_rate", f"{text}: SNS throttles beyond", f"{fix} NotificationRate")
    else:
        yield ok("topic_rate", text)


def look_at_the_event_log(site: StackSite) -> Iterator[CheckFinding]:
    """Compare the rate of the notifications with what the partitions of the event log's newest hour take."""
    rate, shards = int(site.parameters.get("NotificationRate", "0")), site.event_log_shards
    text = f"NotificationRate {rate}; the event log's hour is in {shards} of {PARTITION_WRITES} writes a second each"
    needed = -(-rate // PARTITION_WRITES)
    if needed > shards:
        fix = f"deploy with EventLogShards={needed}, or with a smaller NotificationRate"
        yield problem("event_log", f"{text}: DynamoDB throttles beyond", fix)
    else:
        yield ok("event_log", text)


def _units_at_most(parameters: Mapping[str, str]) -> dict[str, int]:
    """The units a second that the functions may write and read, by these parameters of a site."""
    at_once = {name: int(parameters.get(f"{name}Concurrency", "0")) for name in ("Events", "Live", "Work")}
    marks, syncs = at_once["Events"] * MARKS_A_SECOND, at_once["Live"] + at_once["Work"]
    return {
        "Write": max(marks * MARK_WRITES + syncs * SYNC_WRITES, int(parameters.get("NotificationRate", "0"))),
        "Read": marks * MARK_READS + syncs * SYNC_READS,
    }


def look_at_the_tables(site: StackSite) -> Iterator[CheckFinding]:
    """Compare what the functions may read and write at their most with what DynamoDB gives one table of the account."""
    limits = site.client("dynamodb").describe_limits()
    wanted = _units_at_most(site.parameters)
    quotas = {kind: limits.get(f"TableMax{kind}CapacityUnits") for kind in wanted}
    short = [kind for kind, quota in quotas.items() if quota is not None and wanted[kind] > quota]
    text = ", ".join(f"{quotas[kind] or 'not known'} for {number} {kind.lower()}s" for kind, number in wanted.items())
    text = f"units that a table may have in a second, and what the parameters may lead to: {text}"
    fix = "ask for a higher quota (Service Quotas, DynamoDB, Table-level"
    if short:
        names = " and ".join(kind.lower() for kind in short)
        less = "or deploy with a smaller EventsConcurrency, LiveConcurrency and WorkConcurrency (2 at least)"
        yield problem("table_units", f"{text}: DynamoDB throttles", f"{fix} {names} throughput), {less}")
    elif None in quotas.values():
        yield unknown("table_units", text, "see Service Quotas, DynamoDB, Table-level throughput")
    else:
        yield ok("table_units", text)
