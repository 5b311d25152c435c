"""After a promotion a site follows another primary: images that it had do not arrive again."""

from __future__ import annotations

from itertools import count

import pytest
from tests.support.clock import FakeClock

from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

REPOSITORY = "group/app"
A, B = (f"sha256:{letter * 64}" for letter in "ab")
V1 = Reference.tag("v1")


class Promoted:
    """A site that saw a tag under one primary, and now follows another one."""

    def __init__(self) -> None:
        self._clock, self._store, names = FakeClock(), MemoryStore(), count(1)
        self._names = lambda: f"{next(names):x}"
        self.discharge(A, primary="dublin")
        self._clock.pass_(60)

    def _under(self, primary: str) -> SyncRegistry:
        return SyncRegistry(self._store, primary=primary, clock=self._clock, names=self._names, tells=True)

    def _seen(self, digest: str) -> Seen:
        return Seen(digest=digest, looked_at=self._clock.now_ms(), seen_at=self._clock.now_ms())

    def discharge(self, digest: str, *, primary: str = "oregon", failing: bool = False) -> list[str | None]:
        """Copy the tag, or find it here, after an attempt that failed; returns the digests that arrived."""
        registry = self._under(primary)
        registry.mark(REPOSITORY, V1, Mark())
        lease = registry.acquire(REPOSITORY)
        assert lease is not None
        (owed,) = registry.due(REPOSITORY)
        assert owed.seen is None  # for a copy, what was seen under the former primary counts for nothing
        if failing:
            again = registry.fail(owed, "503")
            assert again is not None
            owed = again
        assert registry.discharge(lease, owed, self._seen(digest))
        assert registry.finish(lease)
        return [one.digest for one in registry.outbox.take_fresh()]

    def compare(self, digest: str) -> list[str | None]:
        """Find the tag equal in a comparison; returns the digests that arrived."""
        registry = self._under("oregon")
        lease = registry.acquire(REPOSITORY)
        assert lease is not None
        assert registry.record(lease, [(V1, self._seen(digest))]) == {V1}
        return [one.digest for one in registry.outbox.take_fresh()]


@pytest.mark.parametrize("failing", [False, True])
def test_after_a_promotion_an_image_that_was_here_does_not_arrive_again(failing: bool) -> None:
    assert Promoted().discharge(A, failing=failing) == []
    assert Promoted().discharge(B, failing=failing) == [B]


def test_an_image_that_a_comparison_finds_unchanged_does_not_arrive_again() -> None:
    assert Promoted().compare(A) == []
    assert Promoted().compare(B) == [B]
