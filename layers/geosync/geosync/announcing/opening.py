"""The announcer of a function, if its site has a topic for events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from geosync.announcing.announcer import Announcer, Listeners
from geosync.sync_registry.site.outbox import Outbox

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from geosync.observability import Metrics


def open_announcer(
    outbox: Outbox,
    topic_arn: str | None,
    *,
    site: str,
    client: Callable[[str], Any],
    logger: Logger,
    metrics: Metrics,
) -> Announcer | None:
    """Make the announcer of a site; None without a topic. `client` as in Listeners."""
    if topic_arn is None:
        return None
    listeners = Listeners(client, topic_arn=topic_arn, site=site)
    return Announcer(outbox, listeners, logger=logger, metrics=metrics)
