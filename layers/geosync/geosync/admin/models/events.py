"""Geo events, and the audit log."""

from __future__ import annotations

from geosync.admin.models.common import Answer, Page


class GeoEvent(Answer):
    """A notification's event as the primary took it, or (`unusable`) why it could not be used."""

    id: str
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


class GeoEventPage(Page[GeoEvent]):
    """Events, newest first. With a filter, a page reads so many at most that it may be short although there are more.

    `examined` were read, back to `looked_back_to`. `message`, of a page without events: what that means.
    """

    examined: int
    looked_back_to: str
    message: str | None


class AuditEvent(Answer):
    """What an operator did, or was refused. `count`: how often, where refusals of a minute are told together."""

    id: str
    action: str
    who: str
    outcome: str
    status: int | None
    detail: str | None
    source: str | None
    count: int
    created_at: str
