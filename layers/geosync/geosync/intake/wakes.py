"""Sends wakes for what was marked, as a rule to the live queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from geosync.aws.errors import reason as reason_of
from geosync.errors import NotSent
from geosync.messages.queues import Queue
from geosync.messages.work import Reason, WorkMessage

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger


_NONE: Mapping[str, str | None] = MappingProxyType({})


def send_wakes(
    queue: Queue,
    repositories: Sequence[str],
    logger: Logger,
    *,
    reason: Reason = "event",
    traces: Mapping[str, str | None] = _NONE,
) -> None:
    """Send one wake for each repository: to the live queue for the reason "event", else to the work queue.

    `traces` has the trace headers of the wakes, by repository. A wake that cannot be sent loses nothing: the sweep
    finds what is owed.
    """
    try:
        queue.send_all(
            (WorkMessage(repository=repository, reason=reason) for repository in repositories),
            traces=map(traces.get, repositories),
        )
    except (NotSent, BotoCoreError, ClientError) as error:
        logger.warning("wakes_not_sent", extra={"reason": reason_of(error)})
