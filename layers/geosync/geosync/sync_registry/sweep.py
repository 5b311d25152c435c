"""The sweep: repositories with something due and nobody at work. One rule finds what no message speaks for.

What was never tried comes before what failed and is due again; a share is kept for the latter, so that a long backfill
does not keep a push that failed once waiting for days. The sweep reads keys only, and the rows of the repositories it
finds; ten thousand references that are due in one repository hold up no more than the others in its shard, and those no
longer than their keys take to read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from geosync.sync_registry.items import ROW
from geosync.sync_registry.table.changes import Key, Store
from geosync.sync_registry.table.shards import FAILED_SHARDS, SHARDS

ROWS_READ = 100
"""Rows that are read at once."""


FAILED_SHARE = 10
"""One of so many repositories may be one in which only what failed is due, while there is enough else to do."""


def free_repositories(store: Store, now: int, limit: int) -> list[str]:
    """Repositories with something due at `now` (ms) and no live lease, at most `limit`: the never tried first.

    They come from every shard in turn, in a shard the longest due first. A row that cannot be read counts as free:
    whoever takes it says why not.
    """
    fresh = _take(store, SHARDS, now, limit)
    failed = _take(store, FAILED_SHARDS, now, max(limit - len(fresh), limit // FAILED_SHARE), fresh)
    return fresh[: limit - len(failed)] + failed


def _take(store: Store, names: Iterable[str], now: int, limit: int, but: Collection[str] = ()) -> list[str]:
    """At most `limit` free repositories from the shards `names`, without those in `but`."""
    taken = set(but)
    shards = [_of_shard(store, shard, now, taken) for shard in names] if limit > 0 else []
    found: list[str] = []
    while shards and len(found) < limit:
        for shard in list(shards):
            repository = next(shard, None)
            if repository is None:
                shards.remove(shard)
            elif len(found) < limit:
                found.append(repository)
    return found


def _of_shard(store: Store, shard: str, now: int, taken: Collection[str]) -> Iterator[str]:
    known: set[str] = set(taken)
    waiting: list[str] = []
    for key in store.due_keys(shard, now):
        if key.repository in known:
            continue
        known.add(key.repository)
        waiting.append(key.repository)
        if len(waiting) == ROWS_READ:
            yield from _free(store, waiting, now)
            waiting = []
    yield from _free(store, waiting, now)


def _free(store: Store, repositories: list[str], now: int) -> list[str]:
    found = store.batch_get(Key(repository, ROW) for repository in repositories)
    free = []
    for repository in repositories:
        expires = found.get(Key(repository, ROW), {}).get("lease_expires")
        if not isinstance(expires, int) or expires <= now:
            free.append(repository)
    return free
