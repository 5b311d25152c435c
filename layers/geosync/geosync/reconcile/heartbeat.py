"""The primary's heartbeat, posted through its own public notification endpoint, as its registry posts.

It takes the way of every push (API, topic, queue, table), so that a secondary can tell silence from loss.
"""

from __future__ import annotations

import time
import uuid

import requests

from geosync.errors import HeartbeatFailed
from geosync.events import HEARTBEAT

TIMEOUT = 5.0
"""Seconds; a registry's own is 0.5."""
MEDIA_TYPE = "application/vnd.docker.distribution.events.v2+json"


def post(session: requests.Session, url: str, token: bytes) -> None:
    """Post one heartbeat; raises HeartbeatFailed, which says what the endpoint answered. The token is in no text."""
    event = {"id": str(uuid.uuid4()), "action": HEARTBEAT, "sent_at": time.time_ns() // 1_000_000}
    try:
        answer = session.post(
            url,
            json={"events": [event]},
            headers={"Authorization": token.decode("ascii"), "Content-Type": MEDIA_TYPE},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise HeartbeatFailed(f"the notification endpoint does not answer: {type(error).__name__}") from None
    if answer.status_code != 200:
        raise HeartbeatFailed(f"the notification endpoint answered {answer.status_code}")
