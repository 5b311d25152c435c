"""POST /api/v4/container_registry_event/events: a registry's notifications become geo events; Amazon ECR's events, too.

The order is the contract: the sender is judged first, then the site's role, then the body, then each event. An event of
our registry that can never be used is answered with 200: after any other answer the registry would send it again for
ever, and hold up what comes after it. 503 says that not everything is written: send it all again.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from geosync import observability
from geosync.aws.errors import reason as reason_of
from geosync.clock import SYSTEM_CLOCK
from geosync.errors import ConfigurationError, GeosyncError, MalformedMessage
from geosync.messages.geo_event import GeoEvent, Heartbeat
from geosync.notifications.formats.heartbeat import is_envelope_of_heartbeats
from geosync.notifications.judge import Received, judge
from geosync.notifications.outcomes import Dropped, Outcome, Unusable
from geosync.notifications.proof.authorization import Authorization
from geosync.notifications.publish import (
    MESSAGE_CALLS_AT_ONCE,
    EventLogWriter,
    Publisher,
    TopicWriter,
)
from geosync.notifications.request import Delivery, EventBridgeEvent, Refusal, answer, is_from_eventbridge
from geosync.notifications.settings import NotificationSettings
from geosync.notifications.sources import SOURCES, Expected, SiteSource
from geosync.settings import read
from geosync.tokens import read_tokens

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# The registry gives up after 0.5 s and sends the same again, so a call that hangs is worth one more try only.
AWS_CALLS = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=MESSAGE_CALLS_AT_ONCE + 1,  # the most that one client needs
    tcp_keepalive=True,
    parameter_validation=False,  # it takes a seventh of the time of 500 events, and our typed code makes what is sent
)
MAX_LOGGED_IDS = 10

logger = observability.logger()


class Endpoint:
    """The parts that this function works with, made once per execution environment, each when it is first needed."""

    def __init__(self) -> None:
        self.settings = read(NotificationSettings, os.environ)
        self.metrics = observability.Metrics(self.settings.site_name)

    @cached_property
    def authorization(self) -> Authorization:
        """The check of the site's token; it reads the secret with the first one."""
        secrets = boto3.client("secretsmanager", config=AWS_CALLS)
        return Authorization(
            lambda: read_tokens(secrets, self.settings.notification_secret_arn),
            on_failure=lambda error: logger.warning(
                "notification_token_unreadable", extra={"reason": reason_of(error)}
            ),
        )

    @cached_property
    def source(self) -> SiteSource:
        """The registry that may notify this site. Raises ConfigurationError."""
        expected = Expected(
            authorization=self.authorization,
            audience=self.settings.notification_audience,
            sender=self.settings.notification_sender,
            on_failure=lambda error: logger.warning("notification_keys_unreadable", extra={"reason": str(error)}),
        )
        return SiteSource(self.settings.notification_source, expected)

    @cached_property
    def publisher(self) -> Publisher:
        """The writer to the event log and the topic, with its threads and connections."""
        settings = self.settings
        dynamodb, sns = boto3.client("dynamodb", config=AWS_CALLS), boto3.client("sns", config=AWS_CALLS)
        event_log = EventLogWriter(
            dynamodb,
            settings.events_table,
            retention_days=settings.event_retention_days,
            shards=settings.event_log_shards,
        )
        return Publisher(event_log, TopicWriter(sns, settings.topic_arn))

    def received(self) -> Received:
        """Return where and when a notification came in, now."""
        return Received(
            site=self.settings.site_name,
            source=self.settings.notification_source,
            registry_url=self.settings.local_registry_url,
            received_at=SYSTEM_CLOCK.now_ms(),
        )

    def prepare(self) -> None:
        """Make now what this site's role and source need."""
        with suppress(ConfigurationError):  # each request reports it
            _ = self.source
        if self.settings.site_role == "primary":
            _ = self.publisher


