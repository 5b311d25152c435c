"""The pushes of an owed reference: the earliest that may be missing, and the earliest that an event announced."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.support.clock import FakeClock

from geosync.operating import status
from geosync.operating.documents import owed_fields
from geosync.operating.owed_references import OwedReference
from geosync.sync_registry.discharges import Discharges
from geosync.sync_registry.items import ABSENT, MISSING, Owed, Reference, Seen
from geosync.sync_registry.owed_index import OwedItem
from geosync.sync_registry.pushes import announced_at
from geosync.sync_registry.site.outbox import Outbox
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.discharge import Discharged
from geosync.sync_registry.transitions.marks import ASKED, Mark

REPOSITORY = "group/app"
TAG = Reference.tag("v1")
EQUAL, DELETED, PUSHED, LATER = 1_000_000, 1_010_000, 1_020_000, 1_030_000
DIGESTS = [f"sha256:{number:064}" for number in range(20)]
LISTED = Mark(pushed_at=EQUAL)
"""A comparison or a resync found it different: it was equal until then."""


def pushed(at: int, digest: str = DIGESTS[0]) -> Mark:
    return Mark(expects=digest, pushed_at=at)


GONE = Mark(expects=ABSENT, pushed_at=DELETED)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def registry(store: MemoryStore) -> SyncRegistry:
    return SyncRegistry(store, clock=FakeClock(LATER + 60_000))


def marked(registry: SyncRegistry, marks: Sequence[Mark]) -> Owed:
    for one in marks:
        registry.mark(REPOSITORY, TAG, one)
    (owed,) = registry.owed(REPOSITORY)
    return owed


@pytest.mark.parametrize(
    ("marks", "pushed_at", "told_at"),
    [
        ([pushed(PUSHED)], PUSHED, PUSHED),
        ([pushed(PUSHED), LISTED], EQUAL, PUSHED),
        ([LISTED, pushed(PUSHED)], EQUAL, PUSHED),
        ([GONE, pushed(PUSHED)], DELETED, PUSHED),
        ([pushed(LATER), GONE, pushed(PUSHED)], DELETED, PUSHED),
        ([pushed(LATER), pushed(PUSHED)], PUSHED, PUSHED),
        ([LISTED, pushed(LATER), pushed(PUSHED)], EQUAL, PUSHED),
        ([GONE], DELETED, None),
        ([LISTED, GONE], EQUAL, None),
        ([LISTED], EQUAL, None),
    ],
)
def test_a_lag_counts_from_the_earliest_announced_push_whatever_else_is_known(
    registry: SyncRegistry, marks: list[Mark], pushed_at: int, told_at: int | None
) -> None:
    owed = marked(registry, marks)
    assert (owed.pushed_at, announced_at(owed)) == (pushed_at, told_at)


def test_a_mark_of_a_former_version_keeps_its_lag(registry: SyncRegistry, store: MemoryStore) -> None:
    owed = marked(registry, [pushed(PUSHED)])
    store.write(Update(key=Key(REPOSITORY, TAG.owed_key), remove=("told_at",)))
    assert announced_at(marked(registry, [ASKED])) == announced_at(owed) == PUSHED


def test_a_push_to_a_former_primary_is_no_push_to_this_one(store: MemoryStore) -> None:
    clock = FakeClock(LATER)
    marked(SyncRegistry(store, clock=clock, primary="a"), [pushed(PUSHED)])
    now = SyncRegistry(store, clock=clock, primary="b")
    now.mark(REPOSITORY, TAG, pushed(LATER, DIGESTS[1]))
    owed = {one.reference: one for one in now.owed(REPOSITORY)}
    assert announced_at(owed[TAG]) == LATER
    assert announced_at(owed[Reference.digest(DIGESTS[0])]) == PUSHED


@pytest.mark.parametrize("at_once", [False, True])
def test_an_overtaken_digest_has_the_push_that_was_announced(
    registry: SyncRegistry, store: MemoryStore, at_once: bool
) -> None:
    """Of two tags that named it, the earlier push; one that a full item does not take has its own."""
    latest = Reference.tag("latest")
    for said in (LISTED, pushed(LATER), pushed(LATER, DIGESTS[1])):
        registry.mark(REPOSITORY, TAG, said)
    for said in (pushed(PUSHED), pushed(PUSHED, DIGESTS[1])):
        registry.mark(REPOSITORY, latest, said)
    lease = registry.acquire(REPOSITORY)
    assert lease is not None
    seen = Seen(digest=DIGESTS[1], looked_at=LATER, seen_at=LATER)
    overtaken = {one.reference: Discharged(one, seen, frozenset({DIGESTS[0]})) for one in registry.owed(REPOSITORY)}
    both = [overtaken[TAG], overtaken[latest]]
    clock = FakeClock(LATER + 60_000)
    discharges = Discharges(store, clock, None, names=lambda: "another mark", outbox=Outbox(store, clock, str))
    for part in [both] if at_once else [[one] for one in both]:
        assert discharges.discharge(lease, part) == {one.owed.reference for one in part}
    (left,) = registry.owed(REPOSITORY)
    assert (left.pushed_at, announced_at(left)) == (EQUAL, PUSHED)

    for number, digest in enumerate(DIGESTS[2:]):
        registry.mark(REPOSITORY, TAG, pushed(LATER + number, digest))
    apart = {one.reference.value: announced_at(one) for one in registry.owed(REPOSITORY)}
    assert apart[DIGESTS[19]] == LATER + 17


def shown(owed: Owed) -> OwedReference:
    return OwedReference.of(OwedItem(key=Key(REPOSITORY, owed.reference.owed_key), owed=owed, is_parked=False))


@pytest.mark.parametrize("deleted", [GONE, Mark(if_absent=frozenset({MISSING}), pushed_at=DELETED)])
def test_a_deleted_tag_that_a_comparison_finds_at_the_primary_is_a_push_to_come(
    registry: SyncRegistry, deleted: Mark
) -> None:
    owed = marked(registry, [deleted])
    assert not shown(owed).is_a_push_to_come

    registry.note_different(owed, EQUAL)
    (listed,) = map(shown, registry.owed(REPOSITORY))
    assert (listed.is_a_push_to_come, listed.missing_from) == (True, EQUAL)
    assert marked(registry, [GONE]).differs_since == EQUAL, "an event that comes twice hides no push"


def test_only_an_announced_push_is_overdue(registry: SyncRegistry, store: MemoryStore) -> None:
    marked(registry, [LISTED, pushed(LATER)])
    now = status.read(registry, clock=FakeClock(LATER + 60_000))
    assert (now.overdue(59), now.overdue(61)) == (1, 0)


def test_neither_the_age_nor_the_attempts_of_an_item_that_cannot_be_read_are_known() -> None:
    key = Key(REPOSITORY, Reference.tag("v1").owed_key)
    unreadable = OwedReference.of(OwedItem(key=key, owed=None, is_parked=False, corrupt="attempts: many"))
    shown = owed_fields(unreadable, now_ms=1_800_000_000_000)
    assert (shown["owed_since"], shown["lag_seconds"], shown["attempts"]) == (None, None, None)
