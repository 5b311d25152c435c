"""The heartbeat's notification: the primary posts it to its own endpoint each minute, with the registry's token.

It goes where a push goes (endpoint, topic, queue, table), so that a secondary can tell silence from loss.
"""

from __future__ import annotations

import json
import uuid

from geosync.messages.geo_event import HEARTBEAT
from geosync.notifications.formats.claims import field

MEDIA_TYPE = "application/json"


def envelope(sent_at: int) -> bytes:
    """Return the body to post with MEDIA_TYPE; `sent_at` is now, in milliseconds since the epoch."""
    event = {"id": str(uuid.uuid4()), "action": HEARTBEAT, "sent_at": sent_at}
    return json.dumps({"events": [event]}).encode()


def is_envelope_of_heartbeats(document: object) -> bool:
    """Return whether a body is an envelope of heartbeats and nothing else; it may be empty."""
    events = field(document, "events")
    return isinstance(events, list) and all(field(event, "action") == HEARTBEAT for event in events)
