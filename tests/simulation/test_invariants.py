"""The judges of a secondary forgive differences that a stranger's push to its registry made, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from tests.simulation.clock import EPOCH_MS
from tests.simulation.invariants import View, recovery_point, synced, would_be_lost
from tests.simulation.ledger import Taken
from tests.simulation.registry.storage import Storage

from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.memory import MemoryStore

REPOSITORY, TAG, DIGEST, OTHERS = "solo", "latest", "sha256:ours", "sha256:a stranger's"
PUSHED_S, PUT_S, SEEN_S, NOW_S = 10.0, 11.0, 11.1, 60.0
JUDGES = (recovery_point, would_be_lost, synced)


class Pair:
    """A primary to which a client pushed a tag, and a secondary where Geosync put and saw it, and says so."""

    def __init__(self) -> None:
        self.now_s = PUSHED_S
        self.primary, self.here = Storage(lambda: self.now_s), Storage(lambda: self.now_s)
        self.store = MemoryStore()
        self.primary.tag(REPOSITORY, TAG, DIGEST, "client")
        self.move_here(PUT_S, DIGEST, "sync@beta/1")
        self.see(SEEN_S)

    def move_here(self, at_s: float, digest: str, why: str) -> None:
        self.now_s = at_s
        self.here.tag(REPOSITORY, TAG, digest, why)

    def see(self, at_s: float) -> None:
        seen = {"digest": DIGEST, "seen_at": EPOCH_MS + int(at_s * 1000), "looked_at": EPOCH_MS}
        self.store.write(Update(key=Key(REPOSITORY, f"tag#{TAG}"), set=seen))
        self.store.write(Update(key=Key(REPOSITORY, "row"), set={"state": "2"}))

    def false(self, judge: Callable[[View], Iterator[str]]) -> list[str]:
        """The sentences that a judge finds false."""
        target = {"repository": REPOSITORY, "tag": TAG, "digest": DIGEST}
        event = {"id": "1", "target": target, "timestamp": "2027-01-15T08:00:10+00:00"}
        partitions: dict[str, dict[str, Any]] = {REPOSITORY: {key.item: item for key, item in self.store.table.items()}}
        site: Any = SimpleNamespace(
            server=SimpleNamespace(storage=self.here),
            table=SimpleNamespace(table=self.store.table, partitions=partitions),
            selections=SimpleNamespace(marked_since_s=lambda *_: 0.0),
            parameters={"VERIFICATION_SECONDS": "0"},
            skew_ms=0,
        )
        primary: Any = SimpleNamespace(server=SimpleNamespace(storage=self.primary), skew_ms=0)
        ledger: Any = SimpleNamespace(marked={"1": PUSHED_S}, changed_s=0.0)
        events: Any = SimpleNamespace(taken={"1": Taken(PUSHED_S, event)})
        status: Any = SimpleNamespace(
            more_owed=False, would_be_lost=(), recovery_point=EPOCH_MS + int(NOW_S * 1000), proved_at=None
        )
        return [*judge(View(NOW_S, site, primary, ledger, events, status))]


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.mark.parametrize("judge", JUDGES)
def test_a_tag_that_a_stranger_moved_after_it_was_seen_is_forgiven(pair: Pair, judge: Any) -> None:
    pair.move_here(SEEN_S + 1, OTHERS, "client")
    assert not pair.false(judge)
    pair.move_here(SEEN_S + 2, "sha256:another stranger's", "client")
    assert not pair.false(judge)


@pytest.mark.parametrize("judge", JUDGES)
def test_a_tag_that_was_seen_after_a_stranger_moved_it_is_not_forgiven(pair: Pair, judge: Any) -> None:
    pair.move_here(SEEN_S + 1, OTHERS, "client")
    pair.see(SEEN_S + 2)
    assert pair.false(judge)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("why", ["sync@beta/2", "beyond"])
def test_a_tag_that_nobody_else_moved_is_not_forgiven(pair: Pair, judge: Any, why: str) -> None:
    pair.move_here(SEEN_S + 1, OTHERS, why)
    assert pair.false(judge)


@pytest.mark.parametrize("judge", JUDGES)
def test_a_strangers_tag_that_geosync_never_replaced_is_not_forgiven(judge: Any) -> None:
    pair = Pair()
    pair.here.moves.clear()
    pair.move_here(PUT_S, OTHERS, "client")
    assert pair.false(judge)
