"""The form of an event for subscribers: docs/operations/arrivals.md describes it, events/arrivals/ has samples."""

from __future__ import annotations

import json
from typing import Any

from geosync.clock import moment
from geosync.observability import redact
from geosync.sync_registry.site.outbox import ReplicationEvent

SOURCE = "geosync"
REPLICATED, FAILED = "Image Replicated", "Image Replication Failed"
VERSION = 1
MOST_SUBJECT = 100
"""Characters of an SNS subject, all of them printable ASCII."""


def detail_type(event: ReplicationEvent) -> str:
    """The kind of an event, as EventBridge knows it."""
    return REPLICATED if event.kind == "replicated" else FAILED


def detail(event: ReplicationEvent, site: str) -> dict[str, Any]:
    """The event itself. Moments are RFC 3339 in UTC. What is not known is null.

    `id` is the same where an event is sent twice.
    """
    about: dict[str, Any] = {
        "version": VERSION,
        "id": event.id,
        "site": site,
        "repository": event.repository,
        "tag": event.reference.value if event.reference.kind == "tag" else None,
        "digest": event.digest,
        "pushed_at": moment(event.pushed_at_ms) if event.pushed_at_ms is not None else None,
    }
    if event.kind == "replicated":
        lag_ms = max(event.at_ms - event.pushed_at_ms, 0) if event.pushed_at_ms is not None else None
        return {
            **about,
            "seen_at": moment(event.at_ms),
            "lag_seconds": lag_ms / 1000 if lag_ms is not None else None,
        }
    return {
        **about,
        "failed_at": moment(event.at_ms),
        "reason": redact(event.reason) if event.reason is not None else None,
        "attempts": event.attempts,
        "parked": event.parked,
    }


def message(event: ReplicationEvent, site: str) -> dict[str, Any]:
    """The body of the topic's message: the event as EventBridge has it."""
    return {"source": SOURCE, "detail-type": detail_type(event), "detail": detail(event, site)}


def sentence(event: ReplicationEvent, site: str) -> str:
    """The event in words, for mail."""
    image = f"{event.repository}{_name(event)}"
    if event.kind == "failed":
        end = "it is parked, and tried again after a new push, a resync or a replay" if event.parked else "tried again"
        return (
            f"{image} could not be replicated to {site}: {redact(event.reason or '')} (attempt {event.attempts}; {end})"
        )
    lag_s = detail(event, site)["lag_seconds"]
    after = f", {lag_s:.1f} s after its push" if lag_s is not None else ""
    return f"{image} is at {site}{after}: {event.digest}"


def subject(event: ReplicationEvent, site: str) -> str:
    """The subject of a mail."""
    what = "replicated to" if event.kind == "replicated" else "not replicated to"
    text = f"{event.repository}{_name(event)} {what} {site}"
    return text if len(text) <= MOST_SUBJECT else f"{text[: MOST_SUBJECT - 3]}..."


def as_json(document: dict[str, Any]) -> str:
    """A document as it is sent."""
    return json.dumps(document, separators=(",", ":"))


def _name(event: ReplicationEvent) -> str:
    if event.reference.kind == "tag":
        return f":{event.reference.value}"
    return f"@{event.reference.value}" if event.reference.kind == "digest" else ""
