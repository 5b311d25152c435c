"""Holds: until when everything that needs one registry is left alone. Pure transitions, as in leases.

A registry that is down is one item per registry, `hold#<host:port>` in the partition `#site`, not a failure of each
reference that needs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import AttributeReader
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.timing import ms

PREFIX = "hold#"
SHORTEST_S, LONGEST_S = 5.0, 300.0
"""The first hold of a registry, and the longest that we choose ourselves."""
LONGEST_ASKED_S = 3600.0
"""The longest hold that a registry's Retry-After can cause."""


MOST_HOLDS = 50
"""Registries whose holds are read: a site uses two, and those of its past leave items that have run out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A registry that is left alone until `until` (milliseconds); `attempts` counts the holds in a row.

    `credentials` names the version of the credentials that the registry refused; None: it does not answer.
    """

    registry: str
    until: int
    reason: str
    attempts: int
    credentials: str | None = None

    @classmethod
    def from_item(cls, item: Item) -> Hold:
        """Read a `hold#…` item."""
        read = AttributeReader(item)
        return cls(
            registry=read.text("item").removeprefix(PREFIX),
            until=read.number("until"),
            reason=read.text("reason", ""),
            attempts=read.number("attempts", 1),
            credentials=read.optional_text("credentials"),
        )


def hold_key(registry: str) -> Key:
    """The item that says until when a registry is left alone."""
    return Key(SITE, PREFIX + registry)


def hold(
    believed: Hold | None,
    registry: str,
    *,
    reason: str,
    now_ms: int,
    retry_after: float | None = None,
    credentials: str | None = None,
) -> Update | None:
    """Hold a registry: twice as long each time it is held again after a hold had run out, at least `retry_after`.

    `believed` is the hold as last read (None: none). While one is in force only a longer `retry_after` changes it: many
    workers see the same outage. None: nothing to write. The condition is that the hold is as believed.
    """
    asked = now_ms + ms(min(retry_after or 0.0, LONGEST_ASKED_S))
    unchanged: ConditionBase
    if believed is None:
        attempts, unchanged = 1, Attr("until").not_exists()
    else:
        in_force = believed.until > now_ms
        if in_force and believed.until >= asked:
            return None
        attempts, unchanged = believed.attempts + (not in_force), Attr("until").eq(believed.until)
    refused = {"credentials": credentials} if credentials is not None else {}
    chosen = now_ms + ms(min(SHORTEST_S * 2 ** min(attempts - 1, 10), LONGEST_S))
    return Update(
        key=hold_key(registry),
        set={"until": max(chosen, asked), "reason": reason, "attempts": attempts, **refused},
        set_once={"since": now_ms},
        remove=() if refused else ("credentials",),
        when=unchanged,
    )


def longest(holds: Iterable[Hold], now_ms: int) -> Hold | None:
    """The hold in force at `now_ms` that lasts longest."""
    return max((hold for hold in holds if hold.until > now_ms), key=lambda hold: hold.until, default=None)
