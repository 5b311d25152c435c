"""The geo events that a primary took, and what operators did."""

from __future__ import annotations

import json
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from geosync.admin import cursors
from geosync.admin.common import PER_PAGE, AnswerModel, Cursor, PageModel, PerPage, page_info
from geosync.admin.http import HttpRefusal
from geosync.admin.site import AdminSite
from geosync.clock import LAST_MOMENT_MS, moment
from geosync.messages import event_log
from geosync.messages.event_log import EVERYTHING, Filter
from geosync.messages.geo_event import EventName
from geosync.oci.references import MAX_REPOSITORY_LENGTH, is_repository
from geosync.operating.documents import audit_fields, event_fields

RepositoryName = Annotated[
    str | None, Query(max_length=MAX_REPOSITORY_LENGTH, description="Only those of this container repository.")
]
WantedEvent = Annotated[EventName | None, Query(description="Only these events.")]


class GeoEventModel(AnswerModel):
    """A notification's event as the primary took it, or (`unusable`) why it could not be used.

    `id` is the number that `last_event_id` and `cursor_last_event_id` of a status mean; `sender_id` is the text by
    which the registry that sent it knows it.
    """

    id: int
    sender_id: str
    outcome: str
    event_name: str | None
    replicable_name: str | None
    repository: str | None
    tag: str | None
    digest: str | None
    media_type: str | None
    source: str | None
    correlation_id: str | None
    reason: str | None
    occurred_at: str | None
    created_at: str


class GeoEventPage(PageModel[GeoEventModel]):
    """Events, newest first. A page with a filter reads a bounded number, and may be short although there are more.

    `examined` were read, back to `looked_back_to`. `message` says what a page without events means.
    """

    examined: int
    looked_back_to: str
    message: str | None


class AuditEvent(AnswerModel):
    """An operator's action, or its refusal. `count`: the refusals of a minute in this entry."""

    id: str
    action: str
    who: str
    outcome: str
    status: int | None
    summary: str = Field(description="What was asked, in words, with the reason that was given.")
    repository: str | None = Field(
        description="The container repository that the action names; null: none, or its name was not known then."
    )
    detail: str | None = Field(
        description="The request's body, the command's arguments; of what was refused the reason."
    )
    source: str | None
    count: int
    created_at: str


class EventRoutes:
    """Shows the event log and the audit log."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def list_events(
        self,
        repository: RepositoryName = None,
        event_name: WantedEvent = None,
        per_page: PerPage = PER_PAGE,
        cursor: Cursor = None,
    ) -> GeoEventPage:
        """A page of the events that this site took."""
        if repository is not None and not is_repository(repository):
            raise HttpRefusal(400, f"repository: {json.dumps(repository)} cannot be the name of a container repository")
        wanted = Filter(repository=repository or "", event_name=event_name or "")
        found, end = _page(self._site, "", per_page, cursor, wanted)
        kept_since = self._site.clock.now_ms() - self._site.events.retention_ms
        back_to = moment(found.following.received_at if found.following else kept_since)
        return GeoEventPage(
            nodes=[GeoEventModel(**event_fields(entry)) for entry in found.entries],
            page_info=page_info(end),
            examined=found.examined,
            looked_back_to=back_to,
            message=_no_events(self._site, wanted, found, back_to) if not found.entries else None,
        )

    def list_audit_events(self, per_page: PerPage = PER_PAGE, cursor: Cursor = None) -> PageModel[AuditEvent]:
        """A page of what operators did here."""
        found, end = _page(self._site, event_log.AUDIT, per_page, cursor)
        return PageModel[AuditEvent](
            nodes=[AuditEvent(**audit_fields(entry)) for entry in found.entries], page_info=page_info(end)
        )


def _page(
    site: AdminSite, kind: str, limit: int, cursor: str | None, wanted: Filter = EVERYTHING
) -> tuple[event_log.Page, str | None]:
    """A page of the log, and the cursor of the next one. Raises HttpRefusal (400)."""
    name = " ".join(("events", kind, wanted.repository, wanted.event_name))
    position = cursors.decode(name, cursor, int, str)
    if position and not 0 <= position[0] <= LAST_MOMENT_MS:
        raise HttpRefusal(400, cursors.NOT_OF_THIS_LIST)
    before = event_log.Before.at(*position) if position else None
    found = site.events.page(now_ms=site.clock.now_ms(), limit=limit, before=before, kind=kind, wanted=wanted)
    following = found.following
    end = cursors.encode(name, following.received_at, following.mark) if following is not None else None
    return found, end


def _no_events(site: AdminSite, wanted: Filter, found: event_log.Page, back_to: str) -> str:
    """The meaning of a page that has no event."""
    what = f"no {f'{wanted.event_name} ' if wanted.event_name else ''}event"
    what += f" of {wanted.repository}" if wanted.repository else ""
    if found.following is not None:
        among = f"among the {found.examined} that were read, " if found.examined else ""
        return f"{what} {among}back to {back_to}: there may be older ones"
    message = f"{what} in the log of {site.name}, which goes back to {back_to}"
    return message if site.is_primary else f"{message}; it is a secondary, and the log of its primary has the events"