@cache
def endpoint() -> Endpoint:
    """Return the one Endpoint of this execution environment."""
    return Endpoint()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway's proxy integration: 200, 400, 401, 413, 415 or 503, never an exception.

    An event of EventBridge's has nobody to answer: an exception has Lambda try again.
    """
    if is_from_eventbridge(event):
        return _take_event(event, context.aws_request_id)
    request_id = (event.get("requestContext") or {}).get("requestId") or context.aws_request_id
    try:
        return _handle(event, request_id)
    except Refusal as refusal:
        logger.warning("notification_malformed", extra=_line(request_id, refusal.status, problem=str(refusal)))
        endpoint().metrics.put({"NotificationsMalformed": 1})
        return answer(refusal.status, str(refusal))
    except (GeosyncError, BotoCoreError, ClientError) as error:
        logger.error("notification_failed", extra=_line(request_id, 503, reason=reason_of(error)))
    except Exception:
        logger.exception("notification_failed", extra=_line(request_id, 503))
    observability.Metrics(os.environ.get("SITE_NAME", "")).put({"NotificationsFailed": 1})
    return answer(503, "not everything is written; send it again")


def _handle(event: dict[str, Any], request_id: str) -> dict[str, Any]:
    delivery, source = Delivery(event), endpoint().source
    verdict, parse = source.authenticate(delivery)
    if verdict != "allowed":
        logger.warning("notification_refused", extra=_line(request_id, 401, source=source.name, reason=verdict))
        endpoint().metrics.put({"NotificationsRefused": 1})
        return answer(401, source.refusal)
    if delivery.is_for_heartbeats and not is_envelope_of_heartbeats(delivery.document):
        raise Refusal(400, "only the site's own heartbeats are taken here")
    settings = endpoint().settings
    if settings.site_role != "primary":
        logger.info("notification_dropped", extra=_line(request_id, 200, reason=f"this site is a {settings.site_role}"))
        return answer(200, f"dropped: this site is a {settings.site_role}")
    try:
        outcomes = judge(parse(delivery), endpoint().received())
    except MalformedMessage as error:
        raise Refusal(400, str(error)) from None
    return _accepted(outcomes, request_id)


def _take_event(event: dict[str, Any], request_id: str) -> dict[str, Any]:
    settings = endpoint().settings
    source = SOURCES[settings.notification_source]
    reason = f"this site is a {settings.site_role}" if settings.site_role != "primary" else None
    if not source.from_eventbridge:
        reason = f"this site's NotificationSource is {settings.notification_source}"
    if reason is not None:
        logger.info("notification_dropped", extra=_line(request_id, 200, reason=reason))
        return answer(200, f"dropped: {reason}")
    return _accepted(judge(source.parse(EventBridgeEvent(event)), endpoint().received()), request_id)


def _reasons(outcomes: list[Outcome], kind: type[Dropped] | type[Unusable]) -> Counter[str]:
    return Counter(outcome.reason for outcome in outcomes if isinstance(outcome, kind))


def _accepted(outcomes: list[Outcome], request_id: str) -> dict[str, Any]:
    """Write what is to be written, and answer with the counts."""
    written = [outcome for outcome in outcomes if not isinstance(outcome, Dropped)]
    if written:
        endpoint().publisher.publish(written)
    accepted = [outcome for outcome in outcomes if isinstance(outcome, GeoEvent)]
    dropped, unusable = _reasons(outcomes, Dropped), _reasons(outcomes, Unusable)
    heartbeats = sum(isinstance(outcome, Heartbeat) for outcome in outcomes)
    counts = {"accepted": len(accepted), "dropped": dropped.total(), "unusable": unusable.total()}
    ids = list(dict.fromkeys(event.correlation_id for event in accepted))[:MAX_LOGGED_IDS]
    keys = counts | {"dropped": dropped, "unusable": unusable, "heartbeats": heartbeats, "correlation_ids": ids}
    logger.info("notification_accepted", extra=_line(request_id, 200, **keys))
    metrics = {"EventsAccepted": len(accepted), "EventsDropped": dropped.total(), "EventsUnusable": unusable.total()}
    endpoint().metrics.put(metrics | {"Heartbeats": heartbeats})
    return answer(200, "accepted", **counts)


def _line(request_id: str, status: int, **keys: object) -> dict[str, object]:
    return {"request_id": request_id, "status": status, **keys}


# Lambda gives the whole processor while it loads a function, whatever its memory, and a share of it afterwards: clients
# are made now. A secondary needs no publisher.
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    endpoint().prepare()
