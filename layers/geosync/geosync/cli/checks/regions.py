"""The regions of a topic and of a queue: SNS takes a subscription that it cannot deliver to."""

from __future__ import annotations

from geosync.aws.regions import ENABLED_BY_DEFAULT, uncrossed
from geosync.cli.checks.findings import CheckFinding, problem
from geosync.cli.site import StackSite
from geosync.minute.subscription import region_of
from geosync.sync_registry.site.heartbeat import LastHeartbeat


def obstacle(site: StackSite, topic: str, queue: str, heartbeat: LastHeartbeat | None) -> CheckFinding | None:
    """Find what keeps SNS from delivering from the topic to the queue, both as ARNs; None: nothing known.

    `heartbeat` is the last one at the site. One that came through the topic proves a pair that AWS's page does not
    name: regions join that page.
    """
    if topic.split(":")[1] != queue.split(":")[1]:
        text = f"{topic} is in another partition than this site: SNS delivers nothing from there"
        return problem("subscription", text, "let the site follow a primary of its own partition (docs/regions.md)")
    region = region_of(topic)
    unnamed = uncrossed([region, site.region])
    if unnamed and not (heartbeat is not None and topic.endswith(f":geosync-{heartbeat.site}")):
        what = f"SNS is not known to deliver from {region} to {site.region}, and nothing has come that way"
        fix = (
            f"AWS names {' and '.join(unnamed)} in no delivery across regions: give one site another (docs/regions.md)"
        )
        return problem("subscription", what, fix)
    # A queue in an opt-in region gets its messages under the name of its own region, which its policy always lets in.
    named = site.parameters.get("OptInRegions", "").split(",")
    if region in ENABLED_BY_DEFAULT or site.region not in ENABLED_BY_DEFAULT or region in named:
        return None
    text = f"SNS delivers from {region} under a name that the events queue does not let in: every event is dropped"
    return problem("subscription", text, f"deploy with OptInRegions={region} (docs/regions.md)")
