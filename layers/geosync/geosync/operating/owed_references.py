"""What is owed, as an operator sees it: read from its items, with whether it is a push that is not here yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from geosync.errors import CorruptItem
from geosync.sync_registry.items import ABSENT, OWED_PREFIX, PARKED_DUE, Item, Owed, Reference, Seen
from geosync.sync_registry.table.changes import Key, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedReference:
    """One owed reference as an operator sees it; times in milliseconds.

    `owed_since` is None for an item that cannot be read. `pushed_at` as in sync_registry.items.Owed; 0: it was there
    before the first comparison, or is not known. `only_deleted`: nobody told of a push, only that it was deleted or is
    missing; it may wait for its DeletionDelay. `is_here`: what was announced was seen here already, and nothing else
    was announced since: a registry that waits too long for an answer tells of a push again.
    """

    repository: str
    reference: str
    owed_since: int | None
    due: int | None
    attempts: int
    failure: str | None
    parked: bool
    correlation_id: str | None = None
    pushed_at: int = 0
    walk: int | None = None
    only_deleted: bool = False
    is_here: bool = False

    @property
    def is_a_push_to_come(self) -> bool:
        """Whether it may be something pushed that is not here: a whole repository (a comparison) is no push."""
        return self.reference != "*" and not self.only_deleted and not self.is_here


def owed_references(store: Store, items: Mapping[Key, Item]) -> Iterator[OwedReference]:
    """What is owed of `items`; a batch read per hundred of it that may have been announced again though it is here."""
    owed: dict[Key, Owed] = {}
    for key, item in items.items():
        if key.item.startswith(OWED_PREFIX):
            try:
                owed[key] = Owed.from_item(item)
            except CorruptItem as corrupt:
                yield _unreadable(item, corrupt)
    seen_keys = {key: Key(one.repository, one.reference.seen_key) for key, one in owed.items() if _names_one(one)}
    seen = store.batch_get(seen_keys.values()) if seen_keys else {}
    for key, one in owed.items():
        before = seen.get(seen_keys[key]) if key in seen_keys else None
        yield _owed(one, is_here=before is not None and _is_as_announced(before, one, items[key]))


def _names_one(owed: Owed) -> bool:
    """Whether one digest was announced, and nothing has failed or was found broken since."""
    return len(owed.expects) == 1 and not owed.attempts and not owed.distrust


def _is_as_announced(before: Item, owed: Owed, item: Item) -> bool:
    """Whether the digest announced is the one that was seen here before, under the same primary."""
    try:
        seen = Seen.under(str(item.get("primary", "")), before)
    except CorruptItem:
        return False
    return seen is not None and seen.digest in owed.expects


def _unreadable(item: Item, corrupt: CorruptItem) -> OwedReference:
    """It is owed all the same; the text says what is wrong with it."""
    name = str(item["item"])
    reference = Reference.from_key(name)
    return OwedReference(
        repository=str(item["repository"]),
        reference=name.removeprefix(OWED_PREFIX) if reference is None else str(reference),
        owed_since=None,
        due=None,
        attempts=0,
        failure=str(corrupt),
        parked=item.get("due") == PARKED_DUE,
    )


def _owed(owed: Owed, *, is_here: bool) -> OwedReference:
    return OwedReference(
        repository=owed.repository,
        reference=str(owed.reference),
        owed_since=owed.owed_since,
        due=owed.due,
        attempts=owed.attempts,
        failure=owed.failure,
        parked=owed.parked,
        correlation_id=owed.correlation_id,
        pushed_at=owed.pushed_at,
        walk=owed.walk,
        only_deleted=owed.expects == {ABSENT} or (not owed.expects and bool(owed.if_absent)),
        is_here=is_here,
    )


def by_age(reference: OwedReference) -> tuple[int, str, str]:
    """The key of an order: oldest first, and what cannot be read before all."""
    return (reference.owed_since or 0, reference.repository, reference.reference)
