"""The number of an event, where GitLab has a sequence: programs order events by it, and compute lag from it.

A geo event's own id is its sender's text. Its number is the moment when the primary received it in microseconds, of
which the last three digits come from that text. So numbers grow with time, two events of one millisecond rarely share
one, and whoever has the event computes the same number: nothing is stored for it. It is exact in JavaScript until 2255.
"""

from __future__ import annotations

import hashlib

WITHIN_A_MILLISECOND = 1000


def event_number(event_id: str, received_at: int) -> int:
    """The number of the event `event_id`, which the primary received at `received_at` (ms since the epoch)."""
    digest = hashlib.sha256(event_id.encode()).digest()
    return received_at * WITHIN_A_MILLISECOND + int.from_bytes(digest[:4], "big") % WITHIN_A_MILLISECOND
