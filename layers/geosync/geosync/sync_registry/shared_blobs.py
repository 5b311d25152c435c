"""Hints on which repositories of this site have a blob, and who copies it now: one item `blob#<digest>`/`blob` each.

A hint, never a proof: a mount that follows a wrong one becomes an upload. So the items are written without a condition,
the last writer wins, and they end by themselves. Only the claim of who copies a blob has a condition, and it ends soon.
Each blob is a partition of its own, so that a base layer shared by every image slows down no other item.

Attributes: `repositories` (of this site's registry, the one seen last first), `copied_by` (a token) and `copied_until`
(ms), `unfinished`, `expire_at` (s, TTL).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from boto3.dynamodb.conditions import Attr

from geosync.clock import Clock
from geosync.errors import ConditionFailed
from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Key, Store, Update

PREFIX = "blob#"
MOST_REPOSITORIES = 3
KEPT_S = 30 * 86_400
"""Lifetime of an item (TTL `expire_at`) since a repository was last seen to have the blob, or it was claimed."""
CLAIM_MS = 60_000
"""Time for which a claim is good, as long as a lease: when a copier dies, others wait no longer. Who copies renews it
in time; what is left of it is for the registry to store the blob."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBlob:
    """The hint about one blob: `repositories` most likely have it; `copied_by` copies it until `copied_until` (ms)."""

    repositories: tuple[str, ...] = ()
    copied_by: str | None = None
    copied_until: int = 0
    unfinished: bool = False
    """It did not fit into the last invocation that copied it: only a holder may copy it now, since only a holder keeps
    parts."""

    def is_copied_by_another(self, token: str, now_ms: int) -> bool:
        """True while somebody else copies the blob. A claim that ends later than any real claim could is ignored."""
        return self.copied_by not in (None, token) and now_ms < self.copied_until <= now_ms + 2 * CLAIM_MS

    @classmethod
    def from_item(cls, item: Item | None) -> SharedBlob:
        """Read an item; attributes that cannot be read count as missing."""
        item = item or {}
        named, by, until = item.get("repositories"), item.get("copied_by"), item.get("copied_until")
        repositories = [one for one in named if isinstance(one, str)] if isinstance(named, list | tuple) else []
        hint = cls(repositories=tuple(repositories[:MOST_REPOSITORIES]), unfinished=item.get("unfinished") is True)
        return (
            replace(hint, copied_by=by, copied_until=until) if isinstance(by, str) and isinstance(until, int) else hint
        )


NOBODY = SharedBlob()


class SharedBlobItems:
    """Keeps the hints. Thread-safe. Every method raises what the table raises."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def read(self, digests: Iterable[str]) -> dict[str, SharedBlob]:
        """The hints about blobs, in one batched read; a blob without one is left out."""
        found = self._store.batch_get(map(_key, digests))
        return {key.repository.removeprefix(PREFIX): SharedBlob.from_item(item) for key, item in found.items()}

    def note(self, seen: Mapping[str, Sequence[str]]) -> None:
        """Note which repositories have each blob, the one seen last first: one batched write. It ends every claim."""
        until = self._expiry()
        self._store.batch_put(
            {**_key(digest)._asdict(), "repositories": list(names[:MOST_REPOSITORIES]), "expire_at": until}
            for digest, names in seen.items()
        )

    def forget(self, digests: Iterable[str]) -> None:
        """Forget who has these blobs: they are missing or wrong somewhere. One batched write, none for none."""
        if seen := dict.fromkeys(sorted(digests), ()):
            self.note(seen)

    def claim(self, digest: str, token: str) -> SharedBlob:
        """Claim a blob for `token`, or renew its claim, unless somebody else copies it. Returns the item as it is then.

        The claim is made if the item names `token`.
        """
        now_ms = self._clock.now_ms()
        until = Attr("copied_until")
        change = Update(
            key=_key(digest),
            set={"copied_by": token, "copied_until": now_ms + CLAIM_MS, "expire_at": self._expiry()},
            when=until.not_exists() | until.lte(now_ms) | until.gt(now_ms + 2 * CLAIM_MS) | Attr("copied_by").eq(token),
        )
        try:
            return SharedBlob.from_item(self._store.write(change))
        except ConditionFailed as failed:
            return SharedBlob.from_item(failed.item)

    def give_up(self, digest: str, token: str, *, unfinished: bool = False) -> None:
        """End the claim of `token`, if it has one: the blob was not copied.

        `unfinished`: it did not fit into the invocation.
        """
        change = Update(
            key=_key(digest),
            set={"unfinished": True} if unfinished else {},
            remove=("copied_by", "copied_until"),
            when=Attr("copied_by").eq(token),
        )
        try:
            self._store.write(change)
        except ConditionFailed:
            return

    def _expiry(self) -> int:
        return self._clock.now_ms() // 1000 + KEPT_S


def _key(digest: str) -> Key:
    return Key(PREFIX + digest, "blob")
