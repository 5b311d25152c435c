"""A secondary's status, posted to the primary's admin API, so that the primary shows all its sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import requests

from geosync.errors import ReportFailed
from geosync.minute.queues import Queues
from geosync.minute.settings import ReconcileSettings
from geosync.operating import status as site_status
from geosync.operating.site_report import QueuedMessages, site_report
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.tokens import read_tokens

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PATH = "/api/v4/geo/status"
TIMEOUT_S = 5.0
"""For connecting, and for the answer: the primary may be gone, which harms nothing here."""


def read_report(settings: ReconcileSettings, sync_registry: SyncRegistry, queues: Queues) -> dict[str, object]:
    """Read the status of this site, in the form that the primary keeps. Raises what DynamoDB and SQS raise."""
    report = site_report(
        site_status.read(sync_registry),
        name=settings.site_name,
        role=settings.site_role,
        queued=QueuedMessages(dead_letters=queues.dead_letters(), events_waiting=queues.events()),
    )
    return {**report, "superseded_images": settings.superseded_images}


def post_report(
    settings: ReconcileSettings,
    secrets: SecretsManagerClient,
    session: requests.Session,
    status: Mapping[str, object],
    *,
    now_ms: int,
) -> None:
    """Post a status to the primary's admin API; raises ReportFailed and what Secrets Manager raises.

    The token is in no text.
    """
    token = read_tokens(secrets, settings.report_secret_arn)[0]
    try:
        answer = session.post(
            (settings.primary_admin_url or "").rstrip("/") + PATH,
            json={"site": settings.site_name, "sent_at": now_ms, "status": status},
            headers={"Authorization": f"Bearer {token.decode('ascii')}"},
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise ReportFailed(f"the primary's admin API does not answer: {type(error).__name__}") from None
    if answer.status_code == 401:
        raise ReportFailed("the primary does not expect this site, or not with this token: geosync sites add, there")
    if answer.status_code != 202:
        raise ReportFailed(f"the primary's admin API answered {answer.status_code}")
