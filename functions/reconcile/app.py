"""Every minute: the subscription, the heartbeat, the sweep, the comparison, the verification; each for itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from geosync import observability
from geosync.comparing.catalogue import follow, is_due, latest
from geosync.errors import GeosyncError
from geosync.messages.queues import Queue
from geosync.messages.work import CatalogueMessage
from geosync.minute import heartbeat, recovery, report, subscription
from geosync.minute.settings import ReconcileSettings
from geosync.minute.sweep import sweep
from geosync.operating import status as site_status
from geosync.operating.site_report import site_report
from geosync.operating.status import MINUTE, SWEEP
from geosync.settings import read
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.dynamodb import DynamoStore
from geosync.tokens import read_tokens
from geosync.verifying.choose import ask_for_verifications
from geosync.verifying.counts import verification_counts

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

AWS_CALLS = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})

logger = observability.logger()


class Site:
    """What this function works with, made once per execution environment."""

    def __init__(self) -> None:
        self.settings = read(ReconcileSettings, os.environ)
        self.metrics = observability.Metrics(self.settings.site_name)
        self.store = DynamoStore(boto3.client("dynamodb", config=AWS_CALLS), self.settings.sync_table)
        self.registry = SyncRegistry(self.store)
        self.sqs = boto3.client("sqs", config=AWS_CALLS)
        self.secrets = boto3.client("secretsmanager", config=AWS_CALLS)
        self.session = requests.Session()
        self.session.trust_env = False


@cache
def site() -> Site:
    """Return the one Site of this execution environment."""
    return Site()


def handler(_event: dict[str, Any], _context: LambdaContext) -> dict[str, str]:
    """Do what this site's role asks for; the answer says how each task ended: `done`, or the name of the error."""
    if site().settings.site_role == "primary":
        tasks: dict[str, Callable[[], None]] = {"heartbeat": _heartbeat}
    else:
        tasks = {
            "subscription": _subscription,
            "sweep": _sweep,
            "comparison": _comparison,
            "verification": _verification,
            "recovery": _recovery,
        }
    tasks["minute"] = _minute
    if site().settings.site_role == "secondary" and site().settings.primary_admin_url is not None:
        tasks["report"] = _report  # the last: what the primary is told is of this minute
    return {name: _attempt(name, task) for name, task in tasks.items()}


def _attempt(name: str, task: Callable[[], None]) -> str:
    try:
        task()
    except (GeosyncError, BotoCoreError, ClientError) as error:
        logger.error(f"{name}_failed", extra={"error": type(error).__name__, "reason": str(error)})
        site().metrics.put({f"{name.capitalize()}Failed": 1})
        return type(error).__name__
    return "done"


def _minute() -> None:
    """Say that the minute was had: what reads the status sees when it was not."""
    site().store.write(Update(key=MINUTE, set={"at": wall_clock()}))
    site().metrics.put({"ReconcileRuns": 1})


def _heartbeat() -> None:
    settings = site().settings
    token = read_tokens(site().secrets, settings.notification_secret_arn)[0]
    heartbeat.post(site().session, settings.notifications_url, token)
    site().metrics.put({"HeartbeatsPosted": 1})


def _subscription() -> None:
    settings = site().settings
    if settings.primary_topic_arn is None:
        logger.warning("subscription_not_wanted", extra={"reason": "PRIMARY_TOPIC_ARN is not set"})
        return
    # A client of another region is made anew each time: after a promotion the topic is in yet another.
    sns = boto3.client("sns", region_name=subscription.region_of(settings.primary_topic_arn), config=AWS_CALLS)
    subscription.subscribe(sns, settings.primary_topic_arn, settings.events_queue_arn)


def _sweep() -> None:
    settings = site().settings
    swept = sweep(site().registry, Queue(site().sqs, settings.work_queue_url), settings.work_concurrency)
    values = {"at": wall_clock(), "woken": swept.woken, "reason": swept.reason or ""}
    site().store.write(Update(key=SWEEP, set=values))
    logger.info("swept", extra={"woken": swept.woken, "reason": swept.reason})
    site().metrics.put({"SweepsRun": 1, "RepositoriesWoken": swept.woken})


def _recovery() -> None:
    settings = site().settings
    queues = recovery.Queues(sqs=site().sqs, events_url=settings.events_queue_url, dlq_url=settings.dlq_url)
    status = recovery.account(site().store, queues)
    keys = {"recovery_point": status.recovery_point, "proved_at": status.proved_at, "why": status.recovery.why}
    logger.info("recovery_point", extra=keys)
    point, metrics = status.recovery_point, site().metrics
    metrics.gauge({"RecoveryPointUnknown": int(point is None)})
    if point is not None:
        metrics.gauge({"RecoveryPointAge": max(status.at - point, 0) / 1000}, "Seconds")
    metrics.gauge({"ReferencesOwed": len(status.owed), "ReferencesParkedNow": len(status.parked)})


def _report() -> None:
    settings = site().settings
    queues = recovery.Queues(sqs=site().sqs, events_url=settings.events_queue_url, dlq_url=settings.dlq_url)
    said = site_report(
        site_status.read(site().store),
        name=settings.site_name,
        role=settings.site_role,
        verified=verification_counts(site().store),
        dead_letters=queues.dead_letters(),
        events_waiting=queues.events(),
    )
    token = read_tokens(site().secrets, settings.report_secret_arn)[0]
    report.post(site().session, settings.primary_admin_url or "", token, settings.site_name, said)
    site().metrics.put({"ReportsPosted": 1})


def _comparison() -> None:
    settings = site().settings
    if follow(site().store, settings.primary_topic_arn or ""):
        logger.info("primary_changed", extra={"topic": settings.primary_topic_arn})
    walk = latest(site().store)
    if not is_due(walk, now=wall_clock(), every=settings.comparison_seconds):
        return
    Queue(site().sqs, settings.work_queue_url).send(CatalogueMessage())
    logger.info("comparison_asked_for", extra={"last_started_at": walk.started_at if walk is not None else None})


def _verification() -> None:
    settings = site().settings
    if not settings.verification_seconds or site().registry.is_paused() or site().registry.holds():
        return
    asked_for = ask_for_verifications(site().store, site().sqs, settings.work_queue_url, now=wall_clock())
    if asked_for:
        logger.info("verifications_asked_for", extra={"repositories": asked_for})
