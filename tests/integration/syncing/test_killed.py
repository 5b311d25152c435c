"""An invocation killed at every one of its requests in turn, to either registry or to the table: another makes it good.

A killed function stops in the middle: nothing of it runs any more, nothing is let go, nothing is written down. Here it
is a `Life` that ends before its nth step: from then on no request of it gets anywhere, no answer comes to it, no call
of its table is carried out, and nobody waits for its threads. What it has sent before lands; so the nth kill is also
the one right after step n - 1, answered or not. Then time passes until its lease has run out, and the sweep wakes
another.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import requests
from botocore.exceptions import BotoCoreError
from tests.integration.conftest import Place
from tests.integration.secondary import PATIENCE_S, Secondary, pushed, quick
from tests.support.images import OCI_LAYER, Made
from tests.support.proxy import Call

from geosync.errors import NotMarked
from geosync.oci.uploads import UploadLimits
from geosync.registries.registry import Registry
from geosync.sync_registry.items import SYNCED, Item
from geosync.sync_registry.table.changes import Change, Delete, Key, Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.uploads import UPLOAD_PREFIX

CHUNK = 50_000
LAYER = 3 * CHUNK
TIMING = quick(settle=0.3, suspect=0.3)
AT_ONCE = 10
"""Killed invocations that are waited for at the same time."""
PASSING = 5.0
"""Seconds that pass before each sweep after a kill: several of them are a lease."""


class Dead(BotoCoreError):
    """Raised to a killed invocation by its table; nothing that it does then leaves the invocation."""

    fmt = "the function was killed"


class Life:
    """Counts the requests of one invocation, and kills it before step `killed_at`."""

    def __init__(self, killed_at: float) -> None:
        self._killed_at = killed_at
        self._lock = threading.Lock()
        self.steps = 0
        self.over = threading.Event()

    def before(self) -> None:
        """Count a step before it is taken; raise Dead at the last one and from then on."""
        with self._lock:
            self.steps += 1
            if self.steps >= self._killed_at:
                self.over.set()
        self.after()

    def after(self) -> None:
        """Raise Dead if the invocation was killed during the step."""
        if self.over.is_set():
            raise Dead

    @contextmanager
    def step(self) -> Iterator[None]:
        self.before()
        yield
        self.after()


class MortalStore(MemoryStore):
    """The table as one invocation reaches it."""

    def __init__(self, table: MemoryStore, life: Life) -> None:
        self.table = table.table
        self._lock = table._lock
        self._life = life

    def get(self, key: Key) -> Item | None:
        with self._life.step():
            return super().get(key)

    def batch_get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        with self._life.step():
            return super().batch_get(keys)

    def write(self, change: Update | Delete) -> Item | None:
        with self._life.step():
            return super().write(change)

    def transact(self, changes: Sequence[Change]) -> None:
        with self._life.step():
            super().transact(changes)

    def batch_put(self, items: Iterable[Item]) -> None:
        with self._life.step():
            super().batch_put(items)

    def batch_delete(self, keys: Iterable[Key]) -> None:
        with self._life.step():
            super().batch_delete(keys)

    def items(
        self, repository: str, prefix: str, *, limit: int, after: str = "", only: Collection[str] = ()
    ) -> list[Item]:
        with self._life.step():
            return super().items(repository, prefix, limit=limit, after=after, only=only)

    def due(self, repository: str, at: int, limit: int, *, untried: bool = False) -> list[Item]:
        with self._life.step():
            return super().due(repository, at, limit, untried=untried)


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the copies go: two registries, and how the second takes blobs.

    `under_way`: each copy has had an invocation already, which ended in the middle of its layer.
    """

    primary: Place
    secondary: Place
    vendor: type[Registry] = Registry
    under_way: bool = False

    def invocation(self, table: MemoryStore, life: Life | None = None) -> Secondary:
        """A secondary with clients and proxies of its own."""
        store = MortalStore(table, life) if life is not None else table
        one = Secondary(self.primary, self.secondary, vendors=(Registry, self.vendor), timing=TIMING, store=store)
        if life is not None:
            for proxy in (one.primary_proxy, one.secondary_proxy):
                proxy.add(Call(times=10**6, before=life.before, after=life.after))
        return one

    def first(self, table: MemoryStore, made: Made) -> list[Secondary]:
        """The invocation that began the copy, if there was one: it took a chunk, and had no time for another."""
        if not self.under_way:
            return []
        one = self.invocation(table)
        one.registries.pace.rate = CHUNK / 5
        one.secondary_proxy.add(Call(method="PATCH", after=lambda: one.deadline.set(5.0)))
        live(one, made).join()
        return [one]

    def second(self, table: MemoryStore, made: Made, life: Life) -> Secondary:
        """The next one, which lives for so long. Its proxies are its own, and so is the registry's name."""
        one = self.invocation(table, life)
        for item in table.items(made.repository, UPLOAD_PREFIX, limit=2):
            assert item["offset"] == CHUNK
            renamed = {**item, "registry": one.registries.secondary.name}
            table.table[Key(made.repository, str(item["item"]))] = renamed
        return one


