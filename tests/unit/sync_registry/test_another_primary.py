"""A site that follows another primary: what it saw and expected under the former one counts for nothing."""

from geosync.sync_registry.decisions import Discharge, Look, next_step, superseded
from geosync.sync_registry.items import ABSENT, MISSING, Lease, Owed, Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
TAG = Reference.tag("v1")
LATER = 10**15


def site(store: MemoryStore, primary: str | None) -> SyncRegistry:
    return SyncRegistry(store, primary=primary)


def taken(sync_registry: SyncRegistry) -> Lease:
    lease = sync_registry.acquire("group/app")
    assert lease is not None
    return lease


def see(sync_registry: SyncRegistry, reference: Reference, digest: str) -> None:
    lease = taken(sync_registry)
    owed = sync_registry.mark("group/app", reference, Mark(expects=digest))
    assert sync_registry.discharge(lease, owed, Seen(digest=digest, looked_at=1, seen_at=1))
    sync_registry.release(lease)


def only_owed(sync_registry: SyncRegistry) -> Owed:
    """The tag's item; what its pushes named may be owed beside it."""
    (owed,) = [one for one in sync_registry.due("group/app") if one.reference.kind != "digest"]
    return owed


def digests_owed(sync_registry: SyncRegistry) -> set[str]:
    return {one.reference.value for one in sync_registry.due("group/app") if one.reference.kind == "digest"}


def test_a_tag_that_was_seen_under_another_primary_was_never_seen_under_this_one() -> None:
    store = MemoryStore()
    see(site(store, "old"), TAG, A)
    new = site(store, "new")
    assert new.seen("group/app", [TAG]) == {}
    assert new.seen_tags("group/app", limit=10) == []
    assert new.look("group/app", TAG).seen is None
    assert site(store, "old").seen_tags("group/app", limit=10) != []
    assert site(store, None).seen_tags("group/app", limit=10) != []  # who only looks


def test_pages_of_tags_of_another_primary_hide_none_of_this_one_s() -> None:
    store = MemoryStore()
    for number in range(5):
        see(site(store, "old"), Reference.tag(f"a{number}"), A)
    see(site(store, "new"), Reference.tag("b"), B)
    assert [reference.value for reference, _ in site(store, "new").seen_tags("group/app", limit=2)] == ["b"]


def test_a_deletion_that_another_primary_announced_removes_nothing_under_this_one() -> None:
    """The old primary's event said that the tag is gone, or that it is A; the new primary never had it."""
    store = MemoryStore()
    see(site(store, "old"), TAG, A)
    site(store, "old").mark("group/app", TAG, Mark(expects=ABSENT))
    site(store, "old").mark("group/app", TAG, Mark(expects=A))
    new = site(store, "new")
    owed = only_owed(new)
    assert owed.expects == frozenset()
    assert owed.seen is None
    gone, here = Look(None, LATER), Look(A, LATER)
    assert next_step(owed, gone, None, suspect_until=0, timing=new.timing) == Discharge(None)
    assert next_step(owed, gone, here, suspect_until=0, timing=new.timing) == Discharge(None)


def test_an_event_of_this_primary_is_not_mixed_with_those_of_another() -> None:
    store = MemoryStore()
    site(store, "old").mark("group/app", TAG, Mark(expects=A))
    new = site(store, "new")
    new.mark("group/app", TAG, Mark(expects=B))
    assert only_owed(new).expects == {B}
    assert only_owed(site(store, "old")).expects == frozenset()


def test_a_digest_that_another_primary_s_push_named_stays_owed_when_the_tag_is_marked_again() -> None:
    """That push was accepted. This primary may have the manifest, and is asked for it by its digest."""
    store = MemoryStore()
    site(store, "old").mark("group/app", TAG, Mark(expects=A))
    new = site(store, "new")
    new.mark("group/app", TAG)
    assert digests_owed(new) == {A}


def test_a_digest_that_another_primary_s_push_named_stays_owed_when_the_tag_is_discharged() -> None:
    store = MemoryStore()
    site(store, "old").mark("group/app", TAG, Mark(expects=A))
    new = site(store, "new")
    owed = only_owed(new)
    assert superseded(owed, Seen(digest=B, looked_at=1, seen_at=1)) == {A}
    assert superseded(owed, Seen(digest=A, looked_at=1, seen_at=1)) == frozenset()


def test_a_mark_of_a_site_without_a_primary_keeps_the_expected_digests() -> None:
    store = MemoryStore()
    site(store, "old").mark("group/app", TAG, Mark(expects=A))
    site(store, None).mark("group/app", TAG)
    assert only_owed(site(store, "old")).expects == {A}
    site(store, "new").mark("group/app", TAG)
    assert only_owed(site(store, "new")).expects == frozenset()


def test_a_tag_missing_at_another_primary_is_not_missing_at_this_one() -> None:
    store = MemoryStore()
    see(site(store, "old"), TAG, A)
    site(store, "old").mark("group/app", TAG, Mark(if_absent=frozenset({MISSING})))
    assert only_owed(site(store, "old")).if_absent == {MISSING}
    assert only_owed(site(store, "new")).if_absent == frozenset()
    site(store, "new").mark("group/app", TAG)
    assert only_owed(site(store, "new")).if_absent == frozenset()


def test_a_comparison_of_another_primary_s_tags_begins_at_the_beginning() -> None:
    store = MemoryStore()
    old = site(store, "old")
    old.advance(old.mark("group/app", Reference.whole()), "v5")
    assert only_owed(site(store, "old")).cursor == "v5"
    assert only_owed(site(store, "new")).cursor is None


def test_a_record_from_before_sites_had_names_belongs_to_no_primary() -> None:
    store = MemoryStore()
    see(site(store, None), TAG, A)
    assert site(store, "new").seen("group/app", [TAG]) == {}


def test_at_most_one_expected_digest_beyond_the_bound_is_kept() -> None:
    store = MemoryStore()
    new = site(store, "new")
    for number in range(20):
        new.mark("group/app", TAG, Mark(expects=f"sha256:{number:064x}"))
    assert len(only_owed(new).expects) == 17


def test_a_digest_that_a_discharge_leaves_owed_forgets_what_another_primary_said_of_it() -> None:
    store = MemoryStore()
    old, new, digest = site(store, "old"), site(store, "new"), Reference.digest(A)
    old.note_copy(old.mark("group/app", digest, Mark(expects=ABSENT, pushed_at=LATER)), B)
    new.mark("group/app", TAG, Mark(expects=A, pushed_at=1))
    owed = new.mark("group/app", TAG, Mark(expects=B, pushed_at=2))
    lease = taken(new)
    seen = Seen(digest=B, looked_at=1, seen_at=1)
    assert new.discharge(lease, owed, seen, superseded=superseded(owed, seen))
    (left,) = new.owed("group/app")
    assert (left.reference, left.pushed_as, left.pushed_at) == (digest, "v1", 1)
    assert left.expects == {A}, "that the former primary deleted it says nothing of this one"
    assert left.copied == frozenset()
    assert left.half_copied == {B}, "half of it may be here under any primary"
