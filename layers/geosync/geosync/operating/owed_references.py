"""Owed references as an operator sees them, with whether each is a push that is not here yet."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.sync_registry import pushes
from geosync.sync_registry.items import OWED_PREFIX, Owed, Reference
from geosync.sync_registry.owed_index import OwedItem


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedReference:
    """One owed reference as an operator sees it; times in milliseconds.

    `owed_since` and `attempts` are None for an item that cannot be read. `pushed_at` as in sync_registry.items.Owed; 0:
    it was there before the first comparison, or is not known. `only_deleted`: nobody told of a push, only that it was
    deleted or is missing, and no comparison found it at the primary since; it may wait for its DeletionDelay.
    `is_here`: what was announced was seen here already, and nothing else was announced since.
    """

    repository: str
    reference: str
    owed_since: int | None
    due: int | None
    attempts: int | None
    failure: str | None
    parked: bool
    correlation_id: str | None = None
    pushed_at: int = 0
    walk: int | None = None
    only_deleted: bool = False
    is_here: bool = False
    differs_since: int | None = None
    """As in sync_registry.items.Owed."""
    announced_at: int | None = None
    """The earliest push that an event told of; None: none did, and its lag is not known."""

    @property
    def is_a_push_to_come(self) -> bool:
        """True when it may be a push that is not here. A whole repository (a comparison) is no push."""
        return self.reference != "*" and not self.only_deleted and not self.is_here

    @property
    def is_a_find(self) -> bool:
        """True when a comparison found it different. An item that cannot be read may be such a find."""
        return self.walk is not None or self.differs_since is not None or self.owed_since is None

    @property
    def missing_from(self) -> int:
        """The moment (ms) before which nothing of it that was pushed is missing here."""
        return self.pushed_at if self.differs_since is None else min(self.pushed_at, self.differs_since)

    @property
    def is_a_look(self) -> bool:
        """True when a comparison is only to look at the whole repository: nothing is known to differ."""
        return self.reference == "*" and self.walk is not None and self.failure is None

    @classmethod
    def of(cls, item: OwedItem) -> OwedReference:
        """Show an owed item."""
        return _readable(item.owed, is_here=item.is_here) if item.owed is not None else _unreadable(item)


def _unreadable(item: OwedItem) -> OwedReference:
    """Show an item that cannot be read: the reference is owed all the same; the failure says what is wrong."""
    name = item.key.item
    reference = Reference.from_key(name)
    return OwedReference(
        repository=item.key.repository,
        reference=name.removeprefix(OWED_PREFIX) if reference is None else str(reference),
        owed_since=None,
        due=None,
        attempts=None,
        failure=item.corrupt,
        parked=item.is_parked,
    )


def _readable(owed: Owed, *, is_here: bool) -> OwedReference:
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
        differs_since=owed.differs_since,
        only_deleted=_is_only_deleted(owed),
        is_here=is_here,
        announced_at=pushes.announced_at(owed),
    )


def _is_only_deleted(owed: Owed) -> bool:
    return pushes.is_only_deleted(owed) and owed.differs_since is None


def by_age(reference: OwedReference) -> tuple[int, str, str]:
    """The key of an order: oldest first, and what cannot be read before all."""
    return (reference.owed_since or 0, reference.repository, reference.reference)
