"""The heartbeat's notification: what the primary posts to its own endpoint each minute, with the registry's token.

It takes the way of a push (endpoint, topic, queue, table), so that a secondary can tell silence from loss.
"""

from __future__ import annotations

import json
import uuid

from geosync.messages.geo_event import HEARTBEAT

MEDIA_TYPE = "application/json"


def envelope(sent_at: int) -> bytes:
    """Return the body to post with MEDIA_TYPE; `sent_at` is now, in milliseconds since the epoch."""
    event = {"id": str(uuid.uuid4()), "action": HEARTBEAT, "sent_at": sent_at}
    return json.dumps({"events": [event]}).encode()
