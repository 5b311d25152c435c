"""What is read of a tag that was shown before it is proved: deletions by digest, of the digest that it was and is."""

from __future__ import annotations

from dataclasses import replace

from tests.support.clock import FakeClock

from geosync.oci.deadline import Deadline
from geosync.reading.freshness import Known, may_be_served
from geosync.reading.waiting import Whereabouts
from geosync.sync_registry.decisions import Look
from geosync.sync_registry.items import ABSENT, Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

A, B = (f"sha256:{letter * 64}" for letter in "ab")
V1 = Reference.tag("v1")


class Tag:
    """A tag that was seen as A, and that both registries have shown as B since it is owed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sync_registry = SyncRegistry(MemoryStore(), clock=self.clock)
        self.sync_registry.mark("app", V1, Mark(expects=A))
        lease = self.sync_registry.knock("app")
        assert lease is not None
        now = self.clock.now_ms()
        (owed,) = self.sync_registry.due("app")
        assert self.sync_registry.discharge(lease, owed, Seen(digest=A, looked_at=now, seen_at=now))
        self.clock.pass_(1)
        owed = self.sync_registry.mark("app", V1, Mark(expects=B))
        assert self.sync_registry.postpone(owed, owed.marked_at + 30_000, shown=Look(B, self.clock.now_ms()))
        self.clock.pass_(1)

    def delete(self, digest: str) -> None:
        self.sync_registry.mark("app", Reference.digest(digest), Mark(expects=ABSENT))

    def read(self) -> Known:
        deadline = Deadline(self.clock)
        about = Whereabouts(
            sync_registry=self.sync_registry, primary=None, selection=None, registry_names=(), deadline=deadline
        )
        return about.of("app", V1)

    def serves(self, digest: str) -> bool:
        return may_be_served(self.read(), digest, now_ms=self.clock.now_ms(), max_staleness_ms=300_000)


def test_the_deletion_of_a_tags_former_digest_does_not_hide_the_tag() -> None:
    tag = Tag()
    assert tag.serves(B)
    tag.delete(A)
    assert tag.serves(B)
    assert not tag.serves(A)


def test_the_deletion_of_the_shown_digest_hides_the_tag() -> None:
    tag = Tag()
    tag.delete(B)
    assert not tag.serves(B)
    known = tag.read()
    assert known.shown_deleted is not None
    assert known.deleted is None
    assert may_be_served(replace(known, shown_deleted=None), B, now_ms=tag.clock.now_ms(), max_staleness_ms=300_000), (
        "nothing else hides it"
    )
