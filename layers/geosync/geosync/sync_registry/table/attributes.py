"""Attributes of an item, read as what they must be; CorruptItem says which one is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geosync.errors import CorruptItem


class AttributeReader:
    """Reads attributes of one item; raises CorruptItem naming the repository, the item and the attribute."""

    __slots__ = ("item",)

    def __init__(self, item: Mapping[str, Any]) -> None:
        self.item = item

    def corrupt(self, attribute: str, what: str) -> CorruptItem:
        """The error that says `what` is wrong with an attribute: "is not text"."""
        return CorruptItem(str(self.item.get("repository")), str(self.item.get("item")), attribute, what)

    def optional_text(self, name: str) -> str | None:
        """Text; None: it is not there."""
        value = self.item.get(name)
        if value is not None and not isinstance(value, str):
            raise self.corrupt(name, "is not text")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Text; without a `default` it has to be there."""
        value = self.optional_text(name)
        if value is None:
            value = default
        if value is None:
            raise self.corrupt(name, "is missing")
        return value

    def one_of(self, name: str, values: str, default: str) -> str:
        """One of the characters of `values`."""
        value = self.text(name, default)
        if len(value) != 1 or value not in values:
            raise self.corrupt(name, f"is not one of {', '.join(values)}")
        return value

    def optional_number(self, name: str) -> int | None:
        """A whole number; None: it is not there."""
        value = self.item.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.corrupt(name, "is not a whole number")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number; without a `default` it has to be there."""
        value = self.optional_number(name)
        if value is None:
            value = default
        if value is None:
            raise self.corrupt(name, "is missing")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false when it is not there."""
        value = self.item.get(name, False)
        if not isinstance(value, bool):
            raise self.corrupt(name, "is not true or false")
        return value

    def texts(self, name: str) -> frozenset[str]:
        """A set of texts; none when it is not there."""
        value = self.item.get(name, frozenset())
        if not isinstance(value, frozenset) or not all(isinstance(one, str) for one in value):
            raise self.corrupt(name, "is not a set of texts")
        return value


def text_in(item: Mapping[str, Any] | None, name: str) -> str | None:
    """The text of an attribute, None where it is none, or there is no item."""
    value = item.get(name) if item is not None else None
    return value if isinstance(value, str) else None


def whole_number(item: Mapping[str, Any] | None, name: str) -> int:
    """A whole number of an item that is only shown: 0 where it cannot be read, or where there is no item."""
    value = item.get(name, 0) if item is not None else 0
    return value if isinstance(value, int) else 0


def texts(item: Mapping[str, Any], name: str) -> frozenset[str]:
    """The texts of an attribute that is a set of them, as far as it can be read."""
    value = item.get(name)
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, frozenset) else frozenset()
