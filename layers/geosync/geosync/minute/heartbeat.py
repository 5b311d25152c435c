"""The primary's heartbeat, posted through its own public notification endpoint as its registry posts."""

from __future__ import annotations

import time

import requests

from geosync.errors import HeartbeatFailed
from geosync.notifications.formats.heartbeat import MEDIA_TYPE, envelope

TIMEOUT = 5.0
"""Seconds; a registry's own is 0.5."""


def post(session: requests.Session, url: str, token: bytes) -> None:
    """Post one heartbeat; raises HeartbeatFailed, which says what the endpoint answered. The token is in no text."""
    try:
        answer = session.post(
            url,
            data=envelope(time.time_ns() // 1_000_000),
            headers={"Authorization": token.decode("ascii"), "Content-Type": MEDIA_TYPE},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise HeartbeatFailed(f"the notification endpoint does not answer: {type(error).__name__}") from None
    if answer.status_code != 200:
        raise HeartbeatFailed(f"the notification endpoint answered {answer.status_code}")
