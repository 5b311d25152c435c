"""The admin API of a site: status, replication details, actions, the DLQ, the event log (see geosync/admin/api.py)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from geosync import observability
from geosync.admin.api import AdminApi
from geosync.admin.gate import Gate
from geosync.admin.pages import Pages
from geosync.admin.rights import Rights, Tokens
from geosync.admin.settings import AdminSettings
from geosync.admin.site import AdminSite
from geosync.aws.errors import reason
from geosync.messages.event_log import EventLog
from geosync.operating.audit import Audit
from geosync.operating.dead_letters import DeadLetters
from geosync.operating.failed_events import invoker
from geosync.settings import read
from geosync.sync_registry.site.admin_access import Right
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.tokens import read_tokens

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# API Gateway waits 29 s for the whole answer.
AWS_CALLS = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=32,  # what a status reads side by side (owed_index.AT_ONCE, and what is counted)
    tcp_keepalive=True,
)

logger = observability.logger()


def _api() -> AdminApi:
    settings = read(AdminSettings, os.environ)
    dynamodb, sqs = boto3.client("dynamodb", config=AWS_CALLS), boto3.client("sqs", config=AWS_CALLS)
    secrets = boto3.client("secretsmanager", config=AWS_CALLS)

    sync_registry = SyncRegistry.open(dynamodb, settings.sync_table)

    def tokens() -> Tokens:
        own: dict[Right, tuple[bytes, ...]] = {
            "read": read_tokens(secrets, settings.read_secret_arn),
            "act": read_tokens(secrets, settings.act_secret_arn),
        }
        return Tokens(secrets=own, named=tuple(sync_registry.admin_access.all()))

    rights = Rights(
        settings.site_name,
        tokens,
        sync_registry.admin_access,
        on_failure=lambda error: logger.warning("admin_tokens_unreadable", extra={"reason": reason(error)}),
    )
    days = settings.event_retention_days
    site = AdminSite(
        settings=settings,
        sync_registry=sync_registry,
        sqs=sqs,
        letters=DeadLetters(
            sqs,
            dlq_url=settings.dlq_url,
            events_url=settings.events_queue_url,
            work_url=settings.work_queue_url,
            # The template's name of it. A client takes a tenth of a second, and is made only for such a replay.
            hand_over=invoker(
                lambda: boto3.client("lambda", config=AWS_CALLS), f"geosync-{settings.site_name}-notifications"
            ),
        ),
        events=EventLog(dynamodb, settings.events_table, retention_days=days, shards=settings.event_log_shards),
        audit=Audit(dynamodb, settings.events_table, logger, retention_days=days),
        logger=logger,
    )
    return AdminApi(site, Gate(settings.site_name, rights), Pages(Path(__file__).parent / "pages"), logger)


@cache
def api() -> AdminApi:
    """Return the one API of this execution environment."""
    return _api()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway's proxy integration."""
    return api().respond(event, context)


# Lambda gives the whole processor while it loads a function: the routes are put together now.
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _ = api()
