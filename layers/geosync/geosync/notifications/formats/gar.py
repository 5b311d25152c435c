"""Google Artifact Registry's notification: a message of the Pub/Sub topic `gcr`, pushed.

Follows "Configure Pub/Sub notifications" (Artifact Registry) and "Push subscriptions" (Pub/Sub). The names in a message
begin with the registry's host; it is compared with the site's own registry and cut off, and never used. Who pushed the
message is checked before anything is read (`google_identity.py`).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from geosync.errors import MalformedMessage
from geosync.messages.geo_event import EventName
from geosync.notifications.formats.claims import Claim, Received, id_or_new, judge, present, unusable
from geosync.notifications.outcomes import Outcome, UnusableBecause
from geosync.notifications.request import Delivery

_ACTIONS: dict[object, EventName] = {"INSERT": "created", "DELETE": "deleted"}


def parse(delivery: Delivery, received: Received, *, host: str) -> list[Outcome]:
    """Return what becomes of a pushed message; `host` is that of the site's registry, with its port if it has one.

    Whatever a message holds is acknowledged: Pub/Sub would send it again for as long as its subscription keeps it.
    Raises MalformedMessage for a body that is no push of Pub/Sub's.
    """
    document = delivery.document
    message = document.get("message") if isinstance(document, dict) else None
    if not isinstance(message, dict):
        raise MalformedMessage('the body is not a push of Pub/Sub: {"message": {"data": …}, …}')
    data = _data(message)
    if data is None:
        return [unusable("bad_data", id_or_new(message.get("messageId")), {}, received)]
    names = [Name.read(data.get(key), separator) for key, separator in (("tag", ":"), ("digest", "@"))]
    wrong = _disagreement([name for name in names if name is not None], host)
    if wrong is not None:
        claims = {key: data.get(key) for key in ("action", "tag", "digest")}
        return [unusable(wrong, id_or_new(message.get("messageId")), claims, received)]
    tagged, named = names
    action = data.get("action")
    claim = Claim(
        id=message.get("messageId"),
        action=action,
        event_name=_ACTIONS.get(action) if isinstance(action, str) else None,
        repository=next((name.repository for name in names if name is not None), None),
        tag=tagged.reference if tagged else None,
        digest=named.reference if named else None,
        occurred_at=message.get("publishTime"),
    )
    return [judge(claim, received)]


class Name:
    """A name of a message, `host/project/repository/image:tag` or `…@digest`, in its three parts."""

    def __init__(self, *, host: str, repository: str, reference: str) -> None:
        self.host = host
        self.repository = repository
        self.reference = reference

    @classmethod
    def read(cls, text: object, separator: str) -> Name | None:
        """Split a name at the last separator; None when there is none."""
        if not isinstance(text, str) or not present(text):
            return None
        name, _, reference = text.rpartition(separator)
        host, _, repository = name.partition("/")
        return cls(host=host, repository=repository, reference=reference)


def _disagreement(names: list[Name], host: str) -> UnusableBecause | None:
    if any(name.host.lower() != host.lower() for name in names):
        return "other_registry"
    return "bad_repository" if len({name.repository for name in names}) > 1 else None


def _data(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return the message's data, decoded; None when it is no base64 of a JSON object."""
    try:
        data = json.loads(base64.b64decode(message.get("data", ""), validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
