"""A secondary's subscription to the primary's topic, kept by the secondary itself (docs/decisions/0007)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from geosync.errors import ConfigurationError
from geosync.minute.reporting import MinuteReporter
from geosync.minute.settings import ReconcileSettings
from geosync.sync_registry.site.subscription import Subscription
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def keep_subscription(
    settings: ReconcileSettings,
    sync_registry: SyncRegistry,
    sns_in: Callable[[str], SNSClient],
    reporter: MinuteReporter,
) -> Subscription | None:
    """Have the primary's topic deliver to this site's events queue, and record since when it does.

    `sns_in` makes a client of a region. Returns None where there is no topic to follow.
    """
    if settings.primary_topic_arn is None:
        reporter.subscription_not_wanted()
        return None
    sns = sns_in(region_of(settings.primary_topic_arn))
    arn = subscribe(sns, settings.primary_topic_arn, settings.events_queue_arn)
    return sync_registry.subscription.record(arn, settle_s=settings.settle_seconds)


def region_of(topic_arn: str) -> str:
    """The region in a topic's ARN; raises ConfigurationError."""
    parts = topic_arn.split(":")
    if len(parts) != 6 or parts[2] != "sns" or not parts[3]:
        raise ConfigurationError("PRIMARY_TOPIC_ARN is not the ARN of an SNS topic")
    return parts[3]


def subscribe(sns: SNSClient, topic_arn: str, queue_arn: str) -> str:
    """Have the topic deliver to the queue, raw, and return the subscription's ARN. Idempotent.

    `sns` must be a client of the topic's region. Subscribing the same queue again returns its subscription.
    """
    answer = sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=queue_arn,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )
    return answer["SubscriptionArn"]