def live(one: Secondary, made: Made) -> threading.Thread:
    """Hand the event of a push to an invocation, and do not wait for it."""

    def receive() -> None:
        with suppress(Dead, NotMarked):
            one.worker.receive(pushed(made).to_json())

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    return thread


def completed(*secondaries: Secondary) -> Counter[str]:
    """The number of 201s to the closing PUT of each blob, also of those that no client received."""
    return Counter(
        one.target.rpartition("digest=")[2]
        for secondary in secondaries
        for one in secondary.secondary_proxy.exchanges
        if (one.method, one.kind, one.status) == ("PUT", "upload", 201)
    )


def assert_same(site: Site, made: Made) -> None:
    """The tag, every child and every blob are at the secondary, with the primary's digests and sizes."""
    references = [made.reference, made.digest, *made.children]
    with requests.Session() as session:
        session.headers["Accept"] = made.media_type + ", application/vnd.oci.image.manifest.v1+json"
        for reference in references:
            here, there = (
                session.get(f"{place.url}/v2/{made.repository}/manifests/{reference}", timeout=60)
                for place in (site.primary, site.secondary)
            )
            assert there.status_code == 200, reference
            assert there.content == here.content
            assert there.headers["Docker-Content-Digest"] == here.headers["Docker-Content-Digest"]
        for digest in made.blobs:
            sizes = [
                session.head(f"{place.url}/v2/{made.repository}/blobs/{digest}", timeout=60).headers["Content-Length"]
                for place in (site.primary, site.secondary)
            ]
            assert sizes[0] == sizes[1]


def undisturbed_steps(site: Site, made: Made) -> int:
    """The number of steps of an undisturbed copy."""
    table = MemoryStore()
    life = Life(float("inf"))
    lives = [*site.first(table, made), site.second(table, made, life)]
    live(lives[-1], made).join()
    assert lives[-1].row(made.repository).state == SYNCED
    assert_same(site, made)
    if site.under_way:
        sent = sum(one.sent for each in lives for one in each.secondary_proxy.exchanges if one.method == "PATCH")
        assert sent == LAYER, "it goes on where the first invocation ended"
    for one in lives:
        one.close()
    return life.steps


def kill_and_go_on(site: Site, made: Made, at: int) -> str | None:
    """Kill an invocation at a step, and sweep until all is well; return the fault that stays, else None."""
    table = MemoryStore()
    life = Life(at)
    earlier = site.first(table, made)
    killed = site.second(table, made, life)
    thread = live(killed, made)
    thread.join(PATIENCE_S)
    other = site.invocation(table)
    try:
        assert not thread.is_alive(), "what is killed ends by itself, as all that it asks for fails"
        if not other.owed(made.repository) and other.sync_registry.row(made.repository) is None:
            live(other, made).join()  # it died before the mark: the message comes again
        other.sweep_until(
            lambda: not other.owed(made.repository) and other.row(made.repository).state == SYNCED,
            passing=PASSING,
        )
        assert_same(site, made)
        counts = completed(*earlier, killed, other)
        assert set(counts) == set(made.blobs)
        assert set(counts.values()) == {1}, f"a complete blob was uploaded again: {counts}"
        assert not other.dlq.messages
    except AssertionError as error:
        return f"killed before step {at}: {error}"
    finally:
        for one in (*earlier, killed, other):
            one.close()
    return None


def kill_at_every_step(site: Site, push: Callable[[], Made]) -> int:
    """Kill a copy at each of its steps, each time another copy; return the number of steps."""
    steps = undisturbed_steps(site, push())
    kills = [(push(), at) for at in range(1, steps + 1)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [one for one in pool.map(lambda kill: kill_and_go_on(site, *kill), kills) if one]
    assert not wrong, wrong
    return steps


def test_a_multi_arch_copy_killed_at_every_request_ends_the_same(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    numbers = itertools.count()
    with plain_registry.maker(seed=time.time_ns()) as make:

        def push() -> Made:
            return make.index(f"{repository}/{next(numbers)}", "v1", children=2, layers=2, share=True)

        killed = kill_at_every_step(Site(primary=plain_registry, secondary=second_registry), push)
    blobs, children = 5, 2
    assert killed > 3 * blobs + 2 * children + 4, "every request to a registry, and the table's beside them"


class SmallBodies(Registry):
    """A registry behind a proxy that takes small bodies only: layers go in chunks."""

    upload_limits = UploadLimits(max_body=CHUNK)


def test_a_copy_that_goes_on_in_the_middle_of_a_layer_killed_at_every_request_ends_the_same(
    plain_registry: Place, second_registry: Place, repository: str
) -> None:
    numbers = itertools.count()
    with plain_registry.maker(seed=time.time_ns()) as make:

        def push() -> Made:
            name = f"{repository}/{next(numbers)}"
            layer = make.blob(name, os.urandom(LAYER), OCI_LAYER)
            return make.image(name, "v1", layers=0, reuse=[layer])

        site = Site(primary=plain_registry, secondary=second_registry, vendor=SmallBodies, under_way=True)
        killed = kill_at_every_step(site, push)
    assert killed > 3 * 1 + 7 + 2, "every request to a registry, among them two chunks, and the table's beside them"
