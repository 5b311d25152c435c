"""The geo events that a primary took, and what operators did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Query

from geosync.admin import cursors
from geosync.admin.http import Refusal
from geosync.admin.models.common import Page
from geosync.admin.models.events import AuditEvent, GeoEvent, GeoEventPage
from geosync.admin.routes.common import LOOKS, PER_PAGE, Cursor, PerPage, answers, page_info
from geosync.admin.site import Site
from geosync.messages import event_log
from geosync.messages.event_log import EVERYTHING, Filter
from geosync.messages.geo_event import EventName
from geosync.oci.references import MAX_REPOSITORY_LENGTH, is_repository
from geosync.operating.moments import moment

TAGS = ["events"]


def add(app: APIGatewayRestResolver, site: Site) -> None:
    """Add the routes."""

    @app.get(
        "/api/v4/geo/events",
        summary="The geo events that this site took, newest first",
        tags=TAGS,
        responses=answers(*LOOKS),
    )
    def list_events(
        repository: Annotated[
            str | None, Query(max_length=MAX_REPOSITORY_LENGTH, description="Only those of this container repository.")
        ] = None,
        event_name: Annotated[EventName | None, Query(description="Only these events.")] = None,
        per_page: PerPage = PER_PAGE,
        cursor: Cursor = None,
    ) -> GeoEventPage:
        if repository is not None and not is_repository(repository):
            raise Refusal(400, f"repository: {json.dumps(repository)} cannot be the name of a container repository")
        wanted = Filter(repository=repository or "", event_name=event_name or "")
        found, end = _page(site, "", per_page, cursor, wanted)
        oldest = found.following.received_at if found.following else site.clock() - site.events.retention_ms
        back_to = moment(oldest)
        return GeoEventPage(
            nodes=[_event(entry) for entry in found.entries],
            page_info=page_info(end),
            examined=found.examined,
            looked_back_to=back_to,
            message=_nothing(site, wanted, found, back_to) if not found.entries else None,
        )

    @app.get(
        "/api/v4/geo/audit_events",
        summary="What operators did here, newest first",
        tags=TAGS,
        responses=answers(*LOOKS),
    )
    def list_audit_events(per_page: PerPage = PER_PAGE, cursor: Cursor = None) -> Page[AuditEvent]:
        found, end = _page(site, event_log.AUDIT, per_page, cursor)
        return Page[AuditEvent](nodes=[_audit(entry) for entry in found.entries], page_info=page_info(end))


def _page(
    site: Site, kind: str, limit: int, cursor: str | None, wanted: Filter = EVERYTHING
) -> tuple[event_log.Page, str | None]:
    name = " ".join(("events", kind, wanted.repository, wanted.event_name))
    position = cursors.decode(name, cursor, int, str)
    before = event_log.Before(received_at=position[0], id=position[1]) if position else None
    found = site.events.page(now=site.clock(), limit=limit, before=before, kind=kind, wanted=wanted)
    following = found.following
    end = cursors.encode(name, following.received_at, following.id) if following is not None else None
    return found, end


def _nothing(site: Site, wanted: Filter, found: event_log.Page, back_to: str) -> str:
    """What it means that a page has no event."""
    what = f"no {f'{wanted.event_name} ' if wanted.event_name else ''}event"
    what += f" of {wanted.repository}" if wanted.repository else ""
    if found.following is not None:
        return f"{what} among the {found.examined} that were read, back to {back_to}: there may be older ones"
    message = f"{what} in the log of {site.name}, which goes back to {back_to}"
    return message if site.is_primary else f"{message}; it is a secondary, and the log of its primary has the events"


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
