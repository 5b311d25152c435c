"""A random sample of blobs, read back from the secondary and hashed: bit rot does not show in a size."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class Reservoir(Generic[Entry]):
    """`size` entries drawn from any number of them, each with the same chance (Vitter's algorithm R)."""

    def __init__(self, size: int, *, randrange: Callable[[int], int] = random.randrange) -> None:
        self._size = size
        self._randrange = randrange
        self._seen = 0
        self.drawn: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Let one more take part."""
        self._seen += 1
        if len(self.drawn) < self._size:
            self.drawn.append(entry)
        elif (place := self._randrange(self._seen)) < self._size:
            self.drawn[place] = entry
