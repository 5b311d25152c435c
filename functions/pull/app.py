"""Reads at this site: what clients pull here, no older than the site promises (see geosync/reading).

It reads no secret: a client's own Authorization goes to the site's own registry, whose answer decides.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from geosync import observability
from geosync.messages.queues import Queue
from geosync.oci.deadline import Deadline
from geosync.reading.admission import is_admission, verdict
from geosync.reading.line import Line
from geosync.reading.own_registry import OwnRegistry
from geosync.reading.pulls import Puller
from geosync.reading.settings import PullSettings
from geosync.reading.site import ReadingSite
from geosync.reading.waiting import Whereabouts
from geosync.settings import read
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.threads import SYSTEM_THREADS

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

MARGIN_S = 1.5
"""Seconds at the end of an invocation for the answer alone."""
AWS_CALLS = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    tcp_keepalive=True,
)

logger = observability.logger()


class PullSite:
    """The clients and parts of this function, made once per execution environment."""

    def __init__(self) -> None:
        settings = read(PullSettings, os.environ)
        self.deadline = Deadline()
        self.registry = OwnRegistry(settings.local_registry_url, self.deadline)
        sync_registry = SyncRegistry.open(
            boto3.client("dynamodb", config=AWS_CALLS), settings.sync_table, primary=settings.primary_topic_arn
        )
        promise, sqs = settings.promise, boto3.client("sqs", config=AWS_CALLS)
        reading_site = ReadingSite(
            promise=promise,
            registry=self.registry,
            whereabouts=Whereabouts(
                sync_registry=sync_registry,
                primary=settings.primary_topic_arn,
                selection=promise.selection,
                registry_names=settings.registry_names,
                deadline=self.deadline,
            ),
            line=Line(
                sync_registry,
                Queue(sqs, settings.live_queue_url),
                Queue(sqs, settings.work_queue_url),
                logger,
            ),
            threads=SYSTEM_THREADS,
        )
        self.puller = Puller(reading_site, logger=logger, metrics=observability.Metrics(settings.site_name))


@cache
def site() -> PullSite:
    """Return the one site of this execution environment."""
    return PullSite()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway's proxy integration, or its question whether a client may come in."""
    site().deadline.set(context.get_remaining_time_in_millis() / 1000 - MARGIN_S)
    if is_admission(event):
        return verdict(event, site().registry)
    return site().puller.answer(event)


# Lambda gives the whole processor while it loads a function: clients are made now.
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _ = site()
