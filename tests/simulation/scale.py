"""Counts what a push costs a site of many repositories: python -m tests.simulation.scale

Worlds in calm weather, in which the real functions do the same minutes: one with few pushes, one with more. Each push
is to a repository and a namespace of its own, of an image with three blobs that nobody has. What the second world has
more, divided by its further pushes, is a push's; what a world without a push has, divided by its minutes, is a
minute's. docs/scale.md reckons with these numbers. A unit is a write as DynamoDB counts it: a part of a transaction is
two.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from tests.simulation import truth
from tests.simulation.clients import Client, Image, make_image
from tests.simulation.functions import load_all
from tests.simulation.site import Site
from tests.simulation.table import RemoteStore
from tests.simulation.topics import Topic
from tests.simulation.world import Rules, World

from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Delete, Key, Update

FEW, MANY = 10, 40
MINUTES = 8.0
"""Of each world. Pushes come in the third, when the first comparison is over, and those to repositories that are known
in the sixth, when the first are synced."""
QUIET = Rules(comparison_s=86_400, verification_s=0, max_staleness_s=300)
COMPARED = replace(QUIET, comparison_s=300)
"""The second comparison begins once all that is known was synced; a third is not over before the end."""
VERIFIED = replace(QUIET, verification_s=86_400)
"""Each repository is verified once, a while after it was synced."""
SECONDARY = "beta"
OVERHEAD_BYTES = 100
"""Of each item, by which DynamoDB charges storage."""


class Counted:
    """Counts what is done at a site, under the names that the page has."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.counts: Counter[str] = Counter()
        site.table.listeners.append(self._written)
        for kind, queue in site.queues.items():
            queue.on_send.append(lambda _message, kind=kind: self._add(f"messages of the {kind} queue"))  # type: ignore[misc]
        site.log.listeners.append(lambda *_: self._add("event log, items written"))

    def _add(self, name: str, by: int = 1) -> None:
        self.counts[name] += by

    def units(self, keys: Iterable[Key], each: int) -> None:
        """Count what writes of some items cost their partitions."""
        for key in keys:
            self._add(f"{_partition(key)}, units written", each)
            if key.repository == "#site":
                self._add(f"#site: {key.item.partition('#')[0]}, units written", each)

    def _written(self, _: Key, before: Item | None, after: Item | None) -> None:
        shards = {item["due_shard"] for item in (before, after) if item and "due_shard" in item}
        self._add("index of what is due, written", len(shards))

    def read(self, keys: int) -> None:
        """Count items read by any of the site's functions."""
        self._add("items read", keys)

    def ended(self) -> dict[str, int]:
        """All counts, with the invocations of each function."""
        invoked = {f"invocations of {name}": one.invoked for name, one in self.site.functions.items()}
        kept = {
            "bytes in the sync registry": sum(map(_item_bytes, self.site.table.table.values())),
            "bytes in the event log": sum(map(_stored_bytes, self.site.log.items.values())),
        }
        return dict(self.counts + Counter(invoked) + Counter(kept))


def _item_bytes(item: Item) -> int:
    """The size of an item by DynamoDB's rules: names, texts, numbers as digits in pairs, 3 bytes for a collection."""
    return sum(len(name) + _value_bytes(value) for name, value in item.items()) + OVERHEAD_BYTES


def _stored_bytes(item: dict[str, Any]) -> int:
    """The size of an item that is in DynamoDB's JSON."""
    values = {name: next(iter(value.values())) for name, value in item.items()}
    return _item_bytes(values)


def _value_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, int | float):
        return len(str(value)) // 2 + 2
    if isinstance(value, dict):
        return 3 + sum(len(name) + 1 + _value_bytes(one) for name, one in value.items())
    return 3 + sum(1 + _value_bytes(one) for one in value)


def _partition(key: Key) -> str:
    """The kind of partition that an item is in."""
    if key.repository.startswith("blob#"):
        return "hints of blobs"
    spread = re.match(r"#[a-z]+", key.repository)
    return spread.group() if spread is not None else "repository"


def counted(pushes: int, *, known: int = 0, rules: Rules = QUIET, seed: int = 1) -> dict[str, dict[str, int]]:
    """Run a world with so many pushes; what was counted at the primary and at one secondary.

    `known`: so many repositories are pushed to before.
    """
    world = World(seed, rules)
    found: dict[str, Counted] = {}

    def story() -> None:
        for name in ("alpha", SECONDARY):
            found[name] = Counted(world.sites[name])
        world.scheduler.sleep(2 * 60.0)
        _push_in_a_minute(world, "v1", known)
        world.scheduler.sleep(3 * 60.0)
        _push_in_a_minute(world, "v2", pushes)
        world.scheduler.sleep((MINUTES - 5) * 60.0)
        missing = truth.differences(world.primary.server.storage, world.sites[SECONDARY])
        assert not list(missing), missing

    with patch.multiple(RemoteStore, **_counting(found)), patch.object(Topic, "publish", _publishing(found)):
        world.run(story)
    return {name: one.ended() for name, one in found.items()}


