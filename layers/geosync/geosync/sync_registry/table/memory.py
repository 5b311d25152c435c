"""The store's contract in memory: for the model of the protocol and for fast tests. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from boto3.dynamodb.conditions import AttributeBase, ConditionBase, Size

from geosync.errors import CorruptItem
from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Change, Check, ConditionFailed, Delete, Key, TransactionFailed, Update


class MemoryStore:
    """A table in memory. Items are never changed in place, so that they may be kept and shared."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self.table: dict[Key, Item] = {Key(item["repository"], item["item"]): dict(item) for item in items}
        self._lock = threading.RLock()

    def get(self, key: Key) -> Item | None:
        """One item."""
        return self.table.get(key)

    def batch_get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """The items that exist among `keys`."""
        table = self._as_it_is()
        return {key: table[key] for key in keys if key in table}

    def write(self, change: Update | Delete) -> Item | None:
        """Carry out one change. Raises ConditionFailed."""
        with self._lock:
            before = self.table.get(change.key)
            if not holds(change.when, before):
                raise ConditionFailed(change.key, before)
            return self._apply(change)

    def transact(self, changes: Sequence[Change]) -> None:
        """Carry out all of `changes` or none. Raises TransactionFailed."""
        with self._lock:
            failed = {
                position: self.table.get(change.key)
                for position, change in enumerate(changes)
                if not holds(change.when, self.table.get(change.key))
            }
            if failed:
                raise TransactionFailed(failed)
            for change in changes:
                if not isinstance(change, Check):
                    self._apply(change)

    def batch_put(self, items: Iterable[Item]) -> None:
        """Put whole items, each in place of what was there."""
        with self._lock:
            for item in items:
                key = Key(item["repository"], item["item"])
                self._apply(Delete(key=key))
                self._apply(
                    Update(key=key, set={name: value for name, value in item.items() if name not in key._fields})
                )

    def batch_delete(self, keys: Iterable[Key]) -> None:
        """Delete the items of `keys`."""
        with self._lock:
            for key in keys:
                self._apply(Delete(key=key))

    def _apply(self, change: Update | Delete) -> Item | None:
        if isinstance(change, Delete):
            self.table.pop(change.key, None)
            return None
        item = dict(self.table.get(change.key) or {"repository": change.key.repository, "item": change.key.item})
        copied = {name: item.get(source, default) for name, (source, default) in change.set_from.items()}
        for name, value in change.set_once.items():
            item.setdefault(name, value)
        item.update(copied)
        item.update(change.set)
        try:
            for name, number in change.add.items():
                item[name] = item.get(name, 0) + number
            for name, texts in change.union.items():
                item[name] = item.get(name, frozenset()) | texts
        except TypeError:
            attributes = ", ".join([*change.add, *change.union])
            raise CorruptItem(*change.key, attributes, "is not what can be added to") from None
        for name in change.remove:
            item.pop(name, None)
        self.table[change.key] = item
        return item

    def _as_it_is(self) -> dict[Key, Item]:
        """The table at this moment: what others write while it is read does not change the copy."""
        with self._lock:
            return dict(self.table)

    def items(
        self, repository: str, prefix: str, *, limit: int, after: str = "", only: Collection[str] = ()
    ) -> list[Item]:
        """Items whose sort key begins with `prefix` and comes after `after`, in its order; `only` parts of them."""
        table = self._as_it_is()
        keys = sorted(
            key for key in table if key.repository == repository and key.item.startswith(prefix) and key.item > after
        )
        return [part_of(table[key], only) for key in keys[:limit]]

    def due(self, repository: str, at: int, limit: int, *, untried: bool = False) -> list[Item]:
        """Items of one repository with `due` <= `at`, newest first; `untried`: none that failed."""
        found = [
            item
            for key, item in self._as_it_is().items()
            if key.repository == repository and item.get("due", at + 1) <= at and not (untried and item.get("attempts"))
        ]
        return sorted(found, key=lambda item: (item["due"], item["item"]), reverse=True)[:limit]

    def due_keys(self, shard: str, until: int, *, start: int = 0) -> Iterator[Key]:
        """Keys of the items in one shard with `start` <= `due` <= `until`, oldest first."""
        found = sorted(
            (item["due"], key)
            for key, item in self._as_it_is().items()
            if item.get("due_shard") == shard and start <= item.get("due", until + 1) <= until
        )
        return iter([key for _, key in found])

    def first_due(self, shard: str, limit: int) -> list[tuple[Key, int]]:
        """Keys of the first items in one shard, at most `limit`, oldest first, each with its `due`."""
        found = sorted((item["due"], key) for key, item in self._as_it_is().items() if _is_due_in(shard, item))
        return [(key, due) for due, key in found[:limit]]


def _is_due_in(shard: str, item: Item) -> bool:
    return item.get("due_shard") == shard and isinstance(item.get("due"), int)


def part_of(item: Item, only: Collection[str]) -> Item:
    """The attributes of an item that `only` names; all of them, should it name none."""
    return {name: value for name, value in item.items() if name in only} if only else item


def holds(condition: ConditionBase | None, item: Item | None) -> bool:
    """`condition` holds of `item`, by DynamoDB's rules: an attribute that is missing compares as false."""
    if condition is None:
        return True
    expression = condition.get_expression()
    return bool(_OPERATORS[expression["operator"]](item or {}, *expression["values"]))


_MISSING = object()


def _value(item: Item, operand: Any) -> Any:
    if isinstance(operand, Size):
        (inner,) = operand.get_expression()["values"]
        value = _value(item, inner)
        return _MISSING if value is _MISSING else len(value)
    if isinstance(operand, AttributeBase):
        return item.get(operand.name, _MISSING)
    return operand


def _exists(item: Item, operand: Any) -> bool:
    return _value(item, operand) is not _MISSING


def _compare(item: Item, left: Any, right: Any, sign: str) -> bool:
    one, other = _value(item, left), _value(item, right)
    if one is _MISSING or other is _MISSING:
        return sign == "<>" and one is not other
    if sign in ("=", "<>"):
        return bool((one == other) == (sign == "="))
    if type(one) is not type(other):
        return False
    return bool({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[sign])


_OPERATORS: dict[str, Any] = {
    "AND": lambda item, *conditions: all(holds(condition, item) for condition in conditions),
    "OR": lambda item, *conditions: any(holds(condition, item) for condition in conditions),
    "NOT": lambda item, condition: not holds(condition, item),
    "attribute_exists": _exists,
    "attribute_not_exists": lambda item, operand: not _exists(item, operand),
    **{
        sign: lambda item, left, right, sign=sign: _compare(item, left, right, sign)
        for sign in ("=", "<>", "<", "<=", ">", ">=")
    },
}
