"""Amazon ECR's event: EventBridge hands it to the function itself, one at a time; IAM says that nobody else may.

Follows "Amazon ECR events and EventBridge". ECR sends on a best effort basis: what it loses, the comparison finds. A
tag that is moved is a PUSH; a DELETE by tag names the tag, one by digest does not.
"""

from __future__ import annotations

from typing import Any

from geosync.messages.geo_event import EventName
from geosync.notifications.formats.claims import Claim, Received, field, id_or_new, judge, unusable
from geosync.notifications.outcomes import Dropped, Outcome

SOURCE = "aws.ecr"
DETAIL_TYPE = "ECR Image Action"

_ACTIONS: dict[object, EventName] = {"PUSH": "created", "DELETE": "deleted"}


def is_event(event: object) -> bool:
    """Whether the function was invoked with an event of EventBridge, and not with a request of API Gateway."""
    return isinstance(event, dict) and "detail-type" in event and "requestContext" not in event


def parse(event: dict[str, Any], received: Received, *, host: str) -> Outcome:
    """Return what becomes of the event; `host` is that of the site's registry. Nothing that it holds can raise."""
    if event.get("source") != SOURCE or event.get("detail-type") != DETAIL_TYPE:
        return Dropped(reason="other_event")
    detail = event.get("detail")
    if not isinstance(detail, dict):
        return unusable("not_an_object", id_or_new(event.get("id")), {}, received)
    if detail.get("result") != "SUCCESS":
        return Dropped(reason="other_event")
    action = detail.get("action-type")
    names = {"repository": detail.get("repository-name"), "tag": detail.get("image-tag")}
    if _is_other(host, event):
        claims = {"action": action, "account": event.get("account"), "region": event.get("region"), **names}
        return unusable("other_registry", id_or_new(event.get("id")), claims, received)
    claim = Claim(
        id=event.get("id"),
        action=action,
        event_name=_ACTIONS.get(action) if isinstance(action, str) else None,
        repository=field(detail, "repository-name"),
        tag=field(detail, "image-tag"),
        digest=field(detail, "image-digest"),
        media_type=field(detail, "manifest-media-type"),
        occurred_at=event.get("time"),
    )
    return judge(claim, received)


def _is_other(host: str, event: dict[str, Any]) -> bool:
    """Whether the event is of another account or region than the registry, where its host says which it is of."""
    labels = host.lower().split(".")
    if len(labels) < 4 or not labels[1].startswith("dkr"):
        return False
    return event.get("account") != labels[0] or event.get("region") not in labels