def _push_in_a_minute(world: World, tag: str, pushes: int) -> None:
    for number in range(pushes):
        push = partial(_push, world, f"group-{number}/app", tag, _image(world))
        world.scheduler.spawn(push, "push", world.place, delay_s=60.0 * number / pushes)


def _image(world: World) -> Image:
    """An image of three blobs: two layers, and its configuration."""
    while len((image := make_image(world.random, [])).blobs) != 3:
        pass
    return image


def _push(world: World, repository: str, tag: str, image: Image) -> None:
    client = Client(world.primary.server, world.scheduler, world.random)
    assert client.push(repository, tag, [image]) is not None


def _counting(found: dict[str, Counted]) -> dict[str, Any]:
    """The reads of the store, each of which tells the site whose table it is how many items it reads."""

    def of(store: RemoteStore) -> Iterable[Counted]:
        return (one for one in found.values() if one.site.table is store._table)

    def one_item(name: str) -> Any:
        original = getattr(RemoteStore, name)

        def read(store: RemoteStore, *given: Any, **more: Any) -> Any:
            for site in of(store):
                site.read(1)
            return original(store, *given, **more)

        return read

    batch_get = RemoteStore.batch_get

    def many(store: RemoteStore, keys: Iterable[Key]) -> dict[Key, Item]:
        wanted = list(keys)
        for site in of(store):
            site.read(len(wanted))
        return batch_get(store, wanted)

    def written(name: str, keys_of: Callable[[Any], Iterable[Key]], each: int) -> Any:
        original = getattr(RemoteStore, name)

        def write(store: RemoteStore, what: Any) -> Any:
            given = what if isinstance(what, Update | Delete) else list(what)
            for site in of(store):
                site.units(keys_of(given), each)
            return original(store, given)

        return write

    return {
        **{name: one_item(name) for name in ("get", "items", "due", "due_keys", "first_due")},
        "batch_get": many,
        "write": written("write", lambda change: [change.key], 1),
        "transact": written("transact", lambda changes: [change.key for change in changes], 2),
        "batch_put": written("batch_put", lambda items: [Key(one["repository"], one["item"]) for one in items], 1),
        "batch_delete": written("batch_delete", lambda keys: keys, 1),
    }


def _publishing(found: dict[str, Counted]) -> Any:
    publish = Topic.publish

    def count(topic: Topic, body: str) -> None:
        for one in found.values():
            if one.site.topic is topic:
                one.counts["messages of the topic"] += 1
        publish(topic, body)

    return count


def per_push(few: dict[str, int], many: dict[str, int]) -> dict[str, float]:
    """What a push adds, to a tenth."""
    return {
        name: added
        for name in sorted({*few, *many})
        if (added := round((many.get(name, 0) - few.get(name, 0)) / (MANY - FEW), 1))
    }


def _of_each(*, rules: Rules) -> dict[str, dict[str, float]]:
    """What a repository with one tag adds to a world with these rules, beside what it adds to one without them."""
    without, with_rules = ([counted(0, known=number, rules=one) for number in (FEW, MANY)] for one in (QUIET, rules))
    found = {}
    for site in without[0]:
        plain, more = per_push(*(one[site] for one in without)), per_push(*(one[site] for one in with_rules))
        added = {name: round(more.get(name, 0) - plain.get(name, 0), 1) for name in sorted({*plain, *more})}
        found[site] = {name: number for name, number in added.items() if number}
    return found


def main() -> int:
    """Print what a push and a minute cost each of the two sites, as JSON."""
    load_all()
    none = counted(0)
    new, known = ([counted(pushes, known=before) for pushes in (FEW, MANY)] for before in (0, MANY))
    said: dict[str, Any] = {"minute": {}, "push to a new repository": {}, "push to a known repository": {}}
    for site in none:
        said["minute"][site] = {name: round(number / MINUTES, 1) for name, number in sorted(none[site].items())}
        for what, (few, many) in (("new", new), ("known", known)):
            said[f"push to a {what} repository"][site] = per_push(few[site], many[site])
    said["comparison of a repository"] = _of_each(rules=COMPARED)
    said["verification of a repository"] = _of_each(rules=VERIFIED)
    json.dump(said, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
