"""A random table of some hundred repositories in all states, with the truth about it, counted as it was made.

The library's transitions write. What is counted here is counted from what was asked of them, and read from nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from geosync.pair.selection import Selection
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark
from geosync.sync_registry.verification_items import VerificationItems
from geosync.verifying.verdict import conclude

CAUSE = "registry:5000: GET /v2/: 500"


@dataclass(slots=True)
class Repository:
    """The truth about one repository. `owed` are references, True for one that is parked; `failed` some of these."""

    name: str
    state: str
    verification: str = "disabled"
    tags: dict[str, str] = field(default_factory=dict)
    owed: dict[str, bool] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    counted: tuple[int, int | None] | None = None
    """Tags and bytes when it was last verified."""
    ended: str | None = None
    """How its last verification ended, unless a sync of it failed since (docs/decisions/0032)."""

    def size(self, sizes: dict[str, int | None]) -> int | None:
        """The bytes of its images, each digest once; None: not known of one of them."""
        known = [sizes[digest] for digest in set(self.tags.values())]
        return None if None in known else sum(size for size in known if size is not None)


class World:
    """A site's table, and the truth of it."""

    def __init__(self, seed: int, *, repositories: int) -> None:
        self.store = MemoryStore()
        self.repositories: list[Repository] = []
        self.sizes: dict[str, int | None] = {}
        self._random = random.Random(seed)  # noqa: S311 - a test's world, by its seed
        self._registry = SyncRegistry(self.store)
        for number in range(60):
            unknown = self._random.random() < 0.1
            self.sizes[f"sha256:{number:064x}"] = None if unknown else self._random.randrange(10**9)
        names = {f"{self._word()}/{self._word()}-{number}" for number in range(repositories)}
        for name in sorted(names):
            make = self._random.choice(
                [
                    self._synced,
                    self._synced,
                    self._verified,
                    self._unverifiable,
                    self._failed,
                    self._knocked,
                    self._held,
                ]
            )
            self.repositories.append(make(name))

    def having(self, *, state: str | None = None, verification: str | None = None) -> list[str]:
        """The names of the repositories in these states, sorted."""
        return sorted(
            one.name
            for one in self.repositories
            if state in (None, one.state) and verification in (None, one.verification)
        )

    @property
    def owed(self) -> int:
        """References that are owed and tried again."""
        return sum(not parked for one in self.repositories for parked in one.owed.values())

    @property
    def parked(self) -> int:
        """References that wait for an operator."""
        return sum(parked for one in self.repositories for parked in one.owed.values())

    @property
    def failed(self) -> int:
        """References that have failed, parked ones too."""
        return sum(len(one.failed) for one in self.repositories)

    def _word(self) -> str:
        return self._random.choice(("api", "batch", "cart", "data", "edge", "front", "gate"))

    def _synced(self, name: str) -> Repository:
        made = Repository(name=name, state="synced", verification="pending")
        digests = sorted(self.sizes)
        for number in range(self._random.randrange(6)):
            made.tags[f"v{number}"] = self._random.choice(digests)
        for tag in made.tags:
            self._registry.mark(name, Reference.tag(tag))
        lease = self._registry.acquire(name)
        assert lease is not None
        for owed in self._registry.due(name):
            digest = made.tags[str(owed.reference)]
            seen = Seen(digest=digest, looked_at=1, seen_at=1, size_bytes=self.sizes[digest])
            assert self._registry.discharge(lease, owed, seen)
        assert self._registry.finish(lease)
        return made

    def _verify(self, made: Repository, failure: str | None) -> Repository:
        items, now_ms = VerificationItems(self.store), self._registry._clock.now_ms()
        row = items.read(made.name)
        assert row is not None
        at = items.start(row, phase="tags", now_ms=now_ms)
        assert at is not None
        if failure is None:
            measured = conclude(self._registry, Selection(), made.name, lambda _: None).tally.measured(now_ms)
            items.succeed(at, "0" * 64, now_ms=now_ms, due_ms=now_ms + 10**9, measured=measured)
            made.counted = len(made.tags), made.size(self.sizes)
        else:
            items.fail(at, failure, now_ms=now_ms, jitter=0)
        made.verification = made.ended = "succeeded" if failure is None else "failed"
        return made

    def _verified(self, name: str) -> Repository:
        return self._verify(self._synced(name), None)

    def _unverifiable(self, name: str) -> Repository:
        return self._verify(self._synced(name), "Verification failed: registry:5000: 500")

    def _failed(self, name: str) -> Repository:
        made = self._random.choice((self._synced, self._verified))(name)
        self._mark(made, 1 + self._random.randrange(3))
        lease = self._registry.knock(name)
        assert lease is not None
        for owed in self._registry.due(name):
            reference = str(owed.reference)
            if not made.failed or self._random.random() < 0.7:
                made.owed[reference] = self._random.random() < 0.4
                made.failed.add(reference)
                self._registry.fail(owed, CAUSE, parked=made.owed[reference])
            else:
                assert self._registry.postpone(owed, owed.marked_at + 3_600_000)
        assert self._registry.finish(lease)
        made.state, made.verification, made.ended = "failed", "disabled", None
        return made

    def _knocked(self, name: str) -> Repository:
        made = self._random.choice((self._synced, self._verified, self._failed, lambda name: Repository(name, "")))(
            name
        )
        self._mark(made, 1 + self._random.randrange(3))
        self._registry.knock(name, take=False)
        made.state, made.verification = "pending", "disabled"
        return made

    def _held(self, name: str) -> Repository:
        made = self._random.choice((self._synced, lambda name: Repository(name, "")))(name)
        self._mark(made, 1 + self._random.randrange(3))
        assert self._registry.knock(name, take=True) is not None
        made.state, made.verification = "started", "disabled"
        return made

    def _mark(self, made: Repository, number: int) -> None:
        for new in range(number):
            tag = f"new-{len(made.owed)}-{new}"
            self._registry.mark(made.name, Reference.tag(tag), Mark(expects=self._random.choice(sorted(self.sizes))))
            made.owed[tag] = False
