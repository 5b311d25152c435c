"""Google Artifact Registry's notification: a message of the Pub/Sub topic `gcr`, pushed.

Follows "Configure Pub/Sub notifications" (Artifact Registry) and "Push subscriptions" (Pub/Sub). The names in a message
begin with the registry's host; it is compared with the site's own registry and cut off, and never used. Who pushed the
message is checked before anything is read (`google_identity.py`).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from geosync.errors import MalformedMessage
from geosync.messages.geo_event import EventName
from geosync.notifications.formats.claims import (
    Claim,
    HostOrigin,
    ImageClaim,
    UnreadableClaim,
    field,
    meaning,
    present,
)
from geosync.notifications.request import Delivery

_ACTIONS: dict[str, EventName] = {"INSERT": "created", "DELETE": "deleted"}


def parse(delivery: Delivery) -> list[Claim]:
    """Return the claim of a pushed message.

    Whatever a message holds is acknowledged: Pub/Sub would send it again for as long as its subscription keeps it.
    Raises MalformedMessage for a body that is no push of Pub/Sub's.
    """
    document = delivery.document
    message = field(document, "message")
    if not isinstance(message, dict):
        raise MalformedMessage('the body is not a push of Pub/Sub: {"message": {"data": …}, …}')
    data = _data(message)
    if data is None:
        return [UnreadableClaim(because="bad_data", id=message.get("messageId"))]
    return [_claim(message, data)]


def _claim(message: dict[str, Any], data: dict[str, Any]) -> ImageClaim:
    """The claim of a message with its data."""
    tagged, named = FullName.split(data.get("tag"), ":"), FullName.split(data.get("digest"), "@")
    names = [name for name in (tagged, named) if name is not None]
    origin = HostOrigin(
        hosts=tuple(name.host for name in names),
        repositories=frozenset(name.repository for name in names),
        said={key: data.get(key) for key in ("action", "tag", "digest")},
    )
    action = data.get("action")
    return ImageClaim(
        id=message.get("messageId"),
        action=action,
        happened=meaning(_ACTIONS, action),
        repository=names[0].repository if names else None,
        tag=tagged.reference if tagged else None,
        digest=named.reference if named else None,
        occurred_at=message.get("publishTime"),
        origin=origin,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FullName:
    """A name of a message, `host/project/repository/image:tag` or `…@digest`, in its three parts."""

    host: str
    repository: str
    reference: str

    @classmethod
    def split(cls, text: object, separator: str) -> FullName | None:
        """Split a name at the last separator; None when there is no name."""
        if not isinstance(text, str) or not present(text):
            return None
        name, _, reference = text.rpartition(separator)
        host, _, repository = name.partition("/")
        return cls(host=host, repository=repository, reference=reference)


def _data(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return the message's data, decoded; None when it is no base64 of a JSON object."""
    try:
        data = json.loads(base64.b64decode(message.get("data", ""), validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
