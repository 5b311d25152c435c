"""The primary's heartbeat, posted through its own public notification endpoint as its registry posts.

If that takes requests only from the registry's addresses (NotificationSourceRanges), it goes to /heartbeat instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from botocore.exceptions import BotoCoreError, ClientError

from geosync.aws.errors import reason
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import GeosyncError, HeartbeatFailed
from geosync.minute.reporting import MinuteReporter
from geosync.minute.settings import ReconcileSettings
from geosync.notifications.formats.heartbeat import MEDIA_TYPE, envelope
from geosync.sync_registry.failures import cut
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.tokens import read_tokens

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

TIMEOUT_S = 5.0
"""For connecting, and for the answer; a registry's own is 0.5."""


def post_heartbeat(
    settings: ReconcileSettings,
    sync_registry: SyncRegistry,
    secrets: SecretsManagerClient,
    session: requests.Session,
    reporter: MinuteReporter,
    *,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Post one heartbeat with the registry's token, and record what became of it.

    Raises HeartbeatFailed and what Secrets Manager and DynamoDB raise.
    """
    try:
        token = read_tokens(secrets, settings.notification_secret_arn)[0]
        post(session, settings.heartbeat_url, token, clock=clock)
    except (GeosyncError, BotoCoreError, ClientError) as error:
        sync_registry.posted_heartbeat.record_failure(cut(reason(error)))
        raise
    reporter.heartbeat_posted()
    sync_registry.posted_heartbeat.record(at=clock.now_ms())


def post(session: requests.Session, url: str, token: bytes, *, clock: Clock = SYSTEM_CLOCK) -> None:
    """Post one heartbeat; raises HeartbeatFailed, which says what the endpoint answered. The token is in no text."""
    try:
        answer = session.post(
            url,
            data=envelope(clock.now_ms()),
            headers={"Authorization": token.decode("ascii"), "Content-Type": MEDIA_TYPE},
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise HeartbeatFailed(f"the notification endpoint does not answer: {type(error).__name__}") from None
    if answer.status_code != 200:
        raise HeartbeatFailed(f"the notification endpoint answered {answer.status_code}")
