"""The regions of a topic and of a queue: SNS takes a subscription that it cannot deliver to."""

from __future__ import annotations

from geosync.cli.checks.findings import CheckFinding, problem
from geosync.cli.site import StackSite
from geosync.minute.subscription import region_of

# fmt: off
ENABLED_BY_DEFAULT = frozenset({
    "us-east-1", "us-east-2", "us-west-1", "us-west-2",
    "ca-central-1", "sa-east-1",
    "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1",
    "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2",
    "us-gov-east-1", "us-gov-west-1",
    "cn-north-1", "cn-northwest-1",
})
# fmt: on
"""Regions where SNS is sns.amazonaws.com: those of before March 2019, and other partitions. No region joins them.

SNS counts Osaka among the others (https://docs.aws.amazon.com/sns/latest/dg/sns-cross-region-delivery.html).
"""


def obstacle(site: StackSite, topic: str, queue: str) -> CheckFinding | None:
    """Find what keeps SNS from delivering from the topic to the queue, both as ARNs; None: nothing known."""
    if topic.split(":")[1] != queue.split(":")[1]:
        text = f"{topic} is in another partition than this site: SNS delivers nothing from there"
        return problem("subscription", text, "let the site follow a primary of its own partition (docs/regions.md)")
    region = region_of(topic)
    named = {site.region, *site.parameters.get("OptInRegions", "").split(",")}
    if region in ENABLED_BY_DEFAULT or region in named:
        return None
    text = f"SNS delivers from {region} under a name that the events queue does not let in: every event is dropped"
    return problem("subscription", text, f"deploy with OptInRegions={region} (docs/regions.md)")
