"""A secondary's status, posted to the primary's admin API, so that the primary shows all its sites.

The primary answers with what it knows of the other sites. That is kept, so that this site shows them as well, under the
same ids, and still knows them when the primary is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import requests

from geosync.errors import ReportFailed
from geosync.minute.queues import Queues
from geosync.minute.settings import ReconcileSettings
from geosync.operating import status as site_status
from geosync.operating.queued_messages import QueuedMessages
from geosync.operating.site_report import site_report
from geosync.operating.sites import NAME, URL
from geosync.sync_registry.site.sites import MOST_SITES
from geosync.sync_registry.site.told import Told, ToldSite
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.tokens import read_tokens

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PATH = "/api/v4/geo/status"
TIMEOUT_S = 5.0
"""For connecting, and for the answer: the primary may be gone, which harms nothing here."""
MOST_TOLD_BYTES = 1024 * 1024
"""Bytes of an answer that are read: a hundred sites, at ten KiB each."""


def read_report(settings: ReconcileSettings, sync_registry: SyncRegistry, queues: Queues) -> dict[str, object]:
    """Read the status of this site, in the form that the primary keeps. Raises what DynamoDB and SQS raise."""
    report = site_report(
        site_status.read(sync_registry, primary=settings.primary_topic_arn),
        settings.facts,
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
) -> Told | None:
    """Post a status to the primary's admin API; returns what it told of the other sites, None if nothing.

    Raises ReportFailed and what Secrets Manager raises. The token is in no text.
    """
    token = read_tokens(secrets, settings.report_secret_arn)[0]
    try:
        answer = session.post(
            (settings.primary_admin_url or "").rstrip("/") + PATH,
            json={"site": settings.site_name, "sent_at": now_ms, "status": as_sent(status)},
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
    return _told(answer.content, settings, now_ms=now_ms)


def as_sent(status: Mapping[str, object]) -> dict[str, object]:
    """The status in a form that a primary of the previous version reads as well: secondaries are upgraded first.

    That version knows two states of health, and texts as ids of events. `degraded` says the third (operating/fleet.py).
    """
    sent = dict(status)
    for name in ("last_event_id", "cursor_last_event_id"):
        sent[name] = str(status[name]) if status.get(name) is not None else None
    if status.get("health_status") == "Degraded":
        sent |= {"health_status": "Unhealthy", "degraded": True}
    return sent


def _told(content: bytes, settings: ReconcileSettings, *, now_ms: int) -> Told | None:
    """Read the sites in the primary's answer; None where it has no list of them, as an older primary's."""
    try:
        found = json.loads(content)["sites"] if len(content) <= MOST_TOLD_BYTES else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    read = (_told_site(one, settings) for one in found[: MOST_SITES + 1])
    return Told(at=now_ms, sites=tuple(one for one in read if one is not None))


def _told_site(fields: Any, settings: ReconcileSettings) -> ToldSite | None:
    """Read one site; None if it cannot be read. Nothing that the primary says ends up in an address unchecked."""
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str) or not NAME.fullmatch(fields["name"]):
        return None
    primary, url, status = fields.get("primary") is True, fields.get("url"), fields.get("status")
    if primary:
        url = settings.primary_admin_url
    return ToldSite(
        name=fields["name"],
        url=url if isinstance(url, str) and URL.fullmatch(url) else None,
        primary=primary,
        status=status if isinstance(status, dict) else {},
    )
