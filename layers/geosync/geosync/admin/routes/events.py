"""The geo events that a primary took, and what operators did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from geosync import event_log
from geosync.admin import cursors
from geosync.admin.models.common import Page
from geosync.admin.models.events import AuditEvent, GeoEvent
from geosync.admin.routes.common import LOOKS, PER_PAGE, Cursor, PerPage, answers, page_info
from geosync.admin.site import Site
from geosync.moments import moment

TAGS = ["events"]


def add(app: APIGatewayRestResolver, site: Site) -> None:
    """Add the routes."""

    @app.get(
        "/api/v4/geo/events",
        summary="The geo events that this site took, newest first",
        tags=TAGS,
        responses=answers(*LOOKS),
    )
    def list_events(per_page: PerPage = PER_PAGE, cursor: Cursor = None) -> Page[GeoEvent]:
        found, end = _page(site, "", per_page, cursor)
        return Page[GeoEvent](nodes=[_event(entry) for entry in found], page_info=page_info(end))

    @app.get(
        "/api/v4/geo/audit_events",
        summary="What operators did here, newest first",
        tags=TAGS,
        responses=answers(*LOOKS),
    )
    def list_audit_events(per_page: PerPage = PER_PAGE, cursor: Cursor = None) -> Page[AuditEvent]:
        found, end = _page(site, event_log.AUDIT, per_page, cursor)
        return Page[AuditEvent](nodes=[_audit(entry) for entry in found], page_info=page_info(end))


def _page(site: Site, kind: str, limit: int, cursor: str | None) -> tuple[tuple[Mapping[str, Any], ...], str | None]:
    position = cursors.decode(f"events {kind}", cursor, int, str)
    before = event_log.Before(received_at=position[0], id=position[1]) if position else None
    found = site.events.page(now=site.clock(), limit=limit, before=before, kind=kind)
    following = found.following
    end = cursors.encode(f"events {kind}", following.received_at, following.id) if following is not None else None
    return found.entries, end


def _event(entry: Mapping[str, Any]) -> GeoEvent:
    claims = entry.get("claims") or {}
    return GeoEvent(
        id=entry["id"],
        outcome=str(entry.get("outcome", "")),
        event_name=entry.get("event_name"),
        replicable_name=entry.get("replicable_name"),
        repository=entry.get("repository") or claims.get("repository"),
        tag=entry.get("tag") or claims.get("tag"),
        digest=entry.get("digest") or claims.get("digest"),
        media_type=entry.get("media_type"),
        source=entry.get("source"),
        correlation_id=entry.get("correlation_id"),
        reason=entry.get("reason"),
        occurred_at=entry.get("occurred_at"),
        created_at=moment(entry["received_at"]),
    )


def _audit(entry: Mapping[str, Any]) -> AuditEvent:
    return AuditEvent(
        id=entry["id"],
        action=str(entry.get("action", "")),
        who=str(entry.get("who", "")),
        outcome=str(entry.get("outcome", "")),
        status=entry.get("status"),
        detail=entry.get("detail") or None,
        source=entry.get("source") or None,
        count=entry.get("count", 1),
        created_at=moment(entry["received_at"]),
    )
