"""The envelope of CNCF Distribution, which GitLab's registry sends too: `{"events": [...]}`.

Follows Distribution's "Work with notifications" and GitLab's additions (`rename`). Only repository, tag, digest, media
type, ids and the time are taken; hosts and URLs never are.
"""

from __future__ import annotations

from geosync.errors import MalformedMessage
from geosync.messages.geo_event import HEARTBEAT
from geosync.notifications.formats.claims import (
    Claim,
    Happened,
    HeartbeatClaim,
    ImageClaim,
    NoClaim,
    UnreadableClaim,
    field,
    meaning,
)
from geosync.notifications.request import Delivery

# A registry posts one event per envelope. 1 MiB could hold half a million empty ones, each an item for the event log.
MAX_EVENTS = 2000

# A registry does not tell whether a pushed tag was there before; a reader looks at the primary in either case.
_ACTIONS: dict[str, Happened] = {"push": "created", "delete": "deleted", "rename": "renamed"}


def parse(delivery: Delivery) -> list[Claim]:
    """Return the claim of each event of an envelope, in its order.

    Raises MalformedMessage when it is no envelope, or one of more than MAX_EVENTS events.
    """
    events = field(delivery.document, "events")
    if not isinstance(events, list):
        raise MalformedMessage('the body is not an envelope: {"events": [...]}')
    if len(events) > MAX_EVENTS:
        raise MalformedMessage(f"the envelope holds more than {MAX_EVENTS} events")
    return [claim_of(event) for event in events]


def claim_of(event: object) -> Claim:
    """Return the claim of one event.

    A `delete` names a tag, a digest (a blob's delete looks the same, and finds nothing to do), or, with neither, the
    whole repository. GitLab's registry renames, or moves, a repository with all below it: `target.rename` has both
    names.
    """
    if not isinstance(event, dict):
        return UnreadableClaim(because="not_an_object", id=None)
    action, target = event.get("action"), event.get("target")
    if action in ("pull", "mount"):
        return NoClaim(reason=action)
    if action == HEARTBEAT:
        return HeartbeatClaim(id=event.get("id"), sent_at=event.get("sent_at"))
    if not isinstance(target, dict):
        return UnreadableClaim(because="not_an_object", id=event.get("id"), action=action)
    return ImageClaim(
        id=event.get("id"),
        action=action,
        happened=meaning(_ACTIONS, action),
        repository=target.get("repository"),
        tag=target.get("tag"),
        digest=target.get("digest"),
        media_type=target.get("mediaType"),
        occurred_at=event.get("timestamp"),
        correlation_id=field(event, "request", "id"),
        renamed_from=field(target, "rename", "from"),
        renamed_to=field(target, "rename", "to"),
        may_be_blob=True,
        may_be_whole_repository=True,
    )
