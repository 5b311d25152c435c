"""The latest promotion of a site: a command that is run again knows from it what it began and what became of it.

The item `#site`/`promotion` is written before the update of the stack, and kept until the site follows another primary:

    token                          of the update, which its events in CloudFormation carry (ClientRequestToken)
    began_at                       ms
    events_waiting, dead_letters   messages that may name what no list has
    ended_at                       ms; since when the site is the primary, absent until a command saw that it is

The list of what was lost is not in it: that stays owed in the sync registry, which a primary leaves as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import SITE
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update

_KEY = Key(SITE, "promotion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """The latest promotion of a site; times in milliseconds since the epoch."""

    token: str
    began_at: int
    events_waiting: int
    dead_letters: int
    ended_at: int | None = None

    @property
    def unmarked(self) -> dict[str, int]:
        """Messages that may name what no list has."""
        return {"events_waiting": self.events_waiting, "dead_letters": self.dead_letters}


class Promotions:
    """The item of the latest promotion."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def latest(self) -> Promotion | None:
        """The latest promotion, None when there was none since the site followed another primary."""
        item = self._store.get(_KEY)
        if item is None:
            return None
        ended_at = item.get("ended_at")
        return Promotion(
            token=str(item.get("token", "")),
            began_at=int(item.get("began_at", 0)),
            events_waiting=int(item.get("events_waiting", 0)),
            dead_letters=int(item.get("dead_letters", 0)),
            ended_at=int(ended_at) if ended_at is not None else None,
        )

    def begin(self, promotion: Promotion) -> None:
        """Record a promotion before it begins. If this raises botocore's errors, the promotion must not begin."""
        values = {name: value for name, value in asdict(promotion).items() if value is not None}
        self._store.write(Update(key=_KEY, set=values, remove=("ended_at",)))

    def end(self, promotion: Promotion, unmarked: Mapping[str, int], *, at: int) -> Promotion:
        """Record since when (ms) the site is the primary; `unmarked` is counted then, for what came meanwhile."""
        ended = replace(
            promotion,
            ended_at=at,
            events_waiting=max(promotion.events_waiting, unmarked["events_waiting"]),
            dead_letters=max(promotion.dead_letters, unmarked["dead_letters"]),
        )
        self._store.write(Update(key=_KEY, set=asdict(ended)))
        return ended

    def forget(self, token: str | None = None) -> None:
        """Forget the promotion of this token (None: any): it did not come about, or another site is the primary."""
        with suppress(ConditionFailed):
            self._store.write(Delete(key=_KEY, when=Attr("token").eq(token) if token is not None else None))
