"""Harbor's webhook, in both of its payload formats: `Default` and `CloudEvents`.

Follows Harbor's "Configure Webhook Notifications". Its `Auth Header` is sent as it is, and holds the token. Harbor
names one tag of an artifact at most, and writes the digest in the tag's place where there is none.
"""

from __future__ import annotations

from typing import Any

from geosync.errors import MalformedMessage
from geosync.messages.geo_event import EventName
from geosync.notifications.formats.claims import Claim, ImageClaim, NoClaim, field, id_of_content, text_if
from geosync.notifications.request import Delivery
from geosync.oci.references import is_digest

_PUSHED = frozenset({"PUSH_ARTIFACT", "CREATE_TAG", "harbor.artifact.pushed", "harbor.tag.created"})
_DELETED = frozenset({"DELETE_ARTIFACT", "harbor.artifact.deleted"})
_PULLED = frozenset({"PULL_ARTIFACT", "harbor.artifact.pulled"})
MAX_RESOURCES = 500


def parse(delivery: Delivery) -> list[Claim]:
    """Return the claims of each resource of an event. Raises MalformedMessage when it is no event of Harbor's."""
    document = delivery.document
    kind = field(document, "type")
    data = _data(document, kind)
    if not isinstance(document, dict) or not isinstance(kind, str) or not isinstance(data, dict):
        raise MalformedMessage('the body is not an event of Harbor\'s: {"type": …, "event_data": …}')
    if kind in _PULLED:
        return [NoClaim(reason="pull")]
    if kind not in _PUSHED | _DELETED:
        return [NoClaim(reason="other_event")]
    event_name: EventName = "created" if kind in _PUSHED else "deleted"
    return [claim for resource in _resources(data) for claim in _claims(document, data, resource, event_name)]


def _resources(data: dict[str, Any]) -> list[object]:
    resources = data.get("resources")
    if not isinstance(resources, list) or len(resources) > MAX_RESOURCES:
        raise MalformedMessage(f"the event has no list of at most {MAX_RESOURCES} resources")
    return resources


def _data(document: object, kind: object) -> object:
    """The event itself, in CloudEvents or in Harbor's own form."""
    is_cloud_event = isinstance(kind, str) and kind.startswith("harbor.")
    return field(document, "data" if is_cloud_event else "event_data")


def _claims(document: dict[str, Any], data: dict[str, Any], resource: object, event_name: EventName) -> list[Claim]:
    """Return the claims of one resource. A deleted artifact takes all its tags with it, and Harbor names only one."""
    digest, tag = field(resource, "digest"), field(resource, "tag")
    if text_if(is_digest, tag):
        tag = None
    parts: list[tuple[object, object]] = [(tag, digest)]
    if event_name == "deleted" and tag is not None:
        parts = [(None, digest), (tag, None)]
    repository = field(data, "repository", "repo_full_name")
    sent = document.get("id") or document.get("occur_at")
    return [
        ImageClaim(
            id=id_of_content(document["type"], sent, repository, *part),
            action=document["type"],
            happened=event_name,
            repository=repository,
            tag=part[0],
            digest=part[1],
            occurred_at=document.get("time"),
        )
        for part in parts
    ]
