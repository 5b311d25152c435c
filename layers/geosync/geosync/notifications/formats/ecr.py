"""Amazon ECR's event: EventBridge hands it to the function itself, one at a time; IAM says that nobody else may.

Follows "Amazon ECR events and EventBridge". ECR sends on a best effort basis: what it loses, the comparison finds. A
tag that is moved is a PUSH; a DELETE by tag names the tag, one by digest does not. An image is also there once it was
replicated from another ECR registry, brought by a pull through cache rule, or restored from the archive. An image that
is archived stays at the secondaries, so that event is dropped.
"""

from __future__ import annotations

from geosync.messages.geo_event import EventName
from geosync.notifications.formats.claims import (
    AccountOrigin,
    Claim,
    ImageClaim,
    NoClaim,
    UnreadableClaim,
    field,
    meaning,
)
from geosync.notifications.request import Delivery

SOURCE = "aws.ecr"
CACHED = "ECR Pull Through Cache Action"
DETAIL_TYPES = frozenset(
    {"ECR Image Action", "ECR Referrer Action", "ECR Artifact Action", "ECR Replication Action", CACHED}
)

_ACTIONS: dict[str, EventName] = {"PUSH": "created", "REPLICATE": "created", "DELETE": "deleted"}
_MOVED = "UPDATE_STORAGE_CLASS"
_RESTORED_TO = "STANDARD"


def parse(delivery: Delivery) -> list[Claim]:
    """Return the claim of the event. Raises nothing: nobody would correct the event and send it again."""
    event = delivery.document
    kind = field(event, "detail-type")
    if field(event, "source") != SOURCE or not isinstance(kind, str) or kind not in DETAIL_TYPES:
        return [NoClaim(reason="other_event")]
    event_id, detail = field(event, "id"), field(event, "detail")
    if not isinstance(detail, dict):
        return [UnreadableClaim(because="not_an_object", id=event_id)]
    if detail.get("sync-status" if kind == CACHED else "result") != "SUCCESS":
        return [NoClaim(reason="other_event")]
    action = "PUSH" if kind == CACHED else detail.get("action-type")
    if action == _MOVED:
        if detail.get("target-storage-class") != _RESTORED_TO:
            return [NoClaim(reason="other_event")]
        action = "PUSH"
    repository, tag = detail.get("repository-name"), detail.get("image-tag")
    account, region = field(event, "account"), field(event, "region")
    said = {"action": action, "account": account, "region": region, "repository": repository, "tag": tag}
    return [
        ImageClaim(
            id=event_id,
            action=action,
            happened=meaning(_ACTIONS, action),
            repository=repository,
            tag=tag,
            digest=detail.get("image-digest"),
            media_type=detail.get("manifest-media-type"),
            occurred_at=field(event, "time"),
            origin=AccountOrigin(account=account, region=region, said=said),
        )
    ]
