"""Conditional writes as data, and what a store does with them.

A transition of the protocol is a pure function that returns changes; a store carries them out. The conditions are
`boto3.dynamodb.conditions` objects: DynamoDB gets them as expressions, the store in memory evaluates the same objects,
so that a test or a model of the protocol runs exactly what production runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from boto3.dynamodb.conditions import ConditionBase

from geosync.errors import ConditionFailed as ConditionFailed  # noqa: PLC0414 - for those who import it from here
from geosync.errors import TransactionFailed as TransactionFailed  # noqa: PLC0414
from geosync.sync_registry.items import Item


class Key(NamedTuple):
    """The primary key of an item."""

    repository: str
    item: str


_KEY = frozenset({"repository", "item"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Create or change one item, if `when` holds of it (a missing item has no attributes).

    `set_once` sets what is not there yet, `set_from` sets an attribute to what another one was before, or to a default,
    `add` adds to numbers (0 when missing), `union` adds to sets of texts (empty when missing), `remove` removes
    attributes. No attribute is in two of them, and none of them is part of the key, which DynamoDB changes in no item.
    """

    key: Key
    set: Mapping[str, Any] = field(default_factory=dict)
    set_once: Mapping[str, Any] = field(default_factory=dict)
    set_from: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)
    union: Mapping[str, frozenset[str]] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    when: ConditionBase | None = None

    def __post_init__(self) -> None:
        """Refuse to change the key."""
        for changed in (self.set, self.set_once, self.set_from, self.add, self.union, self.remove):
            if not _KEY.isdisjoint(changed):
                raise ValueError(f"{self.key}: an update cannot change the key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Delete one item, if `when` holds of it; a missing item without a condition is deleted already."""

    key: Key
    when: ConditionBase | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Only in a transaction: `when` must hold of the item, which stays as it is."""

    key: Key
    when: ConditionBase


Change: TypeAlias = Update | Delete | Check


class Store(Protocol):
    """The table as the protocol needs it. All reads but `due_keys` and `first_due` are strongly consistent."""

    def get(self, key: Key) -> Item | None:
        """One item."""

    def batch_get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """The items that exist among `keys` (any number; not one moment: each is read for itself)."""

    def write(self, change: Update | Delete) -> Item | None:
        """Carry out one change; returns the item after it, None after a Delete. Raises ConditionFailed."""

    def transact(self, changes: Sequence[Change]) -> None:
        """Carry out at most 100 changes of different items, all or none. Raises TransactionFailed."""

    def batch_put(self, items: Iterable[Item]) -> None:
        """Put whole items of different keys (any number; not one moment), each in place of what was there."""

    def batch_delete(self, keys: Iterable[Key]) -> None:
        """Delete the items of different keys (any number; not one moment), whatever is in them."""

    def items(
        self, repository: str, prefix: str, *, limit: int, after: str = "", only: Collection[str] = ()
    ) -> list[Item]:
        """Items whose sort key begins with `prefix` and comes after `after`, in its order, at most `limit`.

        With the attributes `only` names, should it name any: `repository` and `item` are among them where wanted.
        """

    def due(self, repository: str, at: int, limit: int, *, untried: bool = False) -> list[Item]:
        """Items of one repository with `due` <= `at`, newest first, at most `limit`; `untried`: none that failed."""

    def due_keys(self, shard: str, until: int, *, start: int = 0) -> Iterable[Key]:
        """Keys of the items in one shard with `start` <= `due` <= `until`, oldest first, read as they are taken."""

    def first_due(self, shard: str, limit: int) -> list[tuple[Key, int]]:
        """Keys of the first items in one shard, at most `limit`, oldest first, each with its `due`."""
