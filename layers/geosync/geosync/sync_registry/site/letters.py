"""The last look into the dead-letter queue: the item `letters` of the partition `#site`.

`at` is the moment of the look (ms). `letters` and `parked` are the numbers of messages and of parked references then:
while both are the same, nobody has to look again. `unmarked` is the number of messages that could not be marked.
"""

from __future__ import annotations

from dataclasses import dataclass

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update

KEY = Key(SITE, "letters")


@dataclass(frozen=True, slots=True, kw_only=True)
class LettersLook:
    """A look into the whole dead-letter queue; see the module."""

    at: int
    letters: int
    parked: int
    unmarked: int

    @classmethod
    def from_item(cls, item: Item | None) -> LettersLook | None:
        """Read the item `letters`; None when nobody has looked yet."""
        if item is None:
            return None
        names = ("at", "letters", "parked", "unmarked")
        return cls(**{name: whole_number(item, name) for name in names})


class LettersItem:
    """Keeps what the last look found."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> LettersLook | None:
        """Read the last look, None when there was none."""
        return LettersLook.from_item(self._store.get(KEY))

    def write(self, look: LettersLook) -> None:
        """Keep a look in place of the one before."""
        values = {"at": look.at, "letters": look.letters, "parked": look.parked, "unmarked": look.unmarked}
        self._store.write(Update(key=KEY, set=values))
