"""Quay's `Push to Repository` notification, sent by its method `Webhook POST`.

Follows "Repository notifications" of Quay's documentation. It names the tags and no digest, and neither an id nor a
time: a push that is notified twice is two events here, and the second finds nothing to do. Quay cannot send a header of
your own; it takes user and password in the URL, and sends them as Basic. Nothing is sent when a tag is removed.
"""

from __future__ import annotations

from geosync.errors import MalformedMessage
from geosync.notifications.formats.claims import Claim, ImageClaim, NoClaim
from geosync.notifications.request import Delivery

MAX_TAGS = 500


def parse(delivery: Delivery) -> list[Claim]:
    """Return the claim of each tag. Raises MalformedMessage when it is no notification of Quay's."""
    document = delivery.document
    if not isinstance(document, dict) or not {"repository", "docker_url"} <= set(document):
        raise MalformedMessage('the body is not a notification of Quay\'s: {"repository": …, "docker_url": …, …}')
    if "updated_tags" not in document:
        return [NoClaim(reason="other_event")]
    tags = document["updated_tags"]
    if not isinstance(tags, list | dict) or len(tags) > MAX_TAGS:  # an older Quay sent {tag: image id}
        raise MalformedMessage(f"the notification has no list of at most {MAX_TAGS} updated_tags")
    return [
        ImageClaim(id=None, action="push", happened="created", repository=document["repository"], tag=tag)
        for tag in tags
    ]
