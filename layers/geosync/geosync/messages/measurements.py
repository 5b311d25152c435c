"""Measurements of a worker, sent to functions/reconcile, which records them (minute/history.py).

A worker does not write them into the table: there are up to a thousand workers, and the history takes two writes a
minute. A message is sent once a repository is let go.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from geosync.errors import MalformedMessage
from geosync.messages.groups import SITE_GROUP

MOST_LAGS = 5_000
"""Different lags in one message: some 100 kB of the 256 KiB that SQS takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """The pushes that were seen, by their lag (ms); how many references were discharged; bytes and requests."""

    lags_ms: Mapping[int, int] = field(default_factory=Counter)
    synced: int = 0
    bytes: int = 0
    requests: int = 0

    @property
    def message_group_id(self) -> str:
        """The group of messages that concern no repository."""
        return SITE_GROUP

    def to_json(self) -> str:
        """The body."""
        numbers = {"synced": self.synced, "bytes": self.bytes, "requests": self.requests}
        return json.dumps({"lags_ms": sorted(self.lags_ms.items()), **numbers}, separators=(",", ":"))

    @classmethod
    def parse(cls, body: str) -> Measurements:
        """Read a body. Raises MalformedMessage."""
        try:
            said = json.loads(body)
            lags = Counter({_count(lag_ms): _count(pushes) for lag_ms, pushes in said["lags_ms"]})
            return cls(
                lags_ms=lags,
                synced=_count(said["synced"]),
                bytes=_count(said["bytes"]),
                requests=_count(said["requests"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise MalformedMessage("these are no measurements of a worker") from None


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value
