"""Wakes from the live queue and the work queue: this site's references are made equal to the primary's.

An invocation takes one message. The message is done once what it asks for is marked, or once it is in the DLQ with its
reason. Only a failure before that (DynamoDB or SQS out of reach) sends it back to its queue.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from geosync import observability
from geosync.announcing.opening import open_announcer
from geosync.comparing.window import BackfillWindow
from geosync.copying.s3.calls import S3Calls
from geosync.copying.s3.copier import S3Copier
from geosync.copying.s3.copies import ProvedCopies
from geosync.copying.s3.layout import Bucket
from geosync.copying.s3.probe import Probed, probe
from geosync.errors import GeosyncError
from geosync.intake.intake import Intake
from geosync.intake.marking import IntakeContext, selection_of
from geosync.intake.refusals import Refusals
from geosync.messages.queues import Queue
from geosync.messages.tracing import trace_header, trace_id
from geosync.oci.deadline import Deadline
from geosync.pair.bandwidth import Bandwidth
from geosync.pair.settings import SyncSettings
from geosync.pair.site_registries import SiteRegistries
from geosync.settings import read
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.syncing.measuring import Measuring
from geosync.syncing.reporting import Reporter
from geosync.working.worker import Worker
from geosync.working.workplace import SlotBounds, WorkOptions, Workplace

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

MARGIN_S = 15.0
"""Seconds at the end of an invocation for the table alone: the registries' requests have ended, their results are
written, and the lease is released with the layers that are under way."""
S3_CALLS = Config(
    connect_timeout=5,
    read_timeout=300,  # S3 answers a copy when it is done; the invocation's end is kept by copying/s3/calls.py
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=64,  # six layers side by side, of eight parts each; and some more
    tcp_keepalive=True,
)
AWS_CALLS = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 4},
    tcp_keepalive=True,
)
BESIDE_REFERENCES = 10
"""Connections to the table beside one for each reference: one of them may be a whole repository, which writes eight
marks side by side; the renewal of the lease; and one more."""

# Announcing must not delay a copy: functions/reconcile announces what was not taken at once.
BUS_CALLS = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})

logger = observability.logger()


class SyncSite:
    """The clients and parts of this function, made once per execution environment."""

    def __init__(self) -> None:
        self.settings = read(SyncSettings, os.environ)
        at_once = self.settings.reference_concurrency + BESIDE_REFERENCES
        self.deadline = Deadline()
        self.sqs = boto3.client("sqs", config=AWS_CALLS)
        self.metrics = observability.Metrics(self.settings.site_name)
        self.sync_registry = SyncRegistry.open(
            boto3.client("dynamodb", config=AWS_CALLS.merge(Config(max_pool_connections=at_once))),
            self.settings.sync_table,
            primary=self.settings.primary_topic_arn,
            timing=self.settings.timing,
            limits=self.settings.limits,
            tells=self.settings.arrivals_topic_arn is not None,
        )

    @cached_property
    def registries(self) -> SiteRegistries:
        """The site's two registries, made when they are first asked for."""
        secrets = boto3.client("secretsmanager", config=AWS_CALLS)
        return SiteRegistries(self.settings, secrets, self.sync_registry.capabilities, deadline=self.deadline)

    @cached_property
    def s3(self) -> S3Copier | None:
        """The part that has S3 copy layers; None unless the settings name both buckets."""
        primary, local = self.settings.primary_registry_bucket, self.settings.local_registry_bucket
        if primary is None or local is None:
            return None
        client = boto3.client("s3", config=S3_CALLS)
        copies = ProvedCopies(client, Bucket.parse(primary), Bucket.parse(local), calls=S3Calls())
        return S3Copier(copies, deadline=self.deadline)

    def probe_s3(self, repository: str | None) -> Probed:
        """Have S3 copy a small blob, and see it at the site's registry."""
        try:
            s3, registries = self.s3, self.registries.get()
        except (GeosyncError, BotoCoreError, ClientError) as error:
            return Probed(result="problem", text=f"the function cannot begin: {error}")
        if s3 is None:
            return Probed(result="unknown", text="this function has no buckets in its settings: deploy again")
        return probe(s3, registries, repository)

    @cached_property
    def worker(self) -> Worker:
        """The worker that takes each message."""
        settings = self.settings
        place = Workplace(
            role=settings.site_role,
            sync_registry=self.sync_registry,
            registries=self.registries,
            deadline=self.deadline,
            reporter=Reporter(
                logger=logger,
                metrics=self.metrics,
                sqs=self.sqs,
                dlq_url=settings.dlq_url,
                measuring=Measuring(self._queue(settings.measurements_queue_url)),
            ),
            logger=logger,
            s3=self.s3,
            bandwidth=self._bandwidth(),
            work_queue=self._queue(settings.work_queue_url),
            announcer=open_announcer(
                self.sync_registry.outbox,
                settings.arrivals_topic_arn,
                site=settings.site_name,
                client=partial(boto3.client, config=BUS_CALLS),
                logger=logger,
                metrics=self.metrics,
            ),
        )
        options = WorkOptions(
            removals=settings.deletes == "propagate",
            removes_outside=settings.outside_selection == "remove",
            parallelism=settings.reference_concurrency,
            verification=settings.verification,
            window=BackfillWindow.parse(settings.backfill_window),
            shared_copy_bytes=settings.shared_copy_bytes,
            slots=SlotBounds.of_share(
                settings.max_namespace_share, live=settings.live_concurrency, work=settings.work_concurrency
            ),
        )
        refusals = Refusals(
            settings.site_role,
            self.sync_registry,
            Queue(self.sqs, settings.dlq_url),
            logger=logger,
            metrics=self.metrics,
        )
        return Worker(place, options, self._intake(refusals), refusals)

    def _bandwidth(self) -> Bandwidth | None:
        settings = self.settings
        if not settings.max_bandwidth:
            return None
        return Bandwidth(
            self.sync_registry.bandwidth,
            settings.max_bandwidth,
            workers=settings.work_concurrency,
            deadline=self.deadline,
        )

    def _queue(self, url: str | None) -> Queue | None:
        return Queue(self.sqs, url) if url is not None else None

    def _intake(self, refusals: Refusals) -> Intake:
        """Make the intake for what a former event source of the events queue still sends during an update."""
        settings = self.settings
        context = IntakeContext(
            role=settings.site_role,
            sync_registry=self.sync_registry,
            selection=selection_of(settings, logger),
            registry_names=settings.registry_names,
        )
        return Intake(context, refusals, logger=logger, metrics=self.metrics)


