"""The sweep: repositories with something due and nobody at work. One rule finds what no message speaks for.

What was never tried comes before what failed and is due again; a share is kept for the latter, so that a long backfill
does not keep a push that failed once waiting for days. Among the longest due the choice goes round the namespaces, one
repository of each in turn, so that one with thousands of due repositories delays itself only.

The choice reads keys only, and the rows of the repositories that it is about to name; ten thousand references that are
due in one repository hold up only the others in its shard, and those no longer than their keys take to read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from geosync.sync_registry.items import ROW
from geosync.sync_registry.table.changes import Key, Store
from geosync.sync_registry.table.shards import FAILED_SHARDS, SHARDS

Entry = TypeVar("Entry")

ROWS_READ = 100
"""Rows that are read at once."""
WINDOW = 2000
"""Repositories that one choice is made among, the longest due of every shard: a namespace of fewer delays nobody."""
PASSED_OVER = 10_000
"""Keys of a shard that a choice reads without taking one of them: ten requests."""
FAILED_SHARE = 10
"""One of so many repositories may be one in which only what failed is due, while there is enough else to do."""


def nothing(_: str) -> bool:
    """Pass over no repository."""
    return False


def free_repositories(store: Store, now_ms: int, limit: int, skip: Callable[[str], bool] = nothing) -> list[str]:
    """Repositories with something due at `now_ms` (ms) and no live lease, at most `limit`: the never tried first.

    One of each namespace in turn, and of a namespace the longest due first, as far as its shards can be compared. A row
    that cannot be read counts as free: whoever takes it says why not. It leaves out those for which `skip` is true, and
    what is due in a shard behind PASSED_OVER of their keys.
    """
    fresh = _take(store, SHARDS, now_ms, limit, skip)
    taken = set(fresh)
    most = max(limit - len(fresh), limit // FAILED_SHARE)
    failed = _take(store, FAILED_SHARDS, now_ms, most, lambda name: name in taken or skip(name))
    return fresh[: limit - len(failed)] + failed


def _take(store: Store, shards: Iterable[str], now_ms: int, limit: int, skip: Callable[[str], bool]) -> list[str]:
    """At most `limit` free repositories from `shards`, without those for which `skip` is true."""
    if limit <= 0:
        return []
    names = in_turn([of_shard(store, shard, now_ms, skip) for shard in shards])
    found: list[str] = []
    while len(found) < limit and (window := list(islice(names, WINDOW))):
        fair = round_the_namespaces(window)
        while len(found) < limit and (some := list(islice(fair, min(ROWS_READ, limit - len(found))))):
            found += _free(store, some, now_ms)
    return found


def round_the_namespaces(repositories: Iterable[str]) -> Iterator[str]:
    """The same repositories: the first of each namespace, then the second of each, and so on."""
    by_namespace: dict[str, list[str]] = {}
    for repository in repositories:
        by_namespace.setdefault(repository.partition("/")[0], []).append(repository)
    return in_turn([iter(names) for names in by_namespace.values()])


def in_turn(sources: list[Iterator[Entry]]) -> Iterator[Entry]:
    """Yield one of each source, then the next of each, until all of them are at their end."""
    while sources:
        for source in list(sources):
            entry = next(source, None)
            if entry is None:
                sources.remove(source)
            else:
                yield entry


def of_shard(store: Store, shard: str, now_ms: int, skip: Callable[[str], bool]) -> Iterator[str]:
    """The repositories of a shard with something due, each once, the longest due first."""
    known: set[str] = set()
    passed_over = 0
    for key in store.due_keys(shard, now_ms):
        if key.repository in known:
            continue
        if not skip(key.repository):
            known.add(key.repository)
            yield key.repository
        elif (passed_over := passed_over + 1) >= PASSED_OVER:
            return


def _free(store: Store, repositories: list[str], now_ms: int) -> list[str]:
    found = store.batch_get(Key(repository, ROW) for repository in repositories)
    free = []
    for repository in repositories:
        expires = found.get(Key(repository, ROW), {}).get("lease_expires")
        if not isinstance(expires, int) or expires <= now_ms:
            free.append(repository)
    return free
