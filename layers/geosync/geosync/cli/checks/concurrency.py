"""The executions that a stack's parameters ask for, beside those that the account has."""

from __future__ import annotations

from collections.abc import Iterator

from geosync.cli.checks.findings import CheckFinding, ok, problem
from geosync.cli.checks.quotas import PULL_RATE
from geosync.cli.site import StackSite

POOLS = ("EventsConcurrency", "LiveConcurrency", "WorkConcurrency")
RESERVED = "NotificationsReservedConcurrency"
LEFT_UNRESERVED = 100
"""Executions that Lambda wants to stay unreserved in an account, whatever is reserved."""
OTHERS = 11
"""Executions beside the queues': 200 notifications a second of 0.05 s each are 10, and functions/reconcile is 1."""


def look(site: StackSite) -> Iterator[CheckFinding]:
    """Compare the parameters with the account's quota: what the functions share is what nobody has reserved."""
    limit = site.client("lambda").get_account_settings()["AccountLimit"]
    quota, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    pools = {name: int(site.parameters.get(name, "0")) for name in POOLS}
    reserved = int(site.parameters.get(RESERVED, "0"))
    wanted = sum(pools.values()) + OTHERS
    parts = " + ".join(f"{name} {number}" for name, number in pools.items())
    text = f"{parts} + {OTHERS} of the other functions = {wanted}; the account has {free} unreserved of {quota}"
    if wanted > free:
        yield problem(
            "concurrency",
            f"{text}: copies can keep the endpoint and the marks from running",
            "ask for a higher quota (Service Quotas, Lambda, Concurrent executions), or deploy with a smaller "
            f"LiveConcurrency and WorkConcurrency (2 at least){_reserving(reserved, quota)}",
        )
    else:
        yield ok("concurrency", f"{text}{_shared_with_pulls(site)}")


def _shared_with_pulls(site: StackSite) -> str:
    """The remark that pulls take slots of pushes, where each pull of a tag has the primary looked at."""
    given = site.parameters
    if given.get("Reads") != "on" or given.get("MaxStaleness") != "0":
        return ""
    slots = f"the {given['LiveConcurrency']} slots of LiveConcurrency"
    return f". With MaxStaleness=0 pulls by tag, up to {PULL_RATE} a second, take {slots} as pushes do"


def _reserving(reserved: int, quota: int) -> str:
    """The advice to reserve executions for the endpoint, where the account has enough of them to do so."""
    return "" if reserved or quota <= LEFT_UNRESERVED else f"; {RESERVED}=10 keeps the endpoint answering meanwhile"