@cache
def site() -> SyncSite:
    """Return the one site of this execution environment."""
    return SyncSite()


def _receive(record: SQSRecord) -> None:
    worker = site().worker
    sent_at = record.raw_event.get("attributes", {}).get("SentTimestamp")
    # X-Ray links the trace of a wake with that of this invocation; the log names it. Later work is of other traces.
    with logger.append_context_keys(wake_trace_id=trace_id(trace_header(record.raw_event))):
        may_go_on = worker.receive(record.body, sent_at_ms=int(sent_at) if sent_at is not None else None)
    if may_go_on:
        worker.go_on()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process the messages of one SQS event; the answer names those that must come again.

    `{"probe": "s3"}` is asked by `geosync check`: whether S3 copies layers for this site, with this function's role.
    """
    is_probe = event.get("probe") == "s3"
    if not event.get("Records") and not is_probe:
        return {"batchItemFailures": []}  # a deployment that warms the function
    site().deadline.set(context.get_remaining_time_in_millis() / 1000 - MARGIN_S)
    if is_probe:
        return asdict(site().probe_s3(event.get("repository")))
    # Powertools' Logger forwards to one of logging, without being one in its types.
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False, logger=logger)  # type: ignore[arg-type]
    return dict(process_partial_response(event, _receive, processor, context))


# Lambda gives the whole processor while it loads a function: clients are made now.
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _ = site().worker
