"""Named tokens for this site's admin API, beside its two secrets, and the sessions that were ended.

In the partition `#site` of the sync registry:

    token#ci        key (sha256 of the token, in hex), right (read, act), created_at (ms), ends_at (ms; missing: never)
    ended#<id>      a browser's session that was signed out; expire_at (s): when it would have been over anyway
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast

from boto3.dynamodb.conditions import Attr

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.changes import Delete, Key, Store, Update

Right = Literal["read", "act"]
MOST_TOKENS = 1000
_TOKEN, _ENDED = "token#", "ended#"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedToken:
    """A token of the admin API; times in milliseconds, `ends_at` None for one without an end."""

    name: str
    right: Right
    created_at: int
    ends_at: int | None
    key: str = field(repr=False)

    def has_ended(self, now_ms: int) -> bool:
        """True when it has expired at `now_ms`."""
        return self.ends_at is not None and now_ms >= self.ends_at


class AdminAccess:
    """The items of named tokens and of ended sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, token: NamedToken) -> None:
        """Add a token; raises ConditionFailed when there is one of its name."""
        values: dict[str, object] = {"key": token.key, "right": token.right, "created_at": token.created_at}
        if token.ends_at is not None:
            values["ends_at"] = token.ends_at
        self._store.write(Update(key=_key(token.name), set=values, when=Attr("key").not_exists()))

    def revoke(self, name: str) -> None:
        """Delete a token."""
        self._store.write(Delete(key=_key(name)))

    def find(self, name: str) -> NamedToken | None:
        """One token by its name."""
        item = self._store.get(_key(name))
        return _token(item) if item is not None else None

    def all(self) -> list[NamedToken]:
        """The tokens by name, those that have ended too."""
        return [_token(item) for item in self._store.items(SITE, _TOKEN, limit=MOST_TOKENS)]

    def end_session(self, identifier: str, *, over_at_s: int) -> None:
        """End a session that would be over at `over_at_s` (seconds since the epoch)."""
        self._store.write(Update(key=Key(SITE, _ENDED + identifier), set={"expire_at": over_at_s}))

    def was_ended(self, identifier: str) -> bool:
        """True for a session that was ended."""
        return self._store.get(Key(SITE, _ENDED + identifier)) is not None


def _key(name: str) -> Key:
    return Key(SITE, _TOKEN + name)


def _token(item: Item) -> NamedToken:
    ends_at = item.get("ends_at")
    return NamedToken(
        name=str(item["item"]).removeprefix(_TOKEN),
        right=cast(Right, str(item["right"])),
        created_at=int(item["created_at"]),
        ends_at=int(ends_at) if ends_at is not None else None,
        key=str(item["key"]),
    )
