"""Geo events and wake-ups from the two queues: this site's references are made equal to the primary's.

One message an invocation. A message that was marked, or put into the DLQ with its reason, is done; only what comes
before that (DynamoDB or SQS out of reach) sends it back to its queue.
"""

from __future__ import annotations

import os
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from geosync import observability
from geosync.intake.receiver import Receiver
from geosync.oci.deadline import Deadline
from geosync.pair.settings import SyncSettings
from geosync.pair.site_registries import SiteRegistries
from geosync.settings import read
from geosync.sync_registry.registry import SyncRegistry
from geosync.sync_registry.table.dynamodb import DynamoStore
from geosync.syncing.reporting import Reporter

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

MARGIN = 15.0
"""Seconds at the end of an invocation for the table alone: the registries' requests have ended, what they came to is
written down, the lease is released with the layers that are under way."""
AWS_CALLS = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=16,  # references and marks side by side
    tcp_keepalive=True,
)

logger = observability.logger()


class Site:
    """What this function works with, made once per execution environment."""

    def __init__(self) -> None:
        self.settings = read(SyncSettings, os.environ)
        self.deadline = Deadline()
        self.store = DynamoStore(boto3.client("dynamodb", config=AWS_CALLS), self.settings.sync_table)

        self.sqs = boto3.client("sqs", config=AWS_CALLS)

    @cached_property
    def receiver(self) -> Receiver:
        """The way of a message."""
        settings = self.settings
        sync_registry = SyncRegistry(self.store, primary=settings.primary_topic_arn, timing=settings.timing)
        secrets = boto3.client("secretsmanager", config=AWS_CALLS)
        registries = SiteRegistries(settings, secrets, sync_registry.capabilities, deadline=self.deadline)
        return Receiver(
            role=settings.site_role,
            store=self.store,
            registry=sync_registry,
            registries=registries.get,
            reread=registries.reread,
            reporter=Reporter(
                logger=logger,
                metrics=observability.Metrics(settings.site_name),
                sqs=self.sqs,
                dlq_url=settings.dlq_url,
            ),
            deadline=self.deadline,
            logger=logger,
            removals=settings.deletes == "propagate",
            limits=settings.limits,
            parallelism=settings.reference_concurrency,
            verification=settings.verification,
        )


@cache
def site() -> Site:
    """Return the one Site of this execution environment."""
    return Site()


def _receive(record: SQSRecord) -> None:
    site().receiver.receive(record.body, marked=partial(_delete, record))


def _delete(record: SQSRecord) -> None:
    """Take an event that is marked off its queue now, not after the copy: an empty queue then says that all is marked.

    Lambda deletes it again when the invocation ends; until then this one, when it fails, leaves it in flight.
    """
    queue = site().settings.events_queue_url
    if queue is None or queue.rpartition("/")[2] != record.event_source_arn.rpartition(":")[2]:
        return
    try:
        site().sqs.delete_message(QueueUrl=queue, ReceiptHandle=record.receipt_handle)
    except (BotoCoreError, ClientError) as error:
        logger.warning("event_not_deleted_early", extra={"reason": str(error)})


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process the messages of one SQS event; the answer names those that must come again."""
    if not event.get("Records"):
        return {"batchItemFailures": []}  # a deployment that warms the function
    site().deadline.set(context.get_remaining_time_in_millis() / 1000 - MARGIN)
    # Powertools' Logger forwards to one of logging, without being one in its types.
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False, logger=logger)  # type: ignore[arg-type]
    return dict(process_partial_response(event, _receive, processor, context))


# Lambda gives the whole processor while it loads a function: clients are made now.
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _ = site().receiver
