"""Layers that one holder leaves under way for the next: items `upload#<digest>` in the repository's partition.

They are written in the transaction that lets the lease go, and deleted, under the lease, by the holder that takes them
up. So an upload has one writer at a time, and none goes on after a take-over: a holder that dies has written nothing,
and has deleted what it took. They decide nothing about a tag, and whatever they say is proved by the destination's own
digest check; one that is lost costs the bytes that were sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from geosync.clock import Clock
from geosync.errors import CorruptItem
from geosync.sync_registry.items import Item, Lease
from geosync.sync_registry.table.attributes import AttributeReader
from geosync.sync_registry.table.changes import Delete, Key, Store, TransactionFailed, Update
from geosync.sync_registry.transitions import leases

UPLOAD_PREFIX = "upload#"
MOST = 50
"""Uploads under way in one repository: a few layers go side by side."""
FORGET_AFTER_S = 6 * 86_400
"""Lifetime of an item (TTL `expire_at`): registries purge upload sessions after about a week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUpload:
    """A layer under way, and the part of it that arrived; sizes in bytes.

    `path` is the upload's path and query at `registry` (host:port), None when nothing can be gone on with; it may hold
    a session's state and is in no log. `offset` have arrived there. `furthest` is as far as the layer ever came.
    """

    digest: str
    size: int
    registry: str
    path: str | None = field(default=None, repr=False)
    offset: int = 0
    furthest: int = 0

    @classmethod
    def from_item(cls, item: Item) -> KeptUpload:
        """Read an `upload#…` item; raises CorruptItem."""
        read = AttributeReader(item)
        return cls(
            digest=read.text("item").removeprefix(UPLOAD_PREFIX),
            size=read.number("size"),
            registry=read.text("registry"),
            path=read.optional_text("path"),
            offset=read.number("offset", 0),
            furthest=read.number("furthest", 0),
        )


class UploadItems:
    """The uploads under way of every repository. Thread-safe."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def take(self, lease: Lease) -> list[KeptUpload]:
        """Take over what the last holder left: from now on nobody else can. Raises LeaseLost.

        An item that cannot be read is dropped: its layer begins anew.
        """
        items = self._store.items(lease.repository, UPLOAD_PREFIX, limit=MOST)
        if not items:
            return []
        taken = (Delete(key=Key(lease.repository, str(item["item"]))) for item in items)
        try:
            self._store.transact([leases.check(lease), *taken])
        except TransactionFailed:
            raise leases.lost(lease.repository) from None
        return [upload for item in items if (upload := _read(item)) is not None]

    def kept(self, lease: Lease, uploads: Iterable[KeptUpload]) -> list[Update]:
        """Return the changes that leave uploads for the next holder: part of the transaction that lets the lease go."""
        until = self._clock.now_ms() // 1000 + FORGET_AFTER_S
        return [
            Update(
                key=Key(lease.repository, UPLOAD_PREFIX + one.digest),
                set={
                    "size": one.size,
                    "registry": one.registry,
                    "offset": one.offset,
                    "furthest": one.furthest,
                    "expire_at": until,
                    **({"path": one.path} if one.path is not None else {}),
                },
                remove=() if one.path is not None else ("path",),
            )
            for one in uploads
        ][:MOST]


def _read(item: Item) -> KeptUpload | None:
    try:
        return KeptUpload.from_item(item)
    except CorruptItem:
        return None
