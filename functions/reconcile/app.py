"""Runs a site's tasks every minute, those of its role. The tasks are in geosync/minute."""

from __future__ import annotations

import os
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
import requests
from botocore.config import Config

from geosync import observability
from geosync.announcing.opening import open_announcer
from geosync.clock import SYSTEM_CLOCK
from geosync.messages.queues import Queue
from geosync.minute.clock import forget_the_future
from geosync.minute.comparison import ask_for_comparison, follow_nobody
from geosync.minute.counts import recount
from geosync.minute.deletes import decide_about_deletes
from geosync.minute.drills import judge_drills
from geosync.minute.health import judge_primary, judge_secondary
from geosync.minute.heartbeat import post_heartbeat
from geosync.minute.history import MinuteFindings, record_history
from geosync.minute.measurements import MeasurementsQueue
from geosync.minute.queues import Queues
from geosync.minute.record import record_run, record_sweep
from geosync.minute.recovery import Followed, account
from geosync.minute.report import post_report, read_report
from geosync.minute.reporting import MinuteReporter
from geosync.minute.settings import ReconcileSettings
from geosync.minute.subscription import keep_subscription
from geosync.minute.sweep import sweep
from geosync.minute.tasks import Task, run
from geosync.minute.verification import ask_for_due_verifications
from geosync.operating.rows_report import next_page, page_fields
from geosync.operating.status import Status
from geosync.settings import read
from geosync.sync_registry.site.subscription import Subscription
from geosync.sync_registry.site.suspected import Suspected
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sns import SNSClient

AWS_CALLS = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=32,  # what a status reads side by side (owed_index.AT_ONCE, and what is counted)
)

logger = observability.logger()


class ReconcileSite:
    """The clients and values of this function, made once per execution environment."""

    def __init__(self) -> None:
        self.settings = read(ReconcileSettings, os.environ)
        self.reporter = MinuteReporter(logger, observability.Metrics(self.settings.site_name))
        dynamodb = boto3.client("dynamodb", config=AWS_CALLS)
        self.sync_registry = SyncRegistry.open(dynamodb, self.settings.sync_table, limits=self.settings.limits)
        self.announcer = open_announcer(
            self.sync_registry.outbox,
            self.settings.arrivals_topic_arn,
            site=self.settings.site_name,
            client=partial(boto3.client, config=AWS_CALLS),
            logger=logger,
            metrics=observability.Metrics(self.settings.site_name),
        )
        self.sqs = boto3.client("sqs", config=AWS_CALLS)
        self.queues = Queues(sqs=self.sqs, events_url=self.settings.events_queue_url, dlq_url=self.settings.dlq_url)
        self.secrets = boto3.client("secretsmanager", config=AWS_CALLS)
        self.session = requests.Session()
        self.session.trust_env = False
        self._subscription: Subscription | None = None
        """The subscription to the primary's topic that this minute saw."""
        self._status: Status | None = None
        """The status that this minute's recovery point was made of."""
        self._lost = 0
        """Notifications that were found lost, and that no minute has written into the history yet."""

    def tasks(self) -> dict[str, Task]:
        """The tasks of this site's role, in their order."""
        asking = (self.settings, self.sync_registry, self.sqs, self.reporter)
        run_recorded = {"minute": partial(record_run, self.sync_registry, self.reporter)}
        if self.settings.site_role == "primary":
            posting = (self.settings, self.sync_registry, self.secrets, self.session, self.reporter)
            judging = (self.sync_registry, self.queues, self.reporter)
            return {
                "heartbeat": partial(post_heartbeat, *posting),
                "following": partial(follow_nobody, self.sync_registry),
                **run_recorded,
                "health": partial(judge_primary, *judging),
                **self._arrivals(),  # those that it wrote down as a secondary
            }
        tasks: dict[str, Task] = {
            "subscription": self._subscribe,
            "sweep": self._sweep,
            "comparison": self._compare,
            "verification": partial(ask_for_due_verifications, *asking),
            "recovery": self._account,
            "clock": self._forget_the_future,
            "counts": partial(recount, self.sync_registry, self.reporter),
            "history": self._record_history,
            **run_recorded,
            "health": self._judge,
        }
        if self.settings.drill_schedule != "off":
            tasks["drills"] = partial(judge_drills, self.settings.drill_schedule, self.sync_registry, self.reporter)
        if self.settings.primary_admin_url is not None:
            tasks["report"] = self._report  # the report to the primary is of this minute
        return tasks | self._arrivals()

    def _arrivals(self) -> dict[str, Task]:
        """The announcing task, which is the last: a slow bus or topic takes no other task's time."""
        announcer = self.announcer
        return {"arrivals": announcer.tell_left_over} if announcer is not None else {}

    def _subscribe(self) -> None:
        self._subscription = None
        self._subscription = keep_subscription(self.settings, self.sync_registry, _sns, self.reporter)

    def _compare(self) -> None:
        asking = (self.settings, self.sync_registry, self.sqs, self.reporter)
        ask_for_comparison(*asking, subscription=self._subscription)

    def _sweep(self) -> None:
        work = Queue(self.sqs, self.settings.work_queue_url)
        swept = sweep(self.sync_registry, work, self.settings.work_concurrency)
        record_sweep(swept, self.sync_registry, self.reporter)

    def _account(self) -> None:
        self._status = None
        followed = Followed(primary=self.settings.primary_topic_arn, is_subscribed=self._subscription is not None)
        self._status = account(self.sync_registry, self.queues, followed, tell=self._tell_lost)
        self.reporter.recovery_point(self._status)
        if self._status.deletes.doubted_at is not None:
            primary = self.settings.primary_topic_arn
            decide_about_deletes(self.sync_registry, self.queues, self.reporter, primary=primary)

    def _tell_lost(self, lost: Suspected) -> None:
        self._lost += 1
        self.reporter.notification_lost(lost)

    def _record_history(self) -> None:
        url = self.settings.measurements_queue_url
        record_history(
            self.sync_registry,
            MeasurementsQueue(self.sqs, url) if url is not None else None,
            MinuteFindings(status=self._status, lost=self._lost, recorded=self._forget_lost),
            self.settings.facts.objective,
            self.reporter,
        )

    def _forget_lost(self) -> None:
        self._lost = 0

    def _forget_the_future(self) -> None:
        if self._status is not None:
            forget_the_future(self.sync_registry, self._status, self.reporter)

    def _judge(self) -> None:
        judge_secondary(self.settings, self._status, self.queues, self.reporter)

    def _report(self) -> None:
        status = read_report(self.settings, self.sync_registry, self.queues)
        now_ms = SYSTEM_CLOCK.now_ms()
        page = next_page(self.sync_registry, now_ms=now_ms)
        report = {**status, "rows_page": page_fields(page)}
        told = post_report(self.settings, self.secrets, self.session, report, now_ms=now_ms)
        self.sync_registry.rows_report_cursor.record(page.following)
        self.reporter.report_posted()
        if told is not None:
            self.sync_registry.told.record(told)


def _sns(region: str) -> SNSClient:
    """Make a client of another region, anew each time: after a promotion the topic is in yet another."""
    return boto3.client("sns", region_name=region, config=AWS_CALLS)


@cache
def site() -> ReconcileSite:
    """Return the one site of this execution environment."""
    return ReconcileSite()


def handler(_event: dict[str, Any], _context: LambdaContext) -> dict[str, str]:
    """Do what this site's role asks for; the answer says how each task ended: `done`, or the name of the error."""
    return run(site().tasks(), site().reporter)
