"""Geo events, in batches: the references that they name are marked, and functions/sync is woken.

Marking never waits for copying: this function reaches no registry and reads no secret. Its answer names the messages
that must come again, those that DynamoDB or SQS did not take.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from geosync import observability
from geosync.intake.intake import Intake
from geosync.intake.marking import IntakeContext, selection_of
from geosync.intake.refusals import Refusals
from geosync.intake.settings import IntakeSettings
from geosync.intake.wakes import send_wakes
from geosync.messages.queues import Queue
from geosync.messages.tracing import representative, trace_header
from geosync.settings import read
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

AWS_CALLS = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=10,  # marks side by side
    tcp_keepalive=True,
)

logger = observability.logger()


class LogCursorSite:
    """The clients and parts of this function, made once per execution environment."""

    def __init__(self) -> None:
        settings = read(IntakeSettings, os.environ)
        dynamodb = boto3.client("dynamodb", config=AWS_CALLS)
        sync_registry = SyncRegistry.open(dynamodb, settings.sync_table, primary=settings.primary_topic_arn)
        sqs = boto3.client("sqs", config=AWS_CALLS)
        metrics = observability.Metrics(settings.site_name)
        context = IntakeContext(
            role=settings.site_role,
            sync_registry=sync_registry,
            selection=selection_of(settings, logger),
            registry_names=settings.registry_names,
            primary_name=settings.primary_name,
        )
        refusals = Refusals(
            settings.site_role, sync_registry, Queue(sqs, settings.dlq_url), logger=logger, metrics=metrics
        )
        self.intake = Intake(context, refusals, logger=logger, metrics=metrics)
        self.live = Queue(sqs, settings.live_queue_url)


@cache
def site() -> LogCursorSite:
    """Return the one site of this execution environment."""
    return LogCursorSite()


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Take in the messages of one SQS event; the answer names those that must come again.

    A wake belongs to the trace of the message that caused it, not to that of this batch.
    """
    records = event.get("Records") or []
    if not records:
        return {"batchItemFailures": []}  # a deployment that warms the function
    taken = site().intake.take([record["body"] for record in records])
    headers = [trace_header(record) for record in records]
    traces = {
        repository: representative(headers[position] for position in positions)
        for repository, positions in taken.speakers.items()
    }
    send_wakes(site().live, taken.wakes, logger, traces=traces)
    again = [records[position]["messageId"] for position in sorted(taken.again)]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in again]}


# Lambda gives the whole processor while it loads a function: clients are made now.
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _ = site()
